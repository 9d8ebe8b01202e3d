"""From values to text: templates, quoting, the ownership line."""
