"""An attacker who holds the whole archive (files, reports, names) and the code of UPDP asks which pairs left.

Each test plays that person against a release that the Workbench wrote, and must trace no pair by anything but the
wording of its report, which is what a release is made of (docs/threat-model.md).
"""

from __future__ import annotations

import base64
import hashlib
import json
import random
import re
import sqlite3
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from PIL import Image
from scipy.stats import spearmanr

from tests.unit.workbench_kit import OFFICER, READER, QuickMethod, add, last, study, workbench
from updp_core.config import GeneratorConfig, PromptConfig
from updp_core.domain import MethodInput, SourceStudy, Step
from updp_core.intake.pixels import decode_png
from updp_core.release import SigningKey
from updp_core.store.store import GENESIS
from updp_core.workbench import Workbench, batch

pytestmark = pytest.mark.usefixtures("quick")

NAMES = ("Quill", "Mortimer")
PAIRS = 24


def archive() -> list[SourceStudy]:
    """What the attacker holds: the same report up to the name, so that its wording tells no pair."""
    return [
        study(n, report=f"FINDINGS: The lungs are clear. Seen by Dr. {NAMES[n % 2]}, MRN {7712345 + n % 2}.")
        for n in range(PAIRS)
    ]


def approve_all(bench: Workbench, records: Sequence[str]) -> None:
    for record in records:
        gates = bench.show(record, actor=READER)["gates"]
        blocking = [gate["name"] for gate in gates if gate["state"] == "block"]
        bench.decide(record, "approve", overrides=blocking, comment="x" if blocking else "", actor=READER)


@pytest.fixture
def released(tmp_path: Path) -> Path:
    """A release of the archive under the policy with stand-ins."""
    bench = workbench(tmp_path / "ws")
    bench.set_policy({"report_policy": "surrogate"}, actor=OFFICER)
    records = add(bench, archive())
    last(bench.generate(actor=OFFICER))
    approve_all(bench, records)
    assert last(bench.release(tmp_path / "out", actor=OFFICER))["released"] == PAIRS
    bench.close()
    return tmp_path / "out"


def seed_of_0_6(run_seed: int, sha256: str, attempt: int) -> int:
    """The seed of a candidate as version 0.6 derived it from the source file."""
    digest = hashlib.sha256(f"{run_seed}:{sha256}:{attempt}".encode()).digest()
    return int.from_bytes(digest[:4], "big") & 0x7FFFFFFF


def guesses(sha256: str) -> list[int]:
    """Seeds that follow from a source file."""
    plain = [int(sha256[:8], 16), int(sha256[:8], 16) & 0x7FFFFFFF, int(sha256[-8:], 16), int(sha256[:16], 16)]
    return plain + [seed_of_0_6(seed, sha256, attempt) for seed in range(4) for attempt in range(4)]


def stand_in_of_0_6(number: str, sha256: str) -> str:
    """The stand-in of a number as version 0.6 drew it, by the seed that followed from the source file."""
    material = f"{int(sha256[:8], 16)}|identifiers|{number.casefold()}".encode()
    rng = random.Random(int.from_bytes(hashlib.sha256(material).digest()[:8], "big"))
    return "".join(rng.choice("0123456789") for _ in number.split()[-1])


def lines_of(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "manifest.jsonl").read_text(encoding="utf-8").splitlines()]


def leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from leaves(item)
    elif isinstance(value, list):
        for item in value:
            yield from leaves(item)
    else:
        yield value


def source_of(out: Path) -> dict[str, int]:
    """Release id -> number of the study, as only the house knows it: images of the kit follow from the seed."""
    database = sqlite3.connect(out.parent / "ws" / "updp.sqlite3")
    rows = database.execute("SELECT r.source, c.seed FROM candidate c JOIN record r ON r.id = c.record").fetchall()
    database.close()
    shown = {drawn(seed): int(re.findall(r"\d+", source)[0]) for source, seed in rows}
    return {line["release_id"]: shown[pixels(out, line)] for line in lines_of(out)}


def drawn(seed: int) -> bytes:
    """What the models draw from a seed: in the kit, noise; the attacker has the models too."""
    return np.random.default_rng(seed).integers(0, 255, (64, 64), dtype=np.uint8).tobytes()


def pixels(out: Path, line: dict[str, Any]) -> bytes:
    return np.asarray(Image.open(out / line["image"]["path"])).tobytes()


def test_no_number_of_the_release_follows_from_a_source_file(released: Path) -> None:
    numbers = {value for line in lines_of(released) for value in leaves(line) if isinstance(value, int)}
    numbers |= {
        value for value in leaves(json.loads((released / "release.json").read_text())) if isinstance(value, int)
    }
    for path in (released / "dicom").iterdir():
        head = pydicom.dcmread(path, stop_before_pixels=True)
        numbers |= {int(n) for element in head for n in re.findall(r"\d+", str(element.value))}
        numbers |= {int(head[tag].value.removeprefix("2.25.")) & 0x7FFFFFFF for tag in ("StudyInstanceUID",)}
    traced = [item.source for item in archive() if numbers & set(guesses(item.sha256))]
    assert traced == []


def test_no_image_can_be_drawn_again_from_what_a_source_file_gives(released: Path) -> None:
    images = {pixels(released, line) for line in lines_of(released)}
    assert len(images) == PAIRS
    traced = [item.source for item in archive() if any(drawn(seed) in images for seed in guesses(item.sha256))]
    assert traced == []


def test_no_stand_in_follows_from_an_original_and_its_file(released: Path) -> None:
    reports = [path.read_text(encoding="utf-8") for path in (released / "reports").iterdir()]
    assert not any(original in text for original in (*NAMES, "77123") for text in reports)
    traced = [
        item.source
        for item in archive()
        for original in ("MRN 7712345", "MRN 7712346")
        if any(stand_in_of_0_6(original, item.sha256) in text for text in reports)
    ]
    assert traced == []


def test_no_id_and_no_byte_is_a_digest_of_what_the_attacker_holds(released: Path) -> None:
    held = [
        content
        for item in archive()
        for content in (
            item.sha256,
            item.source,
            item.patient_key,
            item.study_key,
            item.header["patient_id"][0],
            item.report,
            item.png,
            decode_png(item.png).tobytes(),
            f"file:{item.sha256}",
        )
    ]
    marks = set[bytes]()
    for content in held:
        data = content.encode() if isinstance(content, str) else content
        for digest in (hashlib.sha256(data), hashlib.sha1(data), hashlib.md5(data), hashlib.blake2b(data)):
            marks |= {digest.hexdigest()[:12].encode(), digest.hexdigest()[-12:].encode()}
            marks |= {digest.digest()[:8], base64.b64encode(digest.digest())[:16]}
    marks |= {item.sha256[:12].encode() for item in archive()}
    everything = b"\n".join(
        str(path.relative_to(released)).encode() + b"\n" + path.read_bytes().lower()
        for path in sorted(released.rglob("*"))
        if path.is_file()
    )
    assert [mark for mark in marks if mark.lower() in everything] == []


def test_neither_order_nor_time_nor_place_on_the_disk_tells_the_order_of_the_archive(released: Path) -> None:
    number = source_of(released)
    by_manifest = [number[line["release_id"]] for line in lines_of(released)]
    stats = {path.stem: path.stat() for path in (released / "images").iterdir()}
    orders = {
        "manifest": by_manifest,
        "written": [number[stem] for stem in sorted(stats, key=lambda stem: stats[stem].st_ctime_ns)],
        "inode": [number[stem] for stem in sorted(stats, key=lambda stem: stats[stem].st_ino)],
    }
    for name, order in orders.items():
        assert abs(spearmanr(order, range(PAIRS)).statistic) < 0.85, name  # 24 in random order: once in 10^7
    assert len({stat.st_mtime for stat in stats.values()}) == 1


def test_pairs_of_an_older_version_leave_without_what_their_seed_would_complete(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A workspace of version 0.6: seeds and stand-ins that follow from the source. In the house all stays as it was."""
    with monkeypatch.context() as old:
        sha_of = dict[str, str]()
        old.setattr(batch, "seed_for", lambda secret, seed, record, attempt: seed_of_0_6(seed, sha_of[record], attempt))
        old.setattr("updp_core.workbench.desk.Desk.stand_in_key", lambda desk, record: b"as guessable as a file")
        bench = workbench(tmp_path / "ws")
        bench.set_policy({"report_policy": "surrogate"}, actor=OFFICER)
        records = add(bench, archive()[:4])
        sha_of.update(zip(records, (item.sha256 for item in archive()), strict=False))
        last(bench.generate(actor=OFFICER))
        approve_all(bench, records)
        shown = {r: bench.show(r, actor=READER)["report"]["filtered"] for r in records}
        bench.close()
    with sqlite3.connect(tmp_path / "ws" / "updp.sqlite3") as database:
        seeds = database.execute("SELECT id, seed FROM candidate ORDER BY id").fetchall()
        database.execute("PRAGMA user_version = 3")
    database.close()

    bench = workbench(tmp_path / "ws")
    new = add(bench, archive()[4:6])
    last(bench.generate(actor=OFFICER))
    approve_all(bench, new)
    last(bench.release(tmp_path / "out", actor=OFFICER))
    with sqlite3.connect(tmp_path / "ws" / "updp.sqlite3") as database:
        assert database.execute("SELECT id, seed FROM candidate ORDER BY id LIMIT 4").fetchall() == seeds
    database.close()
    assert all(bench.reproduce(c, actor=READER)["same_image"] for c, _ in seeds), "the house can still draw it again"
    assert {r: bench.show(r, actor=READER)["report"]["filtered"] for r in records} == shown

    out = tmp_path / "out"
    number, reports = (
        source_of(out),
        {line["release_id"]: (out / line["report"]["path"]).read_text() for line in lines_of(out)},
    )
    for line in lines_of(out):
        older = number[line["release_id"]] < 4
        assert "seed" not in set(leaves(line))
        assert (line["prompt"] is None, line["settings"] is None, line["models"] is None) == (older,) * 3
        assert ("[NAME]" in reports[line["release_id"]]) is older
    assert not any(text.split("Dr. ")[-1][:12] in reports.values() for text in shown.values())
    assert json.loads((out / "release.json").read_text())["recipes_withheld"] == 4
    assert "4 of 6 images were drawn by an earlier version" in (out / "README.txt").read_text()
    bench.close()


class TellingMethod(QuickMethod):
    """A method that puts into its settings and measures what a careless one might."""

    def __init__(self, secrets: dict[str, Any]) -> None:
        super().__init__()
        self.secrets = secrets

    def settings(self) -> dict[str, Any]:
        secrets, path = self.secrets, self.secrets["path"]
        prompt = {**asdict(PromptConfig()), "init": secrets["text"], "steps": 77123450001, "more": secrets}
        generation = {**asdict(GeneratorConfig()), "scheduler": path, "nested": [secrets]}
        encoder = {"name": f"local-dir:{path}/encoder", "sha256": "ab" * 32, **secrets}
        shown = {"method": "updp", "preset": "starter", "lexicon": secrets["digest"], "encoder": encoder}
        return {**secrets, **shown, "prompt": prompt, "generation": generation}

    def propose(self, records: Sequence[MethodInput], *, seeds: Sequence[int]) -> Iterator[Step]:
        careless = {**self.secrets, "unread": self.secrets["text"]}
        for step in super().propose(records, seeds=seeds):
            proposals = [replace(proposal, method_evidence=careless) for proposal in step.proposals]
            yield Step(step.stage, step.done, step.total, tuple(proposals))


def forms(mark: bytes) -> set[bytes]:
    """A mark of 9 bytes or more as it might be written, in lower case: bytes, hex and base64."""
    whole = mark[: len(mark) // 3 * 3]  # without padding
    coded = {base64.b64encode(whole).lower(), base64.urlsafe_b64encode(whole).lower()}
    return {mark.lower(), mark.hex().encode(), *coded}


def content(path: Path) -> bytes:
    """A file's name and bytes, and what a PNG holds packed; in lower case."""
    data = path.read_bytes()
    packed = b"".join(zlib.decompress(part) for part in re.findall(rb"(?s)IDAT(.*?)....\x00\x00\x00\x00IEND", data))
    assert packed or path.suffix != ".png"
    return (path.name.encode() + data + packed).lower()


def rows(database: sqlite3.Connection, sql: str) -> set[str]:
    return {str(value) for row in database.execute(sql) for value in row}


def test_no_digest_path_name_or_key_of_the_workspace_is_in_any_byte_of_a_release(tmp_path: Path) -> None:
    home, out = tmp_path / "Zyxwvut-Hospital-Radiology" / "ws", tmp_path / "out"
    secrets = {"path": str(home), "text": "kowalczyk-private", "digest": hashlib.sha256(b"a lexicon").hexdigest()}
    bench = workbench(home, TellingMethod(secrets))
    bench.lexicon_edit(add={"blacklist": {"names": ["brzeczyszczykiewicz"]}}, comment="qqqcomment", actor=OFFICER)
    bench.set_policy({"report_policy": "surrogate"}, comment="zzzcomment", actor=OFFICER)
    signer = bench.key_new(actor=OFFICER)["fingerprint"]
    bench.key_trust(SigningKey.make().public.pem.decode(), "wartenberg-clinic", actor=OFFICER)
    records = add(bench, archive()[:6])
    last(bench.generate(actor=OFFICER))
    approve_all(bench, records)
    last(bench.release(out, comment="yyycomment", actor=OFFICER))
    bench.close()

    database = sqlite3.connect(home / "updp.sqlite3")
    tables = rows(database, "SELECT name FROM sqlite_master WHERE type = 'table' AND sql NOT LIKE 'CREATE VIRTUAL%'")
    told = "\n".join(repr(row) for table in tables for row in database.execute(f"SELECT * FROM {table}"))
    [head] = rows(database, "SELECT audit_head FROM release")
    names = rows(database, "SELECT id, patient, study FROM record")
    names |= rows(database, "SELECT created_at, seed FROM candidate UNION SELECT decided_at, id FROM decision")
    names = {name for name in names if len(name) > 3} | rows(database, "SELECT id FROM release")
    database.close()
    names |= {
        "zyxwvut",
        "kowalczyk",
        "brzeczyszczykiewicz",
        "qqqcomment",
        "zzzcomment",
        "yyycomment",
        "wartenberg",
        READER.name,
        "77123450001",
        "MRN 77123",
        *NAMES,
    }
    for item in archive()[:6]:
        names |= {item.source, f'"{item.patient_key}"', item.study_key, item.header["patient_id"][0]}

    key, signing = (home / "secret.key").read_bytes(), (home / "signing.key").read_bytes()
    seed = load_pem_private_key(signing, None).private_bytes_raw()  # type: ignore[union-attr]
    released = {hashlib.sha256(path.read_bytes()).hexdigest() for path in out.rglob("*") if path.is_file()}
    digests = set(re.findall(r"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])", told))
    digests |= {path.stem for path in (home / "images").rglob("*.png")}
    digests |= {hashlib.sha256(content).hexdigest() for content in (key, key.hex().encode(), str(home).encode())}
    assert {head, secrets["digest"], *(item.sha256 for item in archive()[:6])} <= digests and len(digests) > 40
    # The audit head anchors the chain; a model's digest, that of a released file itself, and the fingerprint of the key
    # that signs are meant to leave.
    digests -= {head, "ab" * 32, GENESIS, signer} | released

    marks = {form for digest in digests for form in (digest[:12].encode(), *forms(bytes.fromhex(digest)[:9]))}
    marks |= {form for name in names for form in (name.lower().encode(), name.lower().encode().hex().encode())}
    marks |= {form for k in (key, seed) for form in forms(k) | forms(k[:12]) | {k.hex()[:12].encode()}}
    marks |= {line.lower() for line in signing.splitlines() if b"-----" not in line}
    files = [path for path in sorted(out.rglob("*")) if path.is_file()]
    assert [(path.name, mark) for path in files for mark in marks if mark in content(path)] == []
    settings = lines_of(out)[0]["settings"]
    assert settings["preset"] == "starter" and settings["prompt"]["steps"] == "not told"
    assert settings["prompt"]["length"] == PromptConfig().length
