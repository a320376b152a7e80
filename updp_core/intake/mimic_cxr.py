"""The MIMIC-CXR-JPG layout: files/pXX/pXXXXXXXX/sXXXXXXXX/*.jpg, the report beside the study's folder."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from pathlib import Path
from sys import intern

from updp_core.domain import Rejection, SourceStudy
from updp_core.errors import IntakeError
from updp_core.intake.files import inside, not_entered, read_csv, read_report, shown, walk
from updp_core.intake.header import merge
from updp_core.intake.loaded import Loaded, Pending
from updp_core.intake.reports import report_flags

_PLACE = re.compile(r"(?:.*/)?p[0-9]{2}/p(?P<patient>[0-9]+)/s(?P<study>[0-9]+)/(?P<image>[^/]+)\.(?:jpe?g|png|dcm)\Z")


def metadata_table(root: Path) -> Path | None:
    """`mimic-cxr-...-metadata.csv` of the folder, plain or .gz."""
    return next(iter([*sorted(root.glob("*metadata.csv")), *sorted(root.glob("*metadata.csv.gz"))]), None)


def read(root: Path) -> Iterator[Pending | Rejection]:
    """Studies of a MIMIC-CXR-JPG folder; the metadata table decides what is frontal; the split table, where it is
    there, says to which split a study belongs. Raises IntakeError where the metadata table is missing.
    """
    table = metadata_table(root)
    if table is None:
        raise IntakeError("mimic-cxr-2.0.0-metadata.csv is missing: it states which image is frontal.")
    split_table = next(iter([*sorted(root.glob("*split.csv")), *sorted(root.glob("*split.csv.gz"))]), None)
    return _studies(root, _views(table), table.name, _splits(split_table) if split_table else {})


def _splits(table: Path) -> dict[str, str]:
    """dicom_id -> train, validate or test."""
    names, rows = read_csv(table)
    _need(table, names, ("dicom_id", "split"))
    return {row["dicom_id"].strip(): intern(row["split"].strip()) for _, row in rows}


def _need(table: Path, names: list[str], needed: tuple[str, ...]) -> None:
    if missing := [name for name in needed if name not in names]:
        raise IntakeError(f"{table.name} lacks the column {' and '.join(missing)}.")


def _views(table: Path) -> dict[str, tuple[str, str]]:
    """dicom_id -> (view text, study date)."""
    names, rows = read_csv(table)
    _need(table, names, ("dicom_id", "ViewPosition"))
    coded = "ViewCodeSequence_CodeMeaning"
    return {
        row["dicom_id"].strip(): (intern(row["ViewPosition"].strip() or row.get(coded, "")), row.get("StudyDate", ""))
        for _, row in rows
    }


def _studies(
    root: Path, views: dict[str, tuple[str, str]], table: str, splits: dict[str, str]
) -> Iterator[Pending | Rejection]:
    for file in walk(root):
        name = file.relative_to(root).as_posix()
        try:
            if reason := not_entered(file):
                raise IntakeError(reason)
            if not (place := _PLACE.match(name)):
                if file.suffix.lower() in (".jpg", ".jpeg", ".png", ".dcm"):
                    raise IntakeError("the image does not lie in files/pXX/pXXXXXXXX/sXXXXXXXX/")
                continue
            if place["image"] not in views:
                raise IntakeError(f"{table} has no row for this image, so its view is not known")
            view, date = views[place["image"]]
            study_of = functools.partial(_study, root, name, place, date, splits.get(place["image"], ""))
            yield Pending(shown(name), inside(root, name), view, study_of)
        except IntakeError as error:
            yield Rejection(shown(name), str(error))


def _study(root: Path, name: str, place: re.Match[str], date: str, split: str, loaded: Loaded) -> SourceStudy:
    sidecar = _report_file(root, name, place["study"])
    report = read_report(root, sidecar) if sidecar else ""
    missing = "no report: its file is empty" if sidecar else "no report: its file is missing beside the study's folder"
    own = {"patient_id": [place["patient"]], "other_id": [place["study"]], "date": [date] if len(date) == 8 else []}
    return SourceStudy(
        source=name,
        patient_key=place["patient"],
        study_key=place["study"],
        view=loaded.view,
        report=report,
        png=loaded.png,
        size=loaded.size,
        bit_depth=loaded.bit_depth,
        sha256=loaded.sha256,
        header=merge(own, loaded.header),
        flags=loaded.flags + report_flags(report, missing),
        split=split,
    )


def _report_file(root: Path, name: str, study: str) -> str | None:
    """sXXXXXXXX.txt beside the study's folder, inside it, or at the same place below a `mimic-cxr-reports` folder."""
    folder = Path(name).parent
    for place in (folder.parent, folder, Path("mimic-cxr-reports") / folder.parent, Path("reports") / folder.parent):
        if (root / place / f"s{study}.txt").is_file():
            return (place / f"s{study}.txt").as_posix()
    return None
