"""Sphinx's settings: ``make docs`` builds the documentation into ``docs/_build/html``."""

from __future__ import annotations

import importlib.util
import logging
import sys
from pathlib import Path

import matplotlib as mpl

from lunarsite.engine import __version__

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_ext"))
mpl.use("Agg")
# What the gallery's scripts log is no part of the build's own messages.
for _name in ("lunarsite", "pyogrio"):
    logging.getLogger(_name).setLevel(logging.ERROR)

project = "LunarSite"
author = "The LunarSite developers"
copyright = f"2026, {author}"
version = release = __version__

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx.ext.viewcode",
    "sphinx_gallery.gen_gallery",
    "feature_reference",
    "root_pages",
    "stage_reference",
]
exclude_patterns = ["_build", "gallery/**/*.ipynb", "gallery/**/*.py", "gallery/**/*.zip"]
templates_path = ["_templates"]
default_role = "py:obj"

html_theme = "furo"
html_title = f"LunarSite {release}"
html_logo = "../resources/icons/lunarsite.svg"
html_favicon = "../resources/icons/lunarsite.svg"
html_copy_source = False

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 4

autodoc_typehints = "none"  # the docstrings say shapes, types and units
autosummary_generate = True
numpydoc_class_members_toctree = False
numpydoc_show_class_members = False
# Only training and MC Dropout in a torch network need torch; its page is built without it too.
autodoc_mock_imports = [] if importlib.util.find_spec("torch") else ["torch"]

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "gallery",
    "filename_pattern": r"plot_\w+\.py$",
    "within_subsection_order": "FileNameSortKey",
    "doc_module": ("lunarsite",),
    "backreferences_dir": "gallery/backreferences",
    "abort_on_example_error": True,
    "download_all_examples": False,
    "min_reported_time": 10_000,
    "show_signature": False,
    "write_computation_times": False,
}
