"""The last resort when memory is short."""
