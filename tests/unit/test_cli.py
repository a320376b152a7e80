"""The command line: stable commands, one JSON object last, messages on stderr, exit codes that can be trusted."""

from __future__ import annotations

import ast
import csv
import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from tests.unit.workbench_kit import REPORTS, hush
from updp_core.cli import app

LET_LEAVE = 'methods={"dp-pix": {"release": true}}'
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    hush(monkeypatch)
    monkeypatch.setenv("UPDP_HOME", str(tmp_path / "ws"))
    monkeypatch.setenv("UPDP_METHOD", "dp-pix")
    monkeypatch.delenv("UPDP_AUTH", raising=False)
    monkeypatch.setattr("updp_core.workbench.Models.judges", lambda self: None)


def run(*arguments: object, code: int = 0, stdin: str | None = None) -> Any:
    """A command's JSON (its last line), or its stderr where it failed."""
    done = CliRunner().invoke(app, [*map(str, arguments), "--json"], input=stdin)
    assert done.exit_code == code, f"{done.exit_code}: {done.stderr} {done.exception!r}"
    return json.loads(done.stdout.splitlines()[-1]) if code == 0 else done.stderr


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A manifest of three studies, one of them without a report, and a row whose file is missing."""
    folder = tmp_path / "studies"
    folder.mkdir()
    rows = []
    y, x = np.mgrid[0:96, 0:96]
    for n in range(3):
        noise = np.random.default_rng(n).normal(0, 6, (96, 96))
        lungs = 150 - 90 * np.exp(-(((x - 30) / 14) ** 2 + ((y - 48) / 30) ** 2))
        lungs -= 90 * np.exp(-(((x - 66) / 14) ** 2 + ((y - 48) / 30) ** 2))
        Image.fromarray(np.clip(lungs + noise, 0, 255).astype(np.uint8)).save(folder / f"{n}.png")
        rows.append([f"{n}.png", f"MRN-{n // 2}", f"ST-{n}", "PA", REPORTS[n] if n < 2 else ""])
    rows.append(["gone.png", "MRN-9", "ST-9", "PA", "Clear."])
    with open(folder / "manifest.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "patient_id", "study_id", "view", "report_text"])
        writer.writerows(rows)
    return folder / "manifest.csv"


def test_the_whole_job_from_import_to_a_release_that_verifies(source: Path, tmp_path: Path) -> None:
    found = run("import", source)
    assert (found["imported"], found["duplicates"]) == (3, 0)
    assert len(found["rejected"]) == 1 and "gone.png" in found["rejected"][0]["source"]
    assert len(found["without_report"]) == 1
    assert run("import", source)["duplicates"] == 3

    run("policy", "set", LET_LEAVE, "--officer", "grace")
    made = run("generate", "--limit", 2, "--batch-size", 1, "--seed", 3)
    assert made["generated"] == 2 and made["failed"] == [] and made["seconds"] >= 0
    assert run("generate")["generated"] == 1
    listed = run("list", "--state", "pending")
    assert listed["total"] == 3
    records = [item["record"] for item in listed["records"]]

    shown = run("show", records[0])
    assert set(shown) >= {
        "record",
        "state",
        "prompt",
        "report",
        "evidence",
        "images",
        "candidates",
        "decisions",
    }
    assert set(shown["report"]) == {"original", "filtered", "spans"}
    assert Path(shown["images"]["original"]).is_file() and Path(shown["images"]["synthetic"]).is_file()

    for record in records[:2]:
        assert run("decide", record, "approve", "--reviewer", "ada", "--role", "radiologist")["state"] == "approved"
    run("decide", records[2], "reject", "--reviewer", "ada", "--role", "radiologist", "--comment", "blurred")
    assert run("undo", "--reviewer", "ada")["state"] == "pending"

    out = tmp_path / "release"
    released = run("release", out, "--officer", "grace")
    assert released["released"] == 2
    assert run("verify", out)["ok"]
    assert "not an empty folder" in run("release", out, "--officer", "grace", code=1)
    image = next(out.rglob("*.png"))
    content = bytearray(image.read_bytes())
    content[len(content) // 2] ^= 1
    image.write_bytes(content)
    assert "does not verify" in run("verify", out, code=1)
    assert run("audit", "verify")["ok"]
    assert run("audit", "log", "--verb", "release")["total"] == 1


def test_flags_views_and_how_far_the_work_is(source: Path) -> None:
    run("import", source)
    run("policy", "set", LET_LEAVE, "--officer", "grace")
    run("generate")
    first, *_ = [item["record"] for item in run("list")["records"]]
    [flag] = run("flag", first, "Is this a name?", "--for", "privacy-officer", "--reviewer", "ada")["flags"]
    listed = run("list", "--flagged", "any", "--save", "to look at", "--actor", "ada")
    assert [item["record"] for item in listed["records"]] == [first]
    assert run("list", "--flagged", "radiologist")["total"] == 0
    assert run("list", "--view", "to look at", "--actor", "ada", "--state", "approved")["total"] == 0
    assert [view["name"] for view in run("views", "--actor", "ada")["views"]] == ["to look at"]
    assert run("views", "--actor", "eve")["views"] == []
    assert "no saved view" in run("list", "--view", "to look at", "--actor", "eve", code=1)
    run("decide", first, "approve", "--reviewer", "ada", "--role", "radiologist")
    assert "free of open flags" in run("release", source.parent / "out", "--officer", "grace", code=1)
    far = run("progress", "--actor", "ada", "--role", "radiologist")
    assert (far["left"], far["flagged"], far["today"]) == (2, 1, {"ada": 1}) and far["agreement"]["pairs"] == 0
    cleared = run("flag", first, "A drug", "--clear", flag["flag"], "--reviewer", "grace", "--role", "privacy-officer")
    assert cleared["flags"] == []
    assert run("views", "--delete", "to look at", "--actor", "ada")["views"] == []


def test_a_candidate_is_made_again_from_what_is_recorded_and_methods_are_compared(source: Path) -> None:
    run("import", source)
    run("generate", "--method", "dp-pix", "--limit", 1)
    record = run("list", "--state", "pending")["records"][0]["record"]
    candidate = run("show", record)["candidate"]
    again = run("reproduce", candidate, "--actor", "ada")
    assert again["same_models"] and not again["same_image"], "DP-Pix draws its noise anew: a seed would undo it"
    made = run("regenerate", record, "--reviewer", "ada", "--method", "dp-pix", "--seed", 5)
    assert len(made["candidates"]) == 1 and made["current"] == made["candidates"][0]
    beside = run("regenerate", record, "--reviewer", "ada", "--compare", "--method", "dp-pix", "--set", "b=2")
    assert beside["current"] == made["current"] and run("show", record)["candidates"][-1]["settings"]["b"] == 2
    assert "has a setting 'mu'" in run(
        "regenerate", record, "--reviewer", "ada", "--compare", "--method", "dp-pix", "--set", "mu=1", code=1
    )


def test_a_methods_settings_are_listed_with_their_range_and_set_for_a_run(source: Path) -> None:
    run("import", source)
    rows = {row["name"]: row for row in run("methods")["methods"]}
    told = {setting["name"]: setting for setting in rows["dp-pix"]["settings"]}
    assert (told["b"]["value"], told["b"]["low"], told["epsilon"]["value"]) == (8, 1, 0.1) and told["epsilon"]["doc"]
    assert not rows["dp-pix"]["leaves"] and rows["updp"]["leaves"] and "paper" in rows["updp"]["sets"]
    assert "prompt.steps" in {setting["name"] for setting in rows["updp"]["settings"]}
    run("generate", "--set", "b=4", "--set", "epsilon=50", "--limit", 1)
    [record] = [item["record"] for item in run("list", "--state", "pending")["records"]]
    made = run("show", record)["candidates"][-1]["settings"]
    assert (made["b"], made["epsilon"]) == (4, 50)
    assert "from 1 to 512" in run("generate", "--set", "b=0", code=1)
    assert "no setting 'block'" in run("regenerate", record, "--reviewer", "ada", "--set", "block=2", code=1)
    assert "paper" in run("generate", "--method", "updp", "--settings", "ours", code=1)
    assert run("runs")["runs"][0]["done"] == 1, "a run that cannot be was begun"


def test_what_keeps_source_pixels_leaves_only_where_the_policy_names_its_method(source: Path) -> None:
    run("import", source)
    run("generate")
    first, second, _ = [item["record"] for item in run("list", "--state", "pending")["records"]]
    refused = run("decide", first, "approve", "--reviewer", "ada", "--role", "radiologist", code=1)
    assert "source pixels" in refused
    run("policy", "set", 'methods={"dp-pix": {"release": true, "settings": {"b": 2}}}', "--officer", "grace")
    run("regenerate", second, "--reviewer", "ada")
    assert run("show", second)["candidates"][-1]["settings"]["b"] == 2, "the policy's settings are the default"
    assert run("decide", second, "approve", "--reviewer", "ada", "--role", "radiologist")["state"] == "approved"
    run("policy", "set", "methods={}", "--officer", "grace")
    out = source.parent / "out"
    assert "source pixels" in run("release", out, "--officer", "grace", code=1) and not out.exists()
    run("policy", "set", LET_LEAVE, "--officer", "grace")
    assert run("release", out, "--officer", "grace")["released"] == 1
    said = " ".join((out / "README.txt").read_text().split())
    assert "averaged in blocks" in said and "1 of 1 images keep pixels of their source" in said
    [line] = [json.loads(line) for line in (out / "manifest.jsonl").read_text().splitlines()]
    assert line["derivation"] == "obfuscation" and line["gates"]["source_pixels"] == "warn"
    assert "keep pixels of their source" in (out / "dossier.html").read_text()
    for wish, why in (
        ('{"raw-report": {"release": true}}', "comparison only"),
        ('{"magic": {}}', "no method"),
        ('{"dp-pix": {"settings": {"b": 0}}}', "from 1 to 512"),
        ('{"dp-pix": {"b": 4}}', "no field 'b'"),
    ):
        assert why in run("policy", "set", f"methods={wish}", "--officer", "grace", code=1)


def test_a_lexicon_edit_voids_what_it_forbids(source: Path) -> None:
    run("import", source)
    run("generate")
    told = run("lexicon", "impact", "add", "blacklist", "names", "effusion")
    assert told["pending"] == 1
    saved = run("lexicon", "add", "blacklist", "names", "effusion", "--author", "grace")
    assert saved["version"] == 2 and saved["impact"]["pending"] == 1
    assert run("list", "--state", "void")["total"] == 1
    assert "effusion" in run("lexicon", "show")["blacklist"]["names"]
    assert [v["version"] for v in run("lexicon", "log")["versions"]] == [2, 1]
    assert run("lexicon", "diff", 1, 2)["added"]["blacklist"] == {"names": ["effusion"]}
    assert run("lexicon", "remove", "blacklist", "names", "effusion", "--author", "grace")["version"] == 3
    assert run("lexicon", "revert", 2, "--author", "grace")["version"] == 4


def test_a_failure_says_what_to_do_on_stderr_and_exits_with_one(source: Path) -> None:
    run("import", source)
    assert "no record R123" in run("show", "R123", code=1)
    assert "does not exist" in run("import", source.parent / "nothing", code=1)
    assert "Approve pairs first" in run("release", source.parent / "out", "--officer", "grace", code=1)
    record = run("list")["records"][0]["record"]
    refused = run("decide", record, "approve", "--reviewer", "x", "--role", "observer", code=1)
    assert "may not do this" in refused
    assert "may not do this" in run(
        "lexicon", "add", "blacklist", "names", "zyx", "--author", "ada", "--role", "radiologist", code=1
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["import"],
        ["import", "x", "--layout", "zip"],
        ["list", "--state", "lost"],
        ["decide", "R", "maybe", "--reviewer", "x", "--role", "radiologist"],
        ["decide", "R", "approve"],
        ["decide", "R", "approve", "--reviewer", "x", "--role", "boss"],
        ["generate", "--limit", "0"],
        ["lexicon", "add", "greylist", "names", "x", "--author", "x"],
        ["generate", "--prompt", "length"],
    ],
)
def test_a_usage_error_exits_with_two(arguments: list[str]) -> None:
    assert CliRunner().invoke(app, arguments).exit_code == 2


def test_an_unexpected_error_tells_its_place_and_no_patient_text(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: object, **kwargs: object) -> None:
        raise RuntimeError("Mrs Smith, MRN 4711")

    monkeypatch.setattr("updp_core.workbench.studies.Studies.import_", broken)
    told = run("import", source, code=1)
    assert "RuntimeError" in told and "Smith" not in told


def test_filter_report_takes_a_text_or_lines_and_keeps_what_is_no_phi() -> None:
    text = "Seen by Dr. Mortimer Quill.\r\nThe heart is enlarged.\n"
    found = run("filter-report", stdin=text)
    assert "Quill" not in found["text"] and found["text"].endswith("\r\nThe heart is enlarged.\n")
    span = next(s for s in found["spans"] if "Quill" in s["text"])
    assert set(span) == {"start", "end", "rule", "category", "text"}
    assert text[span["start"] : span["end"]] == span["text"]
    with_header = run("filter-report", "--header", '{"patient_name": ["Zorblatt^Una"]}', stdin="Zorblatt has edema.")
    assert "Zorblatt" not in with_header["text"]

    lines = [{"id": 1, "text": "Clear."}, {"id": "b", "text": "Zorblatt", "header": {"patient_name": "Zorblatt^Una"}}]
    done = CliRunner().invoke(
        app, ["filter-report", "--jsonl"], input="".join(json.dumps(line) + "\n" for line in lines) + "not json\n"
    )
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.exit_code == 0
    assert answers[0] == {"id": 1, "text": "Clear.", "spans": []}
    assert answers[1]["id"] == "b" and "Zorblatt" not in answers[1]["text"]
    assert "not JSON" in answers[2]["error"]


def test_users_are_added_with_a_password_from_stdin() -> None:
    run("user", "add", "ada", "--role", "radiologist", "--password-stdin", stdin="correct horse battery\n")
    assert run("user", "list")["users"] == [{"name": "ada", "role": "radiologist", "by": "password"}]
    assert "at least 10" in run("user", "add", "eve", "--role", "observer", "--password-stdin", stdin="a\n", code=1)
    for way in ("oauth", "proxy"):  # known elsewhere: nobody is asked for a password
        assert run("user", "add", f"by {way}", "--role", "observer", "--by", way)["by"] == way
    run("user", "remove", "ada")


def test_the_policy_can_be_read_and_set() -> None:
    assert run("policy", "show")["verdicts"] == 1
    assert run("policy", "set", "verdicts=2", "--officer", "grace")["verdicts"] == 2
    assert "1 or 2" in run("policy", "set", "verdicts=7", "--officer", "grace", code=1)


def in_a_process(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)


def test_nothing_but_the_result_reaches_stdout_not_even_from_native_code(tmp_path: Path) -> None:
    code = (
        "import os, sys, typer\n"
        "from updp_core.cli.console import command, result\n"
        "app = typer.Typer()\n"
        "@app.command()\n"
        "@command\n"
        "def noisy() -> None:\n"
        "    print('python noise'); os.write(1, b'native noise\\n'); result({'ok': True}, True)\n"
        "app()\n"
    )
    done = in_a_process(code)
    assert done.stdout == '{"ok": true}\n'
    assert "python noise" in done.stderr and "native noise" in done.stderr


def test_a_command_may_call_others_and_still_speak_after_them() -> None:
    """As `train all` does."""
    code = (
        "from updp_core.cli.console import command, say\n"
        "inner = command(lambda: say('inner'))\n"
        "command(lambda: (inner(), print('noise'), inner(), say('outer')))()\n"
        "inner()\n"
    )
    done = in_a_process(code)
    assert done.stdout == "inner\ninner\nouter\ninner\n"
    assert done.stderr == "noise\n"


def test_help_comes_at_once_since_models_load_inside_commands() -> None:
    code = "import sys, updp_core.cli; print(*sys.modules)"
    done = in_a_process(code)
    loaded = {name.split(".")[0] for name in done.stdout.split()}
    assert "typer" in loaded
    assert not loaded & {"torch", "sqlmodel", "spacy", "diffusers", "transformers", "pydicom", "gradio"}


def test_every_recipe_finds_the_modules_that_it_loads_when_it_runs() -> None:
    """They load inside the commands, so that a wrong name shows only when one is run."""
    tree = ast.parse((ROOT / "updp_core" / "cli" / "train.py").read_text("utf-8"))
    own = [n for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and (n.module or "").startswith("updp_core")]
    assert not [n for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and n.level]
    missing = [n.module for n in own if importlib.util.find_spec(str(n.module)) is None]
    assert own and not missing
