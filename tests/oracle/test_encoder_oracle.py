"""Our way into open_clip's text towers, held against open_clip's own encode_text and preprocessing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image

from tests.tiny_models import write_bert_clip_folder, write_clip_folder
from updp_core.backends.encoder import Encoder, load_encoder

TEXTS = [
    "no pleural effusion",
    "heart size is normal and the lungs are clear",
    "dextroscoliosis of the spine",
    "rib",
    "",
]
KINDS = {
    "clip": {},
    "clip-custom": {"custom_text": True},
    "clip-eos": {"custom_text": True, "pool_type": "eos", "eos_id": 49407},
    "clip-first": {"custom_text": True, "pool_type": "first"},
    "clip-last": {"custom_text": True, "pool_type": "last"},
    "clip-bidirectional": {"custom_text": True, "no_causal_mask": True},
    "bert": {},
    "bert-pooler": {"pooler": "cls_pooler"},
    "bert-mean": {"pooler": "mean_pooler"},
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("encoders")
    write = {True: write_bert_clip_folder, False: write_clip_folder}
    return {kind: write[kind.startswith("bert")](root / kind, **cfg) for kind, cfg in KINDS.items()}


@pytest.fixture(scope="module")
def encoders(folders: dict[str, Path]) -> dict[str, Encoder]:
    return {kind: load_encoder(folder, "cpu") for kind, folder in folders.items()}


def reference(folder: Path, encoder: Encoder, texts: list[str]) -> torch.Tensor:
    tokenizer = open_clip.get_tokenizer(f"local-dir:{folder}")
    with torch.no_grad():
        return encoder.model.encode_text(tokenizer(texts), normalize=True)


@pytest.mark.parametrize("kind", KINDS)
def test_embeddings_of_a_text_give_what_open_clip_gives_for_the_text(kind: str, folders, encoders) -> None:
    encoder = encoders[kind]
    expected = reference(folders[kind], encoder, TEXTS)
    for text, row in zip(TEXTS, expected, strict=True):
        content, mask = encoder.embed([encoder.encode_ids(text)])
        assert torch.allclose(encoder.encode_embeddings(content, mask)[0], row, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_a_padded_ragged_batch_gives_the_same(kind: str, folders, encoders) -> None:
    encoder = encoders[kind]
    content, mask = encoder.embed([encoder.encode_ids(text) for text in TEXTS])
    content = torch.where(mask[..., None], content, torch.full_like(content, 7.0))  # what pads hold must not matter
    ours = encoder.encode_embeddings(content, mask)
    assert torch.allclose(ours, reference(folders[kind], encoder, TEXTS), atol=1e-5)
    assert torch.allclose(ours, encoder.encode_text(TEXTS), atol=1e-6)


@pytest.mark.parametrize("kind", ["clip", "bert"])
def test_a_text_beyond_the_context_is_cut_as_open_clip_cuts_it(kind: str, folders, encoders) -> None:
    encoder, long = encoders[kind], ["no pleural effusion of the lung " * 40]
    assert torch.allclose(encoder.encode_text(long), reference(folders[kind], encoder, long), atol=1e-5)


@pytest.mark.parametrize("kind", ["clip", "bert"])
def test_square_images_are_prepared_as_open_clip_prepares_them(kind: str, encoders) -> None:
    encoder = encoders[kind]
    rng = np.random.default_rng(1)
    coarse = Image.fromarray(rng.integers(0, 255, (8, 8), dtype=np.uint8))
    image = np.asarray(coarse.resize((90, 90), Image.Resampling.BICUBIC))
    transform = open_clip.transform.image_transform_v2(
        open_clip.transform.PreprocessCfg(**encoder.model.visual.preprocess_cfg), False
    )
    with torch.no_grad():
        theirs = encoder.model.encode_image(
            transform(Image.fromarray(image))[None].to(encoder.token_table), normalize=True
        )
    assert torch.allclose(
        encoder.encode_image([image.astype(np.uint16) * 257]), theirs, atol=5e-3
    )  # they round to 8 bits
    assert torch.allclose(
        encoder.encode_image([image.astype(np.uint16) * 257]), encoder.encode_image([image]), atol=1e-5
    )
