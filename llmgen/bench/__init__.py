"""Measure what the plan serves: llama-bench and HTTP recipes, results with the plan's digest."""
