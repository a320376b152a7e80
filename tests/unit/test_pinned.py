"""A model of a hub is named with the commit that is meant, so that nobody can put other weights in its place."""

from __future__ import annotations

from typing import Any

import pytest

from updp_core.backends import encoder, files
from updp_core.backends.presets import PRESETS
from updp_core.config import COMMIT, hub_name
from updp_core.errors import ModelUnavailable
from updp_core.report.ner import load_ner

SHA = "0123456789abcdef0123456789abcdef01234567"
UNKNOWN = {"stanfordmimi/RoentGen-v2", "microsoft/radedit"}
"""Gated models of which no public record tells a commit: they are refused until somebody writes one."""


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What would be fetched, of a hub from which nothing is on this machine."""
    calls: list[dict[str, Any]] = []

    def fetch(name: str, **given: Any) -> str:
        if given.get("local_files_only"):
            raise OSError
        calls.append({"name": name, **given})
        return "/fetched"

    for variable in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "UPDP_UNPINNED"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr("huggingface_hub.snapshot_download", fetch)
    return calls


@pytest.mark.parametrize("name", ["somebody/model", "hf-hub:somebody/model", "somebody/model@main", "a/b@v1.0"])
def test_a_name_that_may_mean_other_weights_tomorrow_is_refused_in_words(name: str, asked: list[Any]) -> None:
    with pytest.raises(ModelUnavailable, match="without the commit"):
        files.fetch_folder(name)
    with pytest.raises(ModelUnavailable, match="without the commit"):
        load_ner(name.removeprefix("hf-hub:"))
    assert asked == []


def test_a_tag_of_an_architecture_is_refused_too(asked: list[Any]) -> None:
    with pytest.raises(ModelUnavailable, match="without the commit"):
        encoder.load_encoder("ViT-B-32:laion2b_s34b_b79k")


def test_a_commit_is_what_is_fetched(asked: list[Any]) -> None:
    files.fetch_folder(f"hf-hub:somebody/model@{SHA}")
    assert [(call["name"], call["revision"]) for call in asked] == [("somebody/model", SHA)]


def test_who_says_so_takes_what_a_name_means_today(asked: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UPDP_UNPINNED", "1")
    files.fetch_folder("somebody/model")
    assert [(call["name"], call["revision"]) for call in asked] == [("somebody/model", None)]


def test_every_hub_id_of_the_product_names_a_commit_where_one_is_known() -> None:
    sources = {s for p in PRESETS.values() for s in (p.encoder, p.generator, *p.parts.values()) if s}
    named = {hub_name(s.removeprefix("hf-hub:")) for s in sources if not s.startswith("local-dir:") and s[0] != "/"}
    assert {name for name, commit in named if not COMMIT.fullmatch(commit or "")} == UNKNOWN
    assert len(named) > len(UNKNOWN)
