"""What the page shows of imports: before, at once, and ever after."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ui.show import empty, render

LAYOUTS = {"csv": "a table", "dicom": "DICOM files", "iu-xray": "IU X-Ray", "mimic-cxr": "MIMIC-CXR-JPG"}


def look(found: Mapping[str, Any], fields: Mapping[str, str]) -> str:
    """A first look at a source: its layout, its first rows, what nothing tells."""
    heads = [name for name in fields if name in (found["matched"] or {})]
    titles = [fields[name] for name in heads]
    return render("intake/look.html", found=found, fields=fields, heads=heads, titles=titles, LAYOUTS=LAYOUTS)


def outcome(result: Mapping[str, Any]) -> str:
    """What an import has brought, in one line: never green where that is nothing."""
    return render("intake/imported.html", result=result)


def rows(found: Sequence[Mapping[str, Any]], allowed: bool) -> str:
    """The imports so far, newest first."""
    if not allowed:
        return empty("Not shown to your role.")
    return render("intake/imports.html", rows=found) if found else empty("No import yet.")


def page(found: Mapping[str, Any]) -> str:
    """One import: counts, and what was not taken with its reasons."""
    return render("intake/import.html", page=found, row=found["row"], LAYOUTS=LAYOUTS)
