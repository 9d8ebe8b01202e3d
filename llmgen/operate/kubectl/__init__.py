"""A cluster through the program `kubectl`: what is there, what would change, applying it."""
