"""The starter suite: the shipped models' promises, measured again from scratch on held-out phantom patients.

Every figure comes with its N and a 95% interval (bootstrap over patients, or over seeds for the retrained attacker).
Stages write what they made into a work folder and are not repeated, so a run that was cut off goes on.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from updp_core.config import ROOT, STARTER, PromptConfig, Settings
from updp_core.evidence.attackers import describe, identity_classifier, same_patient_auc
from updp_core.evidence.heldout import Studies, as_float, generated, studies

BARS = {
    "zero_shot_auc": (">=", 0.95), "finding_auc.original": (">=", 0.97), "finding_auc.updp": (">=", 0.92),
    "identity_accuracy.original": (">=", 0.97), "identity_accuracy.updp": ("<=", 0.0457),
    "reid_auc_retrained": ("<=", 0.55), "autoencoder_ssim.phantom": (">=", 0.95), "autoencoder_ssim.real": (">=", 0.85),
    "nearest_neighbour": ("<=", 0.0), "weights_mib": ("<=", 64.0), "seconds_per_pair": ("<=", 5.0),
}  # fmt: skip


@dataclass(frozen=True)
class Sizes:
    """How much is measured: single-visit patients for findings, of which `pairs` are also generated; patients with
    visits for identity, the last `test_visits` of each held out; seeds of the retrained attacker."""

    findings: int
    pairs: int
    patients: int
    visits: int
    test_visits: int
    generated_visits: int
    reid_patients: int
    attacker_seeds: int = 3
    real: int = 160


QUICK = Sizes(
    findings=200, pairs=32, patients=10, visits=10, test_visits=3, generated_visits=1, reid_patients=16, real=40
)
FULL = Sizes(findings=2000, pairs=600, patients=50, visits=54, test_visits=13, generated_visits=6, reid_patients=150)


def evaluate_starter(
    quick: bool = False, seed: int = 0, out: Path | None = None, folder: Path = STARTER,
    sizes: Sizes | None = None, say: Callable[[str], None] = print,
) -> dict[str, Any]:  # fmt: skip
    """Measure the starter models in `folder`; returns the JSON of the command `evaluate starter`.

    `out` keeps intermediate images and the result (default: runs/evaluate-...). `seed` moves the patients measured
    within the held-out range, and all that is random. Raises ModelUnavailable where a model is missing.
    """
    from updp_core.backends.encoder import load_encoder
    from updp_core.backends.judges import load_judges
    from updp_core.lexicon import load_lexicon
    from updp_core.methods.base import make_method
    from updp_core.training.data import HELD_OUT

    started = time.monotonic()
    sizes = sizes or (QUICK if quick else FULL)
    judges, encoder, lexicon = load_judges(folder / "judges"), load_encoder(folder / "encoder"), load_lexicon()
    stamp = f"evaluate-{'quick' if quick else 'full'}-{seed}-{encoder.digest[:8]}-{judges.digest[:8]}"
    work = out or ROOT / "runs" / stamp
    work.mkdir(parents=True, exist_ok=True)
    settings = Settings()
    methods = {
        "updp": make_method("updp", settings, lexicon),
        "raw_report": make_method("raw-report", settings, lexicon),
    }
    first = HELD_OUT.start + 10_000 * (seed % 90)
    result: dict[str, Any] = {}
    n: dict[str, Any] = {}
    intervals: dict[str, Any] = {}

    def put(name: str, measured: tuple[float, tuple[float, float]]) -> None:
        group, _, part = name.partition(".")
        known = np.isfinite(measured[0])
        value = round(measured[0], 4) if known else None
        interval = [round(x, 4) for x in measured[1]] if known else None
        intervals[name] = interval
        if part:
            result.setdefault(group, {})[part] = value
        else:
            result[group] = value
        say(f"{name} {value} {interval}")

    singles = studies(range(first, first + sizes.findings), 1, 0, lexicon, work / "singles.npy")
    n["findings"] = n["zero_shot"] = len(singles)
    scores = zero_shot(encoder, singles.images, judges.finding_names)
    put("zero_shot_auc", with_interval(macro_auc, singles.truth, scores, seed=seed))
    found = judges.findings(as_float(singles.images))
    put("finding_auc.original", with_interval(macro_auc, singles.truth, found, seed=seed))

    pairs = np.arange(min(sizes.pairs, len(singles)))
    made: dict[str, NDArray[np.uint8]] = {}
    prompts: dict[str, list[str]] = {}
    begun = time.monotonic()
    for name, method in methods.items():
        if name == "updp":
            generated(method, singles, pairs[:1], seed + 1, say=lambda _: None)  # models warm, files cached
            begun = time.monotonic()
        cached = work / f"singles-{name}.npz"
        fresh = not cached.is_file()
        made[name], prompts[name] = generated(method, singles, pairs, seed, cached, say)
        if name == "updp" and fresh:
            (work / "seconds.json").write_text(json.dumps((time.monotonic() - begun) / len(pairs)))
    result["seconds_per_pair"] = round(json.loads((work / "seconds.json").read_text()), 2)
    n["pairs"] = len(pairs)
    truth = singles.truth[pairs]
    for name in ("raw_report", "updp"):
        put(f"finding_auc.{name}", with_interval(macro_auc, truth, judges.findings(as_float(made[name])), seed=seed))

    _prompt_scores(put, judges, encoder, lexicon, singles, pairs, prompts, work, seed)
    near = judges.nearest(as_float(np.concatenate([made["updp"], made["raw_report"]])))
    closer = near < float(judges.reference["train_nearest_p1"])
    put("nearest_neighbour", with_interval(lambda c, _: float(c.mean()), closer, closer, seed=seed))
    n["nearest_neighbour"] = len(near)

    _identity(put, n, judges, methods, lexicon, sizes, first + 5_000, work, seed, say)
    _reidentification(put, n, judges, methods["updp"], lexicon, sizes, first + 7_000, work, seed, say)
    _autoencoder(put, n, methods["updp"].generator.pipeline.vae, singles, sizes)  # type: ignore[attr-defined]
    size = sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())
    result["weights_mib"] = round(size / 2**20, 2)
    order = ("random", "random_updp", "raw_report", "raw_report_updp")
    result |= {"n": n, "intervals": intervals, "seed": seed, "quick": quick, "missed": missed(result)}
    result["prompt_score_order_holds"] = bool(np.all(np.diff([result["prompt_score"][k] for k in order]) > 0))
    result["minutes"] = round((time.monotonic() - started) / 60, 1)
    (work / "result.json").write_text(json.dumps(result, indent=1))
    return result


def missed(result: dict[str, Any]) -> list[str]:
    """The bars that a result does not reach, by name; a figure that could not be measured is missed too."""
    out = []
    for name, (sense, bar) in BARS.items():
        group, _, part = name.partition(".")
        value = result[group][part] if part else result[group]
        if value is None or (value < bar if sense == ">=" else value > bar):
            out.append(name)
    if result["finding_auc"]["updp"] < 0.95 * result["finding_auc"]["original"]:
        out.append("finding_auc.updp of original")
    return out


def macro_auc(truth: NDArray[Any], scores: NDArray[Any]) -> float:
    """Mean AUC over the columns of truth (N, F) that hold both classes; NaN where none does."""
    from sklearn.metrics import roc_auc_score

    both = [k for k in range(truth.shape[1]) if 0 < truth[:, k].sum() < len(truth)]
    return float(np.mean([roc_auc_score(truth[:, k], scores[:, k]) for k in both])) if both else float("nan")


def with_interval(
    measure: Callable[[NDArray[Any], NDArray[Any]], float], truth: NDArray[Any], scores: NDArray[Any],
    groups: NDArray[Any] | None = None, seed: int = 0, times: int = 200,
) -> tuple[float, tuple[float, float]]:  # fmt: skip
    """`measure(truth, scores)` and its 95% bootstrap interval, drawn over rows or over whole `groups` (patients)."""
    rng = np.random.default_rng(seed)
    groups = np.arange(len(truth)) if groups is None else groups
    members = [np.flatnonzero(groups == g) for g in np.unique(groups)]
    values = []
    for _ in range(times):
        index = np.concatenate([members[g] for g in rng.integers(len(members), size=len(members))])
        values.append(measure(truth[index], scores[index]))
    low, high = np.nanpercentile(values, [2.5, 97.5])
    return measure(truth, scores), (float(low), float(high))


def zero_shot(encoder: Any, images: NDArray[np.uint16], names: Sequence[str], batch: int = 32) -> NDArray[np.float32]:
    """Scores (N, F): how much nearer each image lies to prompts that assert a finding than to those that deny it."""
    asserted = ("{}", "there is {}", "right {}", "left {}")
    denied = ("no {}", "there is no {}", "no evidence of {}")
    differences = []
    for name in names:
        plain = name.replace("_", " ")
        yes = encoder.encode_text([t.format(plain) for t in asserted]).mean(dim=0)
        no = encoder.encode_text([t.format(plain) for t in denied]).mean(dim=0)
        differences.append((yes - no).numpy(force=True))
    parts = [encoder.encode_image(list(images[i : i + batch])).numpy(force=True) for i in range(0, len(images), batch)]
    return np.concatenate(parts) @ np.stack(differences).T


def _prompt_scores(
    put: Any, judges: Any, encoder: Any, lexicon: Any, data: Studies, pairs: NDArray[Any],
    prompts: dict[str, list[str]], work: Path, seed: int,
) -> None:  # fmt: skip
    """Cosine of the original image with four kinds of prompt, times 100, by the judges' own pair (paper, table 3)."""
    from updp_core.constraint import Constraint
    from updp_core.prompt import optimise

    constraint = Constraint(lexicon, encoder)
    inputs = data.inputs(pairs)
    kinds = {"raw_report": list(data.reports[: len(pairs)]), "raw_report_updp": prompts["updp"]}
    for name, steps in (("random", 0), ("random_updp", PromptConfig().steps)):
        file = work / f"prompts-{name}.json"
        if not file.is_file():
            config = PromptConfig(init="random", steps=max(1, steps))
            if steps:
                images = [item.image for item in inputs]
                seeds = [seed + int(i) for i in pairs]
                found = optimise(encoder, constraint, images, [""] * len(inputs), config, seeds)
                texts = [prompt.text for prompt in found]
            else:
                texts = random_prompts(encoder, constraint, len(inputs), config.length, seed)
            file.write_text(json.dumps(texts))
        kinds[name] = json.loads(file.read_text())
    originals = as_float(data.images[pairs])
    for name in ("random", "random_updp", "raw_report", "raw_report_updp"):
        cosine = 100 * judges.score(originals, kinds[name])
        put(f"prompt_score.{name}", with_interval(lambda c, _: float(c.mean()), cosine, cosine, seed=seed))


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


def _identity(
    put: Any, n: dict[str, Any], judges: Any, methods: dict[str, Any], lexicon: Any, sizes: Sizes, first: int,
    work: Path, seed: int, say: Any,
) -> None:  # fmt: skip
    """Who is it: trained on originals, tested on held-out originals and on what is made of them."""
    data = studies(range(first, first + sizes.patients), sizes.visits, 0, lexicon, work / "identity.npy")
    number = np.tile(np.arange(sizes.visits), sizes.patients)
    test = number >= sizes.visits - sizes.test_visits
    features = describe(judges, as_float(data.images))
    model = identity_classifier(features[~test], data.patient[~test], seed)

    def accuracy(truth: NDArray[Any], guess: NDArray[Any]) -> float:
        return float((truth == guess).mean())

    who = data.patient
    put(
        "identity_accuracy.original", with_interval(accuracy, who[test], model.predict(features[test]), who[test], seed)
    )
    index = np.flatnonzero(number >= sizes.visits - sizes.generated_visits)
    for name in ("raw_report", "updp"):
        images, _ = generated(methods[name], data, index, seed, work / f"identity-{name}.npz", say)
        guess = model.predict(describe(judges, as_float(images)))
        put(f"identity_accuracy.{name}", with_interval(accuracy, who[index], guess, who[index], seed))
    put("identity_accuracy.chance", (1 / sizes.patients, (1 / sizes.patients,) * 2))
    n["identity"] = {
        "patients": sizes.patients, "images": len(data), "test_originals": int(test.sum()), "generated": len(index),
    }  # fmt: skip


def _reidentification(
    put: Any, n: dict[str, Any], judges: Any, method: Any, lexicon: Any, sizes: Sizes, first: int, work: Path,
    seed: int, say: Any,
) -> None:  # fmt: skip
    """Same patient or not: an attacker retrained on UPDP images of half the patients, tested on the other half."""
    data = studies(range(first, first + sizes.reid_patients), 2, 0, lexicon, work / "reid.npy")
    images, _ = generated(method, data, np.arange(len(data)), seed, work / "reid-updp.npz", say)
    a, b = describe(judges, as_float(images)), describe(judges, as_float(data.images))
    train = data.patient < first + sizes.reid_patients // 2
    values = [same_patient_auc(a, b, data.patient, train, seed * 100 + k) for k in range(sizes.attacker_seeds)]
    half = 4.303 * float(np.std(values, ddof=1)) / np.sqrt(len(values)) if len(values) > 1 else float("nan")
    mean = float(np.mean(values))
    put("reid_auc_retrained", (mean, (max(0.0, mean - half), min(1.0, mean + half))))
    n["reidentification"] = {"train_patients": int(train.sum()) // 2, "test_patients": int((~train).sum()) // 2,
                             "seeds": sizes.attacker_seeds}  # fmt: skip


def _autoencoder(put: Any, n: dict[str, Any], vae: Any, data: Studies, sizes: Sizes) -> None:
    """Structural similarity of reconstructions, on held-out phantoms and, where at hand, on real radiographs."""
    phantoms = as_float(data.images[: min(200, len(data))])
    put(
        "autoencoder_ssim.phantom",
        with_interval(lambda s, _: float(s.mean()), *(reconstruction_ssim(vae, phantoms),) * 2),
    )
    n["autoencoder"] = {"phantom": len(phantoms), "real": 0}
    real = real_images(sizes.real)
    if len(real):
        put(
            "autoencoder_ssim.real", with_interval(lambda s, _: float(s.mean()), *(reconstruction_ssim(vae, real),) * 2)
        )
        n["autoencoder"]["real"] = len(real)
    else:
        put("autoencoder_ssim.real", (float("nan"), (float("nan"), float("nan"))))


def reconstruction_ssim(vae: Any, images: NDArray[np.float32], batch: int = 16) -> NDArray[np.float32]:
    """Structural similarity (N,) of images (N, S, S) in 0..1 with what the autoencoder makes of them."""
    import torch
    from torchmetrics.functional.image import structural_similarity_index_measure as ssim

    out = []
    with torch.no_grad():
        for start in range(0, len(images), batch):
            x = torch.from_numpy(images[start : start + batch])[:, None].to(vae.device, vae.dtype)
            code = vae.encode((x * 2 - 1).expand(-1, vae.config.in_channels, -1, -1))
            z = code.latents if hasattr(code, "latents") else code.latent_dist.mode()
            y = (vae.decode(z).sample.mean(dim=1, keepdim=True) / 2 + 0.5).clamp(0, 1)
            likeness: Any = ssim(y.float(), x.float(), data_range=1.0, reduction="none")
            out.append(likeness.reshape(-1).numpy(force=True))
    return np.concatenate(out)


def real_images(count: int, size: int = 256) -> NDArray[np.float32]:
    """Up to `count` real radiographs (N, size, size) in 0..1, letterboxed, from ../shared/dev-data; none elsewhere."""
    from updp_core.evidence.pair import for_judges
    from updp_core.intake.pixels import read_raster

    folder = ROOT.parent / "shared" / "dev-data" / "images"
    files = sorted(folder.glob("*.*")) if folder.is_dir() else []
    files = [files[i] for i in np.linspace(0, len(files) - 1, min(count, len(files))).astype(int)]
    if not files:
        return np.zeros((0, size, size), np.float32)
    return np.concatenate([for_judges([read_raster(file)[0]]) for file in files])
