"""Configuration of Sphinx; the pages are Markdown."""
from pathlib import Path

project = "Stable Baselines"
author = "the stable_baselines developers"
copyright = author
release = (Path(__file__).parent.parent / "stable_baselines" / "version.txt").read_text(encoding="utf-8").strip()
version = release

extensions = ["myst_parser", "sphinx.ext.autodoc"]
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]
# Unlike other imports, these two take long or are not there where the pages are built, and their objects need no text.
autodoc_mock_imports = ["mpi4py"]
autodoc_member_order = "bysource"
autodoc_typehints = "description"  # types stand in the signatures, and only there
autodoc_typehints_description_target = "documented_params"

html_theme = "furo"
html_title = "Stable Baselines " + release
