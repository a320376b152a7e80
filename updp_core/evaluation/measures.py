"""The measures: each is a function of the testbed, with the figures that it gives, in words, and the models it needs.

A suite chooses measures, methods and bars (`suites/`). What a measure found is kept until something that it depends on
changes, so its result must follow from the testbed alone.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from updp_core.atomic import write_file
from updp_core.backends.generator import latents_of
from updp_core.config import PromptConfig
from updp_core.evaluation import attackers, statistics
from updp_core.evaluation.statistics import UNKNOWN, Estimate
from updp_core.evaluation.studies import as_float, code_digest, key_of, phantom_digest
from updp_core.evaluation.testbed import DRAWING, Testbed, in_parts, key_of_method
from updp_core.evidence.pair import for_judges
from updp_core.findings.terms import FINDINGS
from updp_core.intake.pixels import read_raster
from updp_core.prompt.constraint import Constraint
from updp_core.prompt.optimise import optimise

Part = Literal["encoder", "generator", "judges"]
Unit = Literal["", "share", "score", "seconds", "MiB", "order", "seen"]
PROMPT_SCORES = ("random", "random_updp", "raw_report", "raw_report_updp")
"""The four prompts of the paper's table 3, from the lowest score to the highest."""


@dataclass
class Found:
    """What a measure found: figures by name ("group.part") and, for each, what it was measured on and what chance
    alone gives."""

    figures: dict[str, Estimate] = field(default_factory=dict)
    n: dict[str, dict[str, int]] = field(default_factory=dict)
    chance: dict[str, float] = field(default_factory=dict)
    needs: dict[str, str] = field(default_factory=dict)

    def lack(self, name: str, what: str) -> None:
        """A figure that cannot be measured here, and what it needs."""
        self.put(name, UNKNOWN)
        self.needs[name] = what

    def put(self, name: str, figure: Estimate, chance: float | None = None, **n: int) -> None:
        self.figures[name], self.n[name] = figure, n
        if chance is not None:
            self.chance[name] = chance


@dataclass(frozen=True)
class Row:
    """A figure by name and in words. `{method}` stands for each method of the suite, `{subject}` for the first, and
    `{images}` in the words for what that method's images are called. `derived` makes it of the result's other figures.
    """

    name: str
    words: str
    unit: Unit = ""
    derived: Callable[[Mapping[str, Any], str], Any] | None = None


@dataclass(frozen=True)
class Measure:
    """Figures that are measured together, and the models that they need, if any; they stand in the first one's card.
    What they depend on beside testbed and models, `beside` says."""

    name: str
    needs: tuple[Part, ...]
    function: Callable[[Testbed], Found]
    rows: tuple[Row, ...]
    beside: Callable[[Testbed], Any] = lambda bed: None

    @property
    def part(self) -> Part | None:
        return self.needs[0] if self.needs else None


def zero_shot(bed: Testbed) -> Found:
    """Findings named by the encoder alone: nearer to prompts that assert one than to those that deny it."""
    asserted = ("{}", "there is {}", "right {}", "left {}")
    denied = ("no {}", "there is no {}", "no evidence of {}")
    encoder, data, differences = bed.models.encoder, bed.singles, []
    for name in FINDINGS:
        plain = name.replace("_", " ")
        yes = encoder.encode_text([t.format(plain) for t in asserted]).mean(dim=0)
        no = encoder.encode_text([t.format(plain) for t in denied]).mean(dim=0)
        differences.append((yes - no).numpy(force=True))
    parts = [encoder.encode_image(list(data.images[i : i + 16])).numpy(force=True) for i in range(0, len(data), 16)]
    scores = np.concatenate(parts) @ np.stack(differences).T
    found = Found()
    figure = statistics.macro_auc(data.truth, scores, data.patient, bed.seed)
    found.put("zero_shot_auc", figure, images=len(data), patients=count(data.patient))
    return found


def findings(bed: Testbed) -> Found:
    """The judges' finding classifier on originals."""
    data, found = bed.singles, Found()
    figure = statistics.macro_auc(data.truth, in_parts(data.images, bed.models.judges.findings), data.patient, bed.seed)
    found.put("finding_auc.original", figure, images=len(data), patients=count(data.patient))
    return found


def identity_originals(bed: Testbed) -> Found:
    """Who is it: trained on originals, tested on later originals of the same patients."""
    model, features, test = identity_attacker(bed)
    who, found = bed.people.patient, Found()
    hits = model.predict(features[test]) == who[test]
    n = {"patients": bed.sizes.patients, "images": len(who), "tested": int(test.sum())}
    found.put("identity_accuracy.original", statistics.share(hits, who[test]), **n)
    chance = 1 / bed.sizes.patients
    found.put("identity_accuracy.chance", (chance, chance, chance), patients=bed.sizes.patients)
    return found


def autoencoder(bed: Testbed) -> Found:
    """Structural similarity of reconstructions, of held-out phantoms and, where at hand, of real radiographs."""
    vae, found = bed.models.generator.pipeline.vae, Found()
    phantoms = as_float(np.asarray(bed.singles.images[: bed.sizes.reconstructed]))
    real = real_images(bed.real, bed.sizes.real)
    for name, images in (("phantom", phantoms), ("real", real)):
        figure = statistics.mean(reconstruction_ssim(vae, images), seed=bed.seed) if len(images) else UNKNOWN
        found.put(f"autoencoder_ssim.{name}", figure, images=len(images))
    return found


def pairs(bed: Testbed) -> Found:
    """Findings on what is drawn of a report, how long it takes, and whether it is a copy of a training image.

    Plain chests resemble each other, so how often images of unseen patients come as near is measured too.
    """
    data, judges, found = bed.singles, bed.models.judges, Found()
    near, whose = [], []
    for method in bed.methods:
        index = np.arange(bed.sizes.drawn if method == bed.subject else bed.sizes.beside)
        images = bed.drawn(method, data, "singles", index)
        who, seen = data.patient[index], in_parts(images.images, judges.findings)
        figure = statistics.macro_auc(data.truth[index], seen, who, bed.seed)
        found.put(f"finding_auc.{key_of_method(method)}", figure, images=len(index), patients=count(who))
        near.append(in_parts(images.images, judges.nearest))
        whose.append(who)
        if method == bed.subject:
            batch = np.arange(len(index)) // bed.chunk
            later = batch > 0 if batch[-1] else batch == 0  # the first batch also loads code
            # The processor's time tells what a pair costs on a machine that has other things to do.
            for time in ("seconds", "processor_seconds"):
                values = np.array([row.get(time, np.nan) for row in images.rows])
                figure = statistics.mean(values[later], batch[later], bed.seed)
                found.put(f"{time}_per_pair", figure, pairs=int(later.sum()))
    limit = float(judges.reference["train_nearest_p1"])
    closer, unseen = np.concatenate(near) < limit, in_parts(data.images, judges.nearest) < limit
    found.put("nearest_neighbour", statistics.share(closer, np.concatenate(whose)), images=len(closer))
    found.put("nearest_neighbour_unseen", statistics.share(unseen, data.patient), images=len(unseen))
    return found


def prompts(bed: Testbed) -> Found:
    """Cosine of the original image with four kinds of prompt, times 100, by the judges' own pair (paper, table 3)."""
    data, found = bed.singles, Found()
    index = np.arange(bed.sizes.prompts)
    made = bed.drawn(bed.subject, data, "singles", np.arange(bed.sizes.drawn))
    kinds = (
        _random_prompts(bed, index, optimised=False),
        _random_prompts(bed, index, optimised=True),
        [data.report(int(i)) for i in index],
        [str(made.rows[int(i)]["prompt"]) for i in index],
    )
    originals = as_float(data.images[index])
    for name, kind in zip(PROMPT_SCORES, kinds, strict=True):
        figure = statistics.mean(100 * bed.models.judges.score(originals, kind), seed=bed.seed)
        found.put(f"prompt_score.{name}", figure, studies=len(index))
    return found


def identity(bed: Testbed) -> Found:
    """Who is it: the attacker of `identity_originals` on what is drawn of the held-out visits.

    Two controls tell disease, which a released pair is meant to show, from anatomy: an attacker who is given the
    reports' findings instead of images, and the attacker of images told who else has had the same findings.
    """
    data, found = bed.people, Found()
    model, _, test = identity_attacker(bed)
    index = bed.held_out(bed.sizes.generated_visits)
    who, known = data.patient[index], data.truth.astype(np.float32)
    features = {m: in_parts(bed.drawn(m, data, people_name(bed), index).images, describe_by(bed)) for m in bed.methods}
    for method, seen in features.items():
        figure = statistics.share(model.predict(seen) == who, who)
        name = f"identity_accuracy.{key_of_method(method)}"
        found.put(name, figure, patients=bed.sizes.patients, images=len(index))
    stated, sharing = data.stated, dict[str, set[int]]()
    for i in np.flatnonzero(~test):
        sharing.setdefault(stated[i], set()).add(int(data.patient[i]))
    suspects = [sorted(sharing.get(stated[i], ())) for i in index]
    some = [k for k, people in enumerate(suspects) if who[k] in people and len(people) > 1]
    suspects, n = [suspects[k] for k in some], {"patients": count(who[some]), "images": len(some)}
    seen = features[bed.subject][some]
    hits = attackers.recognised_among(model, seen, who[some], suspects) if some else np.zeros(0, bool)
    found.put("identity_accuracy.same_findings", statistics.share(hits, who[some]), **n)
    chances = np.array([1 / len(people) for people in suspects])
    found.put("identity_accuracy.same_findings_chance", statistics.mean(chances, who[some], bed.seed), **n)
    reader = attackers.identity_classifier(known[~test], data.patient[~test], bed.seed)
    figure = statistics.share(reader.predict(known[index]) == who, who)
    found.put("identity_accuracy.findings_alone", figure, patients=bed.sizes.patients, reports=len(index))
    return found


def reidentification(bed: Testbed) -> Found:
    """Same patient or not: an attacker retrained on the subject's images, who links them to originals of other visits.

    It learns from half of the couples and from the identity set and is tested on the other half of the couples. Two
    controls tell disease, which a released pair is meant to show, from anatomy, which it must not: the same attacker
    given the reports' findings instead of images, and its images compared among visits with the same findings only.
    """
    found = Found()
    data, seeds = linked_studies(bed, bed.subject), attacker_seeds(bed)
    images, reports, test, stated, n = data.linkage(describe_by(bed)), data.reports, data.test, data.stated, data.n
    n = n | {"seeds": len(seeds)}
    scores = attackers.retrained(images, test, seeds)
    found.put("reid_auc_retrained", attackers.linked(images, test, scores, seeds[0])[0], **n)
    found.put("reid_auc_same_findings", attackers.linked(images, test, scores, seeds[0], alike=stated)[0], **n)
    scores = attackers.retrained(reports, test, seeds)
    found.put("reid_auc_findings_alone", attackers.linked(reports, test, scores, seeds[0])[0], **n)
    return found


@dataclass(frozen=True)
class LinkedStudies:
    """Whom attackers of linkage learn from and are tested on: couples of visits, of whom half are tested, and the
    identity set. `drawn` holds the images that a method made of `source` (M,), places among the originals (N,), whose
    patients are `patient` (N,), findings `truth` (N, F) and all that is stated of them `stated` (N,)."""

    drawn: tuple[NDArray[np.uint8], ...]
    originals: tuple[NDArray[np.uint16], ...]
    source: NDArray[np.int64]
    patient: NDArray[np.int64]
    truth: NDArray[np.float32]
    stated: NDArray[np.str_]
    test: NDArray[np.int64]
    n: dict[str, int]

    def linkage(self, describe: Callable[[NDArray[np.float32]], NDArray[np.float32]]) -> attackers.Linkage:
        """What an attacker who sees images as `describe` (B, S, S) -> (B, D) has."""
        drawn, originals = (
            np.concatenate([in_parts(part, describe) for part in side]) for side in (self.drawn, self.originals)
        )
        return attackers.Linkage(drawn, originals, self.source, self.patient)

    @property
    def reports(self) -> attackers.Linkage:
        """What an attacker who sees the reports' findings alone has."""
        return attackers.Linkage(self.truth[self.source], self.truth, self.source, self.patient)


def linked_studies(bed: Testbed, method: str, generator_seeds: int = 1) -> LinkedStudies:
    """The studies for attacks of linkage on a method; each is drawn with so many seeds."""
    couples, people = bed.couples, bed.people
    index, offset, drawn = bed.held_out(bed.sizes.generated_visits), len(bed.couples), list[NDArray[np.uint8]]()
    for again in range(generator_seeds):
        name = f"couples-{bed.sizes.population}"
        drawn.append(bed.drawn(method, couples, name, np.arange(offset), again=again).images)
        drawn.append(bed.drawn(method, people, people_name(bed), index, again=again).images)
    source = np.tile(np.concatenate([np.arange(offset), offset + index]), generator_seeds)
    everybody = np.unique(couples.patient)
    test = everybody[len(everybody) // 2 :]
    n = {
        "patients_tested": len(test),
        "patients_trained": len(everybody) - len(test) + bed.sizes.patients,
        "images": len(source),
    }
    return LinkedStudies(
        tuple(drawn),
        (couples.images, people.images),
        source,
        np.concatenate([couples.patient, people.patient]),
        np.concatenate([couples.truth, people.truth]).astype(np.float32),
        np.concatenate([couples.stated, people.stated]),
        test,
        n | ({"generator_seeds": generator_seeds} if generator_seeds > 1 else {}),
    )


def attacker_seeds(bed: Testbed) -> list[int]:
    """The seeds of attackers that are trained several times."""
    return [bed.seed * 100 + k for k in range(bed.sizes.attacker_seeds)]


def weights(bed: Testbed) -> Found:
    """What all models of the folder take on disk."""
    found = Found()
    found.put("weights_mib", (_mebibytes(bed),) * 3)
    return found


def _mebibytes(bed: Testbed) -> float:
    return sum(file.stat().st_size for file in bed.models.folder.rglob("*") if file.is_file()) / 2**20


def count(values: NDArray[Any]) -> int:
    """How many different ones."""
    return len(np.unique(values))


def people_name(bed: Testbed) -> str:
    """What the files of the identity set are called."""
    return f"people-{bed.sizes.population}-{bed.sizes.patients}x{bed.sizes.images}"


def describe_by(bed: Testbed) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
    """What the attackers see of images."""
    return lambda images: attackers.describe(bed.models.judges, images)


def people_features(bed: Testbed) -> NDArray[np.float32]:
    """What the attackers see of the identity set's originals."""
    if "people" not in bed.shared:
        bed.shared["people"] = in_parts(bed.people.images, describe_by(bed))
    return bed.shared["people"]


def identity_attacker(bed: Testbed) -> tuple[Any, NDArray[np.float32], NDArray[np.bool_]]:
    """The classifier of patients, the originals' features (N, D), and which of them were kept from it (N,)."""
    if "identity" not in bed.shared:
        features, who = people_features(bed), bed.people.patient
        test = np.zeros(len(who), bool)
        test[bed.held_out(bed.sizes.test_visits)] = True
        model = attackers.identity_classifier(features[~test], who[~test], bed.seed)
        bed.shared["identity"] = (model, features, test)
    return bed.shared["identity"]


def _random_prompts(bed: Testbed, index: NDArray[np.int64], optimised: bool) -> list[str]:
    """Prompts that start from random allowed tokens; `optimised` ones are kept, batch by batch."""
    constraint, config = Constraint(bed.lexicon, bed.models.encoder), PromptConfig(init="random")
    if not optimised:
        return random_prompts(bed.models.encoder, constraint, len(index), config.length, bed.seed)
    key = key_of(bed.models.digests["encoder"], bed.lexicon.digest, bed.seed, phantom_digest(), code_digest(*DRAWING))
    file = bed.work / f"prompts-random-{key}.json"
    texts: list[str] = json.loads(file.read_text()) if file.is_file() else []
    while len(texts) < len(index):
        part = [int(i) for i in index[len(texts) : len(texts) + 16]]
        images, seeds = [bed.singles.images[i] for i in part], [bed.seed + i for i in part]
        found = optimise(bed.models.encoder, constraint, images, [""] * len(part), config, seeds)
        texts += [prompt.text for prompt in found]
        write_file(file, json.dumps(texts).encode())
        bed.say(f"random prompts: {len(texts)} of {len(index)}")
    return texts[: len(index)]


def random_prompts(encoder: Any, constraint: Any, count: int, length: int, seed: int) -> list[str]:
    """Prompts of tokens drawn evenly from all that the lexicon allows."""
    rng = np.random.default_rng([seed, 7005])
    allowed = np.flatnonzero(~np.asarray(constraint.forbidden))
    texts: list[str] = []
    while len(texts) < count:
        words = encoder.decode([int(i) for i in rng.choice(allowed, length)]).split()
        while words and constraint.check(" ".join(words)):
            words.pop()
        texts.append(" ".join(words))
    return texts


def reconstruction_ssim(vae: Any, images: NDArray[np.float32], batch: int = 16) -> NDArray[np.float32]:
    """Structural similarity (N,) of images (N, S, S) in 0..1 with what the autoencoder makes of them."""
    import torch
    from torchmetrics.functional.image import structural_similarity_index_measure as ssim

    out = []
    with torch.no_grad():
        for start in range(0, len(images), batch):
            x = torch.from_numpy(images[start : start + batch])[:, None].to(vae.device, vae.dtype)
            z = latents_of(vae, x.expand(-1, vae.config.in_channels, -1, -1))
            y = (vae.decode(z).sample.mean(dim=1, keepdim=True) / 2 + 0.5).clamp(0, 1)
            likeness: Any = ssim(y.float(), x.float(), data_range=1.0, reduction="none")
            out.append(likeness.reshape(-1).numpy(force=True))
    return np.concatenate(out)


def real_images(folder: Path | None, count: int, size: int = 256) -> NDArray[np.float32]:
    """Up to `count` real radiographs of a folder (N, size, size) in 0..1, letterboxed; none without a folder."""
    there = sorted(folder.glob("*.*")) if folder else []
    there = [there[i] for i in np.linspace(0, len(there) - 1, min(count, len(there))).astype(int)]
    if not there:
        return np.zeros((0, size, size), np.float32)
    return np.concatenate([for_judges([read_raster(file)[0]]) for file in there])


def _share_of_original(result: Mapping[str, Any], subject: str) -> float | None:
    auc = result.get("finding_auc", {})
    drawn, original = auc.get(subject), auc.get("original")
    return round(drawn / original, 4) if drawn and original else None


def order_holds(result: Mapping[str, Any], subject: str) -> bool | None:
    scores = result.get("prompt_score")
    if not scores:
        return None
    order = [scores[name] for name in PROMPT_SCORES]
    return None not in order and order == sorted(set(order))


_SAME = "findings, sides, zones and severities: what is left is anatomy"

ZERO_SHOT = Measure(
    "zero-shot",
    ("encoder",),
    zero_shot,
    (Row("zero_shot_auc", "Findings named by the encoder, zero-shot (AUC, mean over findings)"),),
)
FINDINGS_OF_ORIGINALS = Measure(
    "findings",
    ("judges",),
    findings,
    (Row("finding_auc.original", "Findings on originals (AUC, mean over findings)"),),
)
IDENTITY_OF_ORIGINALS = Measure(
    "identity-originals",
    ("judges",),
    identity_originals,
    (
        Row("identity_accuracy.original", "Patient recognised, originals of later visits", "share"),
        Row("identity_accuracy.chance", "Patient recognised by chance alone", "share"),
    ),
)
AUTOENCODER = Measure(
    "autoencoder",
    ("generator",),
    autoencoder,
    (
        Row("autoencoder_ssim.phantom", "Autoencoder, likeness of reconstructed phantoms (SSIM)"),
        Row("autoencoder_ssim.real", "Autoencoder, likeness of reconstructed real radiographs (SSIM)"),
    ),
    beside=lambda bed: sorted(file.name for file in bed.real.iterdir()) if bed.real else [],
)
PAIRS = Measure(
    "pairs",
    ("generator", "encoder", "judges"),
    pairs,
    (
        Row("finding_auc.{method}", "Findings on {images} (AUC against the source's findings)"),
        Row(
            "finding_auc.{subject}_of_original",
            "Findings on {images}, as a share of the AUC on originals",
            "share",
            _share_of_original,
        ),
        Row(
            "nearest_neighbour",
            "Images nearer to a training image than training images are to each other (1st percentile)",
            "share",
        ),
        Row(
            "nearest_neighbour_unseen",
            "The same of original images of held-out patients, which nothing was trained on",
            "share",
        ),
        Row("seconds_per_pair", "Time for one pair on 2 cores", "seconds"),
        Row("processor_seconds_per_pair", "Processor time for one pair, all cores added", "seconds"),
    ),
)
PROMPTS = Measure(
    "prompts",
    ("generator", "encoder", "judges"),
    prompts,
    (
        Row("prompt_score.random", "Prompt score: random words", "score"),
        Row("prompt_score.random_updp", "Prompt score: random words, optimised", "score"),
        Row("prompt_score.raw_report", "Prompt score: unfiltered report", "score"),
        Row("prompt_score.raw_report_updp", "Prompt score: report, optimised", "score"),
        Row("prompt_score_order_holds", "Order of the four prompt scores above", "order", order_holds),
    ),
)
IDENTITY = Measure(
    "identity",
    ("generator", "encoder", "judges"),
    identity,
    (
        Row("identity_accuracy.{method}", "Patient recognised, {images}", "share"),
        Row(
            "identity_accuracy.findings_alone",
            "Patient recognised by the findings in the reports alone, without any image",
            "share",
        ),
        Row(
            "identity_accuracy.same_findings",
            f"Patient recognised, {{images}}, among those who have had the same {_SAME}",
            "share",
        ),
        Row("identity_accuracy.same_findings_chance", "The same by chance alone", "share"),
    ),
)
REIDENTIFICATION = Measure(
    "reidentification",
    ("generator", "encoder", "judges"),
    reidentification,
    (
        Row(
            "reid_auc_retrained",
            "Image linked to another visit of its patient by an attacker retrained on {images} (AUC)",
        ),
        Row("reid_auc_same_findings", f"The same, compared only among visits with the same {_SAME} (AUC)"),
        Row("reid_auc_findings_alone", "Visits linked by the findings in their reports alone, without any image (AUC)"),
    ),
)
WEIGHTS = Measure(
    "weights", ("generator",), weights, (Row("weights_mib", "All starter models together", "MiB"),), beside=_mebibytes
)
