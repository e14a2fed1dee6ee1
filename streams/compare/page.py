"""A comparison as a self-contained HTML file without scripts, in which the contents of posts are escaped."""

from __future__ import annotations

import re
from collections.abc import Iterable
from math import ceil
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from streams.compare import words
from streams.compare.comparison import Change, Comparison
from streams.text.terminal import one_line

_SCALE_STEP = 0.05
_LINE_ENDS = re.compile(r"[\n\u2028\u2029]")


def as_page(comparison: Comparison, rows: int) -> str:
    """Return the page, with at most `rows` days or posts in each list."""
    return _PAGE.render(found=comparison, rows=rows)


def _visible(value: Any) -> Any:
    """Write control characters in a text, and those that change its direction, as escapes; Jinja escapes the markup."""
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    return "\n".join(map(one_line, _LINE_ENDS.split(value)))


def _axis_end(changes: Iterable[Change]) -> float:
    """Return the first step of the axis that no share of negative posts exceeds."""
    shares = [share for change in changes for share in (change.share_a, change.share_b) if share is not None]
    return max(_SCALE_STEP, ceil(max(shares, default=0.0) / _SCALE_STEP) * _SCALE_STEP)


_TEMPLATES = Environment(
    loader=PackageLoader(__package__, ""),
    autoescape=True,
    undefined=StrictUndefined,
    finalize=_visible,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)
_TEMPLATES.globals |= {"words": words, "axis_end": _axis_end}
_PAGE = _TEMPLATES.get_template("page.html.jinja")
