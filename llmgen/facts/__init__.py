"""What GGUF headers say: reading them, locking them."""
