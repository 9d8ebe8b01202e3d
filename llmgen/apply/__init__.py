"""Writing trees to disk: only what llmgen wrote is ever replaced or deleted."""
