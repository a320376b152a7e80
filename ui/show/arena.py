"""The arena's result: one plot, what it says in words, and the table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from ui import plots, show


def section(found: Mapping[str, Any]) -> Markup:
    """The section of the page Insight."""
    note = "A curve a method, a mark a point of its slider; lines through a mark are 95 % intervals."
    chart = plots.figure("Methods: privacy against use", found["svg"], note) if found["rows"] else Markup()
    return show.render("insight/arena.html", found=found, chart=chart)
