"""Studies in from a DICOMweb server and released objects out to one, against a real Orthanc."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pydicom
import pytest

from tests.e2e.orthanc import AVAILABLE, MISSING, orthanc
from tests.unit.workbench_kit import OFFICER, READER, last, workbench
from updp_core import dicomweb
from updp_core.config import SAMPLE
from updp_core.errors import NotAllowed, ReleaseError, UsageError

STUDIES = sorted((SAMPLE / "studies").glob("*.dcm"))[:3]
needs_orthanc = pytest.mark.skipif(not AVAILABLE, reason=MISSING)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    with orthanc(tmp_path / "orthanc") as address:
        yield f"{address}/dicom-web"


def uid(file: Path) -> str:
    return str(pydicom.dcmread(file, stop_before_pixels=True).SOPInstanceUID)


def reported(file: Path, copy: Path) -> Path:
    """A copy of a study that carries its report in its header, as archives without structured reports do."""
    study = pydicom.dcmread(file)
    study.InterpretationText = "FINDINGS: The heart is enlarged. IMPRESSION: Cardiomegaly."
    study.save_as(copy)
    return copy


@needs_orthanc
def test_what_is_sent_can_be_fetched_as_it_was(server: str, tmp_path: Path) -> None:
    assert list(dicomweb.send(STUDIES, server)) == [3]
    fetched = list(dicomweb.download(f"dicomweb:{server}", tmp_path))
    assert {uid(file) for file in fetched} == {uid(file) for file in STUDIES}
    there = {uid(file): file for file in STUDIES}
    for file in fetched:
        assert pydicom.dcmread(file).PixelData == pydicom.dcmread(there[uid(file)]).PixelData


@needs_orthanc
def test_a_query_narrows_what_is_fetched(server: str, tmp_path: Path) -> None:
    list(dicomweb.send(STUDIES, server))
    study = pydicom.dcmread(STUDIES[0], stop_before_pixels=True).StudyInstanceUID
    fetched = list(dicomweb.download(f"dicomweb:{server}?StudyInstanceUID={study}", tmp_path))
    assert [uid(file) for file in fetched] == [uid(STUDIES[0])]
    assert list(dicomweb.download(f"dicomweb:{server}?PatientName=Nobody-Here", tmp_path)) == []


@needs_orthanc
def test_a_server_that_wants_a_password_gets_it_from_the_environment(tmp_path: Path) -> None:
    with orthanc(tmp_path / "guarded", users={"ada": "secret"}) as address:
        with pytest.raises(UsageError, match="UPDP_DICOMWEB_AUTH"):
            list(dicomweb.send(STUDIES[:1], f"{address}/dicom-web"))
        env = {"UPDP_DICOMWEB_AUTH": "ada:secret"}
        assert list(dicomweb.send(STUDIES[:1], f"{address}/dicom-web", env)) == [1]
        assert httpx.get(f"{address}/instances", auth=("ada", "secret")).json()


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("pacs.example/dicom-web", "https://"),
        ("ftp://pacs.example", "https://"),
        ("https://ada:secret@pacs.example/dicom-web", "UPDP_DICOMWEB_AUTH"),
        ("http://127.0.0.1:9/dicom-web?x=1", "no query"),
        ("http://127.0.0.1:9/dicom-web", "does not answer"),
    ],
)
def test_a_bad_address_is_told_without_repeating_it(address: str, told: str) -> None:
    with pytest.raises(UsageError, match=told) as error:
        list(dicomweb.send(STUDIES[:1], address))
    assert "secret" not in str(error.value)


@needs_orthanc
def test_a_server_that_speaks_another_language_is_told(server: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"DICOMweb"):
        list(dicomweb.download(f"dicomweb:{server.removesuffix('/dicom-web')}/system", tmp_path))


@needs_orthanc
def test_a_study_comes_from_the_archive_and_its_release_goes_to_a_receiver(server: str, tmp_path: Path) -> None:
    list(dicomweb.send([reported(file, tmp_path / file.name) for file in STUDIES], server))
    bench = workbench(tmp_path / "ws")
    found = last(bench.import_from(f"dicomweb:{server}", actor=OFFICER))
    assert (found["imported"], found["rejected"]) == (3, [])
    assert not list((tmp_path / "ws").glob("upload-*"))
    last(bench.generate(actor=OFFICER))
    for row in bench.page(actor=OFFICER)["records"]:
        bench.decide(row["record"], "approve", actor=OFFICER, comment="compared by eye")
    with orthanc(tmp_path / "receiver") as receiver:
        with pytest.raises(ReleaseError, match="no release"):
            list(bench.stow(tmp_path / "out", f"{receiver}/dicom-web", actor=OFFICER))
        last(bench.release(tmp_path / "out", actor=OFFICER))
        with pytest.raises(NotAllowed):
            bench.stow(tmp_path / "out", f"{receiver}/dicom-web", actor=READER)
        assert last(bench.stow(tmp_path / "out", f"{receiver}/dicom-web", actor=OFFICER))["sent"] == 3
        assert len(httpx.get(f"{receiver}/instances").json()) == 3
        (tmp_path / "out" / "README.txt").write_text("changed")
        with pytest.raises(ReleaseError, match="does not verify"):
            list(bench.stow(tmp_path / "out", f"{receiver}/dicom-web", actor=OFFICER))
    event = bench.audit(verb="stow", actor=OFFICER)["events"][0]
    assert event["detail"]["host"].startswith("127.0.0.1:")
