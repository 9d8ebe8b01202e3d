"""Programs that serve models: a module for each with what differs, and the registry of all."""
