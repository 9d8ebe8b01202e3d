"""Graphs of architectures that no row of a table can say."""
