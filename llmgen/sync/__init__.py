"""``llmgen sync``: which models of the stores belong in llm.toml, and which tables are its."""
