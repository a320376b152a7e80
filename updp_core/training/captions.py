"""What a training image is told to show: captions, and the ways in which an optimised prompt differs from a sentence.

An optimised prompt is a bag of word pieces ("radiograph note pleural effusion lef right basilar"). `vary` makes such
texts from captions, so that encoder and generator learn to read them; `keywords` states findings in a few words.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from updp_core.imageset import visit_of
from updp_core.phantom import FINDINGS
from updp_core.phantom.patient import SIDES
from updp_core.phantom.report import caption, write_report

# Short names of each finding, for keyword captions and zero-shot queries.
NAMES: Mapping[str, tuple[str, ...]] = {
    "cardiomegaly": ("cardiomegaly", "enlarged heart", "cardiac enlargement", "enlarged cardiac silhouette"),
    "pleural_effusion": ("pleural effusion", "pleural effusion", "effusion", "pleural fluid"),
    "consolidation": ("consolidation", "airspace consolidation", "airspace opacity", "pneumonia"),
    "atelectasis": ("atelectasis", "volume loss", "plate-like atelectasis", "linear atelectasis"),
    "edema": ("pulmonary edema", "edema", "interstitial edema", "vascular congestion"),
    "pneumothorax": ("pneumothorax", "pneumothorax", "pleural air"),
    "nodule": ("nodule", "pulmonary nodule", "lung nodule", "mass"),
    "emphysema": ("emphysema", "hyperinflation", "hyperinflated lungs"),
    "fibrosis": ("fibrosis", "pulmonary fibrosis", "reticular opacities"),
    "pleural_thickening": ("pleural thickening", "thickened pleura"),
    "hernia": ("hiatal hernia", "hernia", "hiatus hernia"),
    "scoliosis": ("scoliosis", "spinal curvature"),
    "rib_fracture": ("rib fracture", "rib fractures", "fractured ribs"),
    "granuloma": ("granuloma", "calcified granuloma"),
    "pacemaker": ("pacemaker", "pacemaker leads", "pacemaker generator"),
    "central_line": ("central line", "central venous catheter", "jugular catheter"),
    "endotracheal_tube": ("endotracheal tube", "ET tube"),
    "sternotomy_wires": ("sternotomy wires", "median sternotomy wires"),
    "chest_tube": ("chest tube", "chest drain", "pleural drain"),
}
SEVERITY: Mapping[str, tuple[str, ...]] = {
    "mild": ("small", "mild", "minimal", "slight"),
    "moderate": ("moderate",),
    "severe": ("large", "severe", "extensive", "marked"),
}
ZONE: Mapping[str, tuple[str, ...]] = {
    "upper": ("upper lobe", "upper", "apical", "upper lung"),
    "mid": ("mid", "mid lung", "middle"),
    "lower": ("lower lobe", "lower", "base", "basilar", "basal"),
}
NORMAL = (
    "normal chest radiograph",
    "no acute findings",
    "clear lungs",
    "normal chest",
    "lungs clear normal heart",
    "no acute cardiopulmonary abnormality",
)
DENIALS = ("no ", "no ", "without ", "no evidence of ", "there is no ")
# Findings whose severity or side a reader of the film would not name.
_NO_SEVERITY = {"pacemaker", "central_line", "endotracheal_tube", "sternotomy_wires", "chest_tube"}
_NO_ZONE = {"pneumothorax", "pleural_effusion", "emphysema"}
_DENIES = re.compile(
    r"\b(no|not|without|negative|free|clear|normal|unremarkable|resolved|within|limits|absent|intact|none)\b", re.I
)
_SMALL_WORDS = set(
    [
        "a",
        "an",
        "the",
        "is",
        "are",
        "was",
        "there",
        "of",
        "in",
        "with",
        "and",
        "or",
        "at",
        "on",
        "by",
        "to",
        "from",
        "for",
        "be",
        "has",
        "have",
        "been",
        "this",
        "that",
        "it",
        "its",
        "as",
        "which",
        "seen",
        "noted",
        "present",
        "again",
        "also",
    ]
)
_WORD = re.compile(r"[A-Za-z][A-Za-z\-]*|\d+(?:\.\d+)?")


def phrase(finding: Any, rng: np.random.Generator, full: bool = False) -> str:
    """A phantom Finding in a few words: "moderate right pleural effusion"; side, severity and zone may be left out."""
    words = [NAMES[finding.name][int(rng.integers(len(NAMES[finding.name])))]]
    if finding.side and finding.name not in ("edema", "emphysema", "fibrosis") and (full or rng.random() < 0.85):
        words.insert(0, finding.side)
    if finding.name not in _NO_SEVERITY and (full or rng.random() < 0.6):
        words.insert(0, str(rng.choice(SEVERITY[finding.severity])))
    if finding.zone and finding.name not in _NO_ZONE and (full or rng.random() < 0.6):
        words.append(str(rng.choice(ZONE[finding.zone])))
    return " ".join(words)


def keywords(visit: Any, rng: np.random.Generator) -> str:
    """All findings of a phantom visit as short phrases in random order, often with true denials before or after; where
    nothing was found, often denials alone: what is only denied must not be drawn, nor anything in its place."""
    phrases = [phrase(f, rng) for f in visit.findings]
    if not phrases and rng.random() < 0.6:
        phrases = [str(rng.choice(NORMAL))]
    between = str(rng.choice([", ", " ", "; ", " and "]))
    parts = [between.join(phrases[i] for i in rng.permutation(len(phrases)))] if phrases else []
    if not parts or rng.random() < 0.35:
        denial = deny([name for name, there in visit.labels.items() if not there], rng)
        parts.insert(int(rng.integers(len(parts) + 1)), denial)
    return str(rng.choice([". ", "; "])).join(parts)


def deny(absent: Sequence[str], rng: np.random.Generator) -> str:
    """One to three findings of `absent` denied in a few words: "no hernia or pneumothorax", "without edema"."""
    count = min(len(absent), int(rng.choice([1, 2, 3], p=[0.6, 0.25, 0.15])))
    words = [str(rng.choice(NAMES[absent[i]])) for i in rng.choice(len(absent), count, replace=False)]
    start = str(rng.choice(DENIALS))
    return start + str(rng.choice([" or ", ", " + start, ". " + start])).join(words)


def label_caption(labels: Mapping[str, bool], rng: np.random.Generator) -> str:
    """A caption by template from labels alone, for archives that have labels and no reports."""
    there = [name.replace("_", " ").lower() for name, value in labels.items() if value]
    if not there:
        return str(rng.choice(NORMAL))
    return str(rng.choice(["chest radiograph showing ", "findings of ", "there is ", ""])) + " and ".join(
        there[i] for i in rng.permutation(len(there))
    )


def texts_of(row: Mapping[str, Any], count: int, seed: int = 0) -> list[str]:
    """`count` different texts of one training row, free of PHI."""
    if "visit" not in row:
        rng = np.random.default_rng([seed, 7004])
        if row.get("text"):
            return [row["text"]] * count
        return [label_caption(row["labels"], rng) for _ in range(count)]
    visit = visit_of(row)
    out = []
    for number in range(count):
        if number % 3 == 2:
            report = write_report(visit, seed + number, phi=False)
            out.append(f"{report.findings_text} {report.impression}")
        else:
            out.append(caption(visit, seed + number))
    return out


def vary(text: str, rng: np.random.Generator, noise: Sequence[str] = ()) -> str:
    """The text as it stands (a third), or as an optimised prompt would have it.

    Sentences reordered or dropped; thinned to content words of the sentences that assert something; words shuffled
    near their place or throughout, dropped, repeated, cut to pieces; words of `noise` (the vocabulary) put between.
    """
    kind = rng.random()
    if kind < 0.34:
        return text
    sentences = [s for s in re.split(r"(?<=[.;])\s+", text) if s]
    if len(sentences) > 1:
        sentences = [sentences[i] for i in rng.permutation(len(sentences))]
    if kind < 0.5:
        denies = [bool(_DENIES.search(s)) for s in sentences]
        kept = [s for s, d in zip(sentences, denies, strict=True) if not d or rng.random() < 0.6]
        return " ".join(kept or sentences)
    asserting = [s for s in sentences if not _DENIES.search(s)]
    words = _WORD.findall(" ".join(asserting or sentences))
    if rng.random() < 0.8:
        words = [w for w in words if w.lower() not in _SMALL_WORDS] or words
    keep = rng.uniform(0.7, 1.0)
    words = [w for w in words if rng.random() < keep] or words[:1]
    reach = float(rng.choice([0.0, 2.0, 4.0, 100.0], p=[0.2, 0.4, 0.25, 0.15]))
    order = np.argsort(np.arange(len(words)) + rng.uniform(0, reach + 1e-6, len(words)), kind="stable")
    words = [words[i] for i in order]
    out: list[str] = []
    dirt = rng.uniform(0, 0.35) if len(noise) else 0.0
    for word in words:
        roll = rng.random()
        if roll < 0.05 and len(word) > 5:
            word = word[: int(rng.integers(3, len(word)))]
        elif roll < 0.1:
            out.append(word)
        out.append(word)
        while rng.random() < dirt:
            out.append(str(noise[int(rng.integers(len(noise)))]))
    return " ".join(out)


def targets_of(rows: Sequence[Mapping[str, Any]]) -> tuple[tuple[str, ...], np.ndarray]:
    """What is true of each image: names (K,) and float32 (N, K) of 0 and 1.

    Phantoms: each finding, and each finding that has a side as "right x" and "left x". Other sources: their labels.
    """
    if rows and "visit" in rows[0]:
        lateral = [n for n in FINDINGS if n in SIDES and SIDES[n][2] < 1]
        names = (*FINDINGS, *(f"{side} {n}" for n in lateral for side in ("right", "left")))
        index = {name: i for i, name in enumerate(names)}
        out = np.zeros((len(rows), len(names)), np.float32)
        for i, row in enumerate(rows):
            for finding in visit_of(row).findings:
                out[i, index[finding.name]] = 1
                for side in ("right", "left"):
                    if finding.name in lateral and finding.side in (side, "bilateral"):
                        out[i, index[f"{side} {finding.name}"]] = 1
        return names, out
    names = tuple(sorted({name for row in rows for name in row.get("labels", {})}))
    return names, np.array([[float(row["labels"].get(n, False)) for n in names] for row in rows], np.float32).reshape(
        len(rows), len(names)
    )


def query(name: str, rng: np.random.Generator) -> tuple[str, str]:
    """A pair of short texts that assert and deny a target of `targets_of`: ("right effusion", "no effusion")."""
    side, _, plain = name.rpartition(" ")
    options = NAMES.get(plain, (plain.replace("_", " ").lower(),))
    word = options[int(rng.integers(len(options)))]
    start = str(rng.choice(["", "", "there is ", "findings of ", "chest radiograph with "]))
    return f"{start}{side} {word}".strip().replace("  ", " "), f"{rng.choice(DENIALS)}{word}"
