"""Import: studies become records, once each, under random pseudonyms."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from updp_core.domain import Actor, Rejection, SourceStudy
from updp_core.errors import UsageError
from updp_core.findings.labeler import findings_in
from updp_core.intake import read_source
from updp_core.store import Transaction
from updp_core.store.store import canonical, fresh_id, now
from updp_core.workbench.desk import Desk, Noun
from updp_core.workbench.roles import OPERATORS, READERS, verb
from updp_core.workbench.shapes import Progress, UploadLimits
from updp_core.workbench.wording import place_of

BATCH = 16
"""Records a transaction: a killed import loses at most these, and finds the others as duplicates."""
SHOWN = 500
"""Rejections that an import keeps in memory and hands to whoever asked for it."""
LISTED = 100_000
"""Rejections that it writes to a file; what is beyond is counted."""
TELL = 1000
"""Rejections between two signs of life where nothing can be imported."""


class _Refusals:
    """What an import has not taken: counted, the first in memory, the rest in a private file once there are more."""

    def __init__(self, folder: Path) -> None:
        self.count = 0
        self.first: list[dict[str, str]] = []
        self._path = folder / f"rejected-{fresh_id('')}.csv"
        self._file: IO[str] | None = None

    def add(self, item: Rejection) -> None:
        """One more."""
        self.count += 1
        row = {"source": item.source, "reason": item.reason}
        if self.count <= SHOWN:
            self.first.append(row)
        elif self.count <= LISTED:
            if self._file is None:
                self._begin()
            self._write(row)

    def close(self) -> str:
        """The file with all of them, "" where there is none."""
        if self._file is None:
            return ""
        self._file.close()
        return str(self._path)

    def _begin(self) -> None:
        self._path.parent.mkdir(mode=0o700, exist_ok=True)
        self._file = os.fdopen(os.open(self._path, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600), "w", encoding="utf-8")
        self._write({"source": "source", "reason": "reason"})
        for row in self.first:
            self._write(row)

    def _write(self, row: Mapping[str, str]) -> None:
        # A cell that a spreadsheet would take for a formula is made text.
        cells = ["'" + cell if cell[:1] in ("=", "+", "-", "@") else cell for cell in (row["source"], row["reason"])]
        csv.writer(self._file).writerow(cells)  # type: ignore[arg-type]


class Studies(Noun):
    """Read studies in."""

    @verb(OPERATORS)
    def import_(
        self, source: Path, *, actor: Actor, layout: str = "auto", columns: Mapping[str, str] | None = None
    ) -> Iterator[Progress]:
        """Read studies from a file or folder. `preview` is each new record's id.

        Result: {"imported": n, "duplicates": n, "rejected": [{"source", "reason"}], "without_report": [source],
        "rejections": n, "list": file}. `rejected` and `without_report` hold the first SHOWN of them; where there are
        more rejections, `list` names a CSV file of the workspace with all of them, up to LISTED, else it is "".
        """
        source = place_of(source)
        if not source.exists():
            raise UsageError(f"The source {source.name} does not exist. Give a CSV file or a folder.")
        return _import(self.desk, source, actor, layout, columns)

    @verb(READERS | OPERATORS)
    def upload(self, *, actor: Actor) -> UploadLimits:
        """How many uploaded files, and how many megabytes, may wait: of one person, and of all together."""
        given = self.desk.settings
        return {
            "files": given.upload_files,
            "files_of_all": given.upload_files_all,
            "megabytes": given.upload_megabytes,
            "megabytes_of_all": given.upload_megabytes_all,
        }


def _import(
    desk: Desk, source: Path, actor: Actor, layout: str, columns: Mapping[str, str] | None
) -> Iterator[Progress]:
    imported = duplicates = 0
    refusals = _Refusals(desk.store.home / "imports")
    without_report: list[str] = []
    waiting: list[dict[str, Any]] = []
    seen = 0
    for item in read_source(source, layout=layout, columns=columns):
        seen += 1
        if isinstance(item, Rejection):
            refusals.add(item)
            if refusals.count % TELL == 0:
                yield Progress("import", seen, 0, f"{imported} imported, {refusals.count} rejected")
        else:
            if not item.report.strip() and len(without_report) < SHOWN:
                without_report.append(item.source)
            waiting.append(_prepare(desk, item))
        if len(waiting) >= BATCH:
            new = _keep(desk, waiting, actor)
            imported, duplicates = imported + len(new), duplicates + len(waiting) - len(new)
            waiting = []
            yield Progress("import", seen, 0, f"{imported} imported", preview=new[-1] if new else None)
    new = _keep(desk, waiting, actor) if waiting else []
    imported, duplicates = imported + len(new), duplicates + len(waiting) - len(new)
    with desk.store.write() as tx:
        tx.audit(actor, "import", imported=imported, duplicates=duplicates, rejected=refusals.count)
    result = {
        "imported": imported,
        "duplicates": duplicates,
        "rejected": refusals.first,
        "rejections": refusals.count,
        "list": refusals.close(),
        "without_report": without_report,
    }
    yield Progress("import", seen, seen, f"{imported} imported", preview=new[-1] if new else None, result=result)


def _prepare(desk: Desk, study: SourceStudy) -> dict[str, Any]:
    """The row of a study, its image already on the disk; `keys` names patient and study at the source."""
    with desk.store.read() as tx:
        known = tx.value("SELECT 1 FROM record WHERE sha256 = :s", s=study.sha256)
    findings = sorted(name for name, present in findings_in(study.report).items() if present)
    height, width = study.size
    return {
        "keys": (study.patient_key, study.study_key),
        "findings": findings,
        "row": {
            "source": study.source,
            "sha256": study.sha256,
            "height": height,
            "width": width,
            "image": "" if known else desk.store.put_image(study.png),
            "bit_depth": study.bit_depth,
            "view": study.view,
            "report": study.report,
            "header_json": canonical({kind: list(values) for kind, values in study.header.items()}),
            "flags_json": canonical(list(study.flags)),
            "findings_json": canonical(findings),
            "finding_key": ",".join(findings),
        },
    }


def _keep(desk: Desk, waiting: list[dict[str, Any]], actor: Actor) -> list[str]:
    """Insert what is new; the new records' ids, one transaction for all."""
    new: list[str] = []
    with desk.store.write() as tx:
        for item in waiting:
            if tx.value("SELECT 1 FROM record WHERE sha256 = :s", s=item["row"]["sha256"]):
                continue
            patient = _pseudonym(tx, "patient", item["keys"][0], "P")
            study = _pseudonym(tx, "study", canonical(item["keys"]), "S")
            row = {"id": fresh_id("R"), "patient": patient, "study": study, **item["row"], "imported_at": now()}
            seq = tx.insert("record", **row)
            for finding in item["findings"]:
                tx.insert("record_finding", finding=finding, seq=seq)
            tx.dialect.index_text(tx, seq, f"{row['id']} {patient} {study}")
            new.append(row["id"])
        if new:
            tx.audit(actor, "import", f"{len(new)} records")
            tx.refresh(new)
    return new


def _pseudonym(tx: Transaction, kind: str, key: str, prefix: str) -> str:
    """The random name of a source key in this workspace: the same over all imports, and said by nothing else."""
    found = tx.value("SELECT pseudonym FROM pseudonym WHERE kind = :kind AND key = :key", kind=kind, key=key)
    if found:
        return found
    for _ in range(5):
        name = fresh_id(prefix)
        if tx.value("SELECT 1 FROM pseudonym WHERE pseudonym = :name", name=name) is None:
            tx.insert("pseudonym", kind=kind, key=key, pseudonym=name)
            return name
    raise UsageError("No free pseudonym was found. Is the random generator of this machine broken?")
