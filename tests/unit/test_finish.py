"""The finishing decoder: it starts as the inverse of the projection, and learns from redrawn latents of known films."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests import tiny_models
from updp_core.backends.generator import latents_of, load_generator
from updp_core.training import autoencoder, finish
from updp_core.training.loop import Schedule

CONFIG = finish.FinishConfig(widths=(16, 32, 64, 256), blocks=(1, 1, 1, 1), shard=4, crop=32, clean=1, redrawn=2)


def quiet(_: str) -> None: ...


@pytest.fixture(scope="module")
def films() -> np.ndarray:
    """Smooth images (8, 64, 64) uint8, each another one."""
    rng = np.random.default_rng(4)
    y, x = np.mgrid[0:64, 0:64] / 64
    waves = [np.sin(rng.uniform(2, 9) * x + rng.uniform(2, 9) * y + rng.uniform(0, 6)) for _ in range(8)]
    return np.stack([(127 + 100 * wave).astype(np.uint8) for wave in waves])


@pytest.fixture(scope="module")
def vae(films):
    config = autoencoder.AutoencoderConfig(latent_channels=12, fitted_on=8)
    return autoencoder.make_autoencoder(config, autoencoder.fit_projection(films, config)).eval()


def pixels(films: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(films)[:, None].float() / 255


@torch.no_grad()
def test_the_wider_decoder_starts_as_the_inverse_of_the_same_encoder(vae, films) -> None:
    x = pixels(films)
    z = latents_of(vae, x)
    wide = finish.widened(vae, z, CONFIG).eval()
    torch.testing.assert_close(latents_of(wide, x), z, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(wide.decode(z).sample, vae.decode(z).sample, atol=0.02, rtol=0)


def test_without_noise_nothing_is_redrawn_and_with_all_noise_nothing_of_the_film_is_left(tmp_path) -> None:
    pipeline = load_generator(tiny_models.write_diffusion_folder(tmp_path / "model"), "cpu").pipeline.to(torch.float32)
    size, channels = pipeline.unet.config.sample_size, pipeline.unet.config.in_channels
    z = torch.randn(2, channels, size, size, generator=torch.Generator().manual_seed(1))

    def again(latents: torch.Tensor, level: float) -> torch.Tensor:
        return finish.redraw(pipeline, latents, ["effusion", "clear"], level, 7, CONFIG, torch.device("cpu"))

    assert (again(z, 0.0) - z).abs().max() < 0.3
    torch.testing.assert_close(again(z, 1.0), again(torch.zeros_like(z), 1.0), atol=1e-3, rtol=1e-3)


def test_the_decoder_learns_to_mend_what_was_redrawn_and_goes_on_where_it_stopped(vae, films, tmp_path) -> None:
    """Latents with the seams of patches, as a diffusion model leaves them, lead back to the film."""
    with torch.no_grad():
        z = latents_of(vae, pixels(films))
    noise = torch.randn(z.shape, generator=torch.Generator().manual_seed(2))
    rough = z + 0.3 * z.std(dim=(0, 2, 3), keepdim=True) * noise
    file = tmp_path / "redrawn-00000.pt"
    torch.save({"index": torch.arange(8), "level": 0.2, "latents": rough.half()}, file)
    wide = finish.widened(vae, z, CONFIG)

    def gap() -> float:
        with torch.no_grad():
            return float((wide.decode(rough).sample / 2 + 0.5 - pixels(films)).abs().mean())

    before = gap()
    for steps in (30, 60):
        schedule = Schedule(steps=steps, learning_rate=3e-4, warmup=5, ema=0.9)
        run = finish.train_finish(wide, films, np.arange(8), [file], tmp_path / "work", schedule, CONFIG, "cpu", quiet)
    assert run.step == 60
    assert gap() < 0.9 * before


def test_what_was_redrawn_is_not_drawn_again(tmp_path) -> None:
    pipeline = load_generator(tiny_models.write_diffusion_folder(tmp_path / "model"), "cpu").pipeline.to(torch.float32)
    side = pipeline.unet.config.sample_size * pipeline.vae_scale_factor
    images = np.random.default_rng(0).integers(0, 255, (4, side, side), dtype=np.uint8)

    def run() -> list:
        return finish.redrawn(
            pipeline, images, np.arange(4), lambda i, rng: "effusion", tmp_path / "r", 8, CONFIG, 1, "cpu", quiet
        )

    stamps = [file.stat().st_mtime_ns for file in run()]
    assert len(stamps) == 2 and [file.stat().st_mtime_ns for file in run()] == stamps
