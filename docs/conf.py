"""Sphinx configuration; `make docs` treats its warnings as errors."""

import sys
from pathlib import Path

from deepcollapse import __version__

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "deepcollapse"
author = "deepcollapse developers"
copyright = "deepcollapse developers"
release = __version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_gallery.gen_gallery",
    # from _ext:
    "mathml",
    "docstrings",
    "cli_reference",
    "reference_tables",
    "results_ledger",
]
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}
exclude_patterns = ["_ext", "sg_execution_times.rst", "gallery/*.py", "gallery/*.ipynb", "gallery/*.zip"]
exclude_patterns += ["results/figures/captions.md"]  # read by results_ledger
default_role = "literal"

myst_enable_extensions = ["amsmath", "deflist", "dollarmath"]
myst_heading_anchors = 3

html_math_renderer = "mathml"
html_theme = "furo"
html_title = "deepcollapse"
html_static_path = ["_static"]
html_css_files = ["deepcollapse.css"]

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
napoleon_attr_annotations = False  # types are in the signature
napoleon_use_rtype = False
napoleon_use_ivar = True

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "gallery",
    "filename_pattern": r"/plot_",
    "ignore_pattern": r"(collapse_rate_by_width|logits_picture|networks_table)\.py$",
    "within_subsection_order": "gallery.Order",
    "image_scrapers": ("gallery",),
    "capture_repr": (),
    "download_all_examples": False,
    "show_memory": False,
    "write_computation_times": False,
}
