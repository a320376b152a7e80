"""Presets: which encoder goes with which generator, what each lacks on this machine, and loading both once.

Nothing here touches the network except `models`, and only for files that are not on this machine.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from updp_core.backends import files
from updp_core.backends.encoder import load_encoder, load_words
from updp_core.backends.generator import load_generator
from updp_core.config import STARTER, GeneratorConfig, Preset, PromptConfig, Settings
from updp_core.errors import ModelUnavailable, UsageError

# Commits, where public records of others who use these models name one. Of the two generators none is known here:
# whoever accepts their licence writes the commit of that day into UPDP_GENERATOR.
BIOMEDCLIP = "hf-hub:microsoft/BiomedCLIP-PubMedBERT_256-vit_base_patch16_224@9f341de24bfb00180f1b847274256e9b65a3a32e"
_WEIGHTS = (".safetensors", ".bin", ".pt", ".pth")

PRESETS: Mapping[str, Preset] = {
    "starter": Preset(
        name="starter",
        title="Starter models, trained on phantoms (embedded, CPU)",
        encoder=f"{files.LOCAL}{STARTER / 'encoder'}",
        generator=str(STARTER / "generator"),
        # On 16 phantoms the prompts of 12 and of 20 steps align as well as those of 60 steps at half the rate (cosine
        # 0.762, 0.763 and 0.761, of the constrained report 0.711; 16 were not measured by themselves), and few steps
        # leave rounding no time to grow.
        prompt=PromptConfig(steps=16, learning_rate=1.0),
        # On 128 validation phantoms, one image a prompt, the judge's AUC is 0.963, 0.965, 0.967 and 0.962 with guidance
        # 4, 3, 2.5 and 2; the lower, the closer the contrast is to a film's. On 96 that hold each finding more often,
        # 6 steps draw what 12 do (0.942 and 0.944; the best of two images 0.953 and 0.950), 4 a little less (0.937),
        # and another image to choose from is worth more than steps (the best of three 0.961 and 0.954).
        generation=GeneratorConfig(steps=6, guidance_scale=2.5, candidates=3),
        remedy="Fetch data/models/starter with the repository, or train it: python -m updp_core train.",
    ),
    "roentgen2": Preset(
        name="roentgen2",
        title="BiomedCLIP + RoentGen-v2 (512 px, GPU)",
        encoder=BIOMEDCLIP,
        generator="stanfordmimi/RoentGen-v2",
        generation=GeneratorConfig(steps=75, guidance_scale=3.0, scheduler="model"),
        remedy="Accept the licence at https://huggingface.co/stanfordmimi/RoentGen-v2 and run `hf auth login`, or set "
        "UPDP_ENCODER and UPDP_GENERATOR to folders with the two models.",
    ),
    "radedit": Preset(
        name="radedit",
        title="BiomedCLIP + RadEdit (512 px, GPU)",
        encoder=BIOMEDCLIP,
        generator="microsoft/radedit",
        generation=GeneratorConfig(steps=100, guidance_scale=7.5, scheduler="ddim"),
        remedy="Accept the licence at https://huggingface.co/microsoft/radedit and run `hf auth login`, or set "
        "UPDP_GENERATOR to a folder with the sub-folders unet, vae and text_encoder, and UPDP_ENCODER to BiomedCLIP's.",
        parts={
            "unet": "microsoft/radedit",
            "vae": "stabilityai/sdxl-vae@6f5909a7e596173e25d4e97b07fd19cdf9611c76",
            "text_encoder": "microsoft/BiomedVLP-BioViL-T@692f09e9be1bfe5fdd5f3efdd0e1eca7d2c10b23",
        },
    ),
    "custom": Preset(
        name="custom",
        title="Models of your own (UPDP_ENCODER, UPDP_GENERATOR)",
        encoder="",
        generator="",
        remedy="Set UPDP_ENCODER to an open_clip folder or id and UPDP_GENERATOR to a diffusers folder or id.",
    ),
}


@dataclass(frozen=True)
class Availability:
    """One part of a preset on this machine. `reason` and `remedy` are empty where it is there."""

    preset: str
    part: str
    source: str
    available: bool
    reason: str = ""
    remedy: str = ""


def resolve(settings: Settings) -> Preset:
    """The preset of `settings`, with its encoder and generator replaced where the settings name others.

    Raises UsageError for an unknown preset.
    """
    if settings.preset not in PRESETS:
        raise UsageError(f"There is no preset {settings.preset!r}. Choose one of: {', '.join(PRESETS)}.")
    preset = PRESETS[settings.preset]
    if settings.encoder:
        preset = replace(preset, encoder=settings.encoder)
    if settings.generator:
        preset = replace(preset, generator=settings.generator, parts={})
    return preset


def doctor(settings: Settings | None = None) -> list[dict[str, Any]]:
    """What each part of each preset lacks on this machine, as JSON-able rows; reads no weights, needs no network."""
    settings = settings or Settings()
    rows = []
    for name in PRESETS:
        changes = {"preset": name} if name == settings.preset else {"preset": name, "encoder": "", "generator": ""}
        for row in availability(resolve(replace(settings, **changes))):  # type: ignore[arg-type]
            rows.append(asdict(row))
    return rows


def availability(preset: Preset) -> list[Availability]:
    """Encoder and generator parts of a preset, each with what it lacks."""
    found = [_row(preset, "encoder", preset.encoder, _encoder_lacks)]
    if preset.parts:
        return found + [
            _row(preset, f"generator: {part}", source, _weights_lack) for part, source in preset.parts.items()
        ]
    return [*found, _row(preset, "generator", preset.generator, _generator_lacks)]


def check(preset: Preset, *, encoder: bool = True) -> None:
    """Raise ModelUnavailable where a part is neither here nor to be downloaded."""
    for row in availability(preset):
        if row.available or (row.part == "encoder" and not encoder):
            continue
        if files.local_folder(row.source) is not None or not row.source or files.offline():
            raise ModelUnavailable(f"The {row.part} of preset {preset.name} is missing: {row.reason}.", row.remedy)


_lock = threading.Lock()
_loaded: dict[str, tuple[tuple[Any, ...], Any]] = {}


def load_preset_encoder(preset: Preset, device: str = "auto") -> Any:
    """The preset's encoder; the one last loaded is kept, while its files are unchanged."""
    return _keep("encoder", preset, (preset.encoder,), device, lambda: load_encoder(preset.encoder, device))


@lru_cache(maxsize=2)
def load_preset_words(encoder: str) -> Any:
    """The tokens of a preset's encoder, without its weights and past any work that they do."""
    return load_words(encoder)


def load_preset_generator(preset: Preset, device: str = "auto") -> Any:
    """The preset's generator; the one last loaded is kept, while its files are unchanged."""
    sources = tuple(preset.parts.values()) or (preset.generator,)
    return _keep(
        "generator", preset, sources, device, lambda: load_generator(preset.generator, device, preset.parts or None)
    )


def _keep(kind: str, preset: Preset, sources: tuple[str, ...], device: str, load: Callable[[], Any]) -> Any:
    if not all(sources):
        raise ModelUnavailable(f"The preset {preset.name} names no {kind}.", preset.remedy)
    with _lock:
        key = (sources, files.pick_device(device), _stamp(sources))
        if kind not in _loaded or _loaded[kind][0] != key:
            _loaded.pop(kind, None)  # let go of the old model before the new one is loaded
            try:
                model = load()
            except ModelUnavailable as error:
                raise ModelUnavailable(
                    str(error).removesuffix(error.remedy).strip(), preset.remedy or error.remedy
                ) from error
            _loaded[kind] = ((sources, key[1], _stamp(sources)), model)
        return _loaded[kind][1]


def _stamp(sources: tuple[str, ...]) -> str:
    """The digest of the sources' files that are on this machine."""
    folders = [folder for source in sources if (folder := files.cached_folder(source)) is not None]
    return files.digest(*folders)


def _row(preset: Preset, part: str, source: str, lacks: Callable[[str], str]) -> Availability:
    reason = lacks(source) if source else "no model is named"
    return Availability(preset.name, part, source, not reason, reason, preset.remedy if reason else "")


def _weights_lack(source: str) -> str:
    folder = files.cached_folder(source)
    if folder is None:
        return "there is no such folder" if files.local_folder(source) else "it has not been downloaded"
    if not any(p.suffix in _WEIGHTS for p in folder.rglob("*")):
        return "its weights are not there"
    return ""


def _encoder_lacks(source: str) -> str:
    if (reason := _weights_lack(source)) or (folder := files.cached_folder(source)) is None:
        return reason
    config = folder / "open_clip_config.json"
    if not config.is_file():
        return "open_clip_config.json is not there"
    try:
        text = json.loads(config.read_text(encoding="utf-8"))["model_cfg"]["text_cfg"]
    except (ValueError, KeyError, TypeError):
        return "open_clip_config.json is damaged"
    if (hf := text.get("hf_model_name")) and not any((p / "config.json").is_file() for p in (folder, folder / hf)):
        known = files.cached_folder(hf, ["config.json"])
        if known is None or not (known / "config.json").is_file():
            return f"the text tower's config.json ({Path(hf).name}) is not there"
    return ""


def _generator_lacks(source: str) -> str:
    if (reason := _weights_lack(source)) or (folder := files.cached_folder(source)) is None:
        return reason
    if (folder / "model_index.json").is_file() or (folder / "unet").is_dir():
        return ""
    return "model_index.json is not there"
