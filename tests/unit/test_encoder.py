"""What an encoder promises beyond its numbers: gradients, an untouched model, names of its files, errors that help."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.tiny_models import write_bert_clip_folder, write_clip_folder
from updp_core.backends.encoder import Encoder, load_encoder
from updp_core.config import PromptConfig
from updp_core.errors import ModelUnavailable
from updp_core.lexicon import load_lexicon
from updp_core.prompt.constraint import Constraint
from updp_core.prompt.optimise import optimise

FAST = PromptConfig(length=8, steps=6, projections=2, learning_rate=1.0)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("encoders")
    return {"clip": write_clip_folder(root / "clip"), "bert": write_bert_clip_folder(root / "bert")}


@pytest.fixture(scope="module", params=["clip", "bert"])
def encoder(request: pytest.FixtureRequest, folders: dict[str, Path]) -> Encoder:
    return load_encoder(folders[request.param], "cpu")


def radiograph(seed: int, height: int = 40, width: int = 40) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 65536, (height, width), dtype=np.uint16)


def state_hash(encoder: Encoder) -> str:
    parts = [v.detach().numpy().tobytes() for _, v in sorted(encoder.model.state_dict().items())]
    return hashlib.sha256(b"".join(parts)).hexdigest()


def test_gradients_reach_the_content_embeddings_and_no_parameter(encoder: Encoder) -> None:
    content, mask = encoder.embed([encoder.encode_ids("no effusion"), encoder.encode_ids("heart")])
    content = content.clone().requires_grad_(True)
    encoder.encode_embeddings(content, mask)[:, 0].sum().backward()
    assert content.grad is not None
    assert (content.grad[mask].abs().sum(dim=-1) > 0).all()
    assert (content.grad[~mask] == 0).all()
    assert all(p.grad is None and not p.requires_grad for p in encoder.model.parameters())


def test_optimising_prompts_leaves_the_model_as_it_was(encoder: Encoder) -> None:
    before = state_hash(encoder)
    constraint = Constraint(load_lexicon(), encoder)
    prompts = optimise(
        encoder, constraint, [radiograph(1), radiograph(2)], ["pleural effusion", "clear lungs"], FAST, [1, 2]
    )
    assert state_hash(encoder) == before
    assert not encoder.model.training
    for prompt in prompts:
        assert prompt.alignment_soft > prompt.alignment_before
        assert not constraint.check(prompt.text)


def test_a_record_aligns_alone_as_in_a_padded_batch(encoder: Encoder) -> None:
    constraint = Constraint(load_lexicon(), encoder)
    texts = ["small right pleural effusion with mild atelectasis", "clear", ""]
    pictures = [radiograph(n) for n in range(3)]
    together = optimise(encoder, constraint, pictures, texts, FAST, [5, 6, 7])
    for n, prompt in enumerate(together):
        alone = optimise(encoder, constraint, pictures[n : n + 1], texts[n : n + 1], FAST, [5 + n])[0]
        assert alone.text == prompt.text
        assert np.allclose(alone.trace, prompt.trace, atol=1e-4)


def test_wide_and_high_images_are_padded_and_not_cropped_or_stretched(encoder: Encoder) -> None:
    image = radiograph(1, 40, 20)
    padded = np.zeros((40, 40), dtype=np.uint16)
    padded[:, 10:30] = image
    assert torch.allclose(encoder.encode_image([image]), encoder.encode_image([padded]), atol=1e-6)


def test_features_have_length_one(encoder: Encoder) -> None:
    images, texts = encoder.encode_image([radiograph(1)]), encoder.encode_text(["heart", ""])
    assert torch.allclose(torch.cat([images, texts]).norm(dim=-1), torch.ones(3).to(images), atol=1e-5)


def test_decoding_gives_back_the_words_of_a_report(encoder: Encoder) -> None:
    text = "no pleural effusion, the heart is normal. dextroscoliosis"
    assert encoder.decode(encoder.encode_ids(text)) == text
    assert len(encoder.vocabulary) == len(encoder.token_table)


def test_the_digest_names_the_files_and_follows_any_change(tmp_path: Path) -> None:
    first = write_bert_clip_folder(tmp_path / "a")
    again = write_bert_clip_folder(tmp_path / "b")
    other = write_bert_clip_folder(tmp_path / "c", seed=1)
    digests = [load_encoder(folder, "cpu").digest for folder in (first, again, other)]
    assert digests[0] == digests[1] != digests[2]
    config = json.loads((first / "tokenizer_config.json").read_text())
    (first / "tokenizer_config.json").write_text(json.dumps(config | {"do_lower_case": False}))
    assert load_encoder(first, "cpu").digest != digests[0]


def test_a_folder_may_be_moved_after_it_was_written(tmp_path: Path) -> None:
    folder = write_bert_clip_folder(tmp_path / "here")
    moved = folder.rename(tmp_path / "there")
    assert load_encoder(f"local-dir:{moved}", "cpu").encode_text(["heart"]).shape == (1, 24)


def test_what_is_missing_is_named_with_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ModelUnavailable, match="no folder"):
        load_encoder(f"local-dir:{tmp_path / 'nowhere'}")
    with pytest.raises(ModelUnavailable, match=r"open_clip_config\.json"):
        load_encoder(tmp_path)
    folder = write_bert_clip_folder(tmp_path / "m")
    (folder / "open_clip_model.safetensors").rename(tmp_path / "w")
    with pytest.raises(ModelUnavailable, match="no weights"):
        load_encoder(folder)
    (folder / "open_clip_model.safetensors").write_bytes((tmp_path / "w").read_bytes()[:1000])
    with pytest.raises(ModelUnavailable, match="whole"):
        load_encoder(folder)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ModelUnavailable, match="offline"):
        load_encoder("hf-hub:nobody/no-such-model")


def test_a_prompt_longer_than_the_context_is_refused(encoder: Encoder) -> None:
    from updp_core.errors import UsageError

    constraint = Constraint(load_lexicon(), encoder)
    with pytest.raises(UsageError, match="prompt length"):
        optimise(encoder, constraint, [radiograph(1)], ["x"], replace(FAST, length=encoder.max_content + 1), [1])
