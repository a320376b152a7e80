"""A reading room on a working day: 500 pairs to review, two radiologists and a privacy officer who sign in.

The store is made by the Workbench's own verbs. What would take minutes is dealt out instead of computed again: the
method gives a few prompts and pictures in turn, and texts and pictures that were read once are not read once more.
The app that serves the store knows nothing of this; there "regenerate" runs UPDP with the (tiny) models.
"""

from __future__ import annotations

import csv
import functools
import shutil
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from tests.e2e.served import serve
from tests.pixel_judges import PixelJudges
from updp_core.config import Settings
from updp_core.domain import Actor, MethodInput, Prompt, Proposal, RefusedToken, Step, Token
from updp_core.methods import METHODS
from updp_core.workbench import Models, Workbench, users_file

PAIRS = 500
PICTURES = 12
PASSWORD = "a long password"
PEOPLE = {
    "rita": "radiologist",
    "ravi": "radiologist",
    "olga": "privacy-officer",  # the day's work
    "lena": "radiologist",
    "otto": "privacy-officer",  # who only look, so that no test disturbs another
}
OFFICER = Actor("olga", "privacy-officer")
HOME_NAME = "brackenfold"
"""A nursing home that no rule knows: the word that the privacy officer finds in reports and forbids."""
HELD_BY_FEW = 6
REPORTS = (
    "EXAM: Chest PA. FINDINGS: The heart is enlarged. There is a small left pleural effusion. No pneumothorax. "
    "IMPRESSION: Cardiomegaly with left effusion.",
    "FINDINGS: The lungs are clear. Heart size is normal. No consolidation. IMPRESSION: No acute disease.",
    "FINDINGS: There is a nodule in the right upper lobe. Mild scoliosis. IMPRESSION: Right nodule, no effusion.",
    "EXAM: Chest PA on 03/14/2019. FINDINGS: Basilar atelectasis. Heart size is normal. IMPRESSION: Atelectasis.",
)


def chest(seed: int, size: int) -> np.ndarray:
    """A computed picture (size, size) in 0..1: two dark lungs, a bright middle, and what the seed puts in."""
    y, x = np.mgrid[0 : 1 : size * 1j, 0 : 1 : size * 1j]
    draw = np.random.default_rng(seed)
    lungs = sum(np.exp(-(((x - c) / 0.14) ** 2 + ((y - 0.45) / 0.3) ** 2)) for c in (0.3, 0.7))
    spots = sum(
        draw.uniform(0.1, 0.3) * np.exp(-(((x - a) ** 2 + (y - b) ** 2) / 0.004))
        for a, b in draw.uniform(0.2, 0.8, (6, 2))
    )
    return np.clip(0.8 - 0.6 * lungs + spots + draw.normal(0, 0.01, x.shape), 0, 1)


def write_archive(folder: Path, number: int) -> Path:
    """`number` studies as a CSV manifest. Pictures repeat, files do not: each carries its number."""
    folder.mkdir(parents=True)
    pictures = [Image.fromarray((chest(n, 96) * 65535).astype(np.uint16)) for n in range(PICTURES)]
    with open(folder / "manifest.csv", "w", newline="", encoding="utf-8") as out:
        table = csv.DictWriter(out, ["file", "patient_id", "study_id", "view", "report_text"])
        table.writeheader()
        for n in range(number):
            mark = PngInfo()
            mark.add_text("number", str(n))
            pictures[n % PICTURES].save(folder / f"{n:03}.png", pnginfo=mark, compress_level=1)
            filter = REPORTS[n % len(REPORTS)]
            if n % (number // HELD_BY_FEW) == 1 and n // (number // HELD_BY_FEW) < HELD_BY_FEW:
                filter = f"INDICATION: Cough, lives at {HOME_NAME}. {filter}"
            row = {"file": f"{n:03}.png", "patient_id": f"77{n:05}", "study_id": f"s{n}", "view": "PA"}
            table.writerow({**row, "report_text": filter})
    return folder / "manifest.csv"


class Prepared:
    """Stands where UPDP stands while the store is made: prompts of a few words, and pictures that were drawn before."""

    name, title, releasable = "updp", "Prepared", True

    def __init__(self) -> None:
        self.pictures = [(chest(100 + n, 96) * 255).astype(np.uint8) for n in range(PICTURES)]

    def settings(self) -> dict[str, Any]:
        return {"name": self.name, "models": {"prepared": "0" * 64}}

    def propose(self, records: Sequence[MethodInput], *, seeds: Sequence[int]) -> Iterator[Step]:
        made = []
        for record, seed in zip(records, seeds, strict=True):
            said = record.filtered_report.split("FINDINGS:")[-1].lower()
            words = ["chest", "radiograph", *(w.strip(".,") for w in said.split() if len(w.strip(".,")) > 4)][:9]
            refused = (RefusedToken("smith", 0.61, "names"),)
            tokens = tuple(
                Token(n, word, "neutral" if n % 3 else "whitelist", 0.5, n + 1, word, refused if n == 1 else ())
                for n, word in enumerate(words)
            )
            fit = 0.3 + 0.4 * (seed % 1000) / 1000
            prompt = Prompt(" ".join(words), tokens, fit - 0.1, fit, fit + 0.1, (0.8, 0.4))
            picture = self.pictures[seed % PICTURES]
            made.append(Proposal(record.id, seed, picture, prompt, prompt.text))
        yield Step("draw", len(records), len(records), tuple(made))


class PixelModels(Models):
    """The models of the settings, and judges that need no weights."""

    def judges(self) -> PixelJudges:
        return PixelJudges()


def fill(home: Path, archive: Path, models: dict[str, str]) -> Workbench:
    """A workspace in `home` with a pending pair for each study of the archive."""
    from updp_core.evidence import ocr
    from updp_core.report import recognisers

    settings = Settings.from_env({**models, "UPDP_HOME": str(home)})
    entry = replace(METHODS[Prepared.name], check=lambda settings: None, make=lambda *given: Prepared())
    read, seen = ocr.read_boxes, dict[bytes, Any]()

    def read_once(image: np.ndarray) -> Any:
        key = image.tobytes()
        if key not in seen:
            seen[key] = read(image)
        return seen[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(METHODS, Prepared.name, entry)
        find = functools.cache(lambda text: tuple(recognisers.find_in(text)))
        patch.setattr(recognisers, "find", lambda reading: list(find(reading.flowing)))
        patch.setattr(ocr, "read_boxes", read_once)
        bench = Workbench.open(settings, PixelModels(settings))
        for step in bench.import_(archive, actor=OFFICER):
            assert not step.result or not step.result["rejected"]
        *_, end = bench.generate(actor=OFFICER, batch_size=50)
        assert end.result and not end.result["failed"]
    return bench


@dataclass(frozen=True)
class Room:
    """The app on such a store, and the same workspace from outside: through the core, and by plain SQL."""

    address: str
    home: Path
    bench: Workbench

    def rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """What the database says, asked past our own code."""
        with closing(sqlite3.connect(f"file:{self.home / 'updp.sqlite3'}?mode=ro", uri=True)) as base:
            return base.execute(sql, values).fetchall()

    def states(self) -> dict[str, int]:
        """State -> number of records."""
        return self.bench.counts(actor=OFFICER)["states"]

    def show(self, record: str) -> Any:
        return self.bench.show(record, actor=OFFICER)

    def holders(self) -> dict[str, str]:
        """Record -> who holds it now."""
        return dict(self.rows("SELECT record, holder FROM hold WHERE expires > ?", time.time()))


@contextmanager
def open_room(store: Path, place: Path, models: dict[str, str]) -> Iterator[Room]:
    """The app with sign-in, on a copy of the store in `place`."""
    home, people = place / "home", place / "users.json"
    shutil.copytree(store, home)
    for name, role in PEOPLE.items():
        users_file.add(people, name, role, PASSWORD)
    with serve(home, place / "nothing", UPDP_AUTH=str(people), **models) as address:
        bench = Workbench.open(Settings(home=home))
        yield Room(address, home, bench)
        bench.close()
