"""Methods that keep source pixels: what each computes, its slider at zero, and that none leaves by default."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from tests.unit.workbench_kit import OFFICER, READER, hush, last, made, measure_all_clear, workbench
from updp_core.backends.generator import latents_of, load_generator
from updp_core.backends.obfuscator import UNet, UNetShape, load_unet, redraw, save_unet, smooth, warp
from updp_core.config import STARTER, GeneratorConfig, Settings
from updp_core.domain import MethodInput, Proposal
from updp_core.errors import ModelUnavailable, UsageError
from updp_core.intake.pixels import letterbox
from updp_core.lexicon import load_lexicon
from updp_core.methods import METHODS, Method, config_of, make_method
from updp_core.training.loop import Schedule
from updp_core.training.obfuscator import ObfuscatorConfig, train_obfuscator, verification_loss
from updp_core.workbench.policy import may_leave

SLIDERS = {"prichexy-net": "mu", "privacy-net": "share"}
KEEPERS = ("dp-pix", "updp-image", "identity-blocking", *SLIDERS)


def radiograph(seed: int, side: int = 96) -> np.ndarray:
    """Smooth light and shade, uint16."""
    noise = np.random.default_rng(seed).random((side, side))
    field = gaussian_filter(noise, 6)
    return ((field - field.min()) / np.ptp(field) * 65535).astype(np.uint16)


def record(seed: int) -> MethodInput:
    return MethodInput(f"r{seed}", radiograph(seed), "Report.", "Report.")


def made_by(method: Method, *records: MethodInput) -> list[Proposal]:
    return [p for step in method.propose(records, seeds=range(len(records))) for p in step.proposals]


def test_the_field_is_smoothed_by_a_9_by_9_gaussian_of_sigma_2_with_repeated_edges() -> None:
    field = torch.from_numpy(np.random.default_rng(1).uniform(-1, 1, (2, 2, 24, 20)).astype(np.float32))
    ours = smooth(field).numpy()
    for n in range(2):
        for axis in range(2):
            theirs = gaussian_filter(field[n, axis].numpy(), 2.0, truncate=2.0, mode="nearest")
            assert np.allclose(ours[n, axis], theirs, atol=1e-5)


def test_a_constant_field_moves_image_and_mask_alike_by_mu_half_sides() -> None:
    image = torch.from_numpy(np.random.default_rng(2).random((1, 1, 32, 32)).astype(np.float32))
    mask = (image > 0.7).float()
    field = torch.zeros(1, 2, 8, 8)
    field[:, 0] = 1.0  # x
    mu = 3 * 2 / 32  # three pixels
    for moved, source in ((warp(image, field, mu), image), (warp(mask, field, mu, mode="nearest"), mask)):
        assert torch.allclose(moved[..., 3:], source[..., :-3], atol=1e-5)
        assert torch.allclose(moved[..., :3], source[..., :1].expand(-1, -1, -1, 3), atol=1e-5), "the border repeats"


def test_the_verification_loss_of_a_fixed_case() -> None:
    p = torch.tensor([0.5, 0.9])
    assert float(verification_loss(torch.logit(p))) == pytest.approx((np.log(2) + np.log(10)) / 2, rel=1e-5)


def test_a_warp_of_zero_and_a_share_of_zero_give_the_image_back() -> None:
    image = torch.rand(1, 1, 40, 40)
    assert torch.allclose(warp(image, torch.rand(1, 2, 8, 8), 0.0), image, atol=1e-5)
    assert torch.equal(redraw(image, torch.rand(1, 1, 8, 8), 0.0), image)


@pytest.mark.parametrize("name", SLIDERS)
def test_at_zero_a_method_gives_the_source_back_and_by_default_not(name: str) -> None:
    item = record(4)
    source = letterbox(item.image, 256) / 65535 * 255
    [back] = made_by(make_method(name, Settings(), load_lexicon(), {SLIDERS[name]: 0.0}), item)
    assert back.image is not None and np.abs(back.image - source).max() <= 0.51
    method = make_method(name, Settings(), load_lexicon())
    [altered] = made_by(method, item)
    assert altered.image is not None and altered.image.shape == (256, 256)
    assert np.abs(altered.image - source).max() > 5 and altered.method_evidence and not altered.error
    assert len(method.settings()["obfuscator"]["sha256"]) == 64


@pytest.mark.parametrize("name", SLIDERS)
def test_a_record_that_fails_says_why_and_the_others_go_on(name: str) -> None:
    broken = MethodInput("bad", np.zeros((4, 4, 3), np.uint16), "", "")
    first, bad, last = made_by(make_method(name, Settings(), load_lexicon()), record(1), broken, record(2))
    assert first.image is not None and last.image is not None and bad.image is None and bad.error


@pytest.mark.parametrize("name", SLIDERS)
def test_weights_that_are_not_there_are_told_with_the_remedy(name: str, tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable, match=f"train {name}"):
        make_method(name, Settings(), load_lexicon(), {"model": str(tmp_path)})


@pytest.mark.parametrize("name", KEEPERS)
def test_what_keeps_source_pixels_stays_in_the_house_unless_the_policy_names_it(name: str) -> None:
    settings = asdict(config_of(name, Settings()))
    policy: Any = {"methods": {}}
    assert METHODS[name].derivation(settings).source_pixels and not may_leave(policy, name, settings)
    assert may_leave({"methods": {name: {"release": True}}}, name, settings)  # type: ignore[typeddict-item]
    assert not may_leave({"methods": {"updp": {"release": True}}}, name, settings)  # type: ignore[typeddict-item]


def test_a_pair_with_source_pixels_is_warned_of_and_never_approved_in_a_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hush(monkeypatch), measure_all_clear(monkeypatch)
    bench = workbench(tmp_path)
    bench.set_policy({"methods": {"dp-pix": {"release": True}}}, actor=OFFICER)
    words, pixels = made(bench, 2)
    last(bench.regenerate(pixels, method="dp-pix", actor=READER))
    for _ in range(2):
        states = {r: {g["name"]: g["state"] for g in bench.show(r, actor=READER)["gates"]} for r in (words, pixels)}
        assert states[words]["source_pixels"] == "clear" and states[pixels]["source_pixels"] == "warn"
        assert bench.approve_preview(actor=READER)["sample"] == [words]
        assert bench.audit_verify(actor=OFFICER)["ok"]
        bench.close()
        (tmp_path / "gates.rules").unlink()  # as in a workspace of an earlier version: graded anew when it is opened
        bench = workbench(tmp_path)
    bench.close()


@pytest.mark.parametrize("kind", ["warp", "image"])
def test_training_goes_on_where_it_stopped_and_its_network_is_kept(kind: Any, tmp_path: Path) -> None:
    images = np.stack([(radiograph(n, 32) >> 8).astype(np.uint8) for n in range(8)])
    patients, targets = np.repeat(np.arange(4), 2), np.random.default_rng(1).integers(0, 2, (8, 3)).astype(np.float32)
    config = ObfuscatorConfig(patients=3, size=32, widths=(4, 8))
    shape = UNetShape(kind, 16, 4, 2)
    whole, _ = train_obfuscator(images, patients, targets, tmp_path / "whole", Schedule(4), shape, config)
    train_obfuscator(images, patients, targets, tmp_path / "parts", Schedule(2, decay=0.0), shape, config)
    parts, run = train_obfuscator(images, patients, targets, tmp_path / "parts", Schedule(4), shape, config)
    assert run.step == 4
    x = torch.rand(1, 1, 32, 32)
    assert torch.allclose(whole(x), parts(x), atol=1e-2)
    start = UNet(shape).eval()
    assert not torch.allclose(start(x), whole(x), atol=1e-3)
    save_unet(whole, tmp_path / "net")
    assert torch.allclose(load_unet(tmp_path / "net", "prichexy-net", kind, "cpu")(x), whole(x), atol=1e-2)
    other = "image" if kind == "warp" else "warp"
    with pytest.raises(ModelUnavailable, match="cannot be loaded"):
        load_unet(tmp_path / "net", "prichexy-net", other, "cpu")  # type: ignore[arg-type]


def test_a_strength_near_zero_gives_the_source_back_as_the_autoencoder_keeps_it() -> None:
    generator = load_generator(STARTER / "generator", "cpu")
    image = radiograph(3, generator.size)
    config = GeneratorConfig(steps=50, guidance_scale=1.0, strength=0.02)
    [made] = generator.generate(["chest radiograph"], [1], config, [image])
    with torch.no_grad():
        vae = generator.pipeline.vae
        x = torch.from_numpy(image / 65535).to(vae.dtype)[None, None].expand(-1, vae.config.in_channels, -1, -1)
        kept = vae.decode(latents_of(vae, x), return_dict=False)[0].float().mean(dim=1)[0].numpy() / 2 + 0.5
    there = np.abs(made / 255 - np.clip(kept, 0, 1)).mean()
    elsewhere = np.abs(made / 255 - radiograph(9, generator.size) / 65535).mean()
    assert there < 0.05 < elsewhere
    with pytest.raises(UsageError, match="no step"):
        generator.generate(["chest"], [1], GeneratorConfig(steps=4, strength=0.1), [image])
