"""How Sphinx builds these pages: `make docs`, where every warning is an error."""

project = "llmgen"
author = "the authors of llmgen"
copyright = author  # noqa: A001 - Sphinx asks for this name
extensions = ["myst_parser"]
myst_enable_extensions = ["deflist"]
# Links may name the headings of other pages.
myst_heading_anchors = 4
exclude_patterns = ["_build"]
nitpicky = True
# What programs print may begin with the prompt of root, and then be no command.
suppress_warnings = ["misc.highlighting_failure"]
html_theme = "furo"
html_title = "llmgen"
html_copy_source = False
html_show_sphinx = False
html_show_copyright = False
