"""A DICOMweb server that means harm: its answers cost an error in words, and nothing else."""

from __future__ import annotations

import gzip
import io
import json
import logging
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pydicom
import pytest
from pydicom.uid import DeflatedExplicitVRLittleEndian

from tests.unit.workbench_kit import OFFICER, last, workbench
from updp_core import dicomweb
from updp_core.config import SAMPLE
from updp_core.errors import UsageError

STUDY = sorted((SAMPLE / "studies").glob("*.dcm"))[0]
TAGS = ("0020000D", "0020000E", "00080018")
JSON = {"Content-Type": "application/dicom+json"}
WRAPPED = {"Content-Type": 'multipart/related; type="application/dicom"; boundary=b'}


class Pacs:
    """A server whose `list` and `object` answer (status, headers, body), for a path; `paths` are those it was asked."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        self.list: Callable[[str], tuple[int, dict[str, str], bytes]] = lambda path: (200, JSON, rows("1.2"))
        self.object: Callable[[str], tuple[int, dict[str, str], bytes]] = lambda path: (
            200,
            WRAPPED,
            wrapped(STUDY.read_bytes()),
        )
        self.drip = False
        pacs = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                pacs.paths.append(self.path)
                status, headers, body = (pacs.list if "/instances?" in self.path else pacs.object)(self.path)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                try:
                    for _ in range(100 if pacs.drip else 1):
                        self.wfile.write(body)
                        self.wfile.flush()
                        time.sleep(0.05 if pacs.drip else 0)
                except OSError:
                    return

            def log_message(self, *_: object) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"dicomweb:http://127.0.0.1:{self.server.server_port}/dw?Modality=DX"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()


def rows(*uids: object) -> bytes:
    return json.dumps([{tag: {"vr": "UI", "Value": [uid]} for tag in TAGS} for uid in uids]).encode()


def wrapped(data: bytes) -> bytes:
    return b"--b\r\nContent-Type: application/dicom\r\n\r\n" + data + b"\r\n--b--"


@pytest.fixture
def pacs() -> Iterator[Pacs]:
    made = Pacs()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.mark.parametrize(
    "answer",
    [
        b'[{"x": 1}]',
        b'"text"',
        b'{"a": 1}',
        b"[" * 100_000,
        b"\xff\xfe",
        json.dumps([{tag: {"Value": []} for tag in TAGS}]).encode(),
        rows(5),
        rows("../../../admin?x="),
        rows("1.2/../../secret"),
    ],
)
def test_a_list_that_is_none_is_told_in_words(pacs: Pacs, tmp_path: Path, answer: bytes) -> None:
    pacs.list = lambda path: (200, JSON, answer)
    with pytest.raises(UsageError, match="not DICOMweb's"):
        list(dicomweb.download(pacs.address, tmp_path))
    assert len(pacs.paths) == 1


@pytest.mark.parametrize("to", ["http://127.0.0.1:{port}/elsewhere", "http://169.254.169.254/", "file:///etc/passwd"])
def test_no_redirect_is_followed(pacs: Pacs, tmp_path: Path, to: str) -> None:
    where = to.format(port=pacs.server.server_port)
    pacs.list = lambda path: (302, {"Location": where}, b"")
    with pytest.raises(UsageError, match="leads to another address") as error:
        list(dicomweb.download(pacs.address, tmp_path))
    assert len(pacs.paths) == 1
    assert where not in str(error.value)


def test_an_answer_is_bounded_also_after_unpacking(pacs: Pacs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dicomweb, "MOST_LIST", 2**20)
    monkeypatch.setattr(dicomweb, "MOST_OBJECT", 2**20)
    packed = gzip.compress(b"[" + b" " * 2**22, 1)
    assert len(packed) < 2**18
    pacs.list = lambda path: (200, {**JSON, "Content-Encoding": "gzip"}, packed)
    with pytest.raises(UsageError, match="larger than 1 MiB"):
        list(dicomweb.download(pacs.address, tmp_path))
    pacs.list = lambda path: (200, JSON, rows("1.2"))
    pacs.object = lambda path: (200, WRAPPED, b"x" * 2**21)
    with pytest.raises(UsageError, match="larger than 1 MiB"):
        list(dicomweb.download(pacs.address, tmp_path))


def test_an_answer_that_trickles_is_given_up(pacs: Pacs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dicomweb, "ANSWER_SECONDS", 0.2)
    pacs.list, pacs.drip = (lambda path: (200, JSON, b" ")), True
    began = time.monotonic()
    with pytest.raises(UsageError, match="takes longer"):
        list(dicomweb.download(pacs.address, tmp_path))
    assert time.monotonic() - began < 3


def test_a_list_without_end_ends(pacs: Pacs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dicomweb, "PAGE", 3)
    pacs.list = lambda path: (200, JSON, rows("1.1", "1.2", "1.3"))
    assert len(list(dicomweb.download(pacs.address, tmp_path))) == 3
    monkeypatch.setattr(dicomweb, "MOST_INSTANCES", 5)
    pacs.list = lambda path: (200, JSON, rows(*(f"1.{len(pacs.paths)}.{n}" for n in range(3))))
    with pytest.raises(UsageError, match="Narrow it"):
        list(dicomweb.download(pacs.address, tmp_path))


def test_a_servers_words_are_not_logged(pacs: Pacs, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    pacs.list = lambda path: (200, {**JSON, "Warning": '299 x "Zzyzx Planted"'}, rows("1.2.826.77"))
    list(dicomweb.download(f"{pacs.address}&PatientName=Zzyzx", tmp_path))
    assert "Zzyzx" not in caplog.text
    assert "1.2.826.77" not in caplog.text


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        (WRAPPED, b"--b--"),
        (WRAPPED, b"--b\r\n\r\nno end"),
        ({"Content-Type": "text/html"}, b"<html>"),
        ({"Content-Type": "multipart/related"}, b"--b"),
        ({}, b"x"),
    ],
)
def test_an_answer_without_an_object_is_told(pacs: Pacs, tmp_path: Path, headers: dict[str, str], body: bytes) -> None:
    pacs.object = lambda path: (200, headers, body)
    with pytest.raises(UsageError, match="not DICOMweb's"):
        list(dicomweb.download(pacs.address, tmp_path))


def test_objects_are_read_by_the_decoders_alone_and_a_bad_one_costs_itself(pacs: Pacs, tmp_path: Path) -> None:
    study = pydicom.dcmread(STUDY)
    study.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    deflated = io.BytesIO()
    study.save_as(deflated, enforce_file_format=True)
    objects = {"1.1": b"no DICOM", "1.2": deflated.getvalue(), "1.3": STUDY.read_bytes()}
    pacs.list = lambda path: (200, JSON, rows(*objects))
    pacs.object = lambda path: (200, WRAPPED, wrapped(objects[path.rpartition("/")[2]]))
    found = last(workbench(tmp_path / "ws").import_from(pacs.address, actor=OFFICER))
    assert found["imported"] == 1
    assert sorted(row["reason"].partition(":")[0] for row in found["rejected"]) == [
        "deflated DICOM is not read",
        "not a DICOM file, or a damaged one",
    ]
