"""The stages of the starter suite: each measures a few figures and needs only the models it names.

What is slow (phantoms, synthetic images, prompts) is kept in the work folder under a name that tells everything it
depends on, models by digest included; so is what a stage found. A run that was cut off at any point goes on there.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from updp_core.backends import files
from updp_core.backends.presets import resolve
from updp_core.config import PromptConfig, Settings
from updp_core.evaluation import attackers, statistics
from updp_core.evaluation.statistics import UNKNOWN, Figure
from updp_core.evaluation.studies import (
    CHUNK,
    Say,
    Studies,
    as_float,
    code_digest,
    generated,
    key_of,
    phantom_digest,
    studies,
    write_whole,
)
from updp_core.imageset import HELD_OUT, ImageSet
from updp_core.phantom.patient import PopulationName

_DRAWING = ("prompt", "methods", "backends/encoder.py", "backends/generator.py")


@dataclass(frozen=True)
class Sizes:
    """How much is measured, and of whom.

    Findings are measured on `singles`, patients with one visit, among whom each finding is frequent enough to be
    measured: UPDP draws the first `drawn` of them, the raw report the first `raw`, and prompts are scored on the first
    `prompts`. Whom an image gives away depends on how common his findings are: `couples` of two visits, for linkage,
    and the identity set come from `population`. In that set `patients` share `images` visits, of which the last
    `test_visits` each are held out and the last `generated_visits` also drawn."""

    singles: int
    drawn: int
    raw: int
    prompts: int
    couples: int
    patients: int
    images: int
    test_visits: int
    generated_visits: int
    reconstructed: int
    real: int = 160
    attacker_seeds: int = 3
    population: PopulationName = "clinical"

    @property
    def visits(self) -> list[int]:
        """Visits of each patient of the identity set: as even as it goes."""
        return [self.images // self.patients + (k < self.images % self.patients) for k in range(self.patients)]


QUICK = Sizes(
    singles=96, drawn=16, raw=8, prompts=8, couples=8, patients=10, images=80, test_visits=2, generated_visits=1,
    reconstructed=48, real=24,
)  # fmt: skip


def sizes(scale: float = 1.0, quick: bool = False, population: PopulationName = "clinical") -> Sizes:
    """The sizes of a run; `scale` 1 fills about two hours of 2 cores. The 2,682 originals of 50 patients are the
    same at each scale, since the bar is stated for them; what is drawn by the generator is less."""
    if quick:
        return replace(QUICK, population=population)
    drawn, couples = max(16, round(1280 * scale)), max(8, round(640 * scale))
    return Sizes(
        singles=max(320, round(1600 * scale)), drawn=drawn, raw=drawn // 4, prompts=drawn // 4, couples=couples,
        patients=50, images=2682, test_visits=11, generated_visits=min(11, max(1, round(30 * scale))),
        reconstructed=max(100, round(400 * scale)), population=population,
    )  # fmt: skip


@dataclass
class Bench:
    """What the stages share. Models are loaded when a stage first asks for them."""

    models: Path
    work: Path
    sizes: Sizes
    seed: int = 0
    workers: int = 1
    say: Say = print
    real: Path | None = None  # folder of real radiographs
    seen: dict[str, Any] = field(default_factory=dict)  # what several stages need, in memory

    @cached_property
    def digests(self) -> dict[str, str]:
        """Digest of each model's files that are there."""
        return digests(self.models)

    @property
    def settings(self) -> Settings:
        return Settings(encoder=f"{files.LOCAL}{self.models / 'encoder'}", generator=str(self.models / "generator"))

    @cached_property
    def lexicon(self) -> Any:
        from updp_core.lexicon import load_lexicon

        return load_lexicon()

    @cached_property
    def encoder(self) -> Any:
        from updp_core.backends.presets import load_preset_encoder

        return load_preset_encoder(resolve(self.settings))

    @cached_property
    def generator(self) -> Any:
        from updp_core.backends.presets import load_preset_generator

        return load_preset_generator(resolve(self.settings))

    @cached_property
    def judges(self) -> Any:
        from updp_core.backends.judges import load_judges

        return load_judges(self.models / "judges")

    @cached_property
    def singles(self) -> Studies:
        """Every study that findings are measured on."""
        return self._studies(0, [1] * self.sizes.singles, "enriched")

    @cached_property
    def couples(self) -> Studies:
        """Two visits of each patient: who is linked."""
        return self._studies(3_000, [2] * self.sizes.couples, self.sizes.population)

    @cached_property
    def people(self) -> Studies:
        """The identity set."""
        return self._studies(5_000, self.sizes.visits, self.sizes.population)

    def _studies(self, offset: int, visits: list[int], population: PopulationName) -> Studies:
        first = HELD_OUT.start + 10_000 * (self.seed % 90) + offset
        return studies(first, visits, self.work, self.workers, self.say, population)

    def held_out(self, visits: int) -> NDArray[np.int64]:
        """The last `visits` studies of each person: everybody's last first, so that more visits only add."""
        last = np.cumsum(self.sizes.visits) - 1
        return np.concatenate([last - back for back in range(visits)])

    def drawn(self, method: str, data: Studies, name: str, index: NDArray[Any]) -> ImageSet:
        """What `method` draws of the studies at `index`, kept under all that it depends on."""
        from updp_core.methods import make_method

        made = make_method(method, self.settings, self.lexicon)
        # Models are told by their digests, so that a folder may be moved.
        told = {k: v["sha256"] if isinstance(v, dict) and "sha256" in v else v for k, v in made.settings().items()}
        key = key_of(told, self.seed, phantom_digest(), code_digest(*_DRAWING))
        folder = self.work / f"{name}-{method}-{key}"
        return generated(made, data, index, self.seed, folder, self.lexicon, self.say)


@dataclass
class Found:
    """What a stage measured: figures by name ("group.part") and, for each, what it was measured on."""

    figures: dict[str, Figure] = field(default_factory=dict)
    n: dict[str, dict[str, int]] = field(default_factory=dict)

    def put(self, name: str, figure: Figure, **n: int) -> None:
        self.figures[name], self.n[name] = figure, n


def digests(models: Path) -> dict[str, str]:
    """Digest of each starter model that is in the folder `models`."""
    parts = ("encoder", "generator", "judges")
    return {part: files.digest(models / part) for part in parts if (models / part).is_dir()}


def in_parts(images: NDArray[Any], measure: Callable[[NDArray[np.float32]], NDArray[Any]], size: int = 64) -> Any:
    """`measure` of images in 0..1, a few at a time: the whole set as floats would take gigabytes."""
    parts = range(0, len(images), size)
    return np.concatenate([measure(as_float(np.asarray(images[i : i + size]))) for i in parts])


def zero_shot(bench: Bench) -> Found:
    """Findings named by the encoder alone: nearer to prompts that assert one than to those that deny it."""
    from updp_core.phantom import FINDINGS

    asserted = ("{}", "there is {}", "right {}", "left {}")
    denied = ("no {}", "there is no {}", "no evidence of {}")
    encoder, data, differences = bench.encoder, bench.singles, []
    for name in FINDINGS:
        plain = name.replace("_", " ")
        yes = encoder.encode_text([t.format(plain) for t in asserted]).mean(dim=0)
        no = encoder.encode_text([t.format(plain) for t in denied]).mean(dim=0)
        differences.append((yes - no).numpy(force=True))
    parts = [encoder.encode_image(list(data.images[i : i + 16])).numpy(force=True) for i in range(0, len(data), 16)]
    scores = np.concatenate(parts) @ np.stack(differences).T
    found = Found()
    figure = statistics.macro_auc(data.truth, scores, data.patient, bench.seed)
    found.put("zero_shot_auc", figure, images=len(data), patients=_count(data.patient))
    return found


def findings(bench: Bench) -> Found:
    """The judges' finding classifier on originals."""
    data, found = bench.singles, Found()
    figure = statistics.macro_auc(data.truth, in_parts(data.images, bench.judges.findings), data.patient, bench.seed)
    found.put("finding_auc.original", figure, images=len(data), patients=_count(data.patient))
    return found


def identity_originals(bench: Bench) -> Found:
    """Who is it: trained on originals, tested on later originals of the same patients."""
    model, features, test = _identity_attacker(bench)
    who, found = bench.people.patient, Found()
    hits = model.predict(features[test]) == who[test]
    n = {"patients": bench.sizes.patients, "images": len(who), "tested": int(test.sum())}
    found.put("identity_accuracy.original", statistics.share(hits, who[test]), **n)
    chance = 1 / bench.sizes.patients
    found.put("identity_accuracy.chance", (chance, chance, chance), patients=bench.sizes.patients)
    return found


def autoencoder(bench: Bench) -> Found:
    """Structural similarity of reconstructions, of held-out phantoms and, where at hand, of real radiographs."""
    vae, found = bench.generator.pipeline.vae, Found()
    phantoms = as_float(np.asarray(bench.singles.images[: bench.sizes.reconstructed]))
    real = real_images(bench.real, bench.sizes.real)
    for name, images in (("phantom", phantoms), ("real", real)):
        figure = statistics.mean(reconstruction_ssim(vae, images), seed=bench.seed) if len(images) else UNKNOWN
        found.put(f"autoencoder_ssim.{name}", figure, images=len(images))
    return found


def pairs(bench: Bench) -> Found:
    """Findings on what is drawn of a report, how long it takes, and whether it is a copy of a training image.

    Plain chests resemble each other: how often images of unseen patients come as near to the training set is told too.
    """
    data, judges, found = bench.singles, bench.judges, Found()
    drawn = {"raw_report": ("raw-report", bench.sizes.raw), "updp": ("updp", bench.sizes.drawn)}
    near, whose = [], []
    for name, (method, count) in drawn.items():
        index = np.arange(count)
        images = bench.drawn(method, data, "singles", index)
        who, seen = data.patient[index], in_parts(images.images, judges.findings)
        figure = statistics.macro_auc(data.truth[index], seen, who, bench.seed)
        found.put(f"finding_auc.{name}", figure, images=len(index), patients=_count(who))
        near.append(in_parts(images.images, judges.nearest))
        whose.append(who)
        if name == "updp":
            batch = np.arange(len(index)) // CHUNK
            later = batch > 0 if batch[-1] else batch == 0  # the first batch also loads code
            # The processor's time tells what a pair costs on a machine that has other things to do.
            for time in ("seconds", "processor_seconds"):
                values = np.array([row.get(time, np.nan) for row in images.rows])
                figure = statistics.mean(values[later], batch[later], bench.seed)
                found.put(f"{time}_per_pair", figure, pairs=int(later.sum()))
    limit = float(judges.reference["train_nearest_p1"])
    closer, unseen = np.concatenate(near) < limit, in_parts(data.images, judges.nearest) < limit
    found.put("nearest_neighbour", statistics.share(closer, np.concatenate(whose)), images=len(closer))
    found.put("nearest_neighbour_unseen", statistics.share(unseen, data.patient), images=len(unseen))
    return found


def prompts(bench: Bench) -> Found:
    """Cosine of the original image with four kinds of prompt, times 100, by the judges' own pair (paper, table 3)."""
    data, found = bench.singles, Found()
    index = np.arange(bench.sizes.prompts)
    made = bench.drawn("updp", data, "singles", np.arange(bench.sizes.drawn))
    texts = {
        "random": _random_prompts(bench, index, optimised=False),
        "random_updp": _random_prompts(bench, index, optimised=True),
        "raw_report": [data.report(int(i)) for i in index],
        "raw_report_updp": [str(made.rows[int(i)]["prompt"]) for i in index],
    }
    originals = as_float(data.images[index])
    for name, kind in texts.items():
        figure = statistics.mean(100 * bench.judges.score(originals, kind), seed=bench.seed)
        found.put(f"prompt_score.{name}", figure, studies=len(index))
    return found


def identity(bench: Bench) -> Found:
    """Who is it: the attacker of `identity_originals` on what is drawn of the held-out visits.

    Two controls tell disease, which a released pair is meant to show, from anatomy: an attacker who is given the
    reports' findings instead of images, and the attacker of images told who else has had the same findings.
    """
    data, found = bench.people, Found()
    model, _, test = _identity_attacker(bench)
    index = bench.held_out(bench.sizes.generated_visits)
    who, known = data.patient[index], data.truth.astype(np.float32)
    for name, method in (("raw_report", "raw-report"), ("updp", "updp")):
        seen = in_parts(bench.drawn(method, data, _people(bench), index).images, _describe(bench))
        figure = statistics.share(model.predict(seen) == who, who)
        found.put(f"identity_accuracy.{name}", figure, patients=bench.sizes.patients, images=len(index))
    told, alike = data.told, dict[str, set[int]]()
    for i in np.flatnonzero(~test):
        alike.setdefault(told[i], set()).add(int(data.patient[i]))
    asked = [sorted(alike.get(told[i], ())) for i in index]
    some = [k for k, people in enumerate(asked) if who[k] in people and len(people) > 1]
    asked, n = [asked[k] for k in some], {"patients": _count(who[some]), "images": len(some)}
    hits = attackers.recognised_among(model, seen[some], who[some], asked) if some else np.zeros(0, bool)
    found.put("identity_accuracy.same_findings", statistics.share(hits, who[some]), **n)
    chances = np.array([1 / len(people) for people in asked])
    found.put("identity_accuracy.same_findings_chance", statistics.mean(chances, who[some], bench.seed), **n)
    reader = attackers.identity_classifier(known[~test], data.patient[~test], bench.seed)
    figure = statistics.share(reader.predict(known[index]) == who, who)
    found.put("identity_accuracy.findings_alone", figure, patients=bench.sizes.patients, reports=len(index))
    return found


def reidentification(bench: Bench) -> Found:
    """Same patient or not: an attacker retrained on UPDP images, who links them to originals of other visits.

    It learns from half of the couples and from the identity set and is tested on the other half of the couples. Two
    controls tell disease, which a released pair is meant to show, from anatomy, which it must not: the same attacker
    given the reports' findings instead of images, and its images compared among visits with the same findings only.
    """
    couples, people, found = bench.couples, bench.people, Found()
    index = bench.held_out(bench.sizes.generated_visits)
    drawn = [
        bench.drawn("updp", couples, f"couples-{bench.sizes.population}", np.arange(len(couples))).images,
        bench.drawn("updp", people, _people(bench), index).images,
    ]
    describe, offset = _describe(bench), len(couples)
    source = np.concatenate([np.arange(offset), offset + index])
    patient = np.concatenate([couples.patient, people.patient])
    originals = np.concatenate([in_parts(couples.images, describe), _people_features(bench)])
    synthetic = np.concatenate([in_parts(images, describe) for images in drawn])
    truth = np.concatenate([couples.truth, people.truth]).astype(np.float32)
    told = np.concatenate([couples.told, people.told])
    everybody = np.unique(couples.patient)
    test, seeds = everybody[len(everybody) // 2 :], [bench.seed * 100 + k for k in range(bench.sizes.attacker_seeds)]
    n = {
        "patients_tested": len(test),
        "patients_trained": len(everybody) - len(test) + bench.sizes.patients,
        "images": len(source),
        "seeds": len(seeds),
    }
    images = attackers.Linkage(synthetic, originals, source, patient)
    reports = attackers.Linkage(truth[source], truth, source, patient)
    scores = attackers.retrained(images, test, seeds)
    found.put("reid_auc_retrained", attackers.linked(images, test, scores, seeds[0])[0], **n)
    found.put("reid_auc_same_findings", attackers.linked(images, test, scores, seeds[0], alike=told)[0], **n)
    scores = attackers.retrained(reports, test, seeds)
    found.put("reid_auc_findings_alone", attackers.linked(reports, test, scores, seeds[0])[0], **n)
    return found


@dataclass(frozen=True)
class Stage:
    """A stage by name, and the models that it needs."""

    run: Callable[[Bench], Found]
    needs: tuple[str, ...]


STAGES: Mapping[str, Stage] = {
    # on originals only
    "zero-shot": Stage(zero_shot, ("encoder",)),
    "findings": Stage(findings, ("judges",)),
    "identity-originals": Stage(identity_originals, ("judges",)),
    # what is drawn
    "autoencoder": Stage(autoencoder, ("generator",)),
    "pairs": Stage(pairs, ("encoder", "generator", "judges")),
    "prompts": Stage(prompts, ("encoder", "generator", "judges")),
    "identity": Stage(identity, ("encoder", "generator", "judges")),
    "reidentification": Stage(reidentification, ("encoder", "generator", "judges")),
}


def _count(values: NDArray[Any]) -> int:
    return len(np.unique(values))


def _people(bench: Bench) -> str:
    return f"people-{bench.sizes.population}-{bench.sizes.patients}x{bench.sizes.images}"


def _describe(bench: Bench) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
    return lambda images: attackers.describe(bench.judges, images)


def _people_features(bench: Bench) -> NDArray[np.float32]:
    """What the attackers see of the identity set's originals."""
    if "people" not in bench.seen:
        bench.seen["people"] = in_parts(bench.people.images, _describe(bench))
    return bench.seen["people"]


def _identity_attacker(bench: Bench) -> tuple[Any, NDArray[np.float32], NDArray[np.bool_]]:
    """The classifier of patients, the originals' features (N, D), and which of them were kept from it (N,)."""
    if "identity" not in bench.seen:
        features, who = _people_features(bench), bench.people.patient
        test = np.zeros(len(who), bool)
        test[bench.held_out(bench.sizes.test_visits)] = True
        model = attackers.identity_classifier(features[~test], who[~test], bench.seed)
        bench.seen["identity"] = (model, features, test)
    return bench.seen["identity"]


def _random_prompts(bench: Bench, index: NDArray[np.int64], optimised: bool) -> list[str]:
    """Prompts that start from random allowed tokens; `optimised` ones are kept, batch by batch."""
    from updp_core.prompt.constraint import Constraint
    from updp_core.prompt.optimise import optimise

    constraint, config = Constraint(bench.lexicon, bench.encoder), PromptConfig(init="random")
    if not optimised:
        return random_prompts(bench.encoder, constraint, len(index), config.length, bench.seed)
    key = key_of(bench.digests["encoder"], bench.lexicon.digest, bench.seed, phantom_digest(), code_digest(*_DRAWING))
    file = bench.work / f"prompts-random-{key}.json"
    texts: list[str] = json.loads(file.read_text()) if file.is_file() else []
    while len(texts) < len(index):
        part = [int(i) for i in index[len(texts) : len(texts) + 16]]
        images, seeds = [bench.singles.images[i] for i in part], [bench.seed + i for i in part]
        found = optimise(bench.encoder, constraint, images, [""] * len(part), config, seeds)
        texts += [prompt.text for prompt in found]
        write_whole(file, json.dumps(texts))
        bench.say(f"random prompts: {len(texts)} of {len(index)}")
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

    from updp_core.backends.generator import latents_of

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
    from updp_core.evidence.pair import for_judges
    from updp_core.intake.pixels import read_raster

    there = sorted(folder.glob("*.*")) if folder else []
    there = [there[i] for i in np.linspace(0, len(there) - 1, min(count, len(there))).astype(int)]
    if not there:
        return np.zeros((0, size, size), np.float32)
    return np.concatenate([for_judges([read_raster(file)[0]]) for file in there])
