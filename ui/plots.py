"""Small charts as SVG: readable in print, by the colour-blind (signs besides colours), and without any library."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup
from markupsafe import escape as esc

WIDTH, HEIGHT, LEFT, BOTTOM, TOP, RIGHT = 420, 220, 52, 34, 10, 402
NAMES_A_ROW = 3
# Okabe and Ito's palette: told apart by colour-blind readers; each series has a sign of its own as well.
SERIES = (("#0072B2", "●"), ("#D55E00", "▲"), ("#009E73", "■"), ("#CC79A7", "◆"), ("#8A6D00", "✚"), ("#56B4E9", "▼"))


def _text(x: float, y: float, said: Any, anchor: str = "middle", extra: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{extra}>{esc(said)}</text>'


def _short(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 20 or value == int(value) else f"{value:.2f}"


def _grid(y: float) -> str:
    return f'<line class="grid" x1="{LEFT}" x2="{RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'


def _upright(name: str) -> str:
    middle = (HEIGHT - BOTTOM + TOP) / 2
    return f'<text transform="translate(11 {middle}) rotate(-90)" text-anchor="middle">{esc(name)}</text>'


def figure(title: str, svg: str, note: str = "", below: str = "") -> Markup:
    """A chart with its title, a sentence, a button that saves it, and markup below it."""
    said = f'<figcaption class="muted">{esc(note)}</figcaption>' if note else ""
    return Markup(
        f'<figure class="plot"><div class="plot-head"><h3>{esc(title)}</h3>'
        f'<button type="button" data-save="{esc(title)}">Save as SVG</button></div>{svg}{said}{esc(below)}</figure>'
    )


def _limit(x: float, limit: float) -> str:
    """An upright line at x px, with the limit written on the side where there is room."""
    left = x > (LEFT + RIGHT) / 2
    name = _text(x - 4 if left else x + 4, TOP + 9, f"limit {_short(limit)}", "end" if left else "start")
    return f'<line class="limit" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>{name}'


def _axes(x0: float, x1: float, y0: float, y1: float, x_name: str, y_name: str) -> str:
    right, base = RIGHT, HEIGHT - BOTTOM
    ticks = ""
    for share in (0.0, 0.5, 1.0):
        y = base - share * (base - TOP)
        ticks += _text(LEFT + share * (right - LEFT), base + 14, _short(x0 + share * (x1 - x0)))
        ticks += _text(LEFT - 5, y + 4, _short(y0 + share * (y1 - y0)), "end") + _grid(y)
    return ticks + _text((LEFT + right) / 2, HEIGHT - 4, x_name) + _upright(y_name)


def _svg(inside: str, label: str, above: int = 0) -> str:
    """The chart; `above` is room over it, in which y is negative."""
    box = f"0 {-above} {WIDTH} {HEIGHT + above}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{box}" role="img" aria-label="{esc(label)}">{inside}</svg>'
    )


def scatter(
    groups: Mapping[str, Sequence[tuple[float, float, str]]],
    x_name: str,
    y_name: str,
    x_limit: float | None = None,
    y_limit: float | None = None,
) -> str:
    """Points (x, y, record) by group; each group has its own colour and sign, named above the chart, where no point can
    lie. A point opens its record; limits are drawn as lines."""
    points = [p for group in groups.values() for p in group]
    if not points:
        return ""
    (x0, x1), (y0, y1) = (
        _range([*(float(p[i]) for p in points), *([] if limit is None else [limit])])
        for i, limit in ((0, x_limit), (1, y_limit))
    )
    right, base = RIGHT, HEIGHT - BOTTOM
    out = [_axes(x0, x1, y0, y1, x_name, y_name)]
    if x_limit is not None:
        out.append(_limit(LEFT + (x_limit - x0) / (x1 - x0) * (right - LEFT), x_limit))
    if y_limit is not None:
        y = base - (y_limit - y0) / (y1 - y0) * (base - TOP)
        out.append(f'<line class="limit" x1="{LEFT}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}"/>')
    for n, (name, group) in enumerate(groups.items()):
        colour, sign = SERIES[n % len(SERIES)]
        for x, y, record in group[:600]:
            opens = f' data-to-record="{esc(record)}"' if record else ""
            across, up = (x - x0) / (x1 - x0) * (right - LEFT), (y - y0) / (y1 - y0) * (base - TOP)
            out.append(_text(LEFT + across, base - up + 3, sign, extra=f' fill="{colour}" class="dot"{opens}'))
        row, column = divmod(n, NAMES_A_ROW)
        said = f"{sign} {name} ({len(group)})"
        out.append(_text(8 + column * WIDTH / NAMES_A_ROW, -14 * row, said, "start", f' fill="{colour}"'))
    above = 14 * (1 + (len(groups) - 1) // NAMES_A_ROW)
    return _svg("".join(out), f"{y_name} against {x_name}, {len(points)} pairs", above)


def histogram(values: Sequence[float], name: str, limit: float | None = None, bins: int = 24) -> str:
    """How many pairs have which value; the gate's limit as a line."""
    if not values:
        return ""
    x0, x1 = _range([*values, *([] if limit is None else [limit])])
    counts = [0] * bins
    for v in values:
        counts[min(bins - 1, int((v - x0) / (x1 - x0) * bins))] += 1
    base, right, top = HEIGHT - BOTTOM, RIGHT, max(counts)
    step = (right - LEFT) / bins
    bars = "".join(
        f'<rect class="fill" x="{LEFT + i * step:.1f}" y="{base - n / top * (base - TOP):.1f}" width="{step - 1:.1f}" '
        f'height="{n / top * (base - TOP):.1f}"/>'
        for i, n in enumerate(counts)
        if n
    )
    line = "" if limit is None else _limit(LEFT + (limit - x0) / (x1 - x0) * (right - LEFT), limit)
    said = "" if limit is None else f", limit {_short(limit)}"
    return _svg(_axes(x0, x1, 0, top, name, "pairs") + bars + line, f"{name}: {len(values)} pairs{said}")


def columns(rows: Sequence[tuple[str, Mapping[str, float]]], y_name: str) -> str:
    """Stacked columns: (label, {series: value}); a series keeps its colour and is named above."""
    if not rows:
        return ""
    rows = rows[-16:]
    names = list(dict.fromkeys(name for _, parts in rows for name in parts))
    top = max(sum(parts.values()) for _, parts in rows) or 1
    base, right = HEIGHT - BOTTOM, RIGHT
    step = (right - LEFT) / len(rows)
    wide = min(step * 0.7, 46)
    out = []
    for share in (0.0, 0.5, 1.0):
        y = base - share * (base - TOP - 16)
        out.append(_grid(y) + _text(LEFT - 5, y + 4, f"{share * top:g}", "end"))
    for i, (label, parts) in enumerate(rows):
        y, x = float(base), LEFT + (i + 0.5) * step
        for name, value in parts.items():
            tall = value / top * (base - TOP - 16)
            y -= tall
            colour, _ = SERIES[names.index(name) % len(SERIES)]
            out.append(
                f'<rect x="{x - wide / 2:.1f}" y="{y:.1f}" width="{wide:.1f}" height="{tall:.1f}" fill="{colour}">'
                f"<title>{esc(name)}: {value:g}</title></rect>"
            )
        if len(rows) <= 8 or i % 2 == 0:
            out.append(_text(x, base + 14, label))
    for n, name in enumerate(names if len(names) > 1 else []):
        out.append(_text(LEFT + 100 * n, TOP + 2, f"■ {name}", "start", f' fill="{SERIES[n % len(SERIES)][0]}"'))
    return _svg("".join(out) + _upright(y_name), y_name)


def _range(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def below(values: Sequence[float], here: Any) -> float | None:
    """The share of pairs, in percent, whose value lies below this one's; None where that says nothing."""
    numbers = [float(v) for v in values if isinstance(v, int | float)]
    if len(numbers) < 5 or not isinstance(here, int | float):
        return None
    return 100 * sum(v < float(here) for v in numbers) / len(numbers)


def place(values: Sequence[float], here: Any, threshold: Any, width: int = 260, height: int = 40) -> Markup:
    """Where a pair lies among all: bars, a line for the limit, a triangle for this pair."""
    numbers = [float(v) for v in values if isinstance(v, int | float)]
    share = below(values, here)
    if share is None:
        return Markup()
    marks = [float(here), *([float(threshold)] if isinstance(threshold, int | float) else [])]
    low, high = min([*numbers, *marks]), max([*numbers, *marks])
    span = (high - low) or 1.0
    bins = [0] * 26
    for v in numbers:
        bins[min(25, int((v - low) / span * 26))] += 1
    top, base, step = max(bins), height - 8, width / 26
    bars = "".join(
        f'<rect x="{i * step:.1f}" y="{base - b / top * (base - 2):.1f}" width="{step - 1:.1f}" '
        f'height="{b / top * (base - 2):.1f}"/>'
        for i, b in enumerate(bins)
        if b
    )
    x = (float(here) - low) / span * (width - 8) + 4
    line = ""
    if len(marks) > 1:
        t = (marks[1] - low) / span * (width - 8) + 4
        line = f'<line class="limit" x1="{t:.1f}" x2="{t:.1f}" y1="0" y2="{base}"/>'
    return Markup(
        f'<svg class="hist" viewBox="0 0 {width} {height}" role="img" aria-label="higher than in '
        f'{round(share * len(numbers) / 100)} of {len(numbers)} pairs">{bars}{line}'
        f'<path class="here" d="M{x:.1f} {base + 1} l4.5 7 h-9 z"/></svg>'
    )
