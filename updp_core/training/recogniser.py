"""The recogniser of names, places, organisations, numbers and dates: a small spaCy pipeline, trained on text made here.

Tokens are embedded by hashes of their form, prefix, suffix and shape, mixed over four neighbours on each side, and
read by spaCy's transition-based parser (Honnibal's embed, encode, attend, predict; Lample et al. 2016 for the moves).
"""

from __future__ import annotations

import platform
import time
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from .recogniser_phrases import HELD_FAMILY
from .recogniser_text import LABELS, LOCALES, Sample, Split, write_sample

Say = Callable[[str], None]
ARCHITECTURE: dict[str, Any] = {
    "@architectures": "spacy.TransitionBasedParser.v2",
    "state_type": "ner",
    "extra_state_tokens": False,
    "hidden_width": 64,
    "maxout_pieces": 2,
    "use_upper": True,
    "tok2vec": {
        "@architectures": "spacy.Tok2Vec.v2",
        "embed": {
            "@architectures": "spacy.MultiHashEmbed.v2",
            "width": 64,
            "attrs": ["NORM", "PREFIX", "SUFFIX", "SHAPE", "IS_SPACE"],
            "rows": [6000, 1000, 3000, 2500, 50],
            "include_static_vectors": False,
        },
        "encode": {
            "@architectures": "spacy.MaxoutWindowEncoder.v2",
            "width": 64,
            "depth": 4,
            "window_size": 1,
            "maxout_pieces": 3,
        },
    },
}


@dataclass(frozen=True)
class RecogniserConfig:
    """How the recogniser is trained: `words` in a batch, of all-new text; weights are averaged over the run."""

    words: int = 600
    learning_rate: float = 0.001
    dropout: float = 0.1


@dataclass(frozen=True)
class Run:
    """How a training went: batches, seconds, machine, and the running mean of the loss a word at the end."""

    steps: int
    seconds: float
    hardware: str
    loss: float


@dataclass(frozen=True)
class Score:
    """Of `gold` entities, how many had every letter and digit recognised, and how many of those `found` were right.

    A piece found counts as right where it overlaps an entity, since the filter removes it whatever it is called.
    """

    gold: int
    recalled: int
    found: int
    right: int

    @property
    def recall(self) -> float:
        """The share of entities recognised in full."""
        return self.recalled / max(1, self.gold)

    @property
    def precision(self) -> float:
        """The share of pieces found that touch an entity."""
        return self.right / max(1, self.found)


def samples(seed: int, split: Split = "train", family: str = "") -> Iterator[Sample]:
    """Texts without end: the same for the same arguments."""
    rng = np.random.default_rng([seed, 41])
    while True:
        yield write_sample(rng, split, family)


def make_pipeline() -> Any:
    """An untrained pipeline for English text; the labels are those of the generated text."""
    import spacy

    nlp = spacy.blank("en")
    ner = nlp.add_pipe("ner", config={"model": ARCHITECTURE, "update_with_oracle_cut_size": 100})
    for label in LABELS:
        ner.add_label(label)  # type: ignore[attr-defined]
    return nlp


def train_recogniser(
    out: Path, steps: int, minutes: float | None, seed: int, config: RecogniserConfig | None = None, say: Say = print
) -> Run:
    """Train and write a spaCy pipeline into folder `out`. The same seed and steps give the same weights.

    Stops after `steps` batches, or earlier after `minutes`; the rate is constant and the weights are averaged, so a
    run of N steps is the beginning of any longer one.
    """
    from spacy.util import fix_random_seed
    from thinc.api import Adam

    config = config or RecogniserConfig()
    fix_random_seed(seed)
    nlp = make_pipeline()
    source = samples(seed)
    nlp.initialize(lambda: [_example(nlp, next(source)) for _ in range(50)])
    optimizer = Adam(config.learning_rate, L2=0.01, grad_clip=1.0, use_averages=True)
    started, step, loss = time.monotonic(), 0, 0.0
    while step < steps and (minutes is None or time.monotonic() - started < 60 * minutes):
        batch: list[Any] = []
        words = 0
        while words < config.words:
            batch.append(_example(nlp, next(source)))
            words += len(batch[-1].reference)
        losses = nlp.update(batch, sgd=optimizer, drop=config.dropout)
        loss += (losses["ner"] / words - loss) * (0.01 if step else 1.0)
        step += 1
        if step % 100 == 0:
            say(f"step {step}: loss {loss:.4f} a word, {(time.monotonic() - started) / 60:.1f} min")
        if step % 500 == 0:
            _write(nlp, optimizer, out)
    _write(nlp, optimizer, out)
    return Run(step, time.monotonic() - started, f"one thread of a CPU ({platform.machine()})", loss)


def _write(nlp: Any, optimizer: Any, out: Path) -> None:
    # The vocabulary would hold every word of the text, and nothing that the weights need.
    with nlp.use_params(optimizer.averages):
        nlp.to_disk(out, exclude=["vocab"])


def _example(nlp: Any, sample: Sample) -> Any:
    """The text as spaCy reads it beside the same text with its entities, which begin and end at whole tokens."""
    from spacy.tokens import Doc, Span
    from spacy.training import Example

    doc = nlp.make_doc(sample.text)
    reference = Doc(doc.vocab, words=[t.text for t in doc], spaces=[bool(t.whitespace_) for t in doc])
    starts = [t.idx for t in doc]
    spans: list[Any] = []
    for start, end, label in sample.entities:
        first, last = bisect_right(starts, start) - 1, bisect_left(starts, end)
        # Where the text was broken inside an entity, line ends may stand at its ends: spaCy refuses these.
        while first < last and doc[first].is_space:
            first += 1
        while last > first and doc[last - 1].is_space:
            last -= 1
        if first < last and (not spans or first >= spans[-1].end):
            spans.append(Span(reference, first, last, label))
    reference.ents = spans
    return Example(doc, reference)


def score(find: Callable[[str], Sequence[tuple[int, int]]], texts: Sequence[Sample]) -> dict[str, Score]:
    """How `find` (text to [start, end) pieces) does on texts with known entities, by label and over "all"."""
    counts = {label: [0, 0] for label in LABELS}
    found = right = 0
    for sample in texts:
        pieces = find(sample.text)
        covered = {i for start, end in pieces for i in range(start, end)}
        for start, end, label in sample.entities:
            letters = {i for i in range(start, end) if sample.text[i].isalnum()}
            counts[label][0] += 1
            counts[label][1] += letters <= covered
        found += len(pieces)
        right += sum(any(a < end and start < b for start, end, _ in sample.entities) for a, b in pieces)
    by_label = {label: Score(gold, recalled, 0, 0) for label, (gold, recalled) in counts.items()}
    total = Score(sum(s.gold for s in by_label.values()), sum(s.recalled for s in by_label.values()), found, right)
    return by_label | {"all": total}


def evaluate(find: Callable[[str], Sequence[tuple[int, int]]], texts: int = 400, seed: int = 77) -> dict[str, Score]:
    """How `find` does on sentences of the family kept out of training, whose names and places are kept out too."""
    return score(find, list(islice(samples(seed, "held", HELD_FAMILY), texts)))


def finder(folder: Path) -> Callable[[str], list[tuple[int, int]]]:
    """The pipeline in `folder` as a function from a text to the [start, end) of its entities."""
    import spacy

    nlp = spacy.load(folder)
    return lambda text: [(entity.start_char, entity.end_char) for entity in nlp(text).ents]


def write_card(folder: Path, run: Run, seed: int, config: RecogniserConfig, scores: Mapping[str, Score]) -> Path:
    """Write README.md into the model's folder; every number in it comes from the run or from `scores`."""
    rows = "".join(f"| {label} | {s.gold} | {s.recall:.1%} |\n" for label, s in scores.items() if s.gold)
    settings = "".join(f"- {name}: {value}\n" for name, value in asdict(config).items())
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 2**20
    text = f"""# Recogniser of names and places

A spaCy pipeline (`ner` alone) for English reports: {", ".join(LABELS)}. One finder of the
report filter among others; a whitelisted term is never taken out on its word alone. {size:.1f} MiB, no pickles.

## Data

Text without end, made by `updp_core/training/recogniser_text.py`: phantom reports, clinical sentences, forms, letters,
queries and sentences of everyday, with names, towns, streets and companies of {len(LOCALES)} Faker locales and names
composed of two others; hard negatives of radiology (whitelist, eponyms, words that are names, drugs, devices, composed
medical words). Case, punctuation, accents and line breaks vary. No real patient, and no text of an outside source.

## Training

{run.steps} batches of all-new text in {run.seconds / 60:.1f} minutes on {run.hardware}, seed {seed}.
The loss at the end was {run.loss:.4f} a word. To make the same weights again:
`python -m updp_core train recogniser --steps {run.steps} --seed {seed}`.

{settings}
## Measured

By the training command, on sentences of a family of templates kept out of training, with names, towns and streets
kept out too, the recogniser alone (the filter has other finders beside it). Found means: every letter and digit.
Of the pieces that it found, {scores["all"].precision:.1%} touch an entity.

| label | entities | found |
|---|---|---|
{rows}
## Limits

English sentences, in Latin script. A name that is an ordinary word, in a line of capitals and without a cue, is not
found reliably; nor is a town that stands where a sentence would have a noun. Numbers, dates and contacts are found by
the filter's patterns first.
"""
    file = folder / "README.md"
    file.write_text(text, encoding="utf-8")
    return file
