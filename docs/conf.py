"""The documentation as a site: ``make docs`` builds it into build/docs/index.html."""

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parent)]

import lstm_rl  # noqa: E402

project, author, copyright = "lstm_rl", "the lstm_rl developers", "the lstm_rl developers"
version = release = lstm_rl.__version__
extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "environment_pages",
    "docstrings",
]
exclude_patterns = ["_templates", "_static"]
templates_path = ["_templates"]

html_theme = "furo"
html_title = f"lstm_rl {release}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_theme_options = {
    "source_repository": "https://github.com/lstm-rl/lstm_rl/",
    "source_branch": "main",
    "source_directory": "docs/",
}

myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3
nb_execution_mode = "cache"  # notebooks are kept without outputs; those of the last build are kept in build/
nb_execution_cache_path = str(Path(__file__).parents[1] / "build" / "notebooks")
nb_execution_raise_on_error = True
nb_execution_timeout = 300

autosummary_generate = True
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_default_options = {"members": True, "show-inheritance": True, "exclude-members": "__new__, __init__"}
napoleon_numpy_docstring = False
highlight_language = "none"  # what names no language
default_role = "py:obj"  # `name` in docstrings: a link where there is something to link to
python_use_unqualified_type_names = True
