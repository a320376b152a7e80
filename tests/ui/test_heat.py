"""Heat maps on the page: one scale for both images, the most telling finding first, colours for every eye."""

from __future__ import annotations

import base64
import re

import numpy as np
import pytest

from ui import ASSETS
from ui.pages.review.viewer import SCALE, pack_heat
from ui.show.evidence import to_map


def heat(*levels: float, probability: float = 0.9) -> dict[str, object]:
    """Fields (8, 8) that are 0 but for `levels` in the middle row."""
    fields = np.zeros((8, 8), np.float32)
    fields[4, : len(levels)] = levels
    return {"probability": probability, "fields": fields}


def unpacked(one: dict[str, object]) -> np.ndarray:
    side = int(str(one["side"]))
    return np.frombuffer(base64.b64decode(str(one["data"])), np.uint8).reshape(side, side)


def test_both_images_share_one_scale_and_what_speaks_against_is_dark() -> None:
    packed = pack_heat({"finding": "edema", "original": heat(0, 0, 0, 8), "synthetic": heat(0, -9, 0, 4)})
    original, synthetic = unpacked(packed["original"]), unpacked(packed["synthetic"])
    assert not packed["faint"] and packed["original"]["probability"] == 0.9
    assert original.max() > 200 and abs(int(synthetic.max()) - original.max() / 2) < 16
    y, x = np.unravel_index(original.argmax(), original.shape)
    assert (y * 8 // original.shape[0], x * 8 // original.shape[1]) == (4, 3)
    assert synthetic[36, 12] == 0


def test_a_finding_that_is_in_neither_image_stays_dark() -> None:
    packed = pack_heat({"finding": "edema", "original": heat(SCALE / 8), "synthetic": heat(0)})
    assert packed["faint"] and unpacked(packed["original"]).max() < 48  # an eighth, and what smoothing overshoots


def test_what_a_role_does_not_see_is_not_sent() -> None:
    packed = pack_heat({"finding": "edema", "original": None, "synthetic": heat(3)})
    assert packed["original"] is None and packed["synthetic"]


def test_lost_findings_come_first_then_stated_ones_then_the_likeliest() -> None:
    evidence = {
        "findings": {
            "report": {"edema": "present", "hernia": "present", "nodule": "absent", "asthma": "present"},
            "original": {"edema": 0.95, "hernia": 0.9, "nodule": 0.02, "fibrosis": 0.4},
            "synthetic": {"edema": 0.9, "hernia": 0.1, "nodule": 0.05, "fibrosis": 0.6},
            "lost": ["hernia"],
            "invented": [],
        }
    }
    offered = to_map(evidence)
    assert [f["name"] for f in offered] == ["hernia", "edema", "fibrosis", "nodule"]  # no judge knows asthma
    assert offered[0]["text"] == "Hernia: 90 % → 10 %, lost"
    assert to_map({}) == []


# --- colours -------------------------------------------------------------------------------------------------

# Machado, Oliveira and Fernandes 2009, table of severity 1.0, on linear RGB.
BLIND = {
    "everybody": np.eye(3),
    "protan": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deutan": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "tritan": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
}


def lab_of_stops(eye: np.ndarray) -> np.ndarray:
    """The viewer's colours in CIELAB (D65), as this eye sees them: (9, 3)."""
    text = (ASSETS / "viewer-draw.js").read_text(encoding="utf-8")
    stops = re.findall(r"#([0-9a-f]{6})", re.search(r"STOPS = \[(.*?)\]", text)[1])  # type: ignore[index]
    srgb = np.array([[int(stop[i : i + 2], 16) for i in (0, 2, 4)] for stop in stops]) / 255
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4) @ eye.T
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    xyz = np.clip(linear, 0, 1) @ to_xyz.T / np.array([0.9505, 1.0, 1.089])
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.stack([116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])], axis=1)


def test_the_colours_are_perceptually_uniform() -> None:
    steps = np.linalg.norm(np.diff(lab_of_stops(BLIND["everybody"]), axis=0), axis=1)
    assert steps.max() / steps.min() < 1.1


@pytest.mark.parametrize("eye", BLIND)
def test_the_colours_keep_their_order_for_every_kind_of_eye(eye: str) -> None:
    lightness = lab_of_stops(BLIND[eye])[:, 0]
    assert (np.diff(lightness) > 4).all()
