"""Image augmentation that keeps side and findings: small shifts, turns and zooms, exposure, contrast, noise."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F


def load(images: np.ndarray, index: np.ndarray) -> torch.Tensor:
    """Images of uint8 (N, S, S) at `index` as float32 (B, 1, S, S) in 0..1."""
    return torch.from_numpy(np.ascontiguousarray(images[np.asarray(index)])).float().div_(255)[:, None]


def jitter(x: torch.Tensor, rng: np.random.Generator, strength: float = 1.0) -> torch.Tensor:
    """Images (B, 1, S, S) in 0..1, each moved by up to 5%, turned by up to 5 degrees, scaled by up to 8%, with another
    exposure, contrast and a little noise; never mirrored."""
    n = len(x)
    turn = np.radians(rng.uniform(-5, 5, n)) * strength
    zoom = 1 + rng.uniform(-0.08, 0.08, n) * strength
    move = rng.uniform(-0.1, 0.1, (n, 2)) * strength  # in units of half the image
    theta = np.zeros((n, 2, 3), np.float32)
    theta[:, 0, 0], theta[:, 0, 1] = np.cos(turn) * zoom, -np.sin(turn) * zoom
    theta[:, 1, 0], theta[:, 1, 1] = np.sin(turn) * zoom, np.cos(turn) * zoom
    theta[:, :, 2] = move
    grid = F.affine_grid(torch.from_numpy(theta).to(x.device), list(x.shape), align_corners=False)
    x = F.grid_sample(x, grid, padding_mode="zeros", align_corners=False)
    shape = (n, 1, 1, 1)
    gamma = torch.from_numpy(np.exp(rng.normal(0, 0.15 * strength, shape)).astype(np.float32)).to(x.device)
    gain = torch.from_numpy(np.exp(rng.normal(0, 0.06 * strength, shape)).astype(np.float32)).to(x.device)
    grain = torch.from_numpy(rng.uniform(0, 0.02 * strength, shape).astype(np.float32)).to(x.device)
    x = x.clamp_min(1e-4).pow(gamma) * gain + grain * torch.randn_like(x)
    return x.clamp(0, 1)
