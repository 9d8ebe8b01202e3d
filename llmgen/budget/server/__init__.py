"""How a server runs: slots and batches, devices, options, and what it refuses."""
