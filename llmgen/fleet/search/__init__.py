"""The best hosts for all models at once: which placement, and whether it is proved to be that."""
