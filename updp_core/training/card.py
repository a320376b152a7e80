"""Model cards: what a model was trained on, for how long, on what; the evaluation fills its figures in by itself."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from updp_core.evaluation.cards import BEGIN, END

from .loop import Run


def write_card(
    folder: Path,
    title: str,
    use: str,
    data: str,
    run: Run,
    shape: Mapping[str, object],
    limits: str,
    quality: str = "",
    unmeasured: str = "Not measured yet: run `python -m updp_core evaluate starter --write`.",
) -> Path:
    """Write README.md into a model's folder; every number in it comes from the run or from a measurement."""
    settings = "\n".join(f"- {name}: {value}" for name, value in shape.items())
    block = f"{BEGIN}\n{unmeasured}\n{END}"
    measured = f"{block}\n\n{quality}" if quality else block
    losses = ", ".join(f"{name} {value:.4f}" for name, value in run.losses.items())
    text = (
        f"# {title}\n\n{use}\n\n## Data\n\n{data}\n\n## Training\n\n"
        f"{run.step} steps in {run.seconds / 60:.1f} minutes on {run.hardware}. "
        f"Losses at the end (running means): {losses}.\n\n{settings}\n\n## Measured\n\n{measured}\n\n"
        f"## Limits\n\n{limits}\n"
    )
    file = folder / "README.md"
    file.write_text(text, encoding="utf-8")
    return file
