"""The stack in one terminal, and what a killed one left."""
