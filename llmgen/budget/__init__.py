"""How much memory llama-server allocates, from header facts alone."""
