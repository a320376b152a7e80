"""Identity-blocking: which patches are blocked, what stands in their place, and how little the code may tell."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.test_obfuscators import made_by, radiograph, record
from updp_core.backends import blocking
from updp_core.backends.blocking import Blocker, BlockingShape, blocked, composed, enlarged, load_blocker, rate
from updp_core.backends.encoder import Encoder, load_encoder
from updp_core.config import STARTER, Settings
from updp_core.domain import MethodInput
from updp_core.errors import ModelUnavailable
from updp_core.intake.pixels import letterbox
from updp_core.lexicon import load_lexicon
from updp_core.methods import METHODS, make_method
from updp_core.training.blocking import BlockingTrainer, features_of, train_blocker
from updp_core.training.loop import Schedule

SHAPE = BlockingShape("eyes", features=6, findings=3, size=32, grid=4, code=3, channels=4, levels=2, widths=(4, 8))


def net(shape: BlockingShape = SHAPE) -> Blocker:
    torch.manual_seed(1)
    return Blocker(shape).eval()


@cache
def eyes() -> Encoder:
    return load_encoder(STARTER / "encoder", "cpu")


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Random weights that fit the starter's encoder."""
    folder = tmp_path_factory.mktemp("blocker")
    features = int(eyes().encode_image([radiograph(1)]).shape[1])
    blocking.save_blocker(net(replace(SHAPE, encoder=eyes().digest, features=features, size=64)), folder)
    yield str(folder)


def made(weights: str, *items: MethodInput, **changes: float) -> Any:
    return made_by(make_method("identity-blocking", Settings(), load_lexicon(), {"model": weights, **changes}), *items)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 50), min_size=16, max_size=16), st.floats(0, 1))
def test_the_share_rho_of_patches_is_blocked_and_none_that_identifies_less_than_one_left(
    values: list[int], rho: float
) -> None:
    saliency = torch.tensor(values, dtype=torch.float32).view(1, 4, 4)
    mask = blocked(saliency, rho)[0, 0].bool()
    assert int(mask.sum()) == round(rho * 16)
    if mask.any() and not mask.all():
        assert saliency[0][mask].min() >= saliency[0][~mask].max()


def test_the_saliency_of_a_patch_is_the_verifier_s_gradient_times_what_turns_grey() -> None:
    one, x = net(), torch.rand(2, 1, 32, 32, generator=torch.Generator().manual_seed(2))
    here = x.clone().requires_grad_(True)
    (one.verifier.identity_head(one.verifier.features(here)).square().sum() / 2).backward()
    assert here.grad is not None
    by_pixel = (here.grad * (x - 0.5)).abs().view(2, 4, 8, 4, 8)
    assert torch.allclose(one.saliency(x), by_pixel.mean(dim=(2, 4)), rtol=1e-4, atol=1e-9)
    grey = x.clone()
    grey[..., :8, :8] = 0.5  # a patch that holds nothing identifies nobody
    assert float(one.saliency(grey)[0, 0, 0]) == 0


def test_the_decoder_sees_nothing_of_a_blocked_patch_and_all_else_stays_to_the_pixel() -> None:
    one, x = net(), torch.rand(1, 1, 32, 32, generator=torch.Generator().manual_seed(3))
    mask, code = torch.zeros(1, 1, 4, 4), torch.randn(1, 3)
    mask[..., 1, 2] = 1
    hidden = enlarged(mask, 32).bool()
    other = torch.where(hidden, torch.rand_like(x), x)
    first, second = (composed(y, mask, one.draw(y, mask, code)) for y in (x, other))
    assert torch.equal(first, second), "what is blocked reaches the result by the code alone"
    assert torch.equal(first[~hidden], x[~hidden]) and not torch.allclose(first[hidden], x[hidden], atol=1e-2)


def test_the_rate_is_the_divergence_of_the_code_from_what_tells_nothing() -> None:
    mean, spread = torch.randn(4, 5), torch.randn(4, 5)
    normal = torch.distributions.Normal
    theirs = torch.distributions.kl_divergence(normal(mean, (spread / 2).exp()), normal(0.0, 1.0)).sum(dim=1)
    assert torch.allclose(rate(mean, spread), theirs, atol=1e-4)
    assert float(rate(torch.zeros(1, 5), torch.zeros(1, 5))) == 0


def test_with_rho_0_the_source_comes_back_and_otherwise_outside_of_the_blocked_patches(weights: str) -> None:
    item = record(4)
    source = np.round(letterbox(item.image, 256) / 65535 * 255)
    [back] = made(weights, item, rho=0.0)
    assert back.image is not None and np.abs(back.image - source).max() <= 1 and back.method_evidence["blocked"] == 0
    [half] = made(weights, item, rho=0.5)
    same = (np.abs(half.image - source) <= 1).reshape(4, 64, 4, 64).all(axis=(1, 3))
    assert same.sum() == 8 and half.method_evidence["blocked"] == 0.5 and half.method_evidence["code_bits"] > 0
    [again] = made(weights, item, rho=0.5)
    assert (again.image == half.image).all(), "the seed draws the code"


def test_a_record_that_fails_says_why_and_the_others_go_on(weights: str) -> None:
    broken = MethodInput("bad", np.zeros((4, 4, 3), np.uint16), "", "")
    first, bad, last = made(weights, record(1), broken, record(2))
    assert first.image is not None and last.image is not None and bad.image is None and bad.error


def test_weights_of_another_encoder_and_missing_ones_are_refused_with_the_remedy(weights: str, tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable, match="another encoder"):
        load_blocker(Path(weights), lambda: "another", "cpu")
    with pytest.raises(ModelUnavailable, match="train identity-blocking"):
        load_blocker(tmp_path, lambda: "", "cpu")


def test_it_says_that_it_is_inspired_by_a_paper_and_not_the_paper_s() -> None:
    assert "inspired by" in METHODS["identity-blocking"].title


def test_training_goes_on_where_it_stopped_and_a_dear_code_tells_less(tmp_path: Path) -> None:
    images = np.stack([(radiograph(n, 32) >> 8).astype(np.uint8) for n in range(8)])
    rng = np.random.default_rng(1)
    features, patients = rng.normal(size=(8, 6)).astype(np.float32), np.repeat(np.arange(4), 2)
    targets = rng.integers(0, 2, (8, 3)).astype(np.float32)
    given_ = (images, features, patients, targets)
    whole, run = train_blocker(*given_, tmp_path / "whole", Schedule(12, ema=0.5), SHAPE)
    train_blocker(*given_, tmp_path / "parts", Schedule(6, decay=0.0, ema=0.5), SHAPE)
    again, parts = train_blocker(*given_, tmp_path / "parts", Schedule(12, ema=0.5), SHAPE)
    assert parts.step == run.step == 12 and {"attack", "privacy", "rate", "likeness"} <= set(run.losses)
    seen = torch.from_numpy(features)
    one, two = (made_.code(seen, torch.full((8,), 0.1))[0] for made_ in (whole, again))
    assert torch.allclose(one, two, atol=1e-2)
    cheap, dear = (float(rate(*whole.code(seen, torch.full((8,), b))).mean()) for b in blocking.BETA)
    assert dear < cheap
    blocking.save_blocker(whole, tmp_path / "net")
    kept = load_blocker(tmp_path / "net", lambda: "eyes", "cpu")
    x, mask, code = torch.rand(1, 1, 32, 32), torch.ones(1, 1, 4, 4), torch.zeros(1, 3)
    assert torch.allclose(kept.draw(x, mask, code), whole.draw(x, mask, code), atol=1e-2)
    assert json.loads((tmp_path / "net" / "config.json").read_text())["encoder"] == "eyes"


def test_the_adversary_and_the_ranking_share_one_verifier() -> None:
    module = BlockingTrainer(SHAPE)
    assert module.blocker.verifier is module.critic.net


def test_what_the_encoder_sees_is_kept_and_gone_on_from(tmp_path: Path) -> None:
    class Eyes:
        asked = 0

        def encode_image(self, images: list[np.ndarray]) -> torch.Tensor:
            self.asked += len(images)
            return torch.tensor([[float(image.sum())] for image in images])

    images, one, file = np.arange(5 * 4, dtype=np.uint8).reshape(5, 2, 2), Eyes(), tmp_path / "seen.npy"
    features_of(one, images[:3], file)  # type: ignore[arg-type]
    found = features_of(one, images, file)  # type: ignore[arg-type]
    assert one.asked == 5 and (found[:, 0] == images.sum(axis=(1, 2))).all()
