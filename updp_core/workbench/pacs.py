"""DICOMweb servers: studies from the archive, and released objects to a receiver."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from updp_core import dicomweb
from updp_core.domain import Actor
from updp_core.errors import ReleaseError
from updp_core.release import verify
from updp_core.workbench.desk import Noun
from updp_core.workbench.roles import OFFICER, OPERATORS, verb
from updp_core.workbench.shapes import Progress
from updp_core.workbench.studies import Studies, private_folder
from updp_core.workbench.wording import place_of


class Pacs(Noun):
    """Fetch from a DICOMweb server, and store to one."""

    @verb(OPERATORS)
    def import_from(self, source: str, *, actor: Actor) -> Iterator[Progress]:
        """Read what the query of `dicomweb:URL?query` finds. `preview` and result as of `import_`.

        The files lie in the private workspace until they are read, and no longer. Raises UsageError for a bad address
        and where the server does not answer as DICOMweb does.
        """
        with private_folder(self.desk.store.home) as folder:
            for count, _ in enumerate(dicomweb.download(source, folder), 1):
                yield Progress("fetch", count, 0, f"{count} fetched")
            yield from Studies(self.desk).import_(folder, actor=actor, layout="dicom")

    @verb(OFFICER)
    def stow(self, folder: Path, address: str, *, actor: Actor) -> Iterator[Progress]:
        """Store the DICOM objects of a release of this workspace on a DICOMweb server, which is recorded first.

        Result: {"sent": n, "host": str}. Raises ReleaseError where the folder is no release made here, or was changed;
        UsageError for a bad address, and where the server refuses.
        """
        folder = place_of(folder)
        with self.desk.store.read() as tx:
            root = tx.value("SELECT root_digest FROM release WHERE folder = :f ORDER BY created_at DESC", f=str(folder))
        if root is None:
            raise ReleaseError("This folder is no release of this workspace: release first, then store it.")
        if problems := verify(folder, root=root):
            raise ReleaseError(f"The release does not verify ({len(problems)} problems), so nothing was sent.")
        files = sorted((folder / "dicom").glob("*.dcm"))
        about: dict[str, Any] = {"host": dicomweb.host(address), "root_digest": root}
        with self.desk.store.write() as tx:
            tx.audit(actor, "stow", objects=len(files), **about)
        for done in dicomweb.send(files, address):
            yield Progress("store", done, len(files))
        result = {"sent": len(files), "host": about["host"]}
        yield Progress("done", len(files), len(files), result=result)
