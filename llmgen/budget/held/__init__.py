"""What is held for good, exact to the byte: weights, caches, and what the host keeps."""
