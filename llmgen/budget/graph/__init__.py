"""The graph of an architecture, as llama.cpp builds it: tensors, operations, recipes."""
