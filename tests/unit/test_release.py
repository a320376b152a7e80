"""What a release folder promises: exactly the approved pairs, nothing of the source, and no byte changed unnoticed."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import textwrap
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFont

from updp_core.config import STARTER, GeneratorConfig, PromptConfig
from updp_core.errors import ReleaseError
from updp_core.lexicon import Lexicon
from updp_core.release import ReleasePair, ReleaseRefused, allowed, release_digest, verify, write_release
from updp_core.release.verifying import partial_name

LEXICON = Lexicon({"names": ("okonkwo",)}, {"findings": ("effusion", "small", "left", "clear", "lungs")})
REPORT = "FINDINGS: Small left effusion. The lungs are otherwise clear."


def smooth_image(seed: int, size: int = 96) -> np.ndarray:
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:size, 0:size] / size
    wave = sum(np.sin(2 * np.pi * (a * x + b * y + c)) for a, b, c in rng.uniform(0.3, 2, (4, 3)))
    return np.clip(127 + 30 * wave + rng.normal(0, 3, (size, size)), 0, 255).astype(np.uint8)


def with_text(image: np.ndarray, text: str) -> np.ndarray:
    drawn = Image.fromarray(np.asarray(Image.fromarray(image).resize((256, 256))))
    ImageDraw.Draw(drawn).text((12, 12), text, fill=255, font=ImageFont.load_default(20))
    return np.asarray(drawn)


def pair(number: int, **changes) -> ReleasePair:
    values = {
        "candidate": number,
        "image": smooth_image(number),
        "report": REPORT,
        "prompt": "small left effusion",
        "method": "updp",
        "lexicon_version": 3,
        "patient_key": f"workspace-patient-{number // 2}",
        "study_key": f"workspace-study-{number}",
        "settings": {"preset": "starter", "encoder": "/home/okonkwo/models/encoder", "prompt": {"steps": 60}},
        "gates": {"residual_phi": "clear", "domain": "warn"},
        "decisions": [
            {
                "verdict": "approve",
                "role": "radiologist",
                "day": "2031-02-03T10:11:12",
                "reviewer": "Ada Okonkwo",
                "comment": "as in Kowalski's old film",
            }
        ],
        "out_of_domain": True,
    }
    return ReleasePair(**{**values, **changes})


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> tuple[Path, object]:
    out = tmp_path_factory.mktemp("releases") / "spring"
    return out, write_release(out, map(pair, range(5)), lexicon=LEXICON, header={"preset": "starter"})


@pytest.fixture
def copy(whole, tmp_path) -> Path:
    shutil.copytree(whole[0], tmp_path / "copy")
    return tmp_path / "copy"


def files_of(out: Path) -> list[Path]:
    return sorted(path for path in out.rglob("*") if path.is_file())


def manifest_of(out: Path) -> list[dict]:
    return [json.loads(line) for line in (out / "manifest.jsonl").read_text().splitlines()]


def test_a_release_holds_exactly_the_pairs_handed_over_and_verifies(whole):
    out, result = whole
    lines = manifest_of(out)
    assert result.count == len(lines) == 5
    assert result.patients == len({line["patient"] for line in lines}) == 3
    assert result.root_digest == release_digest(out)
    assert verify(out) == verify(out, result.root_digest) == []
    by_pixels = {np.asarray(Image.open(out / line["image"]["path"])).tobytes() for line in lines}
    assert by_pixels == {smooth_image(number).tobytes() for number in range(5)}
    assert all((out / line["report"]["path"]).read_text() == REPORT for line in lines)
    assert len(files_of(out)) == 5 * 3 + 5


def test_images_of_one_patient_stay_together_under_fresh_ids(whole, tmp_path):
    first = manifest_of(whole[0])
    write_release(tmp_path / "again", map(pair, range(5)), lexicon=LEXICON)
    second = manifest_of(tmp_path / "again")
    for key in ("release_id", "patient", "study"):
        assert not {line[key] for line in first} & {line[key] for line in second}
    group_sizes = sorted(sum(line["patient"] == name for line in first) for name in {line["patient"] for line in first})
    assert group_sizes == [1, 2, 2]


def test_no_byte_of_the_release_tells_reviewer_comment_workspace_keys_or_paths(whole):
    for path in files_of(whole[0]):
        data = path.read_bytes().lower()
        for secret in (b"okonkwo", b"kowalski", b"workspace-", b"/home", b"10:11", LEXICON.digest.encode()):
            assert secret not in data, f"{path.name} holds {secret!r}"


def test_the_order_and_the_times_of_files_say_nothing_of_the_source(whole):
    out, _ = whole
    ids = [line["release_id"] for line in manifest_of(out)]
    assert ids == sorted(ids) and all(re.fullmatch(r"r[0-9a-f]{16}", release_id) for release_id in ids)
    assert {path.stat().st_mtime % 86400 for path in (out, *out.rglob("*"))} == {43200}, "noon, folders as well"


def test_png_files_hold_pixels_and_no_metadata(whole):
    for path in (whole[0] / "images").iterdir():
        data, at, chunks = path.read_bytes(), 8, []
        while at < len(data):
            (length,) = struct.unpack(">I", data[at : at + 4])
            chunks.append(data[at + 4 : at + 8])
            at += 12 + length
        assert set(chunks) == {b"IHDR", b"IDAT", b"IEND"}


def test_evidence_that_reads_the_original_leaves_only_as_the_state_of_its_gate(tmp_path):
    evidence = {
        "alignment": {"before": 0.1111, "after": 0.7777},
        "identity": {"similarity": 0.6543, "rank": 4, "patients": 60},
        "findings": {
            "report": {"edema": "present"},
            "original": {"edema": 0.912},
            "synthetic": {"edema": 0.71},
            "lost": [],
        },
        "rarity": {"others": 987654, "findings": ["edema"]},
        "prompt_score": {"original": 0.2222, "synthetic": 0.3333},
    }
    write_release(tmp_path / "r", [pair(0, evidence=evidence, gates={"alignment": "clear"})], lexicon=LEXICON)
    text = (tmp_path / "r" / "manifest.jsonl").read_text()
    assert not any(number in text for number in ("0.1111", "0.7777", "0.6543", "0.912", "0.2222", "987654"))
    line = json.loads(text)
    assert line["evidence"]["prompt_score"] == 0.3333
    assert line["evidence"]["findings"] == {"report": {"edema": "present"}, "synthetic": ["edema"], "lost": []}
    assert line["gates"] == {"alignment": "clear"}


def test_prompts_are_left_out_where_policy_says_so(tmp_path):
    write_release(tmp_path / "r", [pair(0)], lexicon=LEXICON, include_prompts=False)
    assert manifest_of(tmp_path / "r")[0]["prompt"] is None
    assert not any(
        b"small left effusion" in path.read_bytes() for path in files_of(tmp_path / "r") if path.suffix != ".txt"
    )


def test_the_readme_counts_pairs_and_says_what_is_weak(whole):
    text = (whole[0] / "README.txt").read_text()
    assert "Pairs: 5   patients: 3   studies: 5" in text
    assert "5 of 5 originals are unlike" in text
    assert "starter models" in text and "root digest" in text
    assert "keep pixels of their source" not in text
    assert "Known to the models                warn 5" in text


def test_the_document_of_the_format_names_every_key_and_every_file(whole):
    text = (Path(__file__).parents[2] / "docs" / "release-format.md").read_text()
    line, description = manifest_of(whole[0])[0], json.loads((whole[0] / "release.json").read_text())
    for key in {*line, *description, *line["evidence"]}:
        assert f"`{key}`" in text, key
    assert all(path.name in text for path in whole[0].iterdir() if path.is_file())
    assert all(f"{path.name}/<release id>" in text for path in whole[0].iterdir() if path.is_dir())


@given(st.data())
@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_one_flipped_bit_anywhere_is_found(whole, data):
    path = data.draw(st.sampled_from(files_of(whole[0])))
    original = path.read_bytes()
    at = data.draw(st.integers(0, len(original) - 1))
    changed = bytearray(original)
    changed[at] ^= 1 << data.draw(st.integers(0, 7))
    try:
        path.write_bytes(changed)
        assert verify(whole[0])
    finally:
        path.write_bytes(original)
    assert verify(whole[0]) == []


def test_every_single_bit_of_the_checksum_file_counts(whole):
    path = whole[0] / "SHA256SUMS"
    original = path.read_bytes()
    try:
        for at in range(0, len(original), 7):
            changed = bytearray(original)
            changed[at] ^= 0x20  # the bit between lower and upper case
            path.write_bytes(changed)
            assert verify(whole[0]), f"byte {at}"
    finally:
        path.write_bytes(original)


@pytest.mark.parametrize(
    "which",
    ["images", "dicom", "reports", "manifest.jsonl", "release.json", "README.txt", "dossier.html", "SHA256SUMS"],
)
def test_a_removed_file_is_found(copy, which):
    path = copy / which
    next(path.iterdir()).unlink() if path.is_dir() else path.unlink()
    assert verify(copy)


@pytest.mark.parametrize("name", ["note.txt", ".hidden", "images/r0123456789abcdef.png", "reports/.x", "SHA256SUMS~"])
def test_an_added_file_is_found(copy, name):
    (copy / name).write_bytes(b"")
    assert [problem.path for problem in verify(copy)] == [name] * len(verify(copy)) and verify(copy)


@pytest.mark.parametrize("name", ["a\x1b[2J\nb", "images/\x7f\u202e.png", "\x9b31m"])
@pytest.mark.parametrize("kind", ["file", "folder", "link"])
def test_a_name_that_would_write_on_the_terminal_is_told_in_plain_letters(copy, name, kind):
    if kind == "file":
        (copy / name).write_bytes(b"x")
    elif kind == "folder":
        (copy / name).mkdir()
    else:
        (copy / name).symlink_to("README.txt")
    told = [problem.path for problem in verify(copy)]
    assert told and all(path.isascii() and path.isprintable() for path in told)


def test_an_added_empty_folder_is_found(copy):
    (copy / "images" / "more").mkdir()
    assert verify(copy)


def test_a_file_replaced_by_a_link_to_the_same_bytes_is_found(copy, tmp_path):
    path = next((copy / "reports").iterdir())
    path.rename(tmp_path / "elsewhere.txt")
    path.symlink_to(tmp_path / "elsewhere.txt")
    assert any("link" in problem.what for problem in verify(copy))


def test_a_file_name_with_a_line_break_cannot_pose_as_two_lines_of_the_checksums(copy):
    sums = (copy / "SHA256SUMS").read_text().splitlines()
    readme, manifest = (next(line for line in sums if line.endswith(name)) for name in ("README.txt", "manifest.jsonl"))
    (copy / "README.txt").rename(copy / f"README.txt\n{manifest}")
    (copy / "manifest.jsonl").unlink()
    assert readme and verify(copy)


def test_a_release_rewritten_as_a_whole_is_found_by_the_recorded_root_digest_alone(copy, whole, tmp_path):
    other = tmp_path / "other"
    write_release(other, [pair(8)], lexicon=LEXICON)
    assert verify(other) == []
    assert [p.path for p in verify(other, whole[1].root_digest)] == ["SHA256SUMS"]
    assert verify(copy, whole[1].root_digest) == []


def test_sums_made_anew_for_a_changed_report_contradict_the_manifest(copy):
    from updp_core.release.verifying import _sha256, sums_text

    next((copy / "reports").iterdir()).write_text("another text")
    names = [str(path.relative_to(copy)) for path in files_of(copy) if path.name != "SHA256SUMS"]
    (copy / "SHA256SUMS").write_bytes(sums_text({name: _sha256(copy / name) for name in names}))
    assert any("manifest" in problem.what for problem in verify(copy))


@pytest.mark.parametrize("content", [b"[]", b"{", b"null", b'{"release_id": 1}', b"\xff\xfe", b"[" * 100_000])
def test_a_nonsensical_manifest_is_a_problem_and_no_crash(copy, content):
    (copy / "manifest.jsonl").write_bytes(content)
    assert verify(copy)
    (copy / "release.json").write_bytes(content)
    assert verify(copy)


@pytest.mark.parametrize("name", ["images/r0.png", "manifest.jsonl", "SHA256SUMS", "README.txt", "more.bin"])
def test_a_file_that_is_too_large_for_a_release_is_told_and_not_read(copy, name, monkeypatch):
    with open(copy / name, "ab") as file:
        file.truncate(2**33)  # takes no room on the disk
    monkeypatch.setattr("updp_core.release.verifying._sha256", lambda path: pytest.fail("it was read"))
    assert [(problem.path, "larger" in problem.what) for problem in verify(copy)] == [(name, True)]


def test_a_manifest_of_one_endless_line_is_a_problem_and_no_memory(copy):
    (copy / "manifest.jsonl").write_bytes(b"[" + b"1," * 2**20)
    assert any(problem.path == "manifest.jsonl" for problem in verify(copy))


def test_what_is_not_a_release_does_not_verify(tmp_path, copy):
    assert verify(tmp_path / "nowhere") and verify(tmp_path)
    (tmp_path / "link").symlink_to(copy)
    assert verify(tmp_path / "link")


def test_a_whole_folder_under_a_temporary_name_does_not_verify(copy):
    renamed = copy.parent / partial_name("spring")
    copy.rename(renamed)
    assert [problem.path for problem in verify(renamed)] == ["."]


def refused(out: Path, pairs) -> ReleaseRefused:
    with pytest.raises(ReleaseRefused) as caught:
        write_release(out, pairs, lexicon=LEXICON)
    assert not out.exists() and list(out.parent.iterdir()) == []
    return caught.value


def test_a_forbidden_word_in_a_prompt_refuses_the_release_and_names_the_candidate(tmp_path):
    error = refused(tmp_path / "r", [pair(0), pair(41, prompt="small Okonkwo effusion"), pair(2)])
    assert [refusal.candidate for refusal in error.refusals] == [41]
    assert "41" in str(error) and "okonkwo" not in str(error).lower()


def test_an_identifier_left_in_a_report_refuses_the_release(tmp_path):
    left = "Small left effusion. Discussed with Dr. Okonkwo on 03/04/2021 at 555-010-7788."
    error = refused(tmp_path / "r", [pair(1, report=left)])
    assert [refusal.candidate for refusal in error.refusals] == [1]
    assert "2021" not in str(error) and "7788" not in str(error)


def test_the_studys_own_identifiers_are_searched_for_in_the_report(tmp_path):
    text = "Small left effusion. Compared with the film of Zyxwv Brzeczyk."
    error = refused(tmp_path / "r", [pair(1, report=text, identifiers={"patient_name": ["Brzeczyk^Zyxwv"]})])
    assert len(error.refusals) == 1 and "brzeczyk" not in str(error).lower()


def test_text_written_in_the_image_refuses_the_release(tmp_path):
    error = refused(tmp_path / "r", [pair(0), pair(1, image=with_text(smooth_image(1), "DOE JANE 1953"))])
    assert [refusal.candidate for refusal in error.refusals] == [1]
    assert "DOE" not in str(error) and "text" in str(error)


def test_every_failing_pair_is_named_in_one_run(tmp_path):
    error = refused(tmp_path / "r", [pair(n, prompt="okonkwo", report=" ") for n in range(3)])
    assert sorted({refusal.candidate for refusal in error.refusals}) == [0, 1, 2]
    assert len(error.refusals) == 6


def test_nothing_to_release_is_an_error_and_leaves_nothing(tmp_path):
    with pytest.raises(ReleaseError, match="nothing to release"):
        write_release(tmp_path / "r", [], lexicon=LEXICON)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_with_something_in_it_is_never_touched(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(ReleaseError, match="not an empty folder"):
        write_release(tmp_path / "mine", [pair(0)], lexicon=LEXICON)
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years of work"


def test_an_empty_folder_is_filled(tmp_path):
    (tmp_path / "r").mkdir()
    write_release(tmp_path / "r", [pair(0)], lexicon=LEXICON)
    assert verify(tmp_path / "r") == []


def test_the_root_digest_can_be_recorded_before_the_release_gets_its_name(tmp_path):
    seen = []

    def record(result):
        assert not (tmp_path / "r").exists()
        seen.append(result)

    result = write_release(tmp_path / "r", [pair(0)], lexicon=LEXICON, before_publish=record)
    assert seen == [result] and verify(tmp_path / "r", seen[0].root_digest) == []


def test_a_record_that_cannot_be_made_stops_the_release(tmp_path):
    def fail(_):
        raise RuntimeError("the audit table is locked")

    with pytest.raises(RuntimeError):
        write_release(tmp_path / "r", [pair(0)], lexicon=LEXICON, before_publish=fail)
    assert list(tmp_path.iterdir()) == []


def test_a_failing_source_of_pairs_leaves_nothing(tmp_path):
    def pairs():
        yield pair(0)
        raise OSError("image store is gone")

    with pytest.raises(OSError):
        write_release(tmp_path / "r", pairs(), lexicon=LEXICON)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_filled_while_the_release_was_written_stays_and_nothing_is_recorded(tmp_path):
    recorded = []

    def pairs():
        yield pair(0)
        (tmp_path / "r").mkdir()
        (tmp_path / "r" / "mine.txt").write_text("mine")

    with pytest.raises(ReleaseError, match="not an empty folder"):
        write_release(tmp_path / "r", pairs(), lexicon=LEXICON, before_publish=recorded.append)
    assert recorded == [] and [path.name for path in tmp_path.rglob("*")] == ["r", "mine.txt"]


def test_unknown_keys_of_the_header_are_refused_by_name(tmp_path):
    with pytest.raises(ReleaseError, match="officer"):
        write_release(tmp_path / "r", [pair(0)], lexicon=LEXICON, header={"officer": "Ada Okonkwo"})


def test_leftovers_of_killed_runs_go_and_those_of_living_processes_stay(tmp_path):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    dead = tmp_path / f".r.updp-{gone.pid}-0123abcd.partial"
    living = tmp_path / f".r.updp-{os.getppid()}-0123abcd.partial"
    other = tmp_path / ".r.partial"
    for folder in (dead, living, other):
        folder.mkdir()
        (folder / "x").write_text("x")
    write_release(tmp_path / "r", [pair(0)], lexicon=LEXICON)
    assert not dead.exists() and living.exists() and other.exists()


PATHS = ["local-dir:/mnt/st_marys/encoder", "C:\\Users\\okonkwo\\model", "~/models/x", "./x", Path("/mnt/st_marys")]


@pytest.mark.parametrize(
    "value", [*PATHS, "okonkwo", 10**12, -1, float("nan"), True, ["okonkwo"], {"okonkwo": 1}, None]
)
def test_a_setting_outside_of_its_type_and_range_is_not_told(value):
    told = allowed.settings(
        {"prompt": {"steps": value, "init": value}, "generation": {"steps": value}, "b": value, "method": "dp-pix"}
    )
    assert told == {
        "prompt": {"steps": "not told", "init": "not told"},
        "generation": {"steps": "not told"},
        "b": "not told",
        "method": "dp-pix",
    }
    for named in (allowed.settings({"encoder": {"name": value}}), allowed.models({"encoder": value})):
        assert "okonkwo" not in repr(named) and "st_marys" not in repr(named)


@pytest.mark.parametrize(
    ("stated", "says"),
    [
        ("stanfordmimi/RoentGen-v2", "stanfordmimi/RoentGen-v2"),
        ("hf-hub:microsoft/BiomedCLIP-PubMedBERT_256-vit_base_patch16_224",) * 2,
        (f"local-dir:{STARTER / 'encoder'}", "starter/encoder"),
        ("okonkwo/private-model", "a model of the sender"),
        ("local-dir:/mnt/st_marys/encoder", "a model of the sender"),
    ],
)
def test_models_that_anybody_can_have_are_told_by_their_names_and_no_others(stated, says):
    assert allowed.settings({"encoder": {"name": stated, "sha256": "a" * 64, "owner": "okonkwo"}}) == {
        "encoder": {"name": says, "sha256": "a" * 64}
    }


def test_every_setting_of_prompt_and_generator_is_decided_upon_by_name_and_its_default_leaves():
    for config, checks in ((PromptConfig(), allowed.PROMPT), (GeneratorConfig(), allowed.GENERATION)):
        assert set(checks) == set(asdict(config))
        assert allowed.group(checks)(asdict(config)) == asdict(config)


def test_how_many_pairs_were_approved_one_by_one_leaves_with_the_release(tmp_path):
    def decided(*how):
        return [{"verdict": "approve", "role": "radiologist", "day": "2031-02-03", "how": way} for way in how]

    pairs = [pair(0, decisions=decided("batch")), pair(1, decisions=decided("batch", "single")), pair(2)]
    write_release(tmp_path / "r", pairs, lexicon=LEXICON)
    assert sorted(str([d.get("how") for d in line["decisions"]]) for line in manifest_of(tmp_path / "r")) == [
        "['batch', 'single']",
        "['batch']",
        "[None]",
    ]
    assert json.loads((tmp_path / "r" / "release.json").read_text())["counts"]["approval"] == {"batch": 1, "single": 2}
    text = (tmp_path / "r" / "README.txt").read_text()
    assert "2 pairs were approved one by one." in text and "1 pairs were approved in a batch only" in text


_LOOP = """
import sys, itertools
sys.path.insert(0, {tests!r})
from pathlib import Path
from test_release import LEXICON, pair
from updp_core.release import write_release
pairs = [pair(n) for n in range(6)]
print("ready", flush=True)
for n in itertools.count():
    write_release(Path({folder!r}) / f"r{{n}}", pairs, lexicon=LEXICON, read_image_text=lambda image: [])
"""


def test_killed_at_any_moment_a_release_is_whole_or_is_none(tmp_path):
    script = textwrap.dedent(_LOOP).format(tests=str(Path(__file__).parent), folder=str(tmp_path))
    rng = np.random.default_rng(5)
    seen_partial = 0
    for delay in rng.uniform(0.05, 0.5, 4):
        process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
        assert process.stdout.readline() == b"ready\n"
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
        process.wait()
        for folder in tmp_path.iterdir():
            if folder.name.endswith(".partial"):
                seen_partial += 1
                assert verify(folder), "a leftover verified"
            else:
                assert verify(folder) == []
                shutil.rmtree(folder)
    write_release(tmp_path / "next", [pair(0)], lexicon=LEXICON)
    assert [folder.name for folder in tmp_path.iterdir()] == ["next"]
    assert seen_partial
