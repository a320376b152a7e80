"""What is kept of each import, in the workspace's folder `imports`: a note, and a list of what was not taken."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import IO, Any

from updp_core.atomic import canonical, write_file
from updp_core.domain import Actor, Rejection
from updp_core.errors import UsageError
from updp_core.store.store import fresh_id, now

SHOWN = 500
"""Rejections that an import keeps in memory and hands to whoever asked for it."""
LISTED = 100_000
"""Rejections that it writes to a file; what is beyond is counted."""


@dataclass
class Note:
    """One import. `source` is where it came from, `header` the columns of its table and `columns` the mapping that was
    given for them; `assume` is what the importer stated; `again` names the import whose rejections were tried anew.
    `finished` is "" while it goes on, and for ever where it was killed.
    """

    id: str
    actor: str
    role: str
    source: str
    layout: str
    header: list[str] = field(default_factory=list)
    columns: dict[str, str] = field(default_factory=dict)
    assume: dict[str, Any] = field(default_factory=dict)
    again: str = ""
    started: str = ""
    finished: str = ""
    imported: int = 0
    duplicates: int = 0
    rejections: int = 0
    without_report: int = 0


class ImportLog:
    """The log of one import while it goes on."""

    def __init__(self, home: Path, actor: Actor, source: Path, layout: str, **about: Any) -> None:
        self.note = Note(fresh_id("I"), actor.name, actor.role, str(source), layout, started=now(), **about)
        self.first: list[dict[str, str]] = []
        self._folder = home / "imports"
        self._file: IO[str] | None = None

    def begin(self) -> None:
        """Write the note: from here on the import has its page."""
        self._folder.mkdir(mode=0o700, exist_ok=True)
        self._write_note()

    def refuse(self, item: Rejection) -> None:
        """One more that was not taken."""
        self.note.rejections += 1
        if len(self.first) < SHOWN:
            self.first.append({"source": item.source, "reason": item.reason})
        if self.note.rejections <= LISTED:
            if self._file is None:
                how = os.O_CREAT | os.O_WRONLY | os.O_EXCL
                self._file = os.fdopen(os.open(self._list, how, 0o600), "w", encoding="utf-8", newline="")
                csv.writer(self._file).writerow(("source", "reason"))
            csv.writer(self._file).writerow((item.source, item.reason))

    def end(self) -> str:
        """Write the outcome; the list's path where it holds more than was kept in memory, else ""."""
        if self._file is not None:
            self._file.close()
        self.note.finished = now()
        self._write_note()
        return str(self._list) if self.note.rejections > SHOWN else ""

    @property
    def _list(self) -> Path:
        return self._folder / f"{self.note.id}.csv"

    def _write_note(self) -> None:
        write_file(self._folder / f"{self.note.id}.json", canonical(asdict(self.note)).encode())


def notes(home: Path) -> list[Note]:
    """All imports, newest first. A note that cannot be read is left out."""
    found = []
    for path in (home / "imports").glob("I*.json"):
        try:
            told = json.loads(path.read_text(encoding="utf-8"))
            found.append(Note(**{item.name: told[item.name] for item in fields(Note) if item.name in told}))
        except (OSError, ValueError, TypeError):
            continue
    return sorted(found, key=lambda note: (note.started, note.id), reverse=True)


def note(home: Path, import_id: str) -> Note:
    """One import. Raises UsageError where there is none of this name."""
    found = next((each for each in notes(home) if each.id == import_id), None)
    if found is None:
        raise UsageError("There is no such import, or its list was destroyed when its time of retention was over.")
    return found


def rejected(home: Path, import_id: str, text: str = "") -> Iterator[tuple[str, str]]:
    """(source, reason) of what an import has not taken, in order; with `text`, of those that hold it."""
    path = home / "imports" / f"{note(home, import_id).id}.csv"
    if not path.is_file():
        return
    sought = text.casefold().strip()
    with open(path, encoding="utf-8", newline="") as file:
        rows = csv.reader(file)
        next(rows, None)
        for row in rows:
            if len(row) == 2 and sought in f"{row[0]}\n{row[1]}".casefold():
                yield row[0], row[1]


def mapping_for(home: Path, header: list[str]) -> dict[str, str]:
    """The mapping that was last given for a table with these columns, {} where none was."""
    return next((each.columns for each in notes(home) if each.columns and each.header == header), {})
