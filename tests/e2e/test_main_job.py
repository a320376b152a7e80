"""The main job through the command line, every part real: import, generate, forbid a word, approve, release, verify.

The models are random and tiny but of the real formats; studies are phantoms with planted PHI.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.tiny_models import write_bert_clip_folder, write_diffusion_folder
from updp_core.cli import app
from updp_core.lexicon import Lexicon


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("models")
    return {
        "UPDP_ENCODER": f"local-dir:{write_bert_clip_folder(folder / 'encoder')}",
        "UPDP_GENERATOR": str(write_diffusion_folder(folder / "generator")),
    }


def run(*arguments: object, code: int = 0) -> Any:
    done = CliRunner().invoke(app, [*map(str, arguments), "--json"])
    assert done.exit_code == code, f"{done.exit_code}: {done.stderr} {done.exception!r}"
    return json.loads(done.stdout.splitlines()[-1]) if code == 0 else done.stderr


def test_from_a_folder_of_studies_to_a_release_that_holds_exactly_the_approved_pairs(
    models: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {**models, "UPDP_PRESET": "custom", "UPDP_HOME": str(tmp_path / "ws")}.items():
        monkeypatch.setenv(name, value)
    run("phantom", tmp_path / "source", "--patients", 2, "--images-per-patient", 2, "--seed", 5)
    imported = run("import", tmp_path / "source" / "studies")
    assert imported["imported"] == 4, imported
    made = run("generate", "--prompt", "steps=2", "--prompt", "length=6", "--generator", "steps=2", "--batch-size", 2)
    assert (made["generated"], made["failed"]) == (4, [])

    records = [item["record"] for item in run("list", "--state", "pending")["records"]]
    before = {record: run("show", record) for record in records}
    for detail in before.values():
        assert detail["prompt"]["tokens"]
        assert detail["report"]["spans"], "phantom reports hold planted PHI"
        for span in detail["report"]["spans"]:
            assert detail["report"]["original"][span["start"] : span["end"]] == span["text"]
        lexicon = Lexicon.from_dict({k: v for k, v in run("lexicon", "show").items() if k.endswith("list")})
        assert lexicon.forbidden_in(detail["prompt"]["text"]) == []

    by = ("--reviewer", "ada", "--role", "radiologist", "--comment", "compared by eye")
    assert run("decide", records[0], "approve", *by)["state"] == "approved"
    word = next(word for word in before[records[0]]["prompt"]["text"].split() if word.isalpha() and len(word) > 3)
    run("lexicon", "add", "blacklist", "names", word, "--author", "grace", "--comment", "a name in this house")
    assert run("show", records[0])["state"] == "void"
    assert run("generate", "--prompt", "steps=2", "--prompt", "length=6", "--generator", "steps=2")["generated"] >= 1
    after = run("show", records[0])
    assert after["state"] == "pending"
    assert word not in after["prompt"]["text"].split()

    for record in records[:2]:
        run("decide", record, "approve", *by)
    out = tmp_path / "release"
    assert run("release", out, "--officer", "grace")["released"] == 2
    assert run("verify", out)["ok"]
    lines = [json.loads(line) for line in (out / "manifest.jsonl").read_text().splitlines()]
    assert len(lines) == 2
    prompts = {run("show", record)["prompt"]["text"] for record in records[:2]}
    assert {line["prompt"] for line in lines} == prompts
    everything = b"".join(path.read_bytes() for path in out.rglob("*") if path.is_file())
    for record, detail in before.items():
        for secret in (record, detail["patient"], detail["study"], "ada", "grace"):
            assert f'"{secret}"'.encode() not in everything
    report = next((out / "reports").iterdir())
    report.write_bytes(report.read_bytes().replace(b"a", b"b", 1))
    run("verify", out, code=1)
    assert run("audit", "verify")["ok"]
