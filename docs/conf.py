"""How the site is built: ``python -m sphinx -W -n -b html docs docs/_build/html``, without any network."""

import os
import shutil
import sys
import warnings
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "_ext"))
os.environ.setdefault("MPLBACKEND", "agg")
shutil.rmtree(HERE / "api" / "generated", ignore_errors=True)  # of names that are no longer there
warnings.filterwarnings("error", module="calclearn")

import reference  # noqa: E402
from source_links import linkcode_resolve  # noqa: E402, F401, read by sphinx.ext.linkcode

import calclearn  # noqa: E402

project = "calclearn"
author = "The calclearn developers"
copyright = "The calclearn developers"
version = release = calclearn.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.linkcode",
    "sphinx.ext.mathjax",
    "sphinx-mathjax-offline",
    "numpydoc",
    "myst_parser",
    "sphinx_design",
    "sphinx_copybutton",
    "sphinx_gallery.gen_gallery",
    "matplotlib.sphinxext.plot_directive",
    "plot_blocks",
    "reference",
    "source_links",
    "equations",
    "formulas",
]
exclude_patterns = [
    "_build",
    "_ext",
    "_templates",
    "**/pictures",
    "sg_execution_times.rst",
    "gallery/*.ipynb",
]
templates_path = ["_templates"]
root_doc = "index"

myst_enable_extensions = [
    "amsmath",
    "attrs_block",
    "attrs_inline",
    "colon_fence",
    "deflist",
    "dollarmath",
    "fieldlist",
]
myst_heading_anchors = 3
myst_dmath_double_inline = True
suppress_warnings = ["config.cache"]  # functions in sphinx_gallery_conf

autosummary_generate = True
autosummary_context = {"inherited": reference.inherited}
autodoc_member_order = "groupwise"
autodoc_inherit_docstrings = True
toc_object_entries_show_parents = "hide"
highlight_options = {"python": {"stripnl": True}}  # doctests of pages end with a blank line
default_role = "literal"  # single backticks of docstrings
add_module_names = False
numpydoc_show_class_members = False
numpydoc_xref_param_type = False
numpydoc_validation_checks = {  # all but these
    "all",
    *("ES01", "EX01", "SA01"),  # a summary may be all there is to say; tests ask for examples
    *(
        "PR01",
        "PR03",
        "PR04",
        "PR07",
        "RT01",
        "RT02",
        "RT03",
        "GL08",
        "SS05",
    ),  # what a name says is not said again
}

plot_formats = [("png", 110)]
plot_html_show_formats = plot_html_show_source_link = False
plot_rcparams = {"figure.constrained_layout.use": True}
plot_apply_rcparams = True

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "gallery",
    "filename_pattern": r"/plot_",
    "default_thumb_file": str(HERE / "_static" / "favicon.svg"),
    "within_subsection_order": "FileNameSortKey",
    "reset_modules": ("matplotlib", "reference.reset"),
    "abort_on_example_error": True,
    "remove_config_comments": True,
    "show_memory": False,
    "show_signature": False,
    "download_all_examples": False,
    "min_reported_time": 60,
    "write_computation_times": False,
}

html_theme = "pydata_sphinx_theme"
html_title = "calclearn"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_favicon = "_static/favicon.svg"
html_context = {"default_mode": "auto"}
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "navbar_align": "left",
    "navbar_end": ["theme-switcher"],
    "navbar_persistent": ["search-button"],
    "secondary_sidebar_items": ["page-toc"],
    "show_prev_next": False,
    "footer_start": ["copyright"],
    "footer_end": [],
    "back_to_top_button": False,
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
html_sidebars = {
    name: [] for name in ("index", "benchmarks", "search", "genindex", "py-modindex", "source/**")
}

# Other packages have their documentation elsewhere, and the site is built without a network: names of theirs
# are set as code.  So are names of our own that are not public, in the types of signatures.
nitpick_ignore_regex = [
    (r"py:.*", r"(numpy|scipy|sklearn|matplotlib|pandas|threadpoolctl)\..*"),
    (r"py:class", r"calclearn\.(_runtime\..*|losses\._check\.Check|calculus\.check\.KinkAt)"),
]
