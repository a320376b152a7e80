"""One training loop for every recipe: resumable, deterministic from a seed, with an exponential moving average.

Everything random in a step is derived from (seed, step), so a run that was interrupted and resumed
computes the same weights as one that was not (on the same machine and number of threads).
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import platform
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from updp_core.atomic import whole
from updp_core.backends.memory import keep_memory

log = logging.getLogger(__name__)

Batch = Callable[[np.random.Generator], tuple[torch.Tensor, dict[str, float]]]


@dataclass(frozen=True)
class Schedule:
    """How long and how fast: the run ends at `steps` or after `minutes` of training, whichever is first.

    The learning rate warms up linearly over `warmup` steps, stays at `learning_rate`, and falls linearly
    to a fiftieth over the last `decay` part of the run, so that a finished run can go on with more steps.
    With `minutes` the rate depends on the clock; with steps alone the weights depend on the seed only.
    """

    steps: int
    minutes: float | None = None
    learning_rate: float = 1e-3
    warmup: int = 100
    decay: float = 0.3
    weight_decay: float = 0.01
    clip: float = 1.0
    ema: float = 0.999
    seed: int = 0
    checkpoint_seconds: float = 180.0
    log_seconds: float = 20.0


@dataclass
class Run:
    """What a run has done so far; written beside the weights and quoted in the model card."""

    step: int = 0
    seconds: float = 0.0
    hardware: str = ""
    losses: dict[str, float] = field(default_factory=dict)


def device_of(name: str = "auto") -> torch.device:
    """The torch device for "auto", "cpu" or "cuda"; auto takes CUDA where there is one."""
    return torch.device(("cuda" if torch.cuda.is_available() else "cpu") if name == "auto" else name)


def hardware() -> str:
    """The machine in words, for the model card."""
    if torch.cuda.is_available():
        return f"{torch.cuda.get_device_name(0)}, torch {torch.__version__}"
    threads, cores = torch.get_num_threads(), os.cpu_count()
    return f"{threads} of {cores} CPU cores ({platform.machine()}), torch {torch.__version__}"


def autocast(device: torch.device) -> contextlib.AbstractContextManager[Any]:
    """bfloat16 where the hardware has it: about 2.5 times the speed on a CPU with AVX512-BF16 (measured on the
    autoencoder). Elsewhere a CPU emulates it a hundred times slower (measured), so single precision stays."""
    native = device.type != "cpu" or torch.cpu._is_avx512_bf16_supported()
    return torch.autocast(device.type, torch.bfloat16) if native else contextlib.nullcontext()


class Average(nn.Module):
    """Exponential moving average of a module's parameters and buffers; `weights` loads into that module."""

    def __init__(self, module: nn.Module, decay: float) -> None:
        super().__init__()
        self.decay = decay
        self.weights = {k: v.detach().clone() for k, v in module.state_dict().items()}

    @torch.no_grad()
    def update(self, module: nn.Module, step: int) -> None:
        # The warm-up (1 + n) / (10 + n) lets early averages forget the initial weights.
        decay = min(self.decay, (1 + step) / (10 + step))
        for name, value in module.state_dict().items():
            mean = self.weights[name]
            if value.dtype.is_floating_point:
                mean.lerp_(value.to(mean.dtype), 1 - decay)
            else:
                mean.copy_(value)


def rate(schedule: Schedule, step: int, done: float) -> float:
    """Learning rate at `step` when the part `done` (0..1) of the run is over."""
    warm = min(1.0, (step + 1) / max(1, schedule.warmup))
    cool = 1.0 if done < 1 - schedule.decay else max(0.02, (1 - done) / max(schedule.decay, 1e-9))
    return schedule.learning_rate * warm * cool


def train(
    module: nn.Module,
    batch: Batch,
    schedule: Schedule,
    folder: Path,
    say: Callable[[str], None] = log.info,
) -> tuple[dict[str, torch.Tensor], Run]:
    """Train `module` in place on `batch(rng) -> (loss, measures)`; returns the averaged weights and the run.

    `folder` receives `checkpoint.pt` (weights, average, optimiser, step) every `checkpoint_seconds` and at the
    end, and `run.json`. A checkpoint found there is gone on from. Raises FloatingPointError when the loss is
    not finite (the last checkpoint stays).
    """
    keep_memory()
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "checkpoint.pt"
    params = [p for p in module.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(
        params, lr=schedule.learning_rate, betas=(0.9, 0.98), weight_decay=schedule.weight_decay
    )
    average, run = Average(module, schedule.ema), Run(hardware=hardware())
    if file.exists():
        state = torch.load(file, weights_only=True)
        module.load_state_dict(state["module"])
        optimiser.load_state_dict(state["optimiser"])
        average.weights = state["average"]
        run = Run(**state["run"])
        say(f"{folder.name}: going on from step {run.step}, {run.seconds / 60:.1f} min")

    def save() -> None:
        state = {
            "module": module.state_dict(),
            "average": average.weights,
            "optimiser": optimiser.state_dict(),
            "run": asdict(run),
        }
        with whole(file) as part, part.open("wb") as out:  # a kill leaves the old checkpoint
            torch.save(state, out)
        (folder / "run.json").write_text(json.dumps(asdict(run) | {"schedule": asdict(schedule)}, indent=1))

    module.train()
    saved = said = last = time.monotonic()
    smooth: dict[str, float] = dict(run.losses)
    while True:
        spent = run.seconds / 60 / schedule.minutes if schedule.minutes else 0.0
        done = max(run.step / schedule.steps, spent)
        if done >= 1:
            break
        for group in optimiser.param_groups:
            group["lr"] = rate(schedule, run.step, done)
        torch.manual_seed(schedule.seed * 1_000_003 + run.step)
        loss, measures = batch(np.random.default_rng((schedule.seed, run.step)))
        if not torch.isfinite(loss):
            raise FloatingPointError(
                f"{folder.name}: the loss is not finite at step {run.step}; lower the learning rate"
            )
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(params, schedule.clip)
        optimiser.step()
        run.step += 1
        average.update(module, run.step)
        for name, value in ({"loss": float(loss.detach())} | measures).items():
            smooth[name] = value if name not in smooth else 0.98 * smooth[name] + 0.02 * value
        now = time.monotonic()
        run.seconds, last = run.seconds + now - last, now
        run.losses = smooth
        if now - said > schedule.log_seconds:
            said = now
            shown = " ".join(f"{k} {v:.4f}" for k, v in smooth.items())
            speed = run.step / run.seconds
            minutes = f"{run.seconds / 60:.1f} min {speed:.2f} steps/s"
            say(f"{folder.name}: {100 * done:5.1f}% step {run.step} {minutes} {shown}")
        if now - saved > schedule.checkpoint_seconds:
            saved = now
            save()
            last = time.monotonic()
    save()
    return average.weights, run
