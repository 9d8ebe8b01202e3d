"""The plan as a page: what it says as one value, and that value as HTML and SVG."""
