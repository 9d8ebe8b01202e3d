"""What is beside a model: projectors, adapters, measured bytes, lenders, and what backends take."""
