"""What intake promises about decoders: no file ends or stalls the app, whatever becomes of its decoder."""

from __future__ import annotations

import io
import itertools
import os
import signal
import struct
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image
from pydicom.encaps import encapsulate
from pydicom.uid import (
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from tests.unit.intake_sources import chest, data_set, save_dicom, save_picture, split
from tests.unit.workbench_kit import OFFICER, last, workbench
from updp_core.errors import IntakeError, UsageError
from updp_core.intake import read_source
from updp_core.intake.loaded import Pending, decoded
from updp_core.intake.pixels import decode_png
from updp_core.intake.pool import Pool, shared_pool
from updp_core.workbench.studies import SHOWN

HEADER = "file,patient_id,study_id,view,report_text\n"
BITS = [(8, 8, 7), (8, 7, 6), (8, 4, 3), (8, 1, 0), (8, 8, 6), (8, 6, 7), (8, 12, 11), (16, 8, 7), (16, 12, 11)]
BITS += [(16, 12, 15), (16, 10, 9), (16, 16, 15), (32, 12, 11), (12, 12, 11)]
COLOURS = [(1, "MONOCHROME2"), (1, "MONOCHROME1"), (3, "MONOCHROME2"), (1, "RGB"), (3, "RGB"), (3, "YBR_FULL_422")]
COLOURS += [(1, "PALETTE COLOR"), (2, "MONOCHROME2")]
SYNTAXES = [JPEGBaseline8Bit, JPEGLosslessSV1, JPEGLSLossless, JPEG2000Lossless]


def encoded(syntax: str, bits: int):
    """A chest of 96 x 80 in this transfer syntax, with a header that tells the truth."""
    image = chest() if bits == 8 else chest().astype(np.uint16) << (bits - 8)
    ds = data_set(image, bits=bits)
    if syntax == JPEGBaseline8Bit:
        buffer = io.BytesIO()
        Image.fromarray(image).save(buffer, "JPEG", quality=95)
        ds.PixelData = encapsulate([buffer.getvalue()])
        ds["PixelData"].VR, ds["PixelData"].is_undefined_length = "OB", True
        ds.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    elif syntax == JPEGLosslessSV1:
        ds.PixelData = encapsulate([jpeg_lossless(image, bits)])
        ds["PixelData"].VR, ds["PixelData"].is_undefined_length = "OB", True
        ds.file_meta.TransferSyntaxUID = JPEGLosslessSV1
    else:
        with warnings.catch_warnings(action="ignore"):
            ds.compress(syntax)
    return ds


def jpeg_lossless(image: np.ndarray, bits: int) -> bytes:
    """An image (H, W) as JPEG Lossless, predictor 1 (ITU-T T.81 annex H), each category with a code of 5 bits."""
    values = image.astype(int)
    guess = np.empty_like(values)
    guess[:, 1:], guess[1:, 0], guess[0, 0] = values[:, :-1], values[:-1, 0], 1 << (bits - 1)
    written = []
    for difference in (values - guess).ravel().tolist():
        size = abs(difference).bit_length()
        low = difference if difference >= 0 else difference + (1 << size) - 1
        written.append(f"{size:05b}" + (f"{low:0{size}b}" if size else ""))
    stream = "".join(written)
    stream += "1" * (-len(stream) % 8)
    data = int(stream, 2).to_bytes(len(stream) // 8, "big").replace(b"\xff", b"\xff\x00")
    frame = struct.pack(">HHBHHBBBB", 0xFFC3, 11, bits, *image.shape, 1, 1, 0x11, 0)
    table = struct.pack(">HHB", 0xFFC4, 36, 0) + bytes([0, 0, 0, 0, 17, *[0] * 11]) + bytes(range(17))
    scan = struct.pack(">HHBBBBBB", 0xFFDA, 8, 1, 1, 0, 1, 0, 0)
    return b"\xff\xd8" + frame + table + scan + data + b"\xff\xd9"


def pids() -> list[int]:
    return [child.process.pid for child in shared_pool().children if child.process]


@pytest.mark.parametrize("stated_bits", [8, 12])
@pytest.mark.parametrize("syntax", SYNTAXES, ids=lambda syntax: syntax.name.split(" (")[0])
def test_every_contradiction_of_a_header_ends_in_a_record_or_a_reason(tmp_path, syntax, stated_bits):
    if syntax == JPEGBaseline8Bit and stated_bits != 8:
        pytest.skip("JPEG Baseline has 8 bits")
    save_dicom(tmp_path / "good.dcm", encoded(syntax, stated_bits))
    truths = set()
    for (allocated, stored, high), (samples, colour), signed in itertools.product(BITS, COLOURS, (0, 1)):
        ds = encoded(syntax, stated_bits)
        ds.BitsAllocated, ds.BitsStored, ds.HighBit = allocated, stored, high
        ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.PixelRepresentation = samples, colour, signed
        name = f"{allocated}-{stored}-{high}-{samples}-{colour}-{signed}.dcm".replace(" ", "_")
        save_dicom(tmp_path / name, ds)
        if stored == stated_bits and high == stored - 1 and samples == 1 and colour.startswith("MONOCHROME"):
            truths.add(name)
    before = pids()
    studies, rejections = split(read_source(tmp_path))
    assert len(studies) + len(rejections) == 1 + len(BITS) * len(COLOURS) * 2
    assert "good.dcm" in {s.source for s in studies} <= {"good.dcm", *truths}
    assert not before or before == pids(), "a contradiction went on to a decoder that broke down on it"
    images = {s.source: decode_png(s.png) for s in studies}
    wanted = chest().astype(np.uint16) * 257
    for name, image in images.items():
        if "-1.dcm" in name or (syntax == JPEGBaseline8Bit) or stated_bits != 8:
            continue
        np.testing.assert_array_equal(65535 - image if "MONOCHROME1" in name else image, wanted)


@pytest.mark.parametrize(
    ("attributes", "reason"),
    [
        ({"BitsStored": 6, "HighBit": 5}, "bits stored: 8 and 6"),
        ({"HighBit": 5}, "high bit 5 with 8 bits stored"),
        ({"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB"}, "samples a pixel: 1 and 3"),
        ({"SamplesPerPixel": 3}, "3 samples a pixel with MONOCHROME2"),
        ({"PixelRepresentation": 1}, "unsigned and the header says signed"),
        ({"Rows": 90}, "size: 96 x 80 and 90 x 80"),
    ],
)
def test_what_contradicts_is_said_in_words(tmp_path, attributes, reason):
    ds = encoded(JPEGBaseline8Bit, 8)
    for keyword, value in attributes.items():
        setattr(ds, keyword, value)
    save_dicom(tmp_path / "a.dcm", ds)
    studies, (rejection,) = split(read_source(tmp_path))
    assert not studies and reason in rejection.reason


def test_a_stream_of_another_kind_than_its_transfer_syntax_is_refused(tmp_path):
    ds = encoded(JPEGLSLossless, 8)
    ds.file_meta.TransferSyntaxUID = JPEGLosslessSV1
    save_dicom(tmp_path / "a.dcm", ds)
    _, (rejection,) = split(read_source(tmp_path))
    assert "not what the transfer syntax says" in rejection.reason


def test_a_folder_with_such_a_file_is_imported(tmp_path):
    for number in range(3):
        save_dicom(tmp_path / "in" / f"{number}.dcm", data_set(chest(seed=number)))
    ds = encoded(JPEGBaseline8Bit, 8)
    ds.BitsStored, ds.HighBit = 6, 5
    save_dicom(tmp_path / "in" / "1b.dcm", ds)
    bench = workbench(tmp_path / "home")
    for known in (0, 3):
        result = last(bench.import_(tmp_path / "in", actor=OFFICER))
        assert (result["imported"], result["duplicates"], len(result["rejected"])) == (3 - known, known, 1)
    bench.close()


def test_mutated_files_end_in_a_record_or_a_reason(tmp_path):
    random = np.random.default_rng(11)
    number = 0
    for syntax in (*SYNTAXES, RLELossless, None):
        ds = data_set(chest(), WindowCenter=128, WindowWidth=256) if syntax is None else encoded(syntax, 8)
        whole = save_dicom(tmp_path / "whole", ds).read_bytes()
        start = whole.index(b"\xe0\x7f\x10\x00")
        for _ in range(40):
            content = bytearray(whole)
            for place in random.integers(132 if random.random() < 0.5 else start, len(content), random.integers(1, 9)):
                content[place] = random.choice([0, 1, 0x7F, 0x80, 0xFE, 0xFF, int(random.integers(256))])
            if random.random() < 0.2:
                del content[int(random.integers(start, len(content))) :]
            (tmp_path / f"{number}.dcm").write_bytes(bytes(content))
            number += 1
    (tmp_path / "whole").unlink()
    studies, rejections = split(read_source(tmp_path, "dicom"))
    assert len(studies) + len(rejections) == number == 240
    assert not any("Zabriskie" in r.reason for r in rejections)


def test_headers_that_nest_without_end_or_state_huge_lengths_are_refused(tmp_path):
    head = save_dicom(tmp_path / "plain.dcm").read_bytes()
    pixels = head.index(b"\xe0\x7f\x10\x00")
    nested = b"\x40\x00\x75\x02SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff" * 50_000
    (tmp_path / "deep.dcm").write_bytes(head[:pixels] + nested)
    (tmp_path / "long.dcm").write_bytes(head[:pixels] + b"\x7f\x00\x10\x00OB\0\0\xf0\xff\xff\xff" + b"x" * 100)
    studies, rejections = split(read_source(tmp_path))
    assert {s.source for s in studies} | {r.source for r in rejections} == {"plain.dcm", "deep.dcm", "long.dcm"}
    assert "plain.dcm" in {s.source for s in studies}


@pytest.fixture
def large(tmp_path) -> Path:
    """A picture that takes seconds to read: 36 million pixels of noise."""
    noise = np.random.default_rng(0).integers(0, 256, (6000, 6000), dtype=np.uint8)
    return save_picture(tmp_path / "large.png", noise, compress_level=0)


@pytest.fixture
def pool():
    made: list[Pool] = []

    def make(**options) -> Pool:
        made.append(Pool(**{"size": 1, **options}))
        return made[-1]

    yield make
    for one in made:
        one.close()


def ask(pool: Pool, path: Path):
    return pool.ask({"what": "image", "path": os.fsencode(path).hex(), "view": "PA"})


def wait_for(what, seconds: float = 20):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := what():
            return found
        time.sleep(0.01)
    raise AssertionError("it did not come to pass")


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize(
    ("number", "reason"),
    [(signal.SIGABRT, "broke down"), (signal.SIGSEGV, "broke down"), (signal.SIGKILL, "memory of this machine")],
)
def test_a_child_that_dies_costs_its_own_file(pool, large, tmp_path, number, reason):
    small = save_picture(tmp_path / "small.png")
    decoders = pool()
    assert ask(decoders, small).result()
    process = decoders.children[0].process
    hit = ask(decoders, large)
    time.sleep(0.3)
    os.kill(process.pid, number)
    with pytest.raises(IntakeError, match=reason):
        hit.result()
    assert ask(decoders, small).result()
    assert decoders.children[0].process.pid != process.pid


def test_a_file_that_takes_too_long_is_given_up_and_the_others_go_on(pool, large, tmp_path):
    small = save_picture(tmp_path / "small.png")
    decoders = pool(seconds=1)
    with pytest.raises(IntakeError, match="takes longer"):
        ask(decoders, large).result()
    assert ask(decoders, small).result()


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_a_child_that_stands_still_is_given_up_too(pool, tmp_path):
    small = save_picture(tmp_path / "small.png")
    decoders = pool(patience=1)
    assert ask(decoders, small).result()
    os.kill(decoders.children[0].process.pid, signal.SIGSTOP)
    with pytest.raises(IntakeError, match="takes longer"):
        ask(decoders, small).result()
    assert ask(decoders, small).result()


@pytest.mark.skipif(sys.platform != "linux", reason="only there is the address space bounded")
def test_a_file_that_takes_too_much_memory_is_given_up_and_the_others_go_on(pool, large, tmp_path):
    small = save_picture(tmp_path / "small.png")
    decoders = pool(memory=512 * 2**20)
    with pytest.raises(IntakeError, match=r"more memory than a radiograph|broke down"):
        ask(decoders, large).result()
    assert ask(decoders, small).result()


def test_the_largest_permitted_image_fits_the_limits(pool, tmp_path):
    rgb = np.broadcast_to(np.arange(7900, dtype=np.uint16)[:, None], (5000, 7900, 3)).copy()
    ds = data_set(rgb, bits=16)
    answer, png = (
        pool()
        .ask({"what": "dicom", "path": os.fsencode(save_dicom(tmp_path / "a.dcm", ds)).hex(), "view": ""})
        .result()
    )
    assert answer["loaded"]["size"] == [5000, 7900] and png


def test_children_hold_no_torch_no_secret_and_can_write_no_file(pool, tmp_path, monkeypatch):
    monkeypatch.setenv("UPDP_SECRET", "word")
    decoders = pool()
    ask(decoders, save_picture(tmp_path / "small.png")).result()
    process = psutil.Process(decoders.children[0].process.pid)
    assert "UPDP_SECRET" not in process.environ()
    assert not any("torch" in mapped.path for mapped in process.memory_maps())
    if sys.platform == "linux":
        assert process.rlimit(psutil.RLIMIT_FSIZE) == (0, 0) and process.rlimit(psutil.RLIMIT_CORE) == (0, 0)


@pytest.mark.skipif(os.name != "posix", reason="kill -9")
def test_children_end_with_the_app_even_when_it_is_killed_in_the_middle_of_a_file(large):
    code = (
        "import os, sys, time\n"
        "from updp_core.intake.pool import Pool\n"
        "pool = Pool(size=2)\n"
        "asked = [pool.ask({'what': 'image', 'path': os.fsencode(sys.argv[1]).hex(), 'view': 'PA'}) for _ in 'ab']\n"
        "while not all(c.process and c.ready for c in pool.children): time.sleep(0.01)\n"
        "print(*[c.process.pid for c in pool.children], flush=True)\n"
        "time.sleep(60)\n"
    )
    app = subprocess.Popen([sys.executable, "-c", code, str(large)], stdout=subprocess.PIPE, text=True)
    children = [psutil.Process(int(pid)) for pid in app.stdout.readline().split()]
    assert len(children) == 2 and all(child.is_running() for child in children)
    app.kill()
    app.wait()
    wait_for(lambda: not any(c.is_running() and c.status() != psutil.STATUS_ZOMBIE for c in children), 1)


def test_threads_share_the_pool_and_each_gets_its_own_order(tmp_path):
    files = [save_picture(tmp_path / f"{n}.png", chest(seed=n)) for n in range(12)]
    results: dict[int, list[str]] = {}

    def read(number: int) -> None:
        asked = [Pending(f.name, f, "PA", lambda loaded: loaded.sha256) for f in files]
        results[number] = list(decoded(asked))

    threads = [threading.Thread(target=read, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(results[0])) == 12 and all(found == results[0] for found in results.values())


def test_a_closed_pool_says_so_and_leaves_no_process(pool, large):
    decoders = pool(size=2)
    asked = [ask(decoders, large), ask(decoders, large)]
    processes = [wait_for(lambda c=c: c.process and psutil.Process(c.process.pid)) for c in decoders.children]
    decoders.close()
    for future in asked:
        with pytest.raises(IntakeError, match="clos"):
            future.result()
    wait_for(lambda: not any(process.is_running() for process in processes))


def test_rejections_are_counted_and_listed_in_a_file_and_only_the_first_are_kept(tmp_path):
    rows = "".join(f"gone{n}.png,P{n},S{n},PA,ok\n" for n in range(SHOWN + 40))
    (tmp_path / "manifest.csv").write_text(HEADER + "=1+1.png,P,S,PA,ok\n" + rows)
    bench = workbench(tmp_path / "home")
    result = last(bench.import_(tmp_path / "manifest.csv", actor=OFFICER))
    bench.close()
    assert result["rejections"] == SHOWN + 41 and len(result["rejected"]) == SHOWN
    listed = Path(result["list"])
    assert len(listed.read_text().splitlines()) == 1 + SHOWN + 41
    assert listed.stat().st_mode & 0o777 == 0o600 and not any(
        r.startswith("=") for r in listed.read_text().splitlines()
    )


@pytest.mark.parametrize("path", ["a\0b", "x" * 5000])
def test_a_path_that_no_file_can_have_is_told_in_words(tmp_path, path):
    bench = workbench(tmp_path / "home")
    with pytest.raises(UsageError, match="No file or folder can have this path"):
        bench.import_(Path(path), actor=OFFICER)
    bench.close()
