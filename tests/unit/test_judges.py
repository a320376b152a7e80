"""The judges as a loaded thing: shapes, norms, errors."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from updp_core.backends.judges import JudgeNetwork, JudgeShape, load_judges, nearest
from updp_core.errors import ModelUnavailable
from updp_core.training.judges import export_judges
from updp_core.training.tokens import build_vocabulary

VOCAB = build_vocabulary(["right pleural effusion", "no pneumothorax"], 300)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    torch.manual_seed(0)
    place = tmp_path_factory.mktemp("judges")
    export_judges(JudgeNetwork(JudgeShape(("a", "b"), len(VOCAB), 64, (8, 8), (1, 1), 12, 10, 8)).eval(), VOCAB, place)
    np.savez(place / "reference.npz", mean=np.zeros(16), std=np.ones(16), bank=np.zeros((3, 16)), train_nearest_p1=1.0)
    return place


def test_each_judge_answers_in_its_promised_shape(folder) -> None:
    judges = load_judges(folder, "cpu")
    images = np.random.default_rng(0).random((5, 64, 64), np.float32)
    assert judges.findings(images).shape == (5, 2)
    np.testing.assert_allclose(np.linalg.norm(judges.identity(images), axis=1), 1, atol=1e-5)
    score = judges.score(images, ["right pleural effusion"] * 5)
    assert score.shape == (5,) and (np.abs(score) <= 1 + 1e-6).all()
    assert judges.nearest(images).shape == (5,)


def test_an_answer_does_not_depend_on_the_images_beside_it_nor_on_the_texts_padding(folder) -> None:
    judges = load_judges(folder, "cpu")
    images = np.random.default_rng(1).random((40, 64, 64), np.float32)
    np.testing.assert_allclose(judges.features(images)[7], judges.features(images[7:8])[0], atol=1e-5)
    texts = ["effusion", "right pleural effusion no pneumothorax right"]
    np.testing.assert_allclose(judges.score(images[:2], texts)[0], judges.score(images[:1], texts[:1])[0], atol=1e-5)


def test_images_of_another_size_are_resized_and_of_another_shape_refused(folder) -> None:
    judges = load_judges(folder, "cpu")
    assert judges.findings(np.zeros((1, 128, 128), np.float32)).shape == (1, 2)
    assert judges.findings(np.zeros((0, 64, 64), np.float32)).shape[0] == 0
    with pytest.raises(ValueError, match="images"):
        judges.findings(np.zeros((1, 64, 32), np.float32))


def test_nearest_is_what_brute_force_finds() -> None:
    rng = np.random.default_rng(0)
    a, bank = rng.normal(size=(300, 6)).astype("f4"), rng.normal(size=(50, 6)).astype("f4")
    expected = np.linalg.norm(a[:, None] - bank[None], axis=-1).min(axis=1)
    np.testing.assert_allclose(nearest(a, bank), expected, atol=1e-3)


@pytest.mark.parametrize("lost", ["config.json", "judges.safetensors", "tokenizer.json", "reference.npz"])
def test_a_missing_file_is_named_with_the_remedy(folder, tmp_path, lost: str) -> None:
    for file in folder.iterdir():
        if file.name != lost:
            (tmp_path / file.name).write_bytes(file.read_bytes())
    with pytest.raises(ModelUnavailable, match=lost) as caught:
        load_judges(tmp_path)
    assert "train judges" in caught.value.remedy


def test_damaged_weights_are_an_unavailable_model(folder, tmp_path) -> None:
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "judges.safetensors").write_bytes(b"damaged")
    with pytest.raises(ModelUnavailable, match="cannot be loaded"):
        load_judges(tmp_path)
