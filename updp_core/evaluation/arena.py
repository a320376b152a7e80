"""The arena: each method at several points of its slider, under the same attackers, beside findings and fidelity.

Two studies of each patient are at hand. A method draws the one, and an attacker who was trained on what the method
draws of other patients links it to the other: original and image are never of the same study. Patients are tested in
two halves, each by attackers trained on the other half. Every figure is drawn again by the same bootstrap over
patients, so that two points can be compared draw by draw. An AUC below 0.5 counts as 0.5: which way a score points is
fixed beforehand.
"""

from __future__ import annotations

import itertools
import json
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from updp_core.atomic import write_file
from updp_core.backends.memory import keep_memory
from updp_core.domain import MethodInput
from updp_core.errors import ModelUnavailable, UpdpError
from updp_core.evaluation import attackers, statistics
from updp_core.evaluation.attackers import Linkage, Score
from updp_core.evaluation.findings_alone import figure
from updp_core.evaluation.statistics import UNKNOWN, Estimate, auc_within, draws, mean, share
from updp_core.evaluation.studies import alone, as_float, code_digest, key_of, phantom_digest, similarity
from updp_core.evaluation.testbed import DRAWING, Testbed, in_parts
from updp_core.methods import METHODS, Entry
from updp_core.methods.base import holds_strength, spoken

TRAINED = ("network", "encoder")
FAMILIES: Mapping[str, str] = {
    "network": "retrained head on a re-identification network",
    "encoder": "retrained head on a vision-language encoder",
    "pixels": "nearest neighbour in raw pixels",
    "ssim": "structural similarity",
}
LEAST = 10
"""Patients with two studies, and pairs of them in a comparison, below which a figure is not measurable."""
_DRAWS = 300
_THUMBNAIL, _SSIM_SIDE = 32, 64


class Films(Protocol):
    """Two studies of each patient: images (N, S, S) uint16, patient (N,), truth (N, F) where reports tell findings, and
    what each report states (N,)."""

    @property
    def images(self) -> NDArray[np.uint16]: ...
    @property
    def patient(self) -> NDArray[np.int64]: ...
    @property
    def private(self) -> bool: ...
    @property
    def truth(self) -> NDArray[np.bool_]: ...
    @property
    def stated(self) -> NDArray[np.str_]: ...
    def inputs(self, index: Sequence[int] | NDArray[Any], lexicon: Any) -> list[MethodInput]: ...


@dataclass(frozen=True)
class Size:
    """How much is measured: `couples` patients with two studies, of which the first or (`both`) each is drawn, by
    `seeds` seeds of the generator; `attackers` are trained a family. At most `points` of a method are taken (None:
    all), and `candidates` images are drawn of a prompt, where a method draws several (None: as the method is set)."""

    couples: int
    both: bool
    seeds: int
    attackers: int
    points: int | None = None
    candidates: int | None = None


QUICK = Size(couples=20, both=False, seeds=1, attackers=1, points=2, candidates=1)


def size(scale: float = 1.0) -> Size:
    """The size of the full form."""
    return Size(couples=max(20, round(320 * scale)), both=True, seeds=2, attackers=3)


@dataclass(frozen=True)
class Point:
    """A method as it is set: changes by dotted name, or a set of settings of its own; "" for its defaults."""

    entry: Entry
    changes: tuple[tuple[str, float], ...] = ()
    named: str = ""

    @property
    def label(self) -> str:
        if self.named:
            return self.named
        return ", ".join(f"{spoken(name)} {value:g}" for name, value in self.changes)


def points_of(entry: Entry) -> Iterator[Point]:
    """The points at which a method is drawn: those of its first slider, then its named sets."""
    if not entry.sliders:
        yield Point(entry)
    for slider in entry.sliders[:1]:
        yield from (Point(entry, ((slider.name, value),)) for value in slider.values)
    for named in entry.sets:
        yield Point(entry, named=named)


@dataclass
class _Told:
    """What was found of a point: figures, and the bootstrap's draws of leak and findings, by name."""

    row: dict[str, Any]
    leak: NDArray[np.float64]
    findings: NDArray[np.float64]


def run(bed: Testbed, films: Films, of: Size, name: str) -> dict[str, Any]:
    """The arena's result as JSON; `name` tells the films apart in the testbed's folder.

    What was drawn and measured is kept there: a run that was cut off goes on. Raises Conflict where another run uses
    the folder, ModelUnavailable where judges or encoder are missing.
    """
    keep_memory()
    begun, used = time.monotonic(), time.process_time()
    arena = _Arena(bed, films, of, name)
    with alone(bed.work):
        controls = {"original": arena.control()}
        found: list[_Told] = []
        unmeasured: list[dict[str, str]] = []
        for entry in METHODS.values():
            try:
                entry.check(bed.models.settings)
                for point in itertools.islice(points_of(entry), of.points):
                    found.append(arena.point(point))
            except (UpdpError, RuntimeError) as error:
                unmeasured.append({"method": entry.name, "why": _reason(error)})
        alone_ = arena.findings_alone()
    rows = [told.row for told in found]
    for told in found:
        over = [(other.row["name"], _sure(other, told)) for other in found if _dominates(other.row, told.row)]
        told.row["dominated_by"] = [{"point": n, "sure": s} for n, s in sorted(over, key=lambda item: -item[1])]
    result = {
        "suite": "arena",
        "patients": len(np.unique(films.patient)),
        "images": len(arena.index) * of.seeds,
        "size": asdict(of),
        "seed": bed.seed,
        "families": dict(FAMILIES),
        "controls": {"original": controls["original"].row, "findings_alone": alone_},
        "points": rows,
        "unmeasured": unmeasured,
        "minutes": round((time.monotonic() - begun) / 60, 1),
        "processor_minutes": round((time.process_time() - used) / 60, 1),
        "models": dict(bed.models.digests),
        "phantom": "" if films.private else phantom_digest(),
    }
    return result


def _plain(values: NDArray[np.float64]) -> list[float | None]:
    return [None if math.isnan(value) else round(float(value), 5) for value in values]


def _reason(error: Exception) -> str:
    """Why a method could not be measured, in words that hold nothing of a study."""
    return str(error) if isinstance(error, ModelUnavailable) else "It failed on a study of these."


def _dominates(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether a point leaks no more and keeps no less than another, and one of both better."""
    if one is other or not (whole(one) and whole(other)):
        return False
    a, b = ((max(0.5, float(p["leak"]["value"])), float(p["findings"]["value"])) for p in (one, other))
    return a[0] <= b[0] and a[1] >= b[1] and a != b


def whole(point: Mapping[str, Any]) -> bool:
    """Whether both of a point's figures could be measured."""
    return point["leak"]["value"] is not None and point["findings"]["value"] is not None


def _sure(one: _Told, other: _Told) -> float:
    """The share of the bootstrap's draws in which a point leaks no more and keeps no less than another."""
    leak = np.maximum(0.5, one.leak) <= np.maximum(0.5, other.leak)
    return round(float(np.mean(leak & (one.findings >= other.findings))), 3)


class _Arena:
    """What all points share: films, halves of patients, and what attackers see of the originals."""

    def __init__(self, bed: Testbed, films: Films, of: Size, name: str) -> None:
        self.bed, self.films, self.of, self.name = bed, films, of, name
        people, first = np.unique(films.patient, return_index=True)
        self.index = np.arange(len(films.patient)) if of.both else np.sort(first)
        mixed = np.random.default_rng([bed.seed, 7130]).permutation(people)
        self.halves = (mixed[::2], mixed[1::2])
        self.seen = self._seen(films.images)
        self.truth = films.truth
        # Enough cases of a finding to compare: both classes among what is drawn.
        part = self.truth[self.index]
        self.told = np.flatnonzero((part.any(axis=0)) & ~part.all(axis=0))

    def control(self) -> _Told:
        """The originals themselves, under the same attackers: what an attack on no protection reaches."""
        return self._kept({"original": True}, lambda: self._measured([self.films.images[self.index]], {}))

    def point(self, point: Point) -> _Told:
        """A method at one point. Raises RuntimeError where it fails on a study, UpdpError where a model is missing."""
        entry, of = point.entry, self.of
        also = {} if of.candidates is None else {"generation.candidates": of.candidates}
        how: dict[str, Any] = {"changes": dict(point.changes), "named": point.named, "also": also}
        made = [self.bed.drawn(entry.name, self.films, self.name, self.index, again=n, **how) for n in range(of.seeds)]
        settings = self.bed.models.method(entry.name, self.bed.lexicon, **how).settings()
        row = {
            "name": f"{entry.name} ({point.label})" if point.label else entry.name,
            "method": entry.name,
            "title": entry.title,
            "setting": point.label,
            "holds": entry.holds,
            "releasable": entry.releasable,
            "source_pixels": entry.derivation(settings).source_pixels or holds_strength(settings),
        }
        seconds = np.array([r.get("processor_seconds", np.nan) for part in made for r in part.rows])
        row["processor_seconds"] = round(float(np.nanmean(seconds)), 3)
        key = {"point": row["name"], "settings": settings}
        return self._kept(key, lambda: self._measured([np.asarray(part.images) for part in made], row))

    def findings_alone(self) -> dict[str, Any]:
        """Visits linked by the findings that their reports state, without any image."""
        if not len(self.told):
            return figure(UNKNOWN)
        truth = self.truth.astype(np.float32)
        data = Linkage(truth[self.index], truth, self.index, self.films.patient)
        return figure(self._linked([data], self._retrained([data]))[0])

    def _kept(self, what: Mapping[str, Any], function: Callable[[], _Told]) -> _Told:
        """What was found of a point, not measured again while all that it depends on is the same."""
        code = code_digest(*(f"evaluation/{n}.py" for n in ("arena", "attackers", "statistics", "studies")), *DRAWING)
        models = self.bed.models.digests
        digest = key_of(what, asdict(self.of), self.bed.seed, self.name, models, phantom_digest(), code)
        file = self.bed.work / f"arena-{digest}.json"
        if file.is_file():
            kept = json.loads(file.read_text())
            arrays = (np.array([math.nan if x is None else x for x in kept[part]]) for part in ("leak", "findings"))
            return _Told(kept["row"], *arrays)
        told = function()
        kept = {"row": told.row, "leak": _plain(told.leak), "findings": _plain(told.findings)}
        write_file(file, json.dumps(kept).encode())
        leak, seen = told.row["leak"]["value"], told.row["findings"]["value"]
        self.bed.say(f"{told.row.get('name', 'originals')}: linked {leak}, findings {seen}")
        return told

    def _measured(self, sets: Sequence[NDArray[Any]], row: dict[str, Any]) -> _Told:
        """All figures of images (M, S, S) of the studies at `index`, one array a seed of the generator."""
        source, patient = self.index, self.films.patient
        seen = [self._seen(images) for images in sets]
        linkages = {
            family: [Linkage(one[family], self.seen[family], source, patient) for one in seen] for family in FAMILIES
        }
        scores: dict[str, list[list[list[Score]]]] = {}
        found: dict[str, tuple[Estimate, NDArray[np.float64]]] = {}
        for family, data in linkages.items():
            scores[family] = (
                self._retrained(data)
                if family in TRAINED
                else [[[_alike(family, one)] for _ in self.halves] for one in data]
            )
            found[family] = self._linked(data, scores[family])
        known = [family for family in FAMILIES if math.isfinite(found[family][0][0])]
        strongest = max(known, key=lambda family: found[family][0][0]) if known else next(iter(FAMILIES))
        told = self.films.stated if len(self.told) else None
        data, attack = linkages[strongest], scores[strongest]
        keeps, drawn = self._findings(sets)
        far = [kernel_distance(one["network"], self.seen["network"]) for one in seen]
        row |= {
            "linked": {family: figure(found[family][0]) for family in FAMILIES},
            "strongest": strongest,
            "leak": figure(found[strongest][0]),
            "leak_same_findings": figure(self._linked(data, attack, told)[0] if told is not None else UNKNOWN),
            "named": self._named(data, attack),
            "findings": figure(keeps),
            "ssim": figure(self._fidelity(sets)),
            "kernel_distance": round(float(np.mean(far)), 4),
        }
        return _Told(row, found[strongest][1], drawn)

    def _seen(self, images: NDArray[Any]) -> dict[str, NDArray[np.float32]]:
        """What each family of attackers sees of images (M, S, S), uint8 or uint16."""
        wide = [np.asarray(image, np.uint16) * np.uint16(257 if image.dtype == np.uint8 else 1) for image in images]
        encoder, judges = self.bed.models.encoder, self.bed.models.judges
        coded = [encoder.encode_image(wide[i : i + 16]).float().numpy(force=True) for i in range(0, len(wide), 16)]
        return {
            "network": in_parts(images, lambda part: attackers.describe(judges, part)),
            "encoder": np.concatenate(coded),
            "pixels": in_parts(images, lambda part: thumbnails(part, _THUMBNAIL)),
            "ssim": in_parts(images, lambda part: shrunk(part, _SSIM_SIDE)),
        }

    def _retrained(self, sets: Sequence[Linkage]) -> list[list[list[Score]]]:
        """Attackers by seed of the generator and half of the patients that they are tested on."""
        seeds = [self.bed.seed * 100 + k for k in range(self.of.attackers)]
        return [[attackers.retrained(data, half, seeds) for half in self.halves] for data in sets]

    def _linked(
        self, sets: Sequence[Linkage], scores: Sequence[Sequence[Sequence[Score]]], alike: NDArray[Any] | None = None
    ) -> tuple[Estimate, NDArray[np.float64]]:
        """AUC of the attackers on pairs of the patients that they were not trained on, with its interval and draws."""
        value, drawn = [], []
        for data, halves in zip(sets, scores, strict=True):
            truth, strata, weights, said = [], [], [], list[list[NDArray[Any]]]()
            for n, (half, attack) in enumerate(zip(self.halves, halves, strict=True)):
                rng = np.random.default_rng([self.bed.seed, 7131, n])
                pairs, same, times, stratum = attackers.tested(data, half, rng, alike, _DRAWS)
                # Where first studies alone are drawn, later ones alone are asked for: being later tells nothing.
                asked = np.isin(pairs[:, 1], pairs[same, 1])
                pairs, same, times, stratum = pairs[asked], same[asked], times[:, asked], stratum[asked]
                truth.append(same)
                weights.append(times)
                strata.append([f"{n} {part}" for part in stratum])
                said.append([score(pairs[:, 0], pairs[:, 1]) for score in attack])
            whole, stratum, times = np.concatenate(truth), np.concatenate(strata), np.concatenate(weights, axis=1)
            if whole.sum() < LEAST or whole.all():
                return UNKNOWN, np.full(_DRAWS, np.nan)
            for score in map(np.concatenate, zip(*said, strict=True)):
                value.append(float(auc_within(stratum, whole, score)[0]))
                drawn.append(auc_within(stratum, whole, score, times))
        if not np.isfinite(value).all():
            return UNKNOWN, np.full(_DRAWS, np.nan)
        # Draw k is one attacker's on one set of patients: the interval covers attackers, generator's seeds, patients.
        mixed = np.array([drawn[k % len(drawn)][k] for k in range(_DRAWS)])
        low, high = np.nanpercentile(np.concatenate(drawn), [2.5, 97.5])
        return (float(np.mean(value)), float(low), float(high)), mixed

    def _named(self, sets: Sequence[Linkage], scores: Sequence[Sequence[Sequence[Score]]]) -> dict[str, Any]:
        """How often the true patient comes first of one original of each patient of a half, never of the same study."""
        hits, whose, people = [], [], []
        for data, halves in zip(sets, scores, strict=True):
            for half, attack in zip(self.halves, halves, strict=True):
                rows = np.flatnonzero(np.isin(data.patient[data.source], half))
                for n in rows:
                    own = data.source[n]
                    later = own == np.flatnonzero(data.patient == data.patient[own])[0]
                    gallery = [np.flatnonzero(data.patient == p)[-1 if later else 0] for p in np.sort(half)]
                    score = attack[0](np.full(len(gallery), n), np.array(gallery))
                    hits.append(data.patient[gallery[int(np.argmax(score))]] == data.patient[own])
                    whose.append(data.patient[own])
                    people.append(len(half))
        found = share(np.array(hits, bool), np.array(whose)) if len(self.halves[1]) >= LEAST else UNKNOWN
        return figure(found) | {
            "patients": int(np.min(people)),
            "chance": round(float(np.mean(1 / np.array(people))), 4),
        }

    def _findings(self, sets: Sequence[NDArray[Any]]) -> tuple[Estimate, NDArray[np.float64]]:
        """How well a judge that no method trained on finds in the images what the sources show: AUC within each
        finding, a finding counted as often as it is there."""
        if not len(self.told):
            return UNKNOWN, np.full(_DRAWS, np.nan)
        truth = self.truth[self.index][:, self.told]
        stratum = np.tile(np.arange(truth.shape[1]), len(truth))
        rng = np.random.default_rng([self.bed.seed, 7132])
        times = np.repeat(draws(self.films.patient[self.index], rng, _DRAWS), truth.shape[1], axis=1)
        value, drawn = [], []
        for images in sets:
            seen = in_parts(images, self.bed.models.judges.findings)[:, self.told].ravel()
            value.append(float(auc_within(stratum, truth.ravel(), seen)[0]))
            drawn.append(auc_within(stratum, truth.ravel(), seen, times))
        low, high = np.nanpercentile(np.concatenate(drawn), [2.5, 97.5])
        mixed = np.array([drawn[k % len(drawn)][k] for k in range(_DRAWS)])
        return (float(np.mean(value)), float(low), float(high)), mixed

    def _fidelity(self, sets: Sequence[NDArray[Any]]) -> Estimate:
        """Structural similarity of each image with its own source."""
        source = in_parts(self.films.images[self.index], lambda part: shrunk(part, 128))
        found = [similarity(in_parts(images, lambda part: shrunk(part, 128)), source) for images in sets]
        return mean(np.mean(found, axis=0), self.films.patient[self.index], self.bed.seed)


def shrunk(images: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    """Images (B, S, S) in 0..1 at (B, side, side)."""
    import torch
    import torch.nn.functional as F

    x = torch.from_numpy(np.ascontiguousarray(images))[:, None]
    return F.interpolate(x, (side, side), mode="bilinear", antialias=True)[:, 0].numpy()


def thumbnails(images: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    """Small images as vectors (B, side * side) of mean 0 and length 1: their product is a correlation."""
    x = shrunk(images, side).reshape(len(images), -1)
    x = x - x.mean(axis=1, keepdims=True)
    return x / (np.linalg.norm(x, axis=1, keepdims=True) + 1e-6)


def kernel_distance(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    """Kernel distance (KID) of two sets of features (N, D), (M, D), each feature measured by its spread in the
    second."""
    mean_, std = b.mean(axis=0), b.std(axis=0) + 1e-6
    return statistics.kernel_distance((a - mean_) / std, (b - mean_) / std)


def _alike(family: str, data: Linkage) -> Score:
    """The score of a family that is not trained."""
    if family == "ssim":
        return lambda i, j: similarity(data.synthetic[i], data.originals[j])
    return lambda i, j: np.einsum("nd,nd->n", data.synthetic[i], data.originals[j])


def near_duplicates(images: NDArray[np.uint16], alike: float = 0.985) -> bool:
    """Whether two images (2, S, S) are all but the same picture: linking them would be no attack on a patient."""
    a, b = thumbnails(as_float(images), _THUMBNAIL)
    return bool(a @ b > alike)
