"""How the documentation is built: `make docs`."""

import re

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.util import logging

from mlpfast import __version__

project = "mlpfast"
author = "The mlpfast developers"
release = __version__

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build"]
nitpicky = True
nitpick_ignore_regex = [
    ("py:obj", r"[a-z_]+"),  # the arguments and fields of what a docstring describes
    ("py:.*", r"(matplotlib|numpy|pandas|scipy|sklearn)\..*"),  # there is no network where this is built
    ("py:obj", r"LAYERS|mlpfast\.(names|validation)"),  # not on these pages
]

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
myst_update_mathjax = False
html_math_renderer = "mathml"

autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the docstrings say it
autosummary_generate = True
toc_object_entries_show_parents = "hide"  # what is on a class's page need not say whose it is
default_role = "autolink"  # `Model.predict` in a docstring is a link where there is such a thing
autosummary_ignore_module_all = False
templates_path = ["_templates"]
numpydoc_show_class_members = False

# Examples are executed while the pages are built; those of Fashion-MNIST, which the package does not have, are shown.
sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "gallery",
    "filename_pattern": r"/(?!(fashion_mnist|batch_norm))[^/]*\.py$",
    "within_subsection_order": "ExampleTitleSortKey",
    "matplotlib_animations": True,
    "capture_repr": (),
    "remove_config_comments": True,
    "download_all_examples": False,
    "show_signature": False,
    "write_computation_times": False,
    "min_reported_time": 1e9,
}

html_theme = "pydata_sphinx_theme"
html_title = f"mlpfast {release}"
html_static_path = ["_static"]
html_css_files = ["mlpfast.css"]
html_show_sourcelink = False
html_theme_options = {
    "logo": {"text": "mlpfast"},
    "navbar_align": "left",
    "header_links_before_dropdown": 7,
    "show_nav_level": 2,
    "show_toc_level": 2,
    "navigation_with_keys": False,
    "back_to_top_button": False,
    "footer_start": ["copyright"],
    "footer_end": [],
}
html_sidebars = {"index": [], "benchmarks": [], "mathematics": [], "start": []}
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True


def by_last_name(app, env, node, content):
    """A docstring may name a class of the package without its module, as users do."""
    domain, target = env.get_domain("py"), node.get("reftarget", "")
    found = [name for name in domain.objects if name.endswith(f".{target}")]
    if node.get("refdomain") != "py" or len(found) != 1:
        return None
    return domain.resolve_xref(env, node["refdoc"], app.builder, node["reftype"], found[0], node, content)


def mathml(translator, node):
    """A formula as MathML, which browsers show by themselves: the pages need no script from elsewhere."""
    tex, block = node.astext(), isinstance(node, nodes.math_block)
    if block and r"\\" in tex:
        tex = rf"\begin{{split}}{tex}\end{{split}}"
    found = convert(tex, display="block" if block else "inline")
    if "\\" in found:
        logging.getLogger(__name__).warning("a formula with something unknown: %s", tex, location=node)
    found = re.sub("<mo>(&#x02016;|&#x0007C;)</mo>", r'<mo stretchy="false">\1</mo>', found)
    tag = "div" if block else "span"
    translator.body.append(f'<{tag} class="math">{found}</{tag}>')
    raise nodes.SkipNode


def setup(app):
    """Sphinx calls it."""
    app.connect("missing-reference", by_last_name)
    app.add_html_math_renderer("mathml", (mathml, None), (mathml, None))
