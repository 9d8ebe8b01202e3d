from fuse import quick_path  # noqa: F401 - a fixture
