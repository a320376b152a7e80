"""What the arena found, for people: sentences, a table, and one plot of privacy against use as SVG and PNG."""

from __future__ import annotations

import datetime
import io
import itertools
import json
import os
import platform
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from markupsafe import escape

from updp_core import __version__
from updp_core.config import ROOT, STARTER
from updp_core.evaluation.arena import whole

NAME = "arena"
SURE = 0.95
"""The share of the bootstrap's draws from which one point is said to be better than another."""
PAPERS: tuple[Mapping[str, Any], ...] = (
    {"name": "original radiographs", "linked": 0.818, "findings": 0.805, "source": "Packhäuser et al. 2023"},
    {"name": "PriCheXy-Net, mu 0.01", "linked": 0.577, "findings": 0.762, "source": "Packhäuser et al. 2023"},
    {"name": "Privacy-Net", "linked": 0.498, "findings": 0.575, "source": "Packhäuser et al. 2023"},
    {"name": "DP-Pix, best", "linked": 0.50, "findings": 0.529, "source": "Packhäuser et al. 2023"},
    {"name": "DP-Pix, worst", "linked": 0.525, "findings": 0.50, "source": "Packhäuser et al. 2023"},
)
"""Figures of a paper on ChestX-ray14, beside ours and not comparable in value: other images, attackers, classifiers.
AUC of re-identification after the attacker was trained again, and of 14 findings."""
BESIDE = (
    "The papers' points are of ChestX-ray14 (re-identification AUC of an attacker that was trained again, AUC of 14 "
    "findings): other images and other judges, so shapes can be compared and values cannot. A replication of "
    "PriCheXy-Net found 0.608 for its released weights, 0.824 after training it as described, and 0.794 for a random "
    "warp. UPDP's paper gives no such AUC: a classifier among 50 patients of MIMIC-CXR names 97.2 % on originals, "
    "13.7 % on images from unfiltered reports and 4.6 % on UPDP's; chance 2 %."
)
# Okabe and Ito's palette; each method has a sign of its own as well.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#8A6D00", "#56B4E9", "#7F3C8D", "#4B4B4B")
_SIGNS = ("circle", "triangle", "square", "diamond", "cross", "nabla")


def finish(found: dict[str, Any]) -> None:
    """Add to a result what says where it comes from, and its reading."""
    found["date"] = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d")
    found["software"], found["commit"], found["hardware"] = f"UPDP {__version__}", _commit(), _hardware()
    found["reading"] = reading(found)


def _commit() -> str:
    asked = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        return subprocess.run(asked, capture_output=True, text=True, timeout=10, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return "not known"


def _hardware() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        model = next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        model = platform.machine()
    return f"{os.cpu_count()} cores ({model})"


def reading(found: Mapping[str, Any]) -> list[str]:
    """What the figures say, in sentences."""
    control, alone = found["controls"]["original"], found["controls"]["findings_alone"]
    said = [_attack(control)]
    if alone["value"] is not None:
        said.append(
            f"The findings that the reports state link visits by themselves with {_figure(alone)}: a method that keeps "
            "the findings is not at fault for that much."
        )
    points = [p for p in found["points"] if whole(p)]
    if not points:
        return [*said, "No point has both figures, so nothing can be said of who dominates whom."]
    best = [p["name"] for p in points if not p["dominated_by"]]
    said.append(f"Not dominated by any point, leaking no more and keeping no less: {_listed(best)}.")
    for point in points:
        if over := point["dominated_by"]:
            first = over[0]
            sure = "surely" if first["sure"] >= SURE else "not surely"
            said.append(
                f"{point['name']} is dominated, {sure}: {first['point']} is at least as good in both in "
                f"{_percent(first['sure'])} of the draws."
            )
    ours = [p for p in points if p["method"] == "updp"]
    if ours and (off := [p for p in ours if p["dominated_by"]]):
        where = (
            "at no point of its slider" if len(off) == len(ours) else f"except at {_listed(p['setting'] for p in off)}"
        )
        said.append(f"UPDP is on the frontier of these figures {where}.")
    elif ours:
        said.append("Every point of UPDP is on the frontier of these figures.")
    blind = [p["name"] for p in points if p["findings"]["interval"] and p["findings"]["interval"][0] <= 0.5]
    if blind:
        said.append(f"On these, findings cannot be told from chance, so what they hide is of no use: {_listed(blind)}.")
    said += [f"{row['method']} was not measured: {row['why']}" for row in found["unmeasured"]]
    if found["patients"] < 100:
        said.append(f"{found['patients']} patients are few: read the intervals, not the order of the points.")
    return said


def _attack(control: Mapping[str, Any]) -> str:
    leak = control["leak"]
    if leak["value"] is None:
        return "Nobody could be linked here, so no figure of privacy was taken."
    able = (
        "the attack works"
        if leak["interval"] and leak["interval"][0] > 0.5
        else "the attack cannot be told from chance"
    )
    family = control["strongest"]
    return (
        f"On originals the strongest attacker ({family}) links two studies of a patient with {_figure(leak)}: {able}."
    )


def _figure(value: Mapping[str, Any]) -> str:
    if value["value"] is None:
        return "not measurable"
    ends = f" ({value['interval'][0]:.2f} to {value['interval'][1]:.2f})" if value["interval"] else ""
    return f"{value['value']:.3f}{ends}"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _listed(names: Any) -> str:
    return ", ".join(names) or "none"


HEAD = (
    "method",
    "setting",
    "linked to its patient (AUC)",
    "by",
    "among equal findings",
    "patient named",
    "findings kept (AUC)",
    "likeness to source (SSIM)",
    "distance from radiographs",
    "CPU s an image",
)


def rows(found: Mapping[str, Any]) -> list[list[str]]:
    """The table under HEAD: the originals first."""

    def row(point: Mapping[str, Any], name: str, setting: str) -> list[str]:
        named = point["named"]
        chance = (
            f"{_percent(named['value'])}, chance {_percent(named['chance'])}"
            if named["value"] is not None
            else "not measurable"
        )
        seconds = point.get("processor_seconds")
        return [
            name,
            setting,
            _figure(point["leak"]),
            point["strongest"],
            _figure(point["leak_same_findings"]),
            chance,
            _figure(point["findings"]),
            _figure(point["ssim"]),
            f"{point['kernel_distance']:.2f}",
            "" if seconds is None else f"{seconds:.2f}",
        ]

    control = row(found["controls"]["original"], "originals", "no protection")
    return [control, *(row(p, p["method"], p["setting"] or "default") for p in found["points"])]


def how(found: Mapping[str, Any]) -> str:
    """How it was measured, in sentences."""
    size = found["size"]
    form = f"{found['patients']} patients with two studies, {found['images']} images a point"
    one = "; one image is drawn of a prompt, where a method as shipped draws three" if size["candidates"] == 1 else ""
    return (
        f"Measured on {found['date']} by `{found['command']}` ({found['software']}, commit {found['commit']}, "
        f"{found['hardware']}, {found['processor_minutes']:g} processor minutes): {form}, attackers a family: "
        f"{size['attackers']}, seeds of the generator: {size['seeds']}{one}. Attackers: "
        f"{'; '.join(found['families'].values())}; the strongest counts. Intervals are 95 %, by a bootstrap over "
        "patients."
    )


def markdown(found: Mapping[str, Any]) -> str:
    """The page of docs/evidence."""
    lines = ["# The arena: privacy against use", "", how(found), "", f"![Privacy against use]({NAME}.png)", ""]
    lines += ["## What it says", "", *(f"- {sentence}" for sentence in found["reading"]), ""]
    lines += ["## Every point", "", "| " + " | ".join(HEAD) + " |", "|" + "---|" * len(HEAD)]
    lines += ["| " + " | ".join(row) + " |" for row in rows(found)]
    lines += [
        "",
        "*Linked*: 0.5 is chance, lower is more private. *Distance from radiographs*: KID in the judges' features.",
        "",
    ]
    lines += ["## The papers' points", "", BESIDE, "", "| | linked | findings | source |", "|---|---|---|---|"]
    lines += [f"| {p['name']} | {p['linked']:.3f} | {p['findings']:.3f} | {p['source']} |" for p in PAPERS]
    return "\n".join(lines) + "\n"


def lines(found: Mapping[str, Any]) -> list[str]:
    """What the command prints."""
    table = ["; ".join(f"{h}: {v}" for h, v in zip(HEAD, row, strict=True) if v) for row in rows(found)]
    return [*table, "", *found["reading"], "", how(found)]


def write(found: Mapping[str, Any], folder: Path) -> None:
    """Write arena.json, arena.md, arena.svg and arena.png into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{NAME}.json").write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    (folder / f"{NAME}.md").write_text(markdown(found), encoding="utf-8")
    (folder / f"{NAME}.svg").write_text(svg(found, alone=True), encoding="utf-8")
    (folder / f"{NAME}.png").write_bytes(png(found))


def read(home: Path) -> dict[str, Any] | None:
    """The result that a workspace shows: its own, else the one that lies beside the starter models; None without."""
    for folder in (home, STARTER):
        file = folder / f"{NAME}.json"
        if file.is_file():
            return json.loads(file.read_text(encoding="utf-8"))
    return None


def show(found: Mapping[str, Any], home: Path) -> None:
    """Keep a result as the one that a workspace shows."""
    home.mkdir(parents=True, exist_ok=True)
    (home / f"{NAME}.json").write_text(json.dumps(found, ensure_ascii=False), encoding="utf-8")


# The plot: one description of shapes, drawn as SVG and as PNG.

_WIDE, _HIGH, _LEFT, _TOP, _BASE, _GAP = 960, 470, 52, 92, 420, 60
_PANEL = (_WIDE - 2 * _LEFT - _GAP) // 2
_X, _Y = (0.45, 1.0), (0.4, 1.0)


def _place(panel: int, linked: float, findings: float) -> tuple[float, float]:
    left = _LEFT + panel * (_PANEL + _GAP)
    x = left + (min(max(linked, _X[0]), _X[1]) - _X[0]) / (_X[1] - _X[0]) * _PANEL
    y = _BASE - (min(max(findings, _Y[0]), _Y[1]) - _Y[0]) / (_Y[1] - _Y[0]) * (_BASE - _TOP)
    return x, y


def _shapes(found: Mapping[str, Any]) -> Iterator[tuple[Any, ...]]:
    """("line", x0, y0, x1, y1, colour, width), ("mark", x, y, sign, colour), ("text", x, y, said, anchor, colour)."""
    for panel, title in enumerate(("Measured here", "The papers, on ChestX-ray14")):
        left = _LEFT + panel * (_PANEL + _GAP)
        yield "text", left, _TOP - 10, title, "start", ""
        for value in (0.5, 0.6, 0.7, 0.8, 0.9, 1.0):
            x, y = _place(panel, value, value)
            yield "line", x, _TOP, x, _BASE, "grid", 1
            yield "line", left, y, left + _PANEL, y, "grid", 1
            yield "text", x, _BASE + 16, f"{value:.1f}", "middle", ""
            yield "text", left - 6, y + 4, f"{value:.1f}", "end", ""
        yield "text", left + _PANEL / 2, _BASE + 36, "linked to its patient (AUC; left is more private)", "middle", ""
    yield "text", 8, 14, "Up: findings kept (AUC)", "start", ""
    methods = list(dict.fromkeys(p["method"] for p in found["points"]))
    style = {m: (_COLOURS[n % len(_COLOURS)], _SIGNS[n % len(_SIGNS)]) for n, m in enumerate(methods)}
    for n, method in enumerate([*methods, "original"]):
        colour, sign = style.get(method, ("ink", "circle"))
        x, y = 12 + (n % 4) * 235, 34 + (n // 4) * 18
        yield "mark", x, y - 4, sign, colour
        yield "text", x + 10, y, method if method != "original" else "originals, no protection", "start", colour
    for method in methods:
        colour, sign = style[method]
        points = [p for p in found["points"] if p["method"] == method and whole(p)]
        curve = [_place(0, p["leak"]["value"], p["findings"]["value"]) for p in points]
        yield from (("line", *a, *b, colour, 2) for a, b in itertools.pairwise(curve))
        for point, (x, y) in zip(points, curve, strict=True):
            yield from _whiskers(point, colour)
            yield "mark", x, y, sign, colour
            yield "text", x + 7, y - 6, point["setting"].rpartition(" ")[2], "start", colour
    control = found["controls"]["original"]
    if whole(control):
        yield from _whiskers(control, "ink")
        yield "mark", *_place(0, control["leak"]["value"], control["findings"]["value"]), "circle", "ink"
    alone = found["controls"]["findings_alone"]["value"]
    if alone is not None:
        x, _ = _place(0, alone, 0.5)
        yield "line", x, _TOP, x, _BASE, "ink", 1
        yield "text", x + 4, _BASE - 6, "findings alone", "start", ""
    for paper in PAPERS:
        x, y = _place(1, paper["linked"], paper["findings"])
        yield "mark", x, y, "circle", "ink"
        yield "text", x + 7, y - 6, paper["name"], "start", ""


def _whiskers(point: Mapping[str, Any], colour: str) -> Iterator[tuple[Any, ...]]:
    leak, kept = point["leak"], point["findings"]
    if leak["interval"] and kept["interval"]:
        a, b = (_place(0, end, kept["value"]) for end in leak["interval"])
        yield "line", *a, *b, colour, 1
        a, b = (_place(0, leak["value"], end) for end in kept["interval"])
        yield "line", *a, *b, colour, 1


def _outline(sign: str, x: float, y: float, r: float = 5) -> Sequence[tuple[float, float]]:
    """Corners of a sign around (x, y)."""
    if sign == "triangle":
        return [(x, y - r), (x + r, y + r), (x - r, y + r)]
    if sign == "nabla":
        return [(x, y + r), (x + r, y - r), (x - r, y - r)]
    if sign == "square":
        return [(x - r, y - r), (x + r, y - r), (x + r, y + r), (x - r, y + r)]
    if sign == "diamond":
        return [(x, y - r - 1), (x + r + 1, y), (x, y + r + 1), (x - r - 1, y)]
    k = r / 3
    ring = [(-k, -r), (k, -r), (k, -k), (r, -k), (r, k), (k, k), (k, r), (-k, r), (-k, k), (-r, k), (-r, -k), (-k, -k)]
    return [(x + dx, y + dy) for dx, dy in ring]


def svg(found: Mapping[str, Any], alone: bool = False) -> str:
    """The plot as SVG; `alone` gives it the colours of paper, else those of the page around it."""
    out = []
    for kind, *what in _shapes(found):
        if kind == "line":
            x0, y0, x1, y1, colour, width = what
            stroke = {"grid": 'class="grid"', "ink": 'stroke="currentColor" stroke-dasharray="4 3"'}.get(
                colour, f'stroke="{colour}"'
            )
            out.append(
                f'<line x1="{x0:.1f}" y1="{y0:.1f}" x2="{x1:.1f}" y2="{y1:.1f}" stroke-width="{width}" {stroke}/>'
            )
        elif kind == "mark":
            x, y, sign, colour = what
            fill = "currentColor" if colour == "ink" else colour
            if sign == "circle":
                out.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" fill="{fill}"/>')
            else:
                corners = " ".join(f"{a:.1f},{b:.1f}" for a, b in _outline(sign, x, y))
                out.append(f'<polygon points="{corners}" fill="{fill}"/>')
        else:
            x, y, said, anchor, colour = what
            fill = f' fill="{colour}"' if colour and colour != "ink" else ""
            out.append(f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{fill}>{escape(said)}</text>')
    style = "<style>text{font:12px sans-serif}text:not([fill]){fill:#333}.grid{stroke:#ddd}svg{color:#222}</style>"
    paper = f'{style}<rect width="100%" height="100%" fill="#fff"/>' if alone else ""
    label = f"Findings kept against linkage to the patient, {len(found['points'])} points"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDE} {_HIGH}" role="img" aria-label="{label}">'
        f"{paper}{''.join(out)}</svg>"
    )


def png(found: Mapping[str, Any], scale: int = 2) -> bytes:
    """The plot as PNG."""
    from PIL import Image, ImageDraw, ImageFont

    image = Image.new("RGB", (_WIDE * scale, _HIGH * scale), "#fff")
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(size=12 * scale)
    ink = {"grid": "#ddd", "ink": "#222", "": "#333"}
    for kind, *what in _shapes(found):
        if kind == "line":
            *ends, colour, width = what
            draw.line([scale * end for end in ends], fill=ink.get(colour, colour), width=width * scale)
        elif kind == "mark":
            x, y, sign, colour = what
            if sign == "circle":
                box = [scale * (x - 5), scale * (y - 5), scale * (x + 5), scale * (y + 5)]
                draw.ellipse(box, fill=ink.get(colour, colour))
            else:
                draw.polygon([(scale * a, scale * b) for a, b in _outline(sign, x, y)], fill=ink.get(colour, colour))
        else:
            x, y, said, anchor, colour = what
            at = {"start": "ls", "middle": "ms", "end": "rs"}[anchor]
            draw.text((scale * x, scale * y), said, fill=ink.get(colour, colour), font=font, anchor=at)
    out = io.BytesIO()
    image.save(out, "PNG", optimize=True)
    return out.getvalue()
