"""Methods behind one seam: what each makes of records, and what it must never make."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tiny_models import write_bert_clip_folder, write_diffusion_folder
from updp_core.backends import presets
from updp_core.config import GeneratorConfig, PromptConfig, Settings
from updp_core.domain import MethodInput, Proposal
from updp_core.errors import ModelUnavailable, UsageError
from updp_core.lexicon import edit, load_lexicon
from updp_core.methods import FIRST, METHODS, Method, config_of, make_method
from updp_core.methods.dp_pix import Config, pixelise
from updp_core.methods.settings import checked, listed
from updp_core.methods.synthesis import nth_seed
from updp_core.methods.updp import what_it_says
from updp_core.prompt.start import start_text

LEXICON = load_lexicon()
PROMPT = PromptConfig(length=10, steps=6, learning_rate=0.5)
IMAGE = GeneratorConfig(steps=2)
REPORT = "FINDINGS: The heart is enlarged. John Smith. IMPRESSION: Small right pleural effusion."


def radiograph(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 65536, (64, 80), dtype=np.uint16)


def record(n: int, report: str = REPORT) -> MethodInput:
    return MethodInput(f"r{n}", radiograph(n), report, report.replace("John Smith", "[NAME]"))


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    root = tmp_path_factory.mktemp("models")
    encoder = write_bert_clip_folder(root / "encoder")
    generator = write_diffusion_folder(root / "generator")
    return Settings(preset="custom", encoder=str(encoder), generator=str(generator), device="cpu")


@pytest.fixture(scope="module")
def updp(models: Settings) -> Method:
    return make_method("updp", models, LEXICON, {"prompt": PROMPT, "generation": IMAGE})


def proposals(method: Method, records: list[MethodInput], seeds: list[int]) -> list[Proposal]:
    return [p for step in method.propose(records, seeds=seeds) for p in step.proposals]


def test_updp_makes_a_pair_for_every_record_in_order_and_tells_its_progress(updp: Method) -> None:
    records = [record(n) for n in range(3)]
    steps = list(updp.propose(records, seeds=[1, 2, 3]))
    assert [s.stage for s in steps] == ["prompt", "prompt", "image"]
    assert all(s.done <= s.total == 3 for s in steps)
    made = [p for s in steps for p in s.proposals]
    assert [p.record for p in made] == ["r0", "r1", "r2"]
    for p in made:
        assert p.image is not None and p.image.shape == (32, 32) and not p.error
        assert p.prompt is not None and p.prompt_text == p.prompt.text
        assert not LEXICON.forbidden_in(p.prompt_text)
        assert p.method_evidence["alignment_after"] >= p.method_evidence["alignment_constrained"]


def test_one_record_under_several_seeds_gives_several_proposals(updp: Method) -> None:
    made = proposals(updp, [record(1)] * 3, [1, 2, 3])
    assert [p.seed for p in made] == [1, 2, 3]
    assert len({p.image.tobytes() for p in made if p.image is not None}) == 3


def test_of_several_images_of_a_prompt_the_one_that_fits_its_text_best_is_kept(models: Settings, updp: Method) -> None:
    few = make_method("updp", models, LEXICON, {"prompt": PROMPT, "generation": replace(IMAGE, candidates=3)})
    records = [record(n) for n in range(4)]
    made = proposals(few, records, [1, 2, 3, 4])
    apart = [proposals(updp, records, [nth_seed(seed, k) for seed in (1, 2, 3, 4)]) for k in range(3)]
    encoder = few.encoder  # type: ignore[attr-defined]
    for i, kept in enumerate(made):
        images = [apart[k][i].image for k in range(3)]
        text = encoder.encode_text([kept.prompt_text])
        fits = [float((encoder.encode_image([image]) * text).sum()) for image in images]
        assert kept.seed == i + 1 and (kept.image == images[int(np.argmax(fits))]).all()
    assert any((kept.image != first.image).any() for kept, first in zip(made, apart[0], strict=True))


def test_the_same_settings_and_seed_give_the_same_prompt_again(models: Settings, updp: Method) -> None:
    again = make_method("updp", models, LEXICON, {"prompt": PROMPT, "generation": IMAGE})
    assert again.settings() == updp.settings() == json.loads(json.dumps(updp.settings()))
    first, second = (proposals(m, [record(5)], [9])[0] for m in (updp, again))
    assert first.prompt == second.prompt
    assert (first.image == second.image).all()


def test_settings_name_models_and_lexicon_by_digest(updp: Method, models: Settings) -> None:
    told = updp.settings()
    assert len(told["encoder"]["sha256"]) == len(told["generator"]["sha256"]) == 64
    assert told["lexicon"] == LEXICON.digest
    assert told["prompt"]["length"] == 10 and told["generation"]["steps"] == 2


def test_a_word_that_becomes_forbidden_is_gone_when_the_record_is_made_again(models: Settings, updp: Method) -> None:
    before = proposals(updp, [record(1)], [1])[0]
    word = next(t.text for t in before.prompt.tokens if len(t.text) > 3)  # type: ignore[union-attr]
    stricter = edit(LEXICON, add={"blacklist": {"names": [word]}})
    after = proposals(make_method("updp", models, stricter, {"prompt": PROMPT, "generation": IMAGE}), [record(1)], [1])[
        0
    ]
    assert word in before.prompt_text.split() or word in before.prompt_text
    assert not stricter.forbidden_in(after.prompt_text)


def test_a_record_that_fails_says_why_and_the_others_go_on(updp: Method) -> None:
    broken = MethodInput("bad", np.zeros((4, 4, 3), dtype=np.uint16), REPORT, REPORT)
    made = proposals(updp, [record(0), broken, record(2)], [1, 2, 3])
    assert [bool(p.error) for p in made] == [False, True, False]
    assert made[1].image is None and made[1].prompt is None
    assert made[0].prompt == proposals(updp, [record(0)], [1])[0].prompt


def test_a_prompt_longer_than_the_generator_reads_is_cut_and_the_rest_is_told(models: Settings) -> None:
    long = " ".join(["no pleural effusion the heart is normal in size and the lungs are clear"] * 2)
    prompt = replace(PROMPT, length=28, learning_rate=1e-6)
    method = make_method("updp", models, LEXICON, {"prompt": prompt, "generation": IMAGE})
    made = proposals(method, [record(1, long)], [1])[0]
    assert made.prompt is not None and made.prompt.unread
    assert len(made.prompt_text.split()) <= 18
    assert made.prompt_text == " ".join(t.text for t in made.prompt.tokens)


def test_a_report_starts_its_prompt_from_findings_and_impression() -> None:
    text = start_text("EXAM: Chest.\nHISTORY: Cough.\nFINDINGS: Heart is large.\nIMPRESSION: Edema.", LEXICON)
    assert text == "Edema. Heart is large."
    assert start_text("Lungs are clear ___ .", LEXICON).startswith("Lungs are clear")


def test_a_prompt_starts_from_sentences_about_the_chest_and_names_each_once() -> None:
    report = """FINDINGS: Comparison is made with the study of [DATE]. The patient, a [PERSONNEL], was transferred.
    Small pleural
    effusion. CONCLUSION: 1. Small pleural effusion. 2) Large heart. Findings were conveyed to [NAME], MD at [DATE]."""
    assert start_text(report, LEXICON) == "Small pleural effusion. Large heart."
    assert start_text("Comparison is made.", LEXICON) == "Comparison is made."
    assert start_text("[NAME] ___ [DATE]", LEXICON) == ""


@pytest.mark.parametrize(
    "changed",
    ["small left pleural effusion", "no pleural effusion", "small right pleural effusion pacemakerging", "small right"],
)
def test_a_prompt_that_gains_loses_or_moves_a_finding_says_something_else(changed: str) -> None:
    assert what_it_says(changed) != what_it_says("small right pleural effusion")


def test_a_prompt_may_change_every_other_word() -> None:
    assert what_it_says("radiograph right pleural effusion noted") == what_it_says("small right pleural effusion")


def test_raw_report_is_for_comparison_and_never_releasable(models: Settings) -> None:
    method = make_method("raw-report", models, LEXICON, {"generation": IMAGE})
    assert not method.releasable and not METHODS["raw-report"].releasable
    made = proposals(method, [record(1)], [1])[0]
    assert made.image is not None and made.prompt is None
    assert "heart is enlarged" in made.prompt_text
    assert "sha256" in method.settings()["generator"]


def test_an_image_conditioned_run_uses_the_source_image(models: Settings) -> None:
    config = GeneratorConfig(steps=4, strength=0.5)
    method = make_method("raw-report", models, LEXICON, {"generation": config})
    a, b = proposals(method, [record(1), replace(record(1), image=radiograph(7))], [1, 1])
    assert (a.image != b.image).any()


def test_every_file_of_a_method_says_all_of_it_and_nothing_else_names_it() -> None:
    folder = Path(__file__).resolve().parents[2]
    for name, entry in METHODS.items():
        assert entry.holds.endswith(".") and len(entry.title) > 3
        for setting in listed(entry.defaults(Settings())):
            assert setting.doc and checked(setting, setting.value) == setting.value, f"{name}: {setting.name}"
        if name in (FIRST, "raw-report"):  # the default, and a stage of the evaluation
            continue
        for path in [*(folder / "updp_core").rglob("*.py"), *(folder / "ui").rglob("*.py")]:
            if path.name not in (f"{name.replace('-', '_')}.py", "starter.py", "train.py"):  # a recipe bears the name
                assert f'"{name}"' not in path.read_text(encoding="utf-8"), f"{path.name} names the method {name}"


def test_the_set_paper_is_algorithm_1_as_written(models: Settings) -> None:
    config = config_of("updp", models, {"generation.steps": 2, "prompt.steps": 3}, named="paper")
    assert (config.prompt.select, config.prompt.whitelist, config.prompt.optimizer) == ("last", "only", "gradient")
    method = make_method("updp", models, LEXICON, {"prompt": replace(config.prompt, length=8), "generation": IMAGE})
    made = proposals(method, [record(1)], [3])[0]
    assert made.prompt is not None and {token.role for token in made.prompt.tokens} == {"whitelist"}
    again, other = (proposals(method, [record(1)], [seed])[0].prompt_text for seed in (3, 4))
    assert again == made.prompt_text != other, "tokens are drawn by softmax, from the seed"


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"prompt.steps": 0}, "whole number from 1"),
        ({"prompt.steps": 2.5}, "whole number"),
        ({"prompt.whitelist": "all"}, "one of bias, only"),
        ({"prompt.whole_words": 1}, "true or false"),
        ({"generation.guidance_scale": "high"}, "a number from 0"),
        ({"generation.guidance_scale": float("nan")}, "a number from 0"),
        ({"b": 4}, "no setting 'b'"),
    ],
)
def test_a_setting_that_cannot_be_is_told(changes: dict[str, Any], why: str) -> None:
    with pytest.raises(UsageError, match=why):
        config_of("updp", Settings(), changes)


def test_a_setting_may_be_left_to_the_model() -> None:
    config = config_of("updp", Settings(), {"generation.size": 64, "generation.strength": 1})
    assert (config.generation.size, config.generation.strength) == (64, 1.0)
    assert config_of("updp", Settings(), {"generation.size": None}).generation.size is None


def test_unknown_names_and_unequal_seeds_are_refused(updp: Method, models: Settings) -> None:
    with pytest.raises(UsageError, match="updp"):
        make_method("magic", models, LEXICON)
    with pytest.raises(UsageError, match="preset"):
        make_method("updp", replace(models, preset="none"), LEXICON)
    with pytest.raises(UsageError, match="seed"):
        list(updp.propose([record(1)], seeds=[]))


# --- DP-Pix ----------------------------------------------------------------------------------------------------------


def test_dp_pix_needs_no_model_and_its_noise_cannot_be_had_again_from_the_seed() -> None:
    method = make_method("dp-pix", Settings(), LEXICON)
    made = proposals(method, [record(1)], [4])[0]
    assert made.image is not None and made.image.shape == (256, 256) and made.prompt is None
    assert (made.image != proposals(method, [record(1)], [4])[0].image).any()
    assert method.settings() == {"method": "dp-pix", "b": 8, "epsilon": 0.1, "m": 1, "size": 256}


@given(height=st.integers(1, 20), width=st.integers(1, 20), block=st.integers(1, 8), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=50, deadline=None)
def test_without_noise_each_block_is_its_mean(height: int, width: int, block: int, seed: int) -> None:
    image = np.random.default_rng(seed).integers(0, 65536, (height, width), dtype=np.uint16)
    made = pixelise(image, block, 1e12, 1, np.random.default_rng(seed))
    for y in range(0, height, block):
        for x in range(0, width, block):
            mean = image[y : y + block, x : x + block].mean() / 65535
            assert (made[y : y + block, x : x + block] == np.round(mean * 255)).all()


def test_dp_pix_noise_has_the_papers_scale() -> None:
    config = Config(size=512, b=8, epsilon=1.0)
    assert config.noise_scale == pytest.approx(1 / 64)
    grey = np.full((512, 512), 32768, dtype=np.uint16)
    blocks = pixelise(grey, 8, 1.0, 1, np.random.default_rng(3))[::8, ::8].astype(float) / 255 - 0.5
    assert np.abs(blocks).mean() == pytest.approx(1 / 64, rel=0.06)  # E|Laplace(s)| = s, over 4,096 blocks
    with pytest.raises(UsageError, match="epsilon"):
        Config(epsilon=0)


# --- presets ---------------------------------------------------------------------------------------------------------


def test_doctor_tells_for_each_preset_what_is_missing_and_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("socket.socket.connect", lambda *a: pytest.fail("doctor used the network"))
    rows = presets.doctor()
    assert {row["preset"] for row in rows} == set(presets.PRESETS)
    assert [r["part"] for r in rows if r["preset"] == "radedit"] == [
        "encoder",
        "generator: unet",
        "generator: vae",
        "generator: text_encoder",
    ]
    for row in rows:
        assert row["available"] == (not row["reason"]) == (not row["remedy"])
    custom = [r for r in rows if r["preset"] == "custom"]
    assert all("UPDP_ENCODER" in r["remedy"] and not r["available"] for r in custom)


def test_folders_replace_a_presets_models(models: Settings) -> None:
    rows = [r for r in presets.doctor(replace(models, preset="roentgen2")) if r["preset"] == "roentgen2"]
    assert [r["available"] for r in rows] == [True, True]
    METHODS["updp"].check(models)


def test_missing_models_are_refused_before_anything_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ModelUnavailable, match="UPDP_ENCODER"):
        METHODS["updp"].check(Settings(preset="custom"))
    with pytest.raises(ModelUnavailable, match="no such folder"):
        METHODS["updp"].check(Settings(preset="custom", encoder=f"local-dir:{tmp_path}/x", generator=str(tmp_path)))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    for preset in ("roentgen2", "radedit"):
        with pytest.raises(ModelUnavailable, match="licence") as caught:
            make_method("updp", Settings(preset=preset), LEXICON)
        assert caught.value.remedy.count(". ") == 0
    METHODS["dp-pix"].check(Settings(preset="custom"))


def test_settings_come_from_the_environment() -> None:
    made = Settings.from_env({"UPDP_ENCODER": "/e", "UPDP_GENERATOR": "/g", "UPDP_PRESET": "custom"})
    assert (made.encoder, made.generator) == ("/e", "/g")
    assert presets.resolve(made).generator == "/g"


def test_models_are_loaded_once_and_again_when_their_files_change(models: Settings, tmp_path: Path) -> None:
    import shutil

    copy = shutil.copytree(models.encoder, tmp_path / "encoder")
    preset = presets.resolve(replace(models, encoder=str(copy)))
    first = presets.load_preset_encoder(preset, "cpu")
    assert presets.load_preset_encoder(preset, "cpu") is first
    write_bert_clip_folder(copy, seed=1)
    assert presets.load_preset_encoder(preset, "cpu").digest != first.digest
