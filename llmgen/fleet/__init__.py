"""Several hosts of one llm.toml: who serves what, and the one-host llm.toml of each of them."""
