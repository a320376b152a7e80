"""A student that draws in a few steps, and in one pass each, what its teacher draws in many steps of two passes.

Progressive distillation (Salimans and Ho 2022, arXiv:2202.00512) with the guidance taken in (Meng et al. 2023,
arXiv:2210.03142), in one stage: the teacher's sampler is followed from noise to image once, its states at the student's
time steps are kept, and the student learns the velocity with which one DDIM step leads from each state to the next. No
radiograph is needed, captions are enough. The student starts as its teacher and keeps its shape, so that the folder
stays a StableDiffusionPipeline; only the scheduler in it says that fewer steps are enough.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from updp_core.atomic import whole
from updp_core.backends.generator import make_scheduler

from .generator import Caption, noise_schedule, read_texts
from .loop import Run, Schedule, autocast, device_of, train


@dataclass(frozen=True)
class Distillation:
    """`teacher_steps` must be a multiple of `steps`: every n-th state of the teacher is one of the student's.

    `loudness` and `batch` as in `GeneratorShape`; `shard` trajectories are followed at once and kept in one file.
    """

    steps: int = 4
    teacher_steps: int = 12
    guidance: float = 2.5
    batch: int = 24
    shard: int = 16
    loudness: float = 0.3


def few_step_schedule() -> Any:
    """The teacher's noise schedule for DDIM with a last step that ends in a clean latent."""
    from diffusers import DDIMScheduler

    return DDIMScheduler.from_config(dict(noise_schedule().config), set_alpha_to_one=True)


def angles(steps: int) -> tuple[list[int], torch.Tensor]:
    """The student's time steps, and signal and noise (steps + 1, 2) at each and at the end (1, 0)."""
    scheduler = few_step_schedule()
    scheduler.set_timesteps(steps)
    times = [int(t) for t in scheduler.timesteps]
    signal = torch.tensor([float(scheduler.alphas_cumprod[t]) for t in times] + [1.0])
    return times, torch.stack([signal.sqrt(), (1 - signal).clamp(min=0).sqrt()], dim=1)


@torch.no_grad()
def follow(pipeline: Any, texts: Sequence[str], seed: int, config: Distillation, device: torch.device) -> torch.Tensor:
    """States (B, steps + 1, C, h, w) float16 of the teacher `pipeline` on its guided way from noise to latents."""
    if config.teacher_steps % config.steps:
        raise ValueError("The teacher's steps must be a multiple of the student's.")
    unet, size = pipeline.unet, pipeline.unet.config.sample_size
    scheduler = make_scheduler(noise_schedule(), "dpmsolver++")
    scheduler.set_timesteps(config.teacher_steps)
    hidden = hidden_of(pipeline, [*[""] * len(texts), *texts], device)
    shape = (len(texts), unet.config.in_channels, size, size)
    z = torch.randn(shape, generator=torch.Generator().manual_seed(seed)).to(device)
    states = [z]
    for number, t in enumerate(scheduler.timesteps, start=1):
        z = scheduler.step(guided(pipeline, z, t.to(device), hidden, config.guidance), t, z).prev_sample
        if number % (config.teacher_steps // config.steps) == 0:
            states.append(z)
    return torch.stack(states, dim=1).half().cpu()


def trajectories(
    pipeline: Any,
    caption: Caption,
    probability: np.ndarray,
    folder: Path,
    count: int,
    minutes: float | None = None,
    config: Distillation = Distillation(),
    seed: int = 0,
    device: str = "auto",
    say: Callable[[str], None] = print,
) -> list[Path]:
    """Files of `config.shard` trajectories each in `folder`, until there are `count` or the minutes are over; those
    that are there are not made again. Each follows from the seed and its number."""
    place = device_of(device)
    pipeline.to(place)

    def shown(number: int) -> dict[str, Any]:
        rng = np.random.default_rng([seed, 7007, number])
        texts = [caption(int(i), rng) for i in rng.choice(len(probability), config.shard, p=probability)]
        return {"texts": texts, "states": follow(pipeline, texts, seed * 1_000_003 + number, config, place)}

    return shards(folder, count, config.shard, shown, minutes, say)


def shards(
    folder: Path,
    count: int,
    size: int,
    make: Callable[[int], dict[str, Any]],
    minutes: float | None = None,
    say: Callable[[str], None] = print,
) -> list[Path]:
    """Files in `folder` of what `make(number)` gives, `size` examples each, until there are `count` or the minutes are
    over; those that are there are not made again, and at least one is made."""
    end = time.monotonic() + 60 * (minutes or 10**6)
    folder.mkdir(parents=True, exist_ok=True)
    files: list[Path] = []
    for number in range(-(-count // size)):
        file = folder / f"shard-{number:05d}.pt"
        if not file.is_file():
            if time.monotonic() > end and files:
                break
            with whole(file) as part, part.open("wb") as out:
                torch.save(make(number), out)
            if number % 10 == 0:
                say(f"{folder.name}: {size * (number + 1)} of {count}")
        files.append(file)
    return files


@torch.no_grad()
def guided(
    pipeline: Any, z: torch.Tensor, t: torch.Tensor | int, hidden: torch.Tensor, guidance: float
) -> torch.Tensor:
    """What the UNet predicts of z (B, C, h, w) at time t by classifier-free guidance; `hidden` (2B, L, d) is of empty
    texts, then of the texts."""
    with autocast(z.device):
        both = pipeline.unet(torch.cat([z, z]), t, encoder_hidden_states=hidden).sample.float()
    without, told = both.chunk(2)
    return without + guidance * (told - without)


@torch.no_grad()
def hidden_of(pipeline: Any, texts: Sequence[str], device: torch.device) -> torch.Tensor:
    """What the UNet reads of texts (B, L, d), padding masked where the pipeline masks it."""
    ids, mask = read_texts(pipeline.tokenizer, texts, pipeline.tokenizer.model_max_length)
    masked = getattr(pipeline.text_encoder.config, "use_attention_mask", False)
    with autocast(device):
        return pipeline.text_encoder(ids.to(device), attention_mask=mask.to(device) if masked else None)[0].float()


def train_student(
    pipeline: Any,
    files: Sequence[Path],
    work: Path,
    schedule: Schedule,
    config: Distillation = Distillation(),
    device: str = "auto",
    say: Callable[[str], None] = print,
) -> Run:
    """Turn the UNet of the teacher `pipeline` into the student, in place; its scheduler becomes the student's."""
    place = device_of(device)
    stored = [torch.load(file, weights_only=True) for file in files]
    texts = [text for part in stored for text in part["texts"]]
    states = torch.cat([part["states"] for part in stored])
    if states.shape[1] != config.steps + 1:
        raise ValueError(
            f"These trajectories have {states.shape[1] - 1} steps, not {config.steps}: use another folder."
        )
    loudness = states[:, -1].float().std(dim=(0, 2, 3)).to(place) ** config.loudness
    loudness = (loudness / loudness.mean())[:, None, None]
    times, parts = angles(config.steps)
    times_of, parts = torch.tensor(times, device=place), parts.to(place)
    unet = pipeline.unet.to(place).requires_grad_(True)
    pipeline.text_encoder.to(place).eval().requires_grad_(False)

    def batch(rng: np.random.Generator) -> tuple[torch.Tensor, dict[str, float]]:
        index = rng.integers(len(states), size=config.batch)
        # As many of each step, the rest by chance.
        step = torch.from_numpy(rng.permutation(np.arange(config.batch) % config.steps)).to(place)
        rows = torch.from_numpy(index)
        z, after = (states[rows, step.cpu() + n].float().to(place) for n in (0, 1))
        (a, s), (a2, s2) = (parts[step + n].T[..., None, None, None] for n in (0, 1))
        # One DDIM step is a turn: z' = (a'a + s's) z - (a's - s'a) v.
        goal = ((a2 * a + s2 * s) * z - after) / (a2 * s - s2 * a)
        hidden = hidden_of(pipeline, [texts[i] for i in index], place)
        with autocast(place):
            out = unet(z, times_of[step], encoder_hidden_states=hidden).sample
        error = (out.float() - goal).square()
        per = error.detach().mean(dim=(1, 2, 3))
        measures = {f"step{k}": float(per[step == k].mean()) for k in range(config.steps) if bool((step == k).any())}
        return (loudness * error).mean(), measures

    weights, run = train(unet, batch, schedule, work, say)
    unet.load_state_dict(weights)
    unet.eval()
    pipeline.scheduler = few_step_schedule()
    return run


def export_pipeline(pipeline: Any, folder: Path, half: bool = True) -> None:
    """Write a trained pipeline as a StableDiffusionPipeline folder (float16 safetensors)."""
    pipeline.to("cpu").to(torch.float16 if half else torch.float32).save_pretrained(folder, safe_serialization=True)
