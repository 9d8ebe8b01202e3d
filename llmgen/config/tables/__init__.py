"""The tables of llm.toml, one module each; docstrings under keys are their documentation."""
