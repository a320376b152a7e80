"""What the generator remembers of the images that it was trained on: who was among them, what comes out again, and what
marks of de-identification call up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from updp_core.evaluation import denoising, statistics
from updp_core.evaluation.disclosure import NEEDED, beside, cases
from updp_core.evaluation.measures import Found, Measure, Row, count
from updp_core.evaluation.statistics import Estimate
from updp_core.evaluation.studies import code_digest
from updp_core.evaluation.testbed import Testbed, in_parts, key_of_method
from updp_core.imageset import HELD_OUT, TRAIN, phantom_rows
from updp_core.phantom import sample_patient, sample_visit
from updp_core.phantom.report import write_report
from updp_core.report import filter_report

MARKS = ("___", "XXXX", "[REDACTED]")
_ORDINARY = "chest"
_FEW = 16
_FALSE_ALARMS = 0.01
_CERTAIN = 0.1


def membership(bed: Testbed) -> Found:
    """Whether a film was among the generator's training images: by how well the model predicts the noise on it, and, of
    who sees released images alone, by how near the nearest of them is. Share of members told at 1 % false alarms, and
    AUC. Members are what the judges' bank of training images holds, so that none is claimed."""
    found, names = Found(), [f"membership_{f}.{p}" for p in ("loss", "nearest") for f in ("tpr", "auc")]
    size, judges = bed.sizes.reconstructed if bed.sizes.scale else _FEW, bed.models.judges
    keys = [
        [(r["patient"], r["visit"]) for r in phantom_rows(some, 2 * size) if not r["annotated"]][:size]
        for some in (TRAIN, HELD_OUT)
    ]
    inside = bed.trained_on("members", keys[0])
    known = np.zeros(len(inside), bool)
    if "bank" in judges.reference:
        known = in_parts(inside, judges.nearest) < _CERTAIN * float(judges.reference["train_nearest_p1"])
    if known.sum() < min(size, _FEW) // 2 or not denoising.can_be_asked(bed.models.generator):
        for name in names:
            found.lack(name, "the generator's training images in the judges' bank, and a generator with a UNet")
        return found
    outside = bed.trained_on("strangers", keys[1])
    sides = [(np.asarray(inside)[known], [key for key, k in zip(keys[0], known, strict=True) if k]), (outside, keys[1])]
    who = [np.array([patient for patient, _ in side]) for _, side in sides]
    lost = [prediction_errors(images, _captions(bed, side), bed) for images, side in sides]
    data = cases(bed)
    released = bed.drawn(bed.subject, data.data, data.name, np.arange(len(data.patient))).images
    near = [_near(in_parts(images, judges.features), in_parts(released, judges.features)) for images, _ in sides]
    n = {"members": len(who[0]), "strangers": len(who[1])}
    for part, (members, strangers) in (("loss", lost), ("nearest", near)):
        tpr, auc = told_apart(-members, -strangers, who[0], who[1], bed.seed)
        found.put(f"membership_tpr.{part}", tpr, _FALSE_ALARMS, **n)
        found.put(f"membership_auc.{part}", auc, 0.5, **n)
    return found


def prediction_errors(images: NDArray[Any], texts: Sequence[str], bed: Testbed) -> NDArray[np.float32]:
    """The generator's prediction errors (B,)."""
    return denoising.errors(bed.models.generator, (np.asarray(images) / 65535).astype(np.float32), texts, bed.seed)


def _captions(bed: Testbed, keys: Sequence[tuple[int, int]]) -> list[str]:
    visits = [sample_visit(sample_patient(patient), visit) for patient, visit in keys]
    return [filter_report(write_report(visit, visit.seed).text, bed.lexicon).text for visit in visits]


def _near(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
    mean, scale = b.mean(axis=0), b.std(axis=0) + 1e-6
    x, y = (a - mean) / scale, (b - mean) / scale
    return np.array([np.sqrt(((row - y) ** 2).sum(axis=1).min()) for row in x], np.float32)


def told_apart(
    members: NDArray[Any], strangers: NDArray[Any], who: NDArray[Any], others: NDArray[Any], seed: int = 0
) -> tuple[Estimate, Estimate]:
    """Share of members (M,) whose score lies above all but 1 % of the strangers' (N,), and AUC; intervals over patients
    of both, the share's no narrower than Wilson's."""
    rng = np.random.default_rng([seed, 7053])

    def caught(m: NDArray[Any], s: NDArray[Any]) -> float:
        return float((m > np.quantile(s, 1 - _FALSE_ALARMS, method="higher")).mean())

    share = statistics.share(members > np.quantile(strangers, 1 - _FALSE_ALARMS, method="higher"), who)
    drawn, areas = list[float](), list[float]()
    for wm, ws in zip(statistics.draws(who, rng, 300), statistics.draws(others, rng, 300), strict=True):
        m, s = np.repeat(members, wm.astype(int)), np.repeat(strangers, ws.astype(int))
        drawn.append(caught(m, s))
        areas.append(_area(m, s))
    low, high = np.percentile(drawn, [2.5, 97.5])
    ends = np.percentile(areas, [2.5, 97.5])
    return (share[0], min(share[1], float(low)), max(share[2], float(high))), (
        _area(members, strangers),
        float(ends[0]),
        float(ends[1]),
    )


def _area(members: NDArray[Any], strangers: NDArray[Any]) -> float:
    scores = np.concatenate([members, strangers])
    return float(statistics.auc(np.arange(len(scores)) < len(members), scores)[0])


def memorised(bed: Testbed) -> Found:
    """By how many deviations the worst image lies nearer to a training image than unseen originals do, on average; and
    the worst of as many unseen originals. Above 0: nearer than usual."""
    found, data, judges = Found(), cases(bed), bed.models.judges
    names = [key_of_method(method) for method in bed.methods]
    if "bank" not in judges.reference:
        for name in ["unseen", *names]:
            found.lack(f"memorised_worst.{name}", "judges with a bank of the training images")
        return found
    unseen = in_parts(data.images, judges.nearest)
    first, later = data.first, np.setdiff1d(np.arange(len(unseen)), data.first)
    null = unseen[first]
    sets = {"unseen": (unseen[later], data.patient[later])}
    for method, name in zip(bed.methods, names, strict=True):
        drawn = bed.drawn(method, data.data, data.name, np.arange(len(data.patient))).images
        sets[name] = (in_parts(drawn, judges.nearest)[later], data.patient[later])
    for name, (near, who) in sets.items():
        index = (null.mean() - near) / (null.std() + 1e-6)
        n = {"patients": count(who), "images": len(near)}
        found.put(f"memorised_worst.{name}", worst(index, who, bed.seed), **n)
    return found


def worst(values: NDArray[Any], groups: NDArray[Any], seed: int = 0) -> Estimate:
    """The highest value, with the interval of the highest when `groups` are drawn again and again."""
    drawn = statistics.draws(groups, np.random.default_rng([seed, 7054]), 300)
    highest = np.where(drawn > 0, values[None], -np.inf).max(axis=1)
    low, high = np.percentile(highest, [2.5, 97.5])
    return float(values.max()), float(low), float(high)


def markers(bed: Testbed) -> Found:
    """How much more a prompt with marks of de-identification steers the generator than the same prompt with an ordinary
    word in their place; and the share of a method's prompts that hold such a mark."""
    found, data = Found(), cases(bed)
    index = data.first[: bed.sizes.prompts]
    if denoising.can_be_asked(bed.models.generator):
        texts = [item.filtered_report for item in data.data.inputs(index, bed.lexicon)]
        guidance = bed.models.preset.generation.guidance_scale
        steers = [
            denoising.steering(bed.models.generator, [_marked(text, mark) for text in texts], guidance, bed.seed)
            for mark in (_ORDINARY, *MARKS)
        ]
        more = np.mean(steers[1:], axis=0) / np.maximum(steers[0], 1e-9)
        n = {"patients": count(data.patient[index]), "prompts": len(index) * len(MARKS)}
        found.put("marker_memory", statistics.mean(more, data.patient[index], bed.seed), 1.0, **n)
    else:
        found.lack("marker_memory", "a generator with a UNet")
    for method in bed.methods:
        name = f"marker_prompts.{key_of_method(method)}"
        if data.data.private:
            found.lack(name, "phantoms: prompts are not kept of an archive")
            continue
        rows = bed.drawn(method, data.data, data.name, np.arange(len(data.patient))).rows
        hits = np.array([any(mark in row["prompt"] for mark in MARKS) for row in rows], bool)
        found.put(name, statistics.share(hits, data.patient), 0.0, patients=count(data.patient), prompts=len(hits))
    return found


def _marked(text: str, mark: str) -> str:
    """A text that begins with a mark three times, so that every generator reads it."""
    return f"{mark} {mark} {mark} {text}"


def _beside(bed: Testbed) -> Any:
    return [*beside(bed), code_digest("evaluation/disclosure.py")]


MEMBERSHIP = Measure(
    "membership",
    NEEDED,
    membership,
    (
        Row("membership_tpr.loss", "Training images told by the model's error, at 1% false alarms", "share"),
        Row("membership_auc.loss", "Training images told by the model's error (AUC)"),
        Row("membership_tpr.nearest", "Training images told by the nearest {images}, at 1% false alarms", "share"),
        Row("membership_auc.nearest", "Training images told by the nearest {images} (AUC)"),
    ),
    beside=_beside,
)
MEMORISED = Measure(
    "memorised",
    NEEDED,
    memorised,
    (
        Row("memorised_worst.{method}", "Nearest to a training image, the worst of {images} (deviations)"),
        Row("memorised_worst.unseen", "The same of unseen originals (deviations)"),
    ),
    beside=_beside,
)
MARKERS = Measure(
    "markers",
    NEEDED,
    markers,
    (
        Row("marker_memory", "Marks of de-identification steer the generator, times an ordinary word"),
        Row("marker_prompts.{method}", "Prompts that hold such a mark, {images}", "share"),
    ),
    beside=_beside,
)
