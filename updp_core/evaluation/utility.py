"""What a release is worth to who receives it: a report generator trained on it, tested on the receiver's own films.

The receiver has some local pairs, original films with their reports. The release brings pairs of another house: what a
method drew, with the filtered reports. A generator learns from the release alone (transfer), from the local pairs alone
and from both (mixed), with equally many steps, and writes reports for local films of patients whom it has not seen.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from updp_core.atomic import write_file
from updp_core.evaluation.measures import Found, Measure, Row
from updp_core.evaluation.studies import code_digest, key_of, phantom_digest
from updp_core.evaluation.testbed import DRAWING, Testbed, in_parts, key_of_method
from updp_core.evaluation.written import METRICS, metrics
from updp_core.findings.labeler import seen_part

if TYPE_CHECKING:
    from updp_core.evaluation.reporter import ReporterConfig

LOCAL = "local"


@dataclass(frozen=True)
class Pairs:
    """Images (N, 64, 64) as the generator sees them, and their reports."""

    images: NDArray[np.float32]
    reports: tuple[str, ...]

    def __add__(self, other: Pairs) -> Pairs:
        return Pairs(np.concatenate([self.images, other.images]), (*self.reports, *other.reports))


def utility(bed: Testbed) -> Found:
    """Generators trained on the release of each method, on local pairs, and on both, by every metric of `written`."""
    from updp_core.evaluation.reporter import small, words

    data, found, drawn = bed.singles, Found(), bed.sizes.drawn
    split = drawn + (len(data) - drawn) // 2
    local, test = (_originals(bed, np.arange(*part)) for part in ((drawn, split), (split, len(data))))
    index = np.arange(drawn)
    arms = {LOCAL: local}
    reports = _reports(bed, index)
    for method in bed.methods:
        release = Pairs(in_parts(bed.drawn(method, data, "singles", index).images, small), reports)
        arms[f"transfer_{key_of_method(method)}"] = release
        arms[f"mixed_{key_of_method(method)}"] = release + local
    written = [_written(bed, name, pairs, test.images) for name, pairs in arms.items()]
    true = [" ".join(words(report)) for report in test.reports]
    for metric, figures in metrics(written, true, bed.seed).items():
        for k, (name, pairs) in enumerate(arms.items()):
            if isinstance(figures, str):
                found.lack(f"utility_{metric}.{name}", figures)
            else:
                n = {"patients": len(true), "trained": len(pairs.reports), "seeds": 1}
                found.put(f"utility_{metric}.{name}", figures[k], **n)
    return found


def _originals(bed: Testbed, index: NDArray[np.int64]) -> Pairs:
    from updp_core.evaluation.reporter import small

    return Pairs(in_parts(bed.singles.images[index], small), _reports(bed, index))


def _reports(bed: Testbed, index: NDArray[np.int64]) -> tuple[str, ...]:
    """The filtered reports, without the sections that no image shows."""
    found = bed.singles.inputs(index, bed.lexicon)
    return tuple(seen_part(item.filtered_report) for item in found)


def config(bed: Testbed) -> ReporterConfig:
    """The generator's shape and training at the size of the run: 1,500 steps in full, at most."""
    from updp_core.evaluation.reporter import ReporterConfig

    seen = bed.sizes.singles
    return replace(ReporterConfig(), steps=min(1500, max(20, 2 * seen)))


def _written(bed: Testbed, name: str, pairs: Pairs, images: NDArray[np.float32]) -> list[str]:
    """What a generator trained on `pairs` writes of `images`; kept, so that a run that was cut off goes on."""
    from updp_core.evaluation.reporter import train_reporter

    shape = asdict(config(bed))
    code = code_digest("evaluation/reporter.py", "report", "findings", "evaluation/utility.py")
    key = key_of(
        shape,
        bed.seed,
        asdict(bed.sizes),
        bed.methods,
        dict(bed.models.digests),
        bed.lexicon.digest,
        code,
        phantom_digest(),
        code_digest(*DRAWING),
    )
    file = bed.work / f"written-{name}-{key}.json"
    if not file.is_file():
        reporter = train_reporter(pairs.images, pairs.reports, config(bed), bed.seed, bed.say)
        write_file(file, json.dumps(reporter.write(images)).encode())
        bed.say(f"utility: {name}")
    found: list[str] = json.loads(file.read_text())
    return found


def _by(result: Mapping[str, Any], arm: str) -> dict[str, float]:
    """An arm's value by each metric that was measured."""
    values = {metric: (result.get(f"utility_{metric}") or {}).get(arm) for metric in METRICS}
    return {metric: value for metric, value in values.items() if value is not None}


def _beats(result: Mapping[str, Any], one: str, other: str) -> bool | None:
    a, b = _by(result, one), _by(result, other)
    return all(a[metric] > b[metric] for metric in b if metric in a) if a and b else None


def _share(result: Mapping[str, Any], subject: str) -> float | None:
    """The lowest share of local only that transfer only reaches, over the metrics."""
    transfer, local = _by(result, f"transfer_{subject}"), _by(result, LOCAL)
    shares = [transfer[metric] / local[metric] for metric in local if local[metric] > 0 and metric in transfer]
    return round(min(shares), 4) if shares else None


_ARMS = {
    LOCAL: "local only",
    "transfer_{method}": "transfer only, {images}",
    "mixed_{method}": "mixed, {images}",
}
UTILITY = Measure(
    "utility",
    ("generator", "encoder"),
    utility,
    (
        *(
            Row(f"utility_{metric}.{arm}", f"Reports written ({words_}): {trained}", "share")
            for metric, words_ in METRICS.items()
            for arm, trained in _ARMS.items()
        ),
        Row(
            "utility_mixed_beats_local",
            "Mixed is better than local only by every metric that was measured",
            "seen",
            lambda result, subject: _beats(result, f"mixed_{subject}", LOCAL),
        ),
        Row(
            "utility_transfer_share",
            "Transfer only as a share of local only, the metric at which it is least",
            "share",
            _share,
        ),
        Row(
            "utility_updp_beats_raw",
            "Transfer only with {images} is better than with raw reports' images by every metric",
            "seen",
            lambda result, subject: _beats(result, f"transfer_{subject}", "transfer_raw_report"),
        ),
    ),
    beside=lambda bed: [code_digest("evaluation/reporter.py", "evaluation/written.py"), _installed()],
)


def _installed() -> list[bool]:
    """Which of the packages of the metrics are here: a figure that lacked one is measured once it is."""
    return [find_spec(name) is not None for name in ("sacrebleu", "nltk", "bert_score", "radgraph")]
