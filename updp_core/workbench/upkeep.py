"""Keeping the workspace: its backup."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from updp_core.domain import Actor
from updp_core.store.backup import write_backup
from updp_core.workbench.desk import Noun
from updp_core.workbench.roles import ADMINISTRATOR, verb


class Upkeep(Noun):
    """Keep the workspace safe."""

    @verb(ADMINISTRATOR)
    def backup(self, file: Path, passphrase: str, *, actor: Actor) -> dict[str, Any]:
        """Write the whole workspace, its key included, to one encrypted file while others work: {"file", "files"}.

        Raises UsageError for a short passphrase or a file that exists, UpdpError where the disk fails.
        """
        file = Path(file).absolute()
        store = self.desk.store
        with store.write() as tx:
            tx.audit(actor, "backup")
        return {"file": str(file), "files": write_backup(store.home, store.dialect, file, passphrase)}
