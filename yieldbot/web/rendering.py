"""The templates, without a server."""

from __future__ import annotations

import functools

from jinja2 import Environment, PackageLoader, StrictUndefined

from yieldbot.web import charts, figures


@functools.cache
def templates() -> Environment:
    """The templates. Every value is escaped, and an unknown name is an error."""
    made = Environment(
        loader=PackageLoader("yieldbot.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(figures.FILTERS | charts.FILTERS)
    made.globals["path_of"] = figures.address
    return made
