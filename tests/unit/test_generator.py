"""What the generator promises: seeds, sizes, schedulers, token limits, and errors that help."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from diffusers import DDIMScheduler, DPMSolverMultistepScheduler, UniPCMultistepScheduler
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tiny_models import WORDS, write_diffusion_folder
from updp_core.backends.generator import Generator, load_generator, make_scheduler
from updp_core.config import GeneratorConfig
from updp_core.errors import ModelUnavailable, UsageError

FAST = GeneratorConfig(steps=3)
LONG = (
    "no pleural effusion the heart is normal in size and the lungs are clear there is a small nodule in the right lobe"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_diffusion_folder(tmp_path_factory.mktemp("generator") / "clip")


@pytest.fixture(scope="module")
def generator(folder: Path) -> Generator:
    return load_generator(folder, "cpu")


@pytest.fixture(scope="module")
def rgb(tmp_path_factory: pytest.TempPathFactory) -> Generator:
    folder = write_diffusion_folder(
        tmp_path_factory.mktemp("generator") / "rgb", channels=3, text="bert", max_length=24
    )
    return load_generator(folder, "cpu")


def radiograph(seed: int, height: int = 40, width: int = 30) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 65536, (height, width), dtype=np.uint16)


def test_images_are_grayscale_bytes_from_one_and_three_channel_models(generator: Generator, rgb: Generator) -> None:
    for model in (generator, rgb):
        images = model.generate(["clear lungs", "effusion"], [1, 2], FAST)
        assert images.shape == (2, 32, 32) and images.dtype == np.uint8
        assert images.std() > 0


def test_an_image_depends_on_its_prompt_and_seed_and_not_on_its_neighbours(generator: Generator) -> None:
    pair = generator.generate(["clear lungs", "effusion"], [1, 2], FAST).astype(int)
    alone = generator.generate(["effusion"], [2], FAST).astype(int)
    assert np.abs(pair[1] - alone[0]).max() <= 1
    assert np.abs(generator.generate(["effusion"], [3], FAST).astype(int) - alone).max() > 1
    assert np.abs(generator.generate(["clear lungs"], [2], FAST).astype(int) - alone).max() > 0


def test_the_size_is_a_setting(generator: Generator) -> None:
    assert generator.generate(["heart"], [1], replace(FAST, size=48)).shape == (1, 48, 48)
    with pytest.raises(UsageError, match="multiple of 2"):
        generator.generate(["heart"], [1], replace(FAST, size=33))


@pytest.mark.parametrize(
    ("kind", "cls"),
    [("dpmsolver++", DPMSolverMultistepScheduler), ("ddim", DDIMScheduler), ("unipc", UniPCMultistepScheduler)],
)
def test_schedulers_keep_the_models_noise_schedule(generator: Generator, kind: str, cls: type) -> None:
    own = generator.pipeline.scheduler
    made = make_scheduler(own, kind)
    assert isinstance(made, cls)
    assert np.allclose(made.alphas_cumprod, own.alphas_cumprod)
    assert made.config.prediction_type == own.config.prediction_type
    generator.generate(["heart"], [1], replace(FAST, scheduler=kind))
    assert generator.pipeline.scheduler is own


def test_ddim_takes_trailing_steps_and_the_models_own_scheduler_stays_its_own(generator: Generator) -> None:
    ddim = make_scheduler(generator.pipeline.scheduler, "ddim")
    ddim.set_timesteps(10)
    assert int(ddim.timesteps[0]) == 999
    own = make_scheduler(generator.pipeline.scheduler, "model")
    assert own.config.timestep_spacing == "leading" and own is not generator.pipeline.scheduler
    with pytest.raises(UsageError, match="Choose one of"):
        make_scheduler(own, "euler")


def test_a_strength_starts_from_the_source_image(generator: Generator, rgb: Generator) -> None:
    config = replace(FAST, steps=6)
    for model in (generator, rgb):
        near = model.generate(["heart"], [1], replace(config, strength=0.2), [radiograph(1)])
        other = model.generate(["heart"], [1], replace(config, strength=0.2), [radiograph(2)])
        assert near.shape == (1, 32, 32)
        assert np.abs(near.astype(int) - other.astype(int)).max() > 0
    with pytest.raises(UsageError, match="source images"):
        generator.generate(["heart"], [1], replace(config, strength=0.5))
    for strength in (0.0, 1.5, 0.1):
        with pytest.raises(UsageError, match=r"strength"):
            generator.generate(["heart"], [1], replace(config, strength=strength), [radiograph(1)])


def test_what_lies_beyond_the_token_limit_is_shown(generator: Generator) -> None:
    read, unread = generator.fit(LONG)
    assert f"{read} {unread}" == LONG
    assert generator.max_tokens == 20 and len(read.split()) <= 18
    assert generator.unread("heart is normal") == ""
    assert generator.as_read(read) == read


@settings(max_examples=60, deadline=None)
@given(words=st.lists(st.sampled_from([*WORDS, "johnson", "unspellable-word", "a,b"]), max_size=40))
def test_no_word_is_ever_cut_in_half(generator: Generator, words: list[str]) -> None:
    text = " ".join(words)
    read, unread = generator.fit(text)
    assert read.split() + unread.split() == words
    assert len(generator.pipeline.tokenizer(read)["input_ids"]) <= generator.max_tokens


def test_no_safety_checker_and_no_progress_bar_run(generator: Generator, capsys: pytest.CaptureFixture[str]) -> None:
    assert generator.pipeline.safety_checker is None
    generator.generate(["heart"], [1], FAST)
    assert capsys.readouterr().err == ""


def test_parts_are_assembled_from_sub_folders_and_from_a_mapping(tmp_path: Path) -> None:
    whole = write_diffusion_folder(tmp_path / "whole", channels=3, text="bert")
    for file in (whole / "tokenizer").iterdir():
        shutil.copy(file, whole / "text_encoder")
    (whole / "model_index.json").unlink()
    inside = load_generator(whole, "cpu")
    apart = {part: str(whole / part) for part in ("unet", "vae", "text_encoder")}
    mapped = load_generator("radedit", "cpu", apart)
    for model in (inside, mapped):
        assert isinstance(model.pipeline.scheduler, DDIMScheduler)
        assert model.pipeline.scheduler.config.timestep_spacing == "trailing"
        assert model.max_tokens == 20
    assert (inside.generate(["heart"], [1], FAST) == mapped.generate(["heart"], [1], FAST)).all()


def test_a_text_encoder_with_a_language_head_gives_the_same_features_as_plain_bert(tmp_path: Path) -> None:
    import torch
    from transformers import BertConfig, BertForMaskedLM, BertModel

    torch.manual_seed(0)
    config = BertConfig(vocab_size=50, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16)
    full = BertForMaskedLM(config).eval()
    full.save_pretrained(tmp_path)
    plain = BertModel.from_pretrained(tmp_path, add_pooling_layer=False).eval()
    ids = torch.tensor([[2, 7, 9, 3]])
    assert torch.equal(plain(ids)[0], full.bert(ids)[0])


def test_what_is_missing_is_named_with_the_remedy(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(ModelUnavailable, match=r"model_index\.json"):
        load_generator(tmp_path)
    broken = tmp_path / "broken"
    shutil.copytree(folder, broken)
    next((broken / "unet").glob("*.safetensors")).write_bytes(b"short")
    with pytest.raises(ModelUnavailable, match="whole diffusers pipeline"):
        load_generator(broken)


def test_the_digest_follows_the_weights(tmp_path: Path, folder: Path, generator: Generator) -> None:
    copy = shutil.copytree(folder, tmp_path / "copy")
    assert load_generator(copy, "cpu").digest == generator.digest
    other = write_diffusion_folder(tmp_path / "other", seed=1)
    assert load_generator(other, "cpu").digest != generator.digest


def test_a_model_in_a_folder_is_told_as_one_even_where_its_path_looks_like_a_hub_id(tmp_path, monkeypatch):
    from updp_core.backends.files import stated
    from updp_core.release.allowed import model

    (tmp_path / "models-of-dr-quill" / "mercy").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert model(stated("models-of-dr-quill/mercy")) == "a model of the sender"
    assert model(stated("stanfordmimi/RoentGen-v2")) == "stanfordmimi/RoentGen-v2"
