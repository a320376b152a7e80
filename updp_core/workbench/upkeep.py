"""Keeping the workspace: its backup, and how long it keeps what identifies patients."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, get_args

from updp_core.domain import Actor, State
from updp_core.errors import DiskError, UsageError
from updp_core.errors import told as told_in_words
from updp_core.store import Store, Transaction, purge
from updp_core.store.backup import write_backup
from updp_core.store.moving import copy
from updp_core.store.postgres import Postgres
from updp_core.store.store import stamp
from updp_core.workbench.desk import Noun
from updp_core.workbench.roles import ADMINISTRATOR, verb
from updp_core.workbench.shapes import Vitals
from updp_core.workbench.wording import place_of


class Upkeep(Noun):
    """Keep the workspace safe, and no longer than it must be."""

    @verb(ADMINISTRATOR)
    def purge(self, older_than_days: int, *, actor: Actor, dry_run: bool = False) -> dict[str, Any]:
        """Destroy originals, reports and headers of records that were rejected, or have left, that many days ago.

        Decisions, measures and released images stay; the chain stays verifiable. Records with an open flag, or in
        somebody's hands, are left. Result: {"records", "rejected", "released", "images", "files": numbers, "whole":
        whether database and log were rewritten, "dry_run"}; `dry_run` counts and changes nothing. Backups and releases
        are files of yours: they are not looked at. On a server the tables are rewritten by the role that owns them and
        the database (UpdpError for another); its write-ahead log, replicas and backups are not reached.
        """
        if isinstance(older_than_days, bool) or not 0 <= older_than_days <= 36_500:
            raise UsageError("The number of days is from 0 to 36,500.")
        moment = datetime.now(UTC) - timedelta(days=older_than_days)
        before = stamp(moment)
        home, store = self.desk.store.home, self.desk.store
        if dry_run:
            with store.read() as tx:
                records = purge.due(tx, before)
                counted = _counted(tx, records)
                number = len(purge.images(tx, json.dumps(records)))
            files = list(purge.old_files(home, moment.timestamp(), bool(records)))
            return {**counted, "images": number, "files": len(files), "whole": False, "dry_run": True}
        with store.write() as tx:
            records = purge.due(tx, before)
            counted, going = _counted(tx, records), purge.images(tx, json.dumps(records))
            told = purge.bury(tx, json.dumps(records)) if records else {}
            tx.audit(actor, "purge", "", older_than_days=older_than_days, purged=told, **counted)
            tx.refresh(records)
        try:
            number = purge.destroy_images(store, going)
            files = list(purge.old_files(home, moment.timestamp(), bool(records)))
            for path in files:
                purge.destroy(path)
        except OSError as error:
            raise DiskError(told_in_words(error, "Not every file could be destroyed. Purge again")) from None
        whole = purge.rewrite(store)
        return {**counted, "images": number, "files": len(files), "whole": whole, "dry_run": False}

    @verb(ADMINISTRATOR)
    def vitals(self, *, actor: Actor) -> Vitals:
        """Numbers for a monitoring system, each cheap to ask for. DiskError where the database cannot be read."""
        with self.desk.store.read() as tx:
            states = dict[str, int].fromkeys(get_args(State), 0)
            released = 0
            for row in tx.all("SELECT state, released, sum(n) AS n FROM standing_count GROUP BY state, released"):
                states[row["state"]] += row["n"]
                released += row["n"] if row["released"] else 0
            last = {
                name: tx.value(f"SELECT coalesce(max(id), 0) FROM {table}")
                for name, table in (("candidates", "candidate"), ("decisions", "decision"), ("events", "audit_event"))
            }
            runs = tx.all(
                "SELECT coalesce(sum(done), 0) AS finished, coalesce(sum(failed), 0) AS failures, "
                "coalesce(sum(seconds), 0) AS seconds, "
                "count(*) FILTER (WHERE state IN ('running', 'paused')) AS active FROM run"
            )[0]
            flagged = tx.value("SELECT coalesce(sum(n), 0) FROM standing_count WHERE flagged_for <> ''")
        return {
            "states": states,
            "released": released,
            "flagged": flagged,
            "candidates": last["candidates"],
            "decisions": last["decisions"],
            "events": last["events"],
            "active": runs["active"],
            "run_records": runs["finished"],
            "run_failures": runs["failures"],
            "run_seconds": runs["seconds"],
        }

    @verb(ADMINISTRATOR)
    def backup(self, file: Path, passphrase: str, *, actor: Actor) -> dict[str, Any]:
        """Write the whole workspace, its key included, to one encrypted file while others work: {"file", "files"}.

        Raises UsageError for a short passphrase or a file that exists, UpdpError where the disk fails.
        """
        file, store = place_of(file), self.desk.store
        with store.write() as tx:
            tx.audit(actor, "backup")
        return {"file": str(file), "files": write_backup(store, file, passphrase)}

    @verb(ADMINISTRATOR)
    def copy_to(self, url: str, *, actor: Actor, role: str = "") -> dict[str, Any]:
        """Move the database to the empty PostgreSQL database at `url`: {"rows", "events"}. Images and key stay.

        Nobody writes meanwhile, and afterwards the old database takes no more: UPDP_DATABASE_URL names the new one from
        then on. `role` is a role of the server that shall work there without owning the tables. Raises UpdpError where
        the new database cannot be reached or is not empty, UsageError for another kind of address or role.
        """
        store = self.desk.store
        Postgres(url)  # refuse what is no address
        with store.write() as tx:
            tx.audit(actor, "copy_to")
            store.dialect.seal(tx)
            other = Store(store.home, url)
            try:
                with other.write() as new:
                    rows = copy(tx, new)
                    if role:
                        other.dialect.grant(new, role)
            finally:
                other.close()
        return {"rows": sum(rows.values()), "events": rows["audit_event"]}


def _counted(tx: Transaction, records: Sequence[str]) -> dict[str, int]:
    some = tx.dialect.each("r", record=str)
    released = tx.value(
        f"SELECT count(*) FROM standing WHERE state = 'approved' AND record IN {some}", r=json.dumps(list(records))
    )
    return {"records": len(records), "rejected": len(records) - released, "released": released}
