"""Which model goes where, what can meet in memory, and the proof that it fits."""
