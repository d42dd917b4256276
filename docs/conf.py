"""How these pages, the README and the list of changes become a site: ``make docs``.

The pages are plain Markdown that reads well where the source is browsed, so what only the site needs is made here: the menu is read from
the lists of ``index.md``, and the reference is drawn from docstrings, which are reST.
"""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path

# Importing Airflow makes its folder; that of whoever builds the pages is left alone.
os.environ["AIRFLOW_HOME"] = tempfile.mkdtemp(prefix="docs-airflow-")

from sphinx.application import Sphinx

from airflow_provider_confluence import __version__

project = "airflow-provider-confluence"
release = version = __version__
copyright = "the authors of airflow-provider-confluence, Apache-2.0"
language = "en"

extensions = ["myst_parser", "sphinx.ext.autodoc"]
# Sources are read from the checkout, so that links between this folder, the README and the list of changes lead to pages.
root_doc = "docs/index"
include_patterns = ["docs/**", "README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"]
exclude_patterns = [
    ".*",
    "airflow_provider_confluence",
    "benchmarks",
    "build",
    "dags",
    "dist",
    "requirements",
    "test-output",
    "tests",
]

# ------------------------------------------------------------------------------------------ Markdown
myst_heading_anchors = 4  # links such as page.md#section, as code hosts make them
myst_enable_extensions = ["fieldlist"]

# ------------------------------------------------------------------------------------------ the reference
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
# Building never asks the network, so types of other packages and of Python's own library are not linked. What is ours must be found.
nitpick_ignore_regex = [("py:class", r"(?!airflow_provider_confluence\.).*")]
nitpick_ignore = [("py:class", "airflow_provider_confluence.confluence.client.T")]

# ------------------------------------------------------------------------------------------ the site
html_theme = "furo"
html_title = "airflow-provider-confluence"
html_copy_source = False


def _menu(_app: Sphinx, name: str, source: list[str]) -> None:
    """Add to an index what Sphinx wants to know of the pages that it lists: a hidden table of contents for each section."""
    if not re.fullmatch(r"(.*/)?index", name):
        return
    listed: set[str] = set()
    for section in re.split(r"^#+ ", source[0], flags=re.MULTILINE)[1:]:
        heading, _, text = section.partition("\n")
        links = re.findall(r"^(?: *-|\|) \[([^\]]+)\]\(([\w./-]+)\.md\)", text, re.MULTILINE)
        entries = [f"{title} <{page}>" for title, page in links if page not in listed]
        listed.update(page for _, page in links)
        caption = [f":caption: {heading}"] if name == root_doc else []
        source[0] += "\n".join(["\n```{toctree}", *caption, ":hidden:", "", *entries, "```\n"]) if entries else ""


def _front_door(app: Sphinx, error: Exception | None) -> None:
    """Let the site's own address lead to its first page."""
    if error is None:
        page = f'<!doctype html><meta http-equiv="refresh" content="0; url={root_doc}.html"><a href="{root_doc}.html">{html_title}</a>\n'
        Path(app.outdir, "index.html").write_text(page, encoding="utf-8")


def setup(app: Sphinx) -> None:
    """Tell Sphinx of what is made here."""
    app.connect("source-read", _menu)
    app.connect("build-finished", _front_door)
