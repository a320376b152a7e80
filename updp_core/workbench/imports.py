"""Imports before and after: a look at a source, what became of each import, and another try at what was not taken."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path

from updp_core.domain import NOTHING_ASSUMED, Actor, Assume
from updp_core.errors import NotAllowed, UsageError
from updp_core.intake import look_at
from updp_core.intake.csv_manifest import ALIASES, has_header
from updp_core.workbench import import_log
from updp_core.workbench.desk import Noun
from updp_core.workbench.import_log import Note
from updp_core.workbench.roles import OPERATORS, sees_phi, verb
from updp_core.workbench.shapes import ImportPage, ImportRow, Progress, SourceLook
from updp_core.workbench.studies import Studies, private_folder, saved_columns, source_of, stated, unpacked, where
from updp_core.workbench.wording import csv_lines

HIDDEN = "•••"
TEMPLATE = (
    ("file", "patient_id", "study_id", "view", "report_text"),
    ("images/0001.png", "patient 1", "study 1", "PA", "FINDINGS: The lungs are clear. IMPRESSION: No acute disease."),
    ("images/0002.png", "patient 2", "study 2", "AP", "FINDINGS: Small left pleural effusion. IMPRESSION: Effusion."),
)
REPORT_SHOWN = 160


class Imports(Noun):
    """What an import will take, what it took, and what it did not."""

    @verb(OPERATORS)
    def import_look(
        self,
        source: Path,
        *,
        actor: Actor,
        layout: str = "auto",
        columns: Mapping[str, str] | None = None,
        assume: Assume = NOTHING_ASSUMED,
    ) -> SourceLook:
        """The layout of a source, the columns of its table, which of them is what, and the first rows: nothing is read
        in. Without `columns`, those are used that were last given for such a table. Roles that see no patient see no
        cells. Raises UsageError where the source is not there, IntakeError where it cannot be read as a whole.
        """
        source = source_of(self.desk, source)
        with private_folder(self.desk.store.home) as private:
            for _ in unpacked(source, private):
                pass
            place = where(source, private)
            given = dict(columns or {}) or saved_columns(self.desk, place, layout)
            found = asdict(look_at(place, layout, given, view=stated(assume).view))
        if not sees_phi(actor) and not has_header(found["columns"]):
            found["columns"] = [HIDDEN for _ in found["columns"]]  # the first line is somebody's data, it seems
        for row in found["rows"]:
            if not sees_phi(actor):
                row |= {name: HIDDEN for name in row if name != "problem" and row[name]}
            elif len(row.get("report_text", "")) > REPORT_SHOWN:
                row["report_text"] = row["report_text"][:REPORT_SHOWN] + " …"
        return {**found, "fields": list(ALIASES)}  # type: ignore[typeddict-item]

    @verb(OPERATORS)
    def imports(self, *, actor: Actor, limit: int = 20, offset: int = 0) -> list[ImportRow]:
        """The imports so far, newest first."""
        found = import_log.notes(self.desk.store.home)[max(0, offset) :][: max(1, min(limit, 200))]
        return [_row(note, actor) for note in found]

    @verb(OPERATORS)
    def import_rejected(
        self, import_id: str, *, actor: Actor, text: str = "", offset: int = 0, limit: int = 50
    ) -> ImportPage:
        """What an import has not taken, with the reasons; with `text`, what holds it; and the reasons by number.

        Names of files are shown to roles that see patients, and to whoever imported them.
        """
        home = self.desk.store.home
        note = import_log.note(home, import_id)
        may_see = _may_see(note, actor)
        sought = text if may_see else ""
        rows: list[tuple[str, str]] = []
        total, reasons = 0, dict[str, int]()
        offset, limit = max(0, offset), max(1, min(limit, 500))
        for source, reason in import_log.rejected(home, import_id, sought):
            if offset <= total < offset + limit:
                rows.append((source if may_see else HIDDEN, reason))
            total += 1
            reasons[reason] = reasons.get(reason, 0) + 1
        most = sorted(reasons.items(), key=lambda each: -each[1])[:10]
        return {
            "row": _row(note, actor),
            "rejected": [{"source": source, "reason": reason} for source, reason in rows],
            "reasons": [{"reason": reason, "count": count} for reason, count in most],
            "total": total,
            "offset": offset,
            "limit": limit,
        }

    @verb(OPERATORS)
    def import_list(self, import_id: str, *, actor: Actor) -> Iterator[str]:
        """What an import has not taken, as lines of a CSV file. NotAllowed for roles that see no patient, unless they
        imported it; that somebody took the list is in the trail.
        """
        home = self.desk.store.home
        if not _may_see(import_log.note(home, import_id), actor):
            raise NotAllowed("The list names files of patients: it is for roles that see them, and for who imported.")
        with self.desk.store.write() as tx:
            tx.audit(actor, "import_list", import_id)
        return csv_lines(itertools.chain((("source", "reason"),), import_log.rejected(home, import_id)))

    @verb(OPERATORS)
    def import_again(self, import_id: str, *, actor: Actor, assume: Assume = NOTHING_ASSUMED) -> Iterator[Progress]:
        """Try anew what an import has not taken, with what the importer states of it. `preview` and result as of
        `import_`. Raises UsageError where the source is not there any more, or nothing was left out.
        """
        home = self.desk.store.home
        note = import_log.note(home, import_id)
        source = Path(note.source)
        if not note.rejections:
            raise UsageError("This import has left nothing out.")
        if not source.exists():
            raise UsageError("The files of this import are not there any more: choose them again, and import them.")
        only = frozenset(name for name, _ in import_log.rejected(home, import_id))
        return Studies(self.desk).import_(
            source,
            actor=actor,
            layout=note.layout,
            columns=note.columns or None,
            assume=assume,
            only=only,
            again=import_id,
        )

    @verb(OPERATORS)
    def import_template(self, *, actor: Actor) -> Iterator[str]:
        """A table as `import_` takes it, with two rows that are made up, as lines of a CSV file."""
        return csv_lines(iter(TEMPLATE))


def _row(note: Note, actor: Actor) -> ImportRow:
    path = Path(note.source)
    uploaded = any(part.startswith("upload-") for part in path.parts)
    name = "uploaded files" if uploaded else path.name
    return {
        "id": note.id,
        "source": name if uploaded or _may_see(note, actor) else HIDDEN,
        "actor": note.actor,
        "started": note.started,
        "finished": note.finished,
        "layout": note.layout,
        "imported": note.imported,
        "duplicates": note.duplicates,
        "rejections": note.rejections,
        "without_report": note.without_report,
        "assume": note.assume,
        "again": note.again,
        "there": path.exists(),
    }


def _may_see(note: Note, actor: Actor) -> bool:
    return sees_phi(actor) or note.actor == actor.name
