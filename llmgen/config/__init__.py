"""llm.toml: its text, its tables, its editions."""
