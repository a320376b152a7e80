"""The IU X-Ray layout (Open-i): `indiana_reports.csv` with `indiana_projections.csv`, or R2Gen's `annotation.json`."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from updp_core.domain import Rejection, SourceStudy
from updp_core.errors import IntakeError
from updp_core.intake.files import MAX_FILE_BYTES, clean_text, decode_text, inside, read_csv, shown, walk
from updp_core.intake.loaded import Loaded, Pending
from updp_core.intake.reports import join_sections, report_flags

_IMAGES = (".png", ".jpg", ".jpeg", ".dcm")


def tables(root: Path) -> tuple[Path, Path] | None:
    """(reports, projections) of the folder, or None."""
    reports = sorted(root.glob("*reports.csv"))
    projections = sorted(root.glob("*projections.csv"))
    return (reports[0], projections[0]) if reports and projections else None


def read(root: Path) -> Iterator[Pending | Rejection]:
    """Studies of an IU X-Ray folder; images are found by name anywhere below it. Raises IntakeError where neither the
    two tables nor annotation.json are there or have the columns that they need.
    """
    if found := tables(root):
        reports = _reports(found[0])
        names, rows = read_csv(found[1])
        _need(found[1], names, ("uid", "filename", "projection"))
        return _from_tables(root, reports, rows, found[1].name)
    if (root / "annotation.json").is_file():
        return _from_annotation(root, _entries(root))
    raise IntakeError(
        "An IU X-Ray folder needs indiana_reports.csv and indiana_projections.csv (uid, filename, projection: which "
        "image belongs to which report, and its view), or annotation.json, beside its images."
    )


def _need(path: Path, names: list[str], needed: tuple[str, ...]) -> None:
    if missing := [name for name in needed if name not in names]:
        raise IntakeError(f"{path.name} lacks the column {' and '.join(missing)}.")


def _reports(path: Path) -> dict[str, str]:
    names, rows = read_csv(path)
    _need(path, names, ("uid", "findings", "impression"))
    return {row["uid"].strip(): join_sections(row) for _, row in rows if row["uid"].strip()}


def _by_name(root: Path) -> dict[str, str]:
    """File name -> path relative to the folder, of every image; the first in path order where a name occurs twice."""
    found: dict[str, str] = {}
    for path in walk(root):
        if path.suffix.lower() in _IMAGES:
            found.setdefault(path.name, path.relative_to(root).as_posix())
    return found


def _from_tables(
    root: Path, reports: Mapping[str, str], rows: Iterator[tuple[int, dict[str, str]]], table: str
) -> Iterator[Pending | Rejection]:
    images, used = _by_name(root), set()
    try:
        for number, row in rows:
            uid, name = row["uid"].strip(), row["filename"].strip()
            used.add(uid)
            source = f"{table} row {number}" + (f": {shown(name)}" if name in images else "")
            try:
                file = images.get(name) or images.get(f"{name}.png")
                # A name that is no plain file name is judged as a path, so that `..` gets its own reason.
                path = inside(root, file or name)
                missing = "no report: findings and impression are empty" if uid in reports else "no report: unknown uid"
                study_of = functools.partial(_study, root, path, reports.get(uid, ""), f"iu:{uid}", missing)
                yield Pending(source, path, row["projection"], study_of)
            except IntakeError as error:
                yield Rejection(source, str(error))
    except IntakeError as error:
        yield Rejection(table, str(error))
    for uid in reports.keys() - used:
        yield Rejection(f"report {shown(uid)}", "the report has no image in the projections table")


def _entries(root: Path) -> list[tuple[str, Any]]:
    """(split, entry) of annotation.json. Raises IntakeError."""
    path = inside(root, "annotation.json")
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise IntakeError("annotation.json is too large")
        content = json.loads(decode_text(path.read_bytes()))
        return [(split, entry) for split, entries in content.items() for entry in entries]
    except (ValueError, TypeError, AttributeError, RecursionError):
        raise IntakeError('annotation.json is not of the form {"train": [{"id", "report", "image_path"}]}') from None


def _from_annotation(root: Path, entries: list[tuple[str, Any]]) -> Iterator[Pending | Rejection]:
    """R2Gen states no views. By its convention the first image of an IU report is the frontal one; the rest are listed.
    An entry of a single image is taken, too, with the same remark.
    """
    base = root / "images" if (root / "images").is_dir() else root
    for number, (split, entry) in enumerate(entries, start=1):
        source = f"annotation.json entry {number} ({shown(str(split))})"
        try:
            paths, report, key = entry["image_path"], entry.get("report", ""), str(entry["id"])
            if not isinstance(paths, list) or not isinstance(report, str) or not all(isinstance(p, str) for p in paths):
                raise TypeError
        except (KeyError, TypeError, AttributeError):
            yield Rejection(source, "the entry lacks id, report or image_path")
            continue
        for position, name in enumerate(paths):
            try:
                if "subject_id" in entry:
                    raise IntakeError(
                        "an entry of MIMIC-CXR states no view: put mimic-cxr-2.0.0-metadata.csv beside it"
                    )
                if position:
                    raise IntakeError(
                        "not the first image of its report, which is the frontal one by R2Gen's convention"
                    )
                patient = f"iu:{key.split('_')[0].removeprefix('CXR')}"
                path = inside(base, name)
                study_of = functools.partial(_annotated, base, path, clean_text(report), patient, str(split))
                yield Pending(f"{source}, image {position + 1}", path, "frontal", study_of)
            except IntakeError as error:
                yield Rejection(f"{source}, image {position + 1}", str(error))


def _annotated(root: Path, path: Path, report: str, key: str, split: str, loaded: Loaded) -> SourceStudy:
    study = _study(root, path, report, key, "no report: it is empty", loaded)
    # Said once, and more exactly than "PA or AP not stated".
    flags = tuple(f for f in study.flags if not f.startswith("view:"))
    remark = "view: frontal only by annotation.json's convention (the first image of a report)"
    return replace(study, flags=(remark, *flags), split=split)


def _study(root: Path, path: Path, report: str, key: str, missing: str, loaded: Loaded) -> SourceStudy:
    # The uid is the data set's own running number, no identifier of the patient: it is not searched for in the report.
    return SourceStudy(
        source=path.relative_to(root.resolve()).as_posix(),
        patient_key=key,
        study_key=key,
        view=loaded.view,
        report=report,
        png=loaded.png,
        size=loaded.size,
        bit_depth=loaded.bit_depth,
        sha256=loaded.sha256,
        header=loaded.header,
        flags=loaded.flags + report_flags(report, missing),
    )
