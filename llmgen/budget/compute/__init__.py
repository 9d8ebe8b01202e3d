"""The compute buffers of a model: its graph, where it runs, and what is alive at once."""
