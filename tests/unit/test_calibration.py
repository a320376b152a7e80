"""What is folded into the judges after their training: blindness to findings, and honest probabilities."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from updp_core.backends.judges import JudgeNetwork, JudgeShape
from updp_core.training.calibration import WRONG, blind, calibrate, limit


@pytest.fixture
def net() -> JudgeNetwork:
    torch.manual_seed(0)
    return JudgeNetwork(JudgeShape(("edema", "nodule"), 20, 64, (8, 16), (1, 1), 8, 8, 8)).eval()


def _embedded(net: JudgeNetwork, features: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        return net.identity_head(torch.from_numpy(features)).numpy()


def test_no_linear_reader_tells_a_finding_from_the_likeness_any_more(net) -> None:
    rng = np.random.default_rng(0)
    truth = (rng.random((400, 2)) < 0.4).astype(np.float32)
    features = rng.normal(size=(400, 32)).astype(np.float32)
    features[:, :2] += 3 * truth
    before = _embedded(net, features)
    blind(net, features, truth)
    after = _embedded(net, features)

    def told(z: np.ndarray) -> float:
        return float(np.abs(z[truth[:, 0] > 0].mean(axis=0) - z[truth[:, 0] == 0].mean(axis=0)).max())

    assert told(before) > 0.1 and told(after) < 1e-4
    np.testing.assert_allclose(after.mean(axis=0), before.mean(axis=0), atol=1e-4)
    assert np.corrcoef(before.ravel(), after.ravel())[0, 1] > 0.5, "what does not tell of findings stays"


def test_answers_become_probabilities(net) -> None:
    rng = np.random.default_rng(1)
    features = rng.normal(size=(3000, 32)).astype(np.float32)
    with torch.no_grad():
        logits = net.finding_head(torch.from_numpy(features)).numpy()
        spread = logits.std(axis=0)
        net.finding_head.weight *= torch.from_numpy(4 / spread)[:, None]  # far too sure
        net.finding_head.bias.fill_(2.0)
    truth = (rng.random(logits.shape) < 1 / (1 + np.exp(-logits / spread))).astype(np.float32)
    present = calibrate(net, features, truth)
    with torch.no_grad():
        told = net.finding_head(torch.from_numpy(features)).sigmoid().numpy()
    assert set(present) == {"edema", "nodule"}
    for low, high in ((0.2, 0.4), (0.6, 0.8)):
        some = (told >= low) & (told < high)
        assert truth[some].mean() == pytest.approx(told[some].mean(), abs=0.06)


def test_a_finding_counts_as_seen_nearest_to_a_half_where_few_are_invented_and_few_lost() -> None:
    clear, there = np.repeat([0.1, 0.9], 50), np.repeat([False, True], 50)
    assert limit(clear, there) == 0.5
    shy = np.where(there, 0.3, 0.1)  # at a half all would be lost
    assert limit(shy, there) == pytest.approx(0.2)
    mixed = np.random.default_rng(0).random(200)
    found = limit(mixed, mixed > 0.4)
    assert ((mixed >= found) != (mixed > 0.4)).mean() <= 2 * WRONG and abs(found - 0.4) < 0.05


def test_a_finding_that_nobody_has_stays_as_it_is(net) -> None:
    before = net.finding_head.weight.clone()
    features = np.random.default_rng(0).normal(size=(10, 32)).astype(np.float32)
    assert calibrate(net, features, np.zeros((10, 2), np.float32)) == {"edema": 0.5, "nodule": 0.5}
    assert torch.equal(before, net.finding_head.weight)
