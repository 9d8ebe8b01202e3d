"""Other tools' files as an llm.toml, with what is wrong in them."""
