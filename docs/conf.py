"""Sphinx configuration; `make docs` treats its warnings as errors."""

project = "deepcollapse"
author = "deepcollapse developers"
copyright = "deepcollapse developers"
release = "0.1.0"

extensions = ["myst_parser", "sphinx.ext.mathjax"]
myst_enable_extensions = ["amsmath", "dollarmath"]
myst_heading_anchors = 3
source_suffix = {".md": "markdown"}

html_theme = "furo"
html_title = "deepcollapse"
