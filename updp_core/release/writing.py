"""Writing a release folder: beside its place, checked, and renamed when whole.

docs/release-format.md describes the files. What leaves is decided here by allow-lists: a pair is written anew from a
`ReleasePair`, under ids that are fresh for this release and in an order that says nothing of the source.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from updp_core import __version__
from updp_core.atomic import sync_folder
from updp_core.domain import Image8
from updp_core.errors import ReleaseError
from updp_core.evidence import ocr
from updp_core.lexicon import Lexicon
from updp_core.methods import derivation_of
from updp_core.release import allowed, signature
from updp_core.release.dicom import dicom_bytes, new_uid
from updp_core.release.dossier import dossier
from updp_core.release.pair import (
    Refusal,
    ReleasePair,
    ReleaseRefused,
    png_bytes,
    residual_reasons,
)
from updp_core.release.tally import Tally, told
from updp_core.release.text import readme
from updp_core.release.verifying import PARTIAL, partial_name, root_digest, sums_text, verify


@dataclass(frozen=True)
class ReleaseResult:
    """What was written: number of pairs, of patients, sha256 of manifest.jsonl, the root digest over all files, and the
    fingerprint of the key that signed it ("" for none)."""

    count: int
    patients: int
    manifest_sha256: str
    root_digest: str
    signed_by: str = ""


def write_release(
    out: Path,
    pairs: Iterable[ReleasePair],
    *,
    lexicon: Lexicon,
    header: Mapping[str, Any] | None = None,
    include_prompts: bool = True,
    read_image_text: Callable[[Image8], list[str]] | None = None,
    before_publish: Callable[[ReleaseResult], None] | None = None,
    key: signature.SigningKey | None = None,
) -> ReleaseResult:
    """Write `pairs` to the new folder `out`; on any failure nothing of the name `out` exists afterwards.

    Pairs are taken one at a time, so memory does not grow with their number. Every pair is checked again: residual PHI
    in the report, forbidden terms in the prompt, text in the image (`read_image_text`, by default RapidOCR). All pairs
    are checked before the release is refused, so that one run names them all. `before_publish` is called with the
    result when the folder is whole and before it gets its name: record the root digest there. `key` signs the release.
    Raises ReleaseRefused, or ReleaseError where `out` is taken or there is nothing to release.
    """
    out = Path(out).absolute()
    header = _checked_header(header or {})
    _check_free(out)
    if read_image_text is None:
        read_image_text = ocr.read_text
    out.parent.mkdir(parents=True, exist_ok=True)
    clean_leftovers(out.parent)
    temporary = out.parent / partial_name(out.name)
    temporary.mkdir(mode=0o700)
    _active.add(temporary)
    try:
        writer = _Writer(temporary, lexicon, include_prompts, read_image_text, key)
        for pair in pairs:
            writer.add(pair)
        result = writer.finish(header)
        if problems := verify(temporary, root=result.root_digest, partial=True):
            raise ReleaseError(f"The release did not verify after writing ({problems[0].path}). Is the disk full?")
        _make_way(out)
        if before_publish:
            before_publish(result)
        os.rename(temporary, out)
        sync_folder(out.parent)
        return result
    finally:
        _active.discard(temporary)
        if temporary.exists():
            shutil.rmtree(temporary, ignore_errors=True)


_active: set[Path] = set()


def _check_free(out: Path) -> None:
    if out.is_symlink() or (out.exists() and not out.is_dir()) or (out.is_dir() and any(out.iterdir())):
        raise ReleaseError(f"The release folder {out.name} exists and is not an empty folder. Choose a new name.")


def _make_way(out: Path) -> None:
    """Look again before anything is recorded: somebody may have filled the folder while the release was written."""
    _check_free(out)
    if out.is_dir():
        out.rmdir()  # Windows does not rename onto an empty folder


def clean_leftovers(parent: Path) -> list[str]:
    """Remove the temporary folders that killed runs have left in `parent`; returns their names.

    Those of a process that is still alive stay, and so does everything whose name is not exactly of this form.
    """
    import psutil

    removed = []
    for path in parent.iterdir():
        match = PARTIAL.fullmatch(path.name)
        if not match or path in _active or path.is_symlink() or not path.is_dir():
            continue
        pid = int(match["pid"])
        if pid == os.getpid() or not psutil.pid_exists(pid):
            shutil.rmtree(path, ignore_errors=True)
            removed.append(path.name)
    return removed


class _Writer:
    """Writes pairs into a folder and keeps only counts and offsets in memory."""

    def __init__(
        self,
        folder: Path,
        lexicon: Lexicon,
        include_prompts: bool,
        read_image_text: Callable[[Image8], list[str]],
        key: signature.SigningKey | None,
    ) -> None:
        self.folder, self.lexicon, self.include_prompts = folder, lexicon, include_prompts
        self.read_image_text, self.key = read_image_text, key
        self.today = dt.datetime.now(dt.UTC).date()
        self.refusals: list[Refusal] = []
        self.hashes: dict[str, str] = {}
        self.offsets: list[tuple[str, int, int]] = []
        self.patients: dict[str, str] = {}
        self.studies: dict[str, tuple[str, str]] = {}
        self.tally = Tally()
        for name in ("images", "dicom", "reports"):
            (folder / name).mkdir()
        # Lines arrive in the order of the workspace, which says something of the source; they are sorted at the end.
        self.unsorted = open(folder / ".unsorted.jsonl", "w+b")  # noqa: SIM115

    def add(self, pair: ReleasePair) -> None:
        """Check one pair and, while none was refused, write it."""
        if reasons := residual_reasons(pair, self.lexicon, self.read_image_text):
            self.refusals += [Refusal(pair.candidate, reason) for reason in reasons]
        if self.refusals:
            return
        how = derivation_of(pair.method, pair.settings)
        release_id = f"r{secrets.token_hex(8)}"
        patient = self.patients.setdefault(pair.patient_key, f"p{secrets.token_hex(8)}")
        study, study_uid = self.studies.setdefault(
            f"{pair.patient_key}\0{pair.study_key}", (f"s{secrets.token_hex(8)}", new_uid())
        )
        dicom = dicom_bytes(
            pair.image, patient=patient, study_uid=study_uid, version=__version__, today=self.today, derivation=how
        )
        line = {
            "release_id": release_id,
            "patient": patient,
            "study": study,
            "image": self._file(f"images/{release_id}.png", png_bytes(pair.image)),
            "dicom": self._file(f"dicom/{release_id}.dcm", dicom),
            "report": self._file(f"reports/{release_id}.txt", pair.report.encode()),
            **told(pair, self.include_prompts),
        }
        text = json.dumps(line, sort_keys=True, ensure_ascii=True, allow_nan=False).encode() + b"\n"
        self.offsets.append((release_id, self.unsorted.tell(), len(text)))
        self.unsorted.write(text)
        self.tally.add(pair, line)

    def _file(self, name: str, data: bytes) -> dict[str, str]:
        digest = hashlib.sha256(data).hexdigest()
        _write(self.folder / name, data)
        self.hashes[name] = digest
        return {"path": name, "sha256": digest}

    def finish(self, header: Mapping[str, Any]) -> ReleaseResult:
        """Manifest, description, README, dossier, SHA256SUMS over all of these, and the signature over that."""
        if self.refusals:
            raise ReleaseRefused(self.refusals)
        if not self.offsets:
            raise ReleaseError("There is nothing to release: no pair has an approval that holds. Approve some first.")
        manifest = self._manifest()
        description = self.tally.description(
            header,
            include_prompts=self.include_prompts,
            manifest=manifest,
            signed_by=self.key.public.fingerprint if self.key else None,
            day=self.today,
        )
        self._file("release.json", (json.dumps(description, indent=2, sort_keys=True) + "\n").encode())
        self._file("README.txt", readme(description, self.tally.sentences).encode())
        self._file("dossier.html", dossier(description, self.tally.sentences).encode())
        sums = sums_text(self.hashes)
        _write(self.folder / "SHA256SUMS", sums)
        root = root_digest(sums)
        signed = self.key.sign(root) if self.key else {}
        if signed:
            (self.folder / signature.FOLDER).mkdir()
        for name, data in signed.items():
            _write(self.folder / name, data)
        folders = [path for path in self.folder.iterdir() if path.is_dir()]
        self._level_times([*self.hashes, "SHA256SUMS", *signed, *(path.name for path in folders), "."])
        for folder in [*folders, self.folder]:
            sync_folder(folder)
        signed_by = self.key.public.fingerprint if self.key else ""
        return ReleaseResult(len(self.offsets), len(self.patients), manifest, root, signed_by)

    def _manifest(self) -> str:
        digest = hashlib.sha256()
        with open(self.folder / "manifest.jsonl", "wb") as file:
            for _, offset, length in sorted(self.offsets):
                self.unsorted.seek(offset)
                line = self.unsorted.read(length)
                digest.update(line)
                file.write(line)
            file.flush()
            os.fsync(file.fileno())
        self.unsorted.close()
        (self.folder / ".unsorted.jsonl").unlink()
        self.hashes["manifest.jsonl"] = digest.hexdigest()
        return digest.hexdigest()

    def _level_times(self, names: Iterable[str]) -> None:
        """Give all files and folders one time: the order of writing would tell the order of the source."""
        noon = dt.datetime.combine(self.today, dt.time(12), dt.UTC).timestamp()
        for name in names:
            os.utime(self.folder / name, (noon, noon))


def _checked_header(header: Mapping[str, Any]) -> dict[str, Any]:
    if unknown := sorted(set(header) - set(allowed.HEADER)):
        raise ReleaseError(
            f"The release header must not hold {', '.join(unknown)}. Allowed are: {', '.join(sorted(allowed.HEADER))}."
        )
    return dict(header)


def _write(path: Path, data: bytes) -> None:
    with open(path, "xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
