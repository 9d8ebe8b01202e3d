"""Files of several machines as one llm.toml: a [hosts] table of each, one name space over all."""
