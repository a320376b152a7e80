"""Reports and captions of visits: what the picture shows, said in many ways, never anything that it does not show."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from . import phrases
from .devices import central_line_plan, chest_tube_plan, endotracheal_height
from .findings import fractured_ribs, nodule_radius
from .patient import SEVERITIES, Finding, Visit
from .people import encounter
from .phi import body_lines, comparison, header_lines, impression_lines, signature_lines, unmark, who
from .phrases import expand

ORDER = (
    "endotracheal_tube",
    "central_line",
    "chest_tube",
    "pacemaker",
    "sternotomy_wires",
    "consolidation",
    "atelectasis",
    "edema",
    "nodule",
    "granuloma",
    "emphysema",
    "fibrosis",
    "pneumothorax",
    "pleural_effusion",
    "pleural_thickening",
    "cardiomegaly",
    "hernia",
    "scoliosis",
    "rib_fracture",
)
LUNG = ("consolidation", "atelectasis", "edema", "nodule", "granuloma", "emphysema", "fibrosis", "pneumothorax")
CHANGING = ("consolidation", "atelectasis", "edema", "pneumothorax", "pleural_effusion")
ORDINALS = (
    "first",
    "second",
    "third",
    "fourth",
    "fifth",
    "sixth",
    "seventh",
    "eighth",
    "ninth",
    "tenth",
    "eleventh",
    "twelfth",
)


@dataclass(frozen=True)
class GoldSpan:
    """A planted piece of PHI: text[start:end] and its category."""

    start: int
    end: int
    category: str


@dataclass(frozen=True)
class Report:
    """A report with the gold spans of its PHI; `findings_text` and `impression` are those sections' own words."""

    text: str
    spans: tuple[GoldSpan, ...]
    findings_text: str
    impression: str


def _zone(side: str, zone: str, rng: np.random.Generator) -> str:
    """Words for a place in the lung: a lobe or a zone."""
    if side == "bilateral":
        return {
            "upper": expand("[both upper lobes|bilateral upper lobes|both upper lung zones]", rng),
            "mid": expand("[both mid lungs|bilateral mid lung zones]", rng),
            "lower": expand("[both lower lobes|bilateral lower lobes|both lung bases|bilateral lung bases]", rng),
        }[zone]
    middle = (
        "[right middle lobe|right mid lung|right mid lung zone]"
        if side == "right"
        else "[lingula of the left lung|left mid lung|left mid lung zone]"
    )
    return expand(
        {
            "upper": f"[{side} upper lobe|{side} upper lung|{side} upper lung zone]",
            "mid": middle,
            "lower": f"[{side} lower lobe|{side} lung base|{side} lower lung zone|{side} base]",
        }[zone],
        rng,
    )


def slots(visit: Visit, f: Finding, rng: np.random.Generator) -> dict[str, str]:
    """The words that fill a phrase about this finding, true to its side, zone, severity and measures."""
    severity = expand(phrases.SEVERITY_WORDS[f.name][SEVERITIES.index(f.severity)], rng)
    adverb = {"mild": "mildly", "moderate": "moderately", "severe": "[markedly|severely]"}[f.severity]
    words = {"sev": severity, "adv": expand(adverb, rng), "side": f.side}
    if f.zone:
        words["zone"] = _zone(f.side, f.zone, rng)
    if f.name == "pleural_effusion":
        both = f.side == "bilateral"
        words["base"] = "lung bases" if both else expand(f"{f.side} [lung base|base]", rng)
        words["angle"] = "both costophrenic angles" if both else f"{f.side} costophrenic angle"
        words |= {"eff": "effusions", "is": "are", "art": ""} if both else {"eff": "effusion", "is": "is", "art": "a "}
    if f.name == "nodule":
        words["mass"] = "mass" if f.severity == "severe" else "nodule"
        words["cm"] = f"{2 * nodule_radius(f):.1f}"
    if f.name == "fibrosis":
        words["fib"] = expand(
            "[lung bases|lower lobes|lower lungs]" if f.zone == "lower" else "[upper lobes|apices|upper lungs]", rng
        )
    if f.name == "pleural_thickening":
        words["wall"] = {"upper": "apical", "mid": "lateral", "lower": expand("[basal|lower lateral]", rng)}[f.zone]
    if f.name == "scoliosis":
        words["scol"] = expand(
            "[dextroscoliosis|rightward scoliosis]" if f.side == "right" else "[levoscoliosis|leftward scoliosis]", rng
        )
    if f.name == "rib_fracture":
        first, count = fractured_ribs(f)
        names = [ORDINALS[i] for i in range(first, first + count)]
        which = expand(f"[{names[0]} through {names[-1]}|{', '.join(names[:-1])} and {names[-1]}]", rng)
        words |= {"ribs": f"{f.side} {which} ribs", "ribs1": f"{f.side} {which} rib"}
    if f.name == "granuloma":
        many = f.size * 2.9 >= 1
        words["gran"] = expand(
            "[calcified granulomas|calcified granulomata|a few calcified granulomas]"
            if many
            else "[a calcified granuloma|a calcified nodular granuloma]",
            rng,
        )
        words["gran"] = words["gran"].replace("a calcified", f"a {severity} calcified").replace("a  ", "a ")
        words["is"] = "are" if many else "is"
    if f.name == "pacemaker":
        words["leads"] = expand("[dual-chamber|dual-lead]" if f.size > 0.3 else "[single-chamber|single-lead]", rng)
        words["leads2"] = "two leads" if f.size > 0.3 else "a single lead"
    if f.name == "central_line":
        words["route"] = expand("[internal jugular|IJ]", rng) if central_line_plan(f)[1] else "subclavian"
    if f.name == "endotracheal_tube":
        words["cm"] = f"{endotracheal_height(f):.1f}"
    if f.name == "chest_tube":
        words["tube"] = expand("[apex|lung apex]" if chest_tube_plan(f)[1] else "[base|lung base]", rng)
    return words | {key.capitalize(): value[:1].upper() + value[1:] for key, value in words.items() if value}


def _say(templates: tuple[str, ...], visit: Visit, f: Finding, rng: np.random.Generator) -> str:
    words = slots(visit, f, rng)
    template = templates[int(rng.integers(len(templates)))]
    for empty in ("{sev} ", "{Sev} "):
        if not words["sev"]:
            template = template.replace(empty, "")
    text = expand(template, rng, words)
    return text[:1].upper() + text[1:]


def _negatives(visit: Visit, rng: np.random.Generator, count: int) -> list[str]:
    """Up to `count` sentences that deny findings, each true, no finding denied twice."""
    labels = visit.labels
    denied: set[str] = set()
    chosen: list[tuple[int, str]] = []
    for index in rng.permutation(len(phrases.DENY)):
        names, template = phrases.DENY[index]
        if len(chosen) == count:
            break
        if not any(labels[n] for n in names) and not denied & set(names):
            denied |= set(names)
            chosen.append((min(ORDER.index(n) for n in names), expand(template, rng)))
    return [text for _, text in sorted(chosen)]


def describe(visit: Visit, rng: np.random.Generator, negatives: int, compare: bool) -> list[str]:
    """Sentences of the FINDINGS section: what is there in a reader's order, then some of what is not."""
    sentences = []
    for name in ORDER:
        if f := visit.get(name):
            text = _say(phrases.STATE[name], visit, f, rng)
            if compare and (f.chronic or name in CHANGING) and rng.random() < 0.35:
                text = text.rstrip(".") + ", " + _change(f.chronic, rng) + "."
            sentences.append(text)
    if not any(visit.labels[n] for n in (*LUNG, "pleural_effusion")) and rng.random() < 0.75:
        sentences.append(expand(phrases.CLEAR, rng))
    if rng.random() < 0.4 and not visit.labels["hernia"] and negatives:
        sentences.append(expand(phrases.MEDIASTINUM, rng))
    sentences += _negatives(visit, rng, negatives)
    return sentences


def _change(chronic: bool, rng: np.random.Generator) -> str:
    text = expand(phrases.CHANGE[chronic], rng)
    return text[0].lower() + text[1:]


def conclude(visit: Visit, rng: np.random.Generator, advise: bool) -> list[str]:
    """Sentences of the IMPRESSION: every finding, or that all is well."""
    if not visit.findings:
        return [expand(phrases.NORMAL_IMPRESSION, rng)]
    lines = [_say(phrases.IMPRESSION[n], visit, f, rng) for n in ORDER if (f := visit.get(n))]
    if advise:
        for name, options in phrases.ADVICE.items():
            if visit.labels[name] and rng.random() < 0.5:
                lines.append(expand(options[int(rng.integers(len(options)))], rng))
    if all(f.chronic for f in visit.findings) and rng.random() < 0.4:
        lines.append(expand(phrases.NO_ACUTE, rng))
    return lines


def caption(visit: Visit, seed: int) -> str:
    """PHI-free findings and impression text for training; names every finding of the visit, and no other."""
    rng = np.random.default_rng([visit.patient.seed, visit.seed, seed, 91])
    style = rng.random()
    parts: list[str] = []
    if rng.random() < 0.3:
        parts.append(expand(phrases.TECHNIQUE[visit.view], rng))
    if style < 0.3:
        parts += conclude(visit, rng, advise=False) + _negatives(visit, rng, int(rng.integers(0, 3)))
    elif style < 0.65:
        parts += describe(visit, rng, int(rng.integers(0, 4)), compare=False)
        if not visit.findings:
            parts += conclude(visit, rng, advise=False)
    else:
        parts += describe(visit, rng, int(rng.integers(0, 3)), compare=rng.random() < 0.2)
        parts += conclude(visit, rng, advise=rng.random() < 0.3)
    return " ".join(parts)


def write_report(visit: Visit, seed: int, phi: bool = True) -> Report:
    """A report in a hospital's style, with PHI planted in header, body and signature unless `phi` is False."""
    rng = np.random.default_rng([visit.patient.seed, visit.seed, seed, 92])
    e = encounter(visit)
    heads = {key: options[int(rng.integers(len(options)))] for key, options in phrases.HEADINGS.items()}
    findings = describe(visit, rng, int(rng.integers(1, 5)), compare=visit.follow_up)
    impression = conclude(visit, rng, advise=rng.random() < 0.6)
    symptom = expand(phrases.INDICATION, rng)
    if phi:
        for extra in body_lines(e, rng, visit.follow_up, visit.labels["pacemaker"]):
            findings.insert(int(rng.integers(len(findings) + 1)), extra)
        told = impression_lines(e, rng)
        start = who(e, rng) if rng.random() < 0.75 else ""
        indication = f"{start} with {symptom[0].lower()}{symptom[1:]}." if start else f"{symptom}."
        compared = comparison(e, rng, visit.follow_up)
    else:
        told = []
        indication = f"{symptom}."
        compared = expand(
            "[Prior chest radiograph.|Prior study.]" if visit.follow_up else "[None.|None available.]", rng
        )
    numbered = len(impression) > 1 and rng.random() < 0.5
    if numbered:
        impression = [f"{i}. {line}" for i, line in enumerate(impression, 1)]
    joiner = "\n" if numbered else " "
    findings_body, impression_body = " ".join(findings), joiner.join([*impression, *told])
    sections = [
        (0.7, heads["exam"], expand(phrases.EXAM, rng, {"view": visit.view})),
        (0.9, heads["indication"], indication),
        (0.4, heads["technique"], expand(phrases.TECHNIQUE[visit.view], rng)),
        (0.85, heads["comparison"], compared),
        (1.0, heads["findings"], findings_body),
        (1.0, heads["impression"], impression_body),
    ]
    below = rng.random() < 0.4
    colon, between = (":\n" if below else ": "), ("\n\n" if rng.random() < 0.6 else "\n")
    blocks = [f"{head}{colon}{body}" for chance, head, body in sections if rng.random() < chance]
    if phi:
        top, bottom = header_lines(e, rng), signature_lines(e, rng)
        blocks = [*(["\n".join(top)] if top else []), *blocks, *(["\n".join(bottom)] if bottom else [])]
    text, marked = unmark(between.join(blocks))
    if rng.random() < 0.3:
        text = _wrap(text, int(rng.integers(66, 92)))
    spans = tuple(GoldSpan(*span) for span in marked)
    return Report(text, spans, unmark(findings_body)[0], unmark(impression_body)[0])


def _wrap(text: str, width: int) -> str:
    """Break lines at `width` by turning spaces into newlines: offsets do not move."""
    characters = list(text)
    line_start, last_space = 0, -1
    for i, c in enumerate(characters):
        if c == "\n":
            line_start, last_space = i + 1, -1
        elif c == " ":
            last_space = i
        if i - line_start >= width and last_space > line_start:
            characters[last_space] = "\n"
            line_start, last_space = last_space + 1, -1
    return "".join(characters)
