"""Import: studies become records, once each, under random pseudonyms."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Container, Iterator, Mapping
from pathlib import Path
from typing import Any

from updp_core.atomic import canonical
from updp_core.domain import NOTHING_ASSUMED, Actor, Assume, Rejection, SourceStudy
from updp_core.errors import UsageError
from updp_core.findings.labeler import findings_in
from updp_core.intake import header_of, read_source
from updp_core.intake.archive import MOST_BYTES, is_zip, unpack
from updp_core.intake.views import FRONTAL, MODALITIES
from updp_core.store import Transaction
from updp_core.store.store import fresh_id, now
from updp_core.workbench import import_log
from updp_core.workbench.desk import Desk, Noun
from updp_core.workbench.import_log import SHOWN
from updp_core.workbench.roles import OPERATORS, READERS, verb
from updp_core.workbench.shapes import Progress, UploadLimits
from updp_core.workbench.wording import place_of

UPLOADED = ("upload-", "gradio")
"""How the folders of a workspace begin where uploads and fetched files wait."""
BATCH = 16
"""Records a transaction: a killed import loses at most these, and finds the others as duplicates."""
TELL = 1000
"""Rejections between two signs of life where nothing can be imported."""


class Studies(Noun):
    """Read studies in."""

    @verb(OPERATORS)
    def import_(
        self,
        source: Path,
        *,
        actor: Actor,
        layout: str = "auto",
        columns: Mapping[str, str] | None = None,
        assume: Assume = NOTHING_ASSUMED,
        only: Container[str] | None = None,
        again: str = "",
    ) -> Iterator[Progress]:
        """Read studies from a file, folder or zip archive. `preview` is each new record's id.

        `columns` maps our column names to a table's; without it, what was last given for a table with these columns is
        used. `assume` is what the importer states where the source is silent; records and trail tell of it. `only` and
        `again`: see `import_again`.

        Result: {"imported": n, "duplicates": n, "rejected": [{"source", "reason"}], "without_report": [source],
        "rejections": n, "list": file, "import": id}. `rejected` and `without_report` hold the first SHOWN of them;
        where there are more rejections, `list` names a CSV file of the workspace with all of them, up to LISTED, else
        it is "". Raises UsageError where the source is not there or nothing can be assumed like that.
        """
        source = source_of(self.desk, source)
        return _import(self.desk, source, actor, layout, columns, stated(assume), only, again)

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


def source_of(desk: Desk, named: Path) -> Path:
    """A source that somebody has named. Raises UsageError for one that is not there, that is neither a folder nor a
    plain file, that lies where nothing is imported from (`Settings.import_from`), or among the workspace's own files,
    where keys and other people's lists are: of these only what came by upload or by fetching is a source.
    """
    source = place_of(named)
    if not (source.is_dir() or source.is_file()):
        what = "is neither a file nor a folder" if source.exists() else "does not exist"
        raise UsageError(f"The source {source.name} {what}. Give a table, a zip file or a folder.")
    real, home = source.resolve(), desk.store.home.resolve()
    if real.is_relative_to(home):
        if not any(part.startswith(UPLOADED) for part in real.relative_to(home).parts[:1]):
            raise UsageError("The files of the workspace itself are no studies. Choose a source outside of it.")
        return source
    roots = [place_of(root).resolve() for root in desk.settings.import_from.split(os.pathsep) if root]
    if roots and not any(real.is_relative_to(root) for root in roots):
        raise UsageError("Studies are imported from certain folders only (UPDP_IMPORT_FROM). Choose one of them.")
    return source


def stated(assume: Assume) -> Assume:
    """What an importer may state. Raises UsageError for anything else."""
    if assume.view not in ("", *FRONTAL):
        raise UsageError("Only frontal images go on: a view that is assumed is PA, AP or frontal.")
    if assume.modality not in ("", *MODALITIES):
        raise UsageError(f"A modality that is assumed is one of: {', '.join(MODALITIES)}.")
    return assume


def saved_columns(desk: Desk, source: Path, layout: str) -> dict[str, str]:
    """The mapping that was last given for a table with the columns of this one, {} where none was."""
    return import_log.mapping_for(desk.store.home, list(header_of(source, layout)))


@contextlib.contextmanager
def private_folder(home: Path) -> Iterator[Path]:
    """A folder of the workspace for as long as it is needed; named so that what a crash leaves is removed."""
    with tempfile.TemporaryDirectory(prefix=f"upload-{os.getpid()}-", dir=home) as private:
        yield Path(private)


def unpacked(source: Path, private: Path) -> Iterator[int]:
    """Unpack a zip archive there; nothing where the source is none. Raises IntakeError (see `unpack`)."""
    if is_zip(source):
        yield from unpack(source, private, most_bytes=min(MOST_BYTES, shutil.disk_usage(private).free // 2))


def where(source: Path, private: Path) -> Path:
    """What is to be read: what was unpacked (the folder in it where that is all), or the source itself."""
    inside = list(private.iterdir())
    if not inside:
        return source
    return inside[0] if len(inside) == 1 and inside[0].is_dir() else private


def _import(
    desk: Desk,
    source: Path,
    actor: Actor,
    layout: str,
    columns: Mapping[str, str] | None,
    assume: Assume,
    only: Container[str] | None,
    again: str,
) -> Iterator[Progress]:
    with private_folder(desk.store.home) as private:
        for count in unpacked(source, private):
            if count % TELL == 0:
                yield Progress("unpack", count, 0, f"{count} files unpacked")
        place = where(source, private)
        columns = dict(columns or {}) or saved_columns(desk, place, layout)
        items = read_source(place, layout=layout, columns=columns, assume=assume, only=only)
        about = {"header": list(header_of(place, layout)), "columns": columns, "assume": assume.to_dict()}
        log = import_log.ImportLog(desk.store.home, actor, source, layout, again=again, **about)
        log.begin()
        yield from _take(desk, items, actor, log)


def _take(
    desk: Desk, items: Iterator[SourceStudy | Rejection], actor: Actor, log: import_log.ImportLog
) -> Iterator[Progress]:
    note = log.note
    without_report: list[str] = []
    waiting: list[dict[str, Any]] = []
    seen = 0
    for item in items:
        seen += 1
        if isinstance(item, Rejection):
            log.refuse(item)
            if note.rejections % TELL == 0:
                yield Progress("import", seen, 0, f"{note.imported} imported, {note.rejections} rejected")
        else:
            if not item.report.strip():
                note.without_report += 1
                if len(without_report) < SHOWN:
                    without_report.append(item.source)
            waiting.append(_prepare(desk, item))
        if len(waiting) >= BATCH:
            new = _keep(desk, waiting, actor)
            note.imported, note.duplicates = note.imported + len(new), note.duplicates + len(waiting) - len(new)
            waiting = []
            yield Progress("import", seen, 0, f"{note.imported} imported", preview=new[-1] if new else None)
    new = _keep(desk, waiting, actor) if waiting else []
    note.imported, note.duplicates = note.imported + len(new), note.duplicates + len(waiting) - len(new)
    told = {"assumed": note.assume, "again": note.again}
    with desk.store.write() as tx:
        counts = {"imported": note.imported, "duplicates": note.duplicates, "rejected": note.rejections}
        tx.audit(actor, "import", note.id, **counts, **{name: value for name, value in told.items() if value})
    result = {
        "imported": note.imported,
        "duplicates": note.duplicates,
        "rejected": log.first,
        "rejections": note.rejections,
        "list": log.end(),
        "without_report": without_report,
        "import": note.id,
    }
    yield Progress("import", seen, seen, f"{note.imported} imported", preview=new[-1] if new else None, result=result)


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
        return str(found)
    for _ in range(5):
        name = fresh_id(prefix)
        if tx.value("SELECT 1 FROM pseudonym WHERE pseudonym = :name", name=name) is None:
            tx.insert("pseudonym", kind=kind, key=key, pseudonym=name)
            return name
    raise UsageError("No free pseudonym was found. Is the random generator of this machine broken?")
