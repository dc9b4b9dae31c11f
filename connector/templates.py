"""The Jinja environment: escaped by name, strict about missing names, open to a site's own files.

A publication's `templates/` folder is looked at first, so one file there replaces one of ours.
"""

from pathlib import Path

import jinja2

PACKAGE = Path(__file__).parent


def share(name: str) -> Path:
    """Our own `templates` or `static` folder: beside the package in a clone, inside it when installed."""
    installed = PACKAGE / "share" / name
    return installed if installed.is_dir() else PACKAGE.parent / name


def environment(root: Path) -> jinja2.Environment:
    """Templates of the publication in `root`, over our own."""
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader([root / "templates", share("templates")]),
        autoescape=lambda name: not (name or "").endswith(".txt"),  # noqa: S701 - plain text has no tags
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
