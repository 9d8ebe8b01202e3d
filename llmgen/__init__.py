"""One typed file, every configuration that local language-model servers need."""

__version__ = "0.1.0"
