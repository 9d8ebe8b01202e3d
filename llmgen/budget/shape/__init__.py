"""What the header says: layers, windows, states, and what an architecture does with them."""
