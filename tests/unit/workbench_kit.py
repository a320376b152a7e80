"""A small workspace for tests of the store and the Workbench: studies of noise, and a method that costs nothing."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from updp_core.atomic import sha256
from updp_core.config import Settings
from updp_core.domain import Actor, MethodInput, Prompt, Proposal, SourceStudy, Step, Token
from updp_core.intake.pixels import encode_png
from updp_core.lexicon import Lexicon
from updp_core.report.gazetteer import Gazetteer
from updp_core.store import Store, schema
from updp_core.workbench import Models, Progress, Workbench, studies

READER = Actor("Dr. Reader", "radiologist")
SECOND = Actor("Dr. Second", "radiologist")
OFFICER = Actor("Officer", "privacy-officer")
OBSERVER = Actor("Guest", "observer")
ADMIN = Actor("Admin", "administrator")

REPORTS = (
    "FINDINGS: The heart is enlarged. There is a small left pleural effusion. IMPRESSION: Cardiomegaly.",
    "FINDINGS: The lungs are clear. No pneumothorax. IMPRESSION: No acute disease.",
    "FINDINGS: There is a nodule in the right upper lobe. IMPRESSION: Nodule.",
)


ALL_CLEAR: dict[str, dict[str, Any]] = {
    "alignment": {"after": 0.9},
    "residual_phi": {"count": 0},
    "forbidden_in_prompt": {"count": 0},
    "image_text": {"count": 0},
    "prompt_score": {"synthetic": 0.9},
    "identity": {"similarity": 0.1, "rank": 9, "equals": 40},
    "findings": {"lost_count": 0, "invented_count": 0},
    "memorisation": {"percentile": 50.0},
    "domain": {"percentile": 50.0},
    "rarity": {"others": 9, "patients": 400},
}
"""Evidence whose gates are all clear."""


def measure_all_clear(monkeypatch: Any) -> None:
    """Let every pair that is made from here on have gates that are all clear."""
    monkeypatch.setattr(
        Models, "measure", lambda self, inputs, proposals, *args, **more: [ALL_CLEAR for _ in proposals]
    )


def study(number: int, patient: int | None = None, report: str | None = None) -> SourceStudy:
    """Study `number`: noise that is the same at every run, of `patient`."""
    pixels = np.random.default_rng(number).integers(0, 65535, (64, 80), dtype=np.uint16)
    text = REPORTS[number % len(REPORTS)] if report is None else report
    return SourceStudy(
        source=f"file-{number}.png",
        patient_key=f"MRN{number if patient is None else patient}",
        study_key=f"study-{number}",
        view="PA",
        report=text,
        png=encode_png(pixels),
        size=(64, 80),
        bit_depth=12,
        sha256=sha256(f"study {number}"),
        header={"patient_id": [f"77{number:05d}"]},
    )


class QuickMethod:
    """The Method protocol in a few lines: the prompt is a few words, the image the seed's noise."""

    name, title, releasable = "quick", "Quick", True

    def __init__(self, words: Sequence[str] = (), fail: Sequence[str] = (), releasable: bool = True) -> None:
        self.words, self.fail, self.releasable, self.seen = tuple(words), tuple(fail), releasable, list[str]()

    def settings(self) -> dict[str, Any]:
        return {"name": self.name, "models": {"quick": "0" * 64}}

    def propose(self, records: Sequence[MethodInput], *, seeds: Sequence[int]) -> Iterator[Step]:
        yield Step("align", 0, len(records))
        made = []
        for record, seed in zip(records, seeds, strict=True):
            self.seen.append(record.id)
            if any(word in record.report for word in self.fail):
                made.append(Proposal(record.id, seed, None, None, "", error="This record cannot be drawn."))
                continue
            text = " ".join(("chest radiograph", *self.words, str(seed % 7)))
            tokens = tuple(Token(n, word, "neutral", 0.5, 1, word) for n, word in enumerate(text.split()))
            prompt = Prompt(text, tokens, 0.2, 0.6, 0.7, (0.8, 0.4))
            image = np.random.default_rng(seed).integers(0, 255, (64, 64), dtype=np.uint8)
            made.append(Proposal(record.id, seed, image, prompt, text))
        yield Step("draw", len(records), len(records), tuple(made))


class QuickModels(Models):
    """One method, whichever is asked for, and these judges (by default none)."""

    def __init__(self, settings: Settings, method: Any, judges: Any = None) -> None:
        super().__init__(settings)
        self.only, self.few = method, judges

    def make_method(self, lexicon: Lexicon, requested: Mapping[str, Any]) -> Any:
        return self.only

    def judges(self) -> Any:
        return self.few


def url_of(home: Path) -> str:
    """The database of the workspace `home`: SQLite, unless the fixture `each_database` says another."""
    return ""


class Raw:
    """A connection beside UPDP's, of somebody who owns the database: sqlite3's or psycopg's, spoken to in one way."""

    def __init__(self, home: Path, owner: Any = None) -> None:
        self.sqlite = owner is None
        self.connection = owner or sqlite3.connect(home / "updp.sqlite3", isolation_level=None)

    def execute(self, sql: str, values: Sequence[object] = ()) -> Any:
        if not self.sqlite:
            sql = sql.replace("?", "%s").replace("x'00000000'", "'\\x00000000'").replace("_no_replace", "_no_truncate")
            sql = re.sub(r"(DROP TRIGGER (?:IF EXISTS )?)(\w+)(_no_\w+)", r"\1\2\3 ON \2", sql)
        return self.connection.execute(sql, tuple(values) or None if not self.sqlite else tuple(values))

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in self.execute(sql).fetchall()]

    def drop_triggers(self) -> None:
        for table in schema.APPEND_ONLY:
            for verb in ("update", "delete", "replace"):
                self.execute(f"DROP TRIGGER {table}_no_{verb}")

    def close(self) -> None:
        self.connection.close()


def raw(home: Path) -> Raw:
    """A connection of the database's owner; `each_database` may say another database."""
    return Raw(home)


def store(home: Path) -> Store:
    """The workspace `home` without its verbs."""
    return Store(home, url_of(home))


def workbench(home: Path, method: Any = None, judges: Any = None) -> Workbench:
    """A workspace in `home` whose every method is `method`, by default without judges."""
    settings = Settings(home=home, method="updp", database_url=url_of(home))
    return Workbench.open(settings, QuickModels(settings, method or QuickMethod(), judges))


def add(bench: Workbench, items: Sequence[SourceStudy]) -> list[str]:
    """Studies as records, through the door that import uses."""
    return studies._keep(bench.desk, [studies._prepare(bench.desk, item) for item in items], OFFICER)


def hush(monkeypatch: Any) -> None:
    """Leave out what costs seconds to load and is tested elsewhere: library finders, name lists, text in images."""
    few = Gazetteer(*(frozenset(names) for names in (["mortimer"], ["quill"], ["springfield"], [], ["seen", "by"])))
    for module in ("words", "places", "header_values"):
        monkeypatch.setattr(f"updp_core.report.{module}.gazetteer", lambda: few)
    monkeypatch.setattr("updp_core.report.recognisers.find", lambda reading: [])
    monkeypatch.setattr("updp_core.report.ner.recognise", lambda text: ())
    monkeypatch.setattr("updp_core.evidence.ocr.read_boxes", lambda image: [])
    monkeypatch.setattr("updp_core.evidence.ocr.read_text", lambda image: [])


def made(bench: Workbench, number: int = 3, patients: int | None = None) -> list[str]:
    """Records with a pending candidate each."""
    ids = add(bench, [study(n, None if patients is None else n % patients) for n in range(number)])
    last(bench.generate(actor=OFFICER))
    return ids


def last(steps: Iterator[Progress]) -> dict[str, Any]:
    """The result of a long verb."""
    *_, end = steps
    assert end.result is not None
    return end.result
