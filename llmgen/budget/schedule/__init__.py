"""What ggml does with a graph: backends for its nodes, splits, and one arena for each backend."""
