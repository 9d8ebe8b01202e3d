"""The library as people manage it: what llm.toml names, what is on disk, what nobody needs."""
