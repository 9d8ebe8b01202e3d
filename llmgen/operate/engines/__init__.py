"""The servers' own APIs: what is loaded, load and unload, events, one chat."""
