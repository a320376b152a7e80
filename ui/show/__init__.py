"""From what the Workbench returns to what a reader sees: templates that escape by themselves, and words for people.

A template gets the Workbench's shapes as they are; what has to be worked out first is worked out in the module here
that bears the page's name.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

STATES = {
    "pending": ("To review", "○"),
    "approved": ("Approved", "✓"),
    "rejected": ("Rejected", "✕"),
    "new": ("In preparation", "…"),
    "void": ("Void", "⊘"),
    "failed": ("Failed", "!"),
    "waiting": ("Waits for a second approval", "◐"),
}
GATE_MARKS = {"clear": "✓", "warn": "▲", "block": "■", "unknown": "?"}
GATE_WORDS = {"clear": "clear", "warn": "look here", "block": "blocks release", "unknown": "not measurable"}
AUDIENCES = {"radiologist": "a radiologist", "privacy-officer": "the privacy officer", "anybody": "anybody"}
STAGES = {
    "load": "Loading the models",
    "queue": "Loading the models",
    "import": "Importing",
    "generate": "Making synthetic pairs",
    "prompt": "Writing prompts",
    "image": "Drawing images",
    "measure": "Measuring evidence",
    "paused": "Paused",
}
_MESSAGES = itertools.count(1)
"""Tells a message from the same one said again."""
_ESCAPED = re.compile(r"&(?:amp|lt|gt|#34|#39);|([^\W_]+(?:(?:&#39;|['’-])[^\W_]+)*)")


def words(name: str) -> str:
    """`pleural_effusion` as people read it: pleural effusion."""
    return name.replace("_", " ").replace("-", " ")


def titled(name: str) -> str:
    """As `words`, with a capital first letter."""
    plain = words(name)
    return plain[:1].upper() + plain[1:]


def titled_start(text: str) -> str:
    """A sentence with a capital first letter, as it is otherwise."""
    return text[:1].upper() + text[1:]


def number(value: Any) -> str:
    """A value in the shortest form that a reader needs."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.2f}" if abs(value) < 100 else f"{value:.0f}"
    if isinstance(value, Mapping):
        return ", ".join(f"{words(str(k))} {number(v)}" for k, v in value.items()) or "none"
    if isinstance(value, list | tuple):
        return ", ".join(number(v) for v in value) or "none"
    return str(value)


def counted(n: int, what: str) -> str:
    """A number with its noun: 1 pair, 2 pairs."""
    return f"{n:,} {what}{'s' if n != 1 else ''}"


_OF_MANY = {"was": "were", "has": "have", "waits": "wait", "holds": "hold"}


def of_many(said: str, n: int) -> str:
    """What is said of one, behind a number: "is approved, and a flag waits" of 2 is "approved, and a flag waits", "has
    left" of 2 "have left"."""
    first, _, rest = said.removeprefix("is ").partition(" ")
    if n == 1:
        return f"{first} {rest}"
    rest = rest.replace(", or waits", ", or wait")
    return f"{_OF_MANY.get(first, first)} {rest}"


def when(stamp: str | None) -> str:
    """An ISO time to the minute."""
    return (stamp or "")[:16].replace("T", " ")


def some(terms: Sequence[str], limit: int = 12) -> str:
    """The first terms of a list, and how many there are besides."""
    more = f" and {len(terms) - limit} more" if len(terms) > limit else ""
    return ", ".join(terms[:limit]) + more


def quoted(terms: Sequence[str]) -> str:
    """Terms between quotation marks: “a” and “b”."""
    marked = [f"“{term}”" for term in terms]
    return " and ".join([", ".join(marked[:-1]), marked[-1]] if len(marked) > 1 else marked)


def clickable(text: str) -> Markup:
    """A text with each word a target for "forbid" and "keep": escaped first, so that 30,000 words take a moment."""
    return Markup(_ESCAPED.sub(lambda m: f'<span class="w">{m[0]}</span>' if m[1] else m[0], str(escape(text))))


def code_spans(text: str) -> Markup:
    """Text with what stands between backticks as code."""
    parts = text.split("`")
    code = Markup("<code>{}</code>")
    return Markup("").join(code.format(part) if n % 2 else part for n, part in enumerate(parts))


def gate_title(gate: Mapping[str, Any]) -> str:
    """A gate's name for people."""
    return str(gate.get("title") or titled(gate["name"]))


_ENV = Environment(
    loader=PackageLoader("ui"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
)
_ENV.globals.update(STATES=STATES, GATE_MARKS=GATE_MARKS, GATE_WORDS=GATE_WORDS, AUDIENCES=AUDIENCES, STAGES=STAGES)
_ENV.filters.update(
    words=words,
    titled=titled,
    titled_start=titled_start,
    number=number,
    counted=counted,
    of_many=of_many,
    when=when,
    some=some,
    quoted=quoted,
    clickable=clickable,
    code_spans=code_spans,
    gate_title=gate_title,
)


def render(template: str, **given: Any) -> Markup:
    """A template of ui/templates as HTML; every value in it is escaped."""
    return Markup(_ENV.get_template(template).render(given))


def message(text: str, kind: str = "ok") -> str:
    """The page's one line of feedback. Kinds: ok, warn, stop."""
    return render("message.html", text=text, kind=kind, n=next(_MESSAGES)) if text else ""


def empty(head: str, hint: str = "") -> Markup:
    """What stands where there is nothing to show."""
    return render("empty.html", head=head, hint=hint)
