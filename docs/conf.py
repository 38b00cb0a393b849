"""How the documentation is built: `make docs`."""

from mlpfast import __version__

project = "mlpfast"
author = "The mlpfast developers"
release = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.mathjax", "numpydoc"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"mlpfast {release}"

autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the docstrings say it
numpydoc_show_class_members = False
myst_heading_anchors = 3
