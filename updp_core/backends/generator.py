"""The generator: any StableDiffusionPipeline-compatible diffusers model, by folder or hub id.

The prompt arrives as text, because the generator has a tokenizer of its own with a limit of its own: what lies beyond
the limit is cut at a word's end and reported, never dropped in silence or in the middle of a word.
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from updp_core.backends import files
from updp_core.backends.encoder import square
from updp_core.backends.memory import keep_memory
from updp_core.config import GeneratorConfig
from updp_core.domain import Image8, Image16
from updp_core.errors import ModelUnavailable, UsageError

# Weights alone must leave this share of the free GPU memory to activations; below it, parts wait in main memory.
_GPU_SHARE = 0.6
_SLICE_BELOW = 10 * 2**30


@dataclass(frozen=True, eq=False, repr=False)
class Generator:
    """A loaded diffusion pipeline. `digest` names the exact model files; `max_tokens` is what it reads of a text."""

    name: str
    digest: str
    device: str
    max_tokens: int
    pipeline: Any
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def size(self) -> int:
        """The image side in pixels that the model was trained for."""
        return int(self._unet_size() * self.pipeline.vae_scale_factor)

    def generate(
        self,
        prompts: Sequence[str],
        seeds: Sequence[int],
        config: GeneratorConfig,
        images: Sequence[Image16] | None = None,
    ) -> Image8:
        """Synthetic radiographs (B, H, W) uint8 for B prompts; each image depends on its own prompt and seed alone.

        With `config.strength` the generation starts from `images` (paper, eq. 3): more of the anatomy stays, and more
        of the identity. Raises UsageError for settings that the model cannot follow.
        """
        import torch

        if len(prompts) != len(seeds) or (images is not None and len(images) != len(prompts)):
            raise UsageError("Prompts, seeds and images must be as many as the records.")
        side = self._side(config)
        arguments: dict[str, Any] = {
            "prompt": list(prompts),
            "num_inference_steps": config.steps,
            "guidance_scale": config.guidance_scale,
            "generator": [torch.Generator().manual_seed(seed) for seed in seeds],
            "output_type": "pt",
        }
        with self._lock, torch.no_grad():
            pipeline, own = self.pipeline, self.pipeline.scheduler
            if config.strength is not None:
                if images is None:
                    raise UsageError("A strength needs the source images to start from.")
                pipeline = _image_to_image(self.pipeline)
                arguments |= {"image": self._start_images(images, side), "strength": config.strength}
            else:
                arguments |= {"height": side, "width": side}
            try:
                pipeline.scheduler = make_scheduler(own, config.scheduler)
                pixels = pipeline(**arguments).images  # (B, C, H, W) in 0..1
            finally:
                self.pipeline.scheduler = own
        grey = pixels.float().mean(dim=1).clamp(0, 1)
        return np.asarray((grey * 255).round().cpu().numpy(), dtype=np.uint8)

    def fit(self, text: str) -> tuple[str, str]:
        """`text` as (what the generator reads, what lies beyond its token limit), cut at the end of a word."""
        encoding = self.pipeline.tokenizer(text, return_offsets_mapping=True, add_special_tokens=False, verbose=False)
        offsets = encoding["offset_mapping"]
        room = self.max_tokens - self.pipeline.tokenizer.num_special_tokens_to_add()
        if len(offsets) <= room:
            return text, ""
        cut = offsets[room][0]
        while cut > 0 and not text[cut - 1].isspace() and not text[cut].isspace():
            cut -= 1
        return text[:cut].rstrip(), text[cut:].strip()

    def unread(self, text: str) -> str:
        """The part of `text` that the generator will not read."""
        return self.fit(text)[1]

    def as_read(self, text: str) -> str:
        """`text` as it stands after the generator's own tokenizer: normalised, cut, re-joined."""
        tokenizer = self.pipeline.tokenizer
        ids = tokenizer(text, truncation=True, max_length=self.max_tokens, verbose=False)["input_ids"]
        return str(tokenizer.decode(ids, skip_special_tokens=True))

    def _unet_size(self) -> int:
        size = self.pipeline.unet.config.sample_size
        return int(size if isinstance(size, int) else size[0])

    def _side(self, config: GeneratorConfig) -> int:
        side, step = config.size or self.size, self.pipeline.vae_scale_factor
        if side < step or side % step:
            raise UsageError(f"The image size must be a multiple of {step} pixels, for example {self.size}.")
        if config.steps < 1:
            raise UsageError("The generator needs at least 1 step.")
        if config.strength is not None and not 0 < config.strength <= 1:
            raise UsageError("The strength must lie above 0 and not above 1.")
        if config.strength is not None and int(config.steps * config.strength) < 1:
            raise UsageError("At this strength no step is left. Raise the strength or the steps.")
        return side

    def _start_images(self, images: Sequence[Image16], side: int) -> Any:
        import torch

        channels = self.pipeline.vae.config.in_channels
        return torch.cat([square(image, side) for image in images]).repeat(1, channels, 1, 1)


def load_generator(name: str | Path, device: str = "auto", parts: Mapping[str, str] | None = None) -> Generator:
    """The generator `name`: a diffusers folder or hub id; or assembled from `parts` (unet, vae, text_encoder).

    A folder that holds `unet/`, `vae/` and `text_encoder/` but no `model_index.json` is assembled too. Raises
    ModelUnavailable where files are missing, damaged, or of a kind that cannot be used.
    """
    import torch

    name, device = str(name), files.pick_device(device)
    dtype = torch.float16 if device.startswith("cuda") else torch.float32
    try:
        with _quiet():
            pipeline, folders = _load(name, dtype, parts)
    except ModelUnavailable:
        raise
    except Exception as error:
        raise ModelUnavailable(
            f"The generator {name} cannot be loaded ({type(error).__name__}).",
            "Check that it is a whole diffusers pipeline: model_index.json, unet, vae, text_encoder, tokenizer.",
        ) from error
    for needed in ("unet", "vae", "text_encoder", "tokenizer", "scheduler"):
        if getattr(pipeline, needed, None) is None:
            raise ModelUnavailable(
                f"The generator {name} has no {needed}.", "Choose a model of the StableDiffusionPipeline kind."
            )
    pipeline.set_progress_bar_config(disable=True)
    _answer_as_expected(pipeline.vae)
    _place(pipeline, device)
    if device == "cpu":
        keep_memory()
    return Generator(files.stated(name), files.digest(*folders), device, _token_limit(pipeline), pipeline)


def make_scheduler(own: Any, kind: str) -> Any:
    """A fresh scheduler of `kind` on the noise schedule of the model's `own` one."""
    from diffusers import DDIMScheduler, DPMSolverMultistepScheduler, UniPCMultistepScheduler

    config = dict(own.config)
    # With zero terminal SNR the first step must be the last training step.
    spacing = {"timestep_spacing": "trailing"} if config.get("rescale_betas_zero_snr") else {}
    if kind == "dpmsolver++":
        return DPMSolverMultistepScheduler.from_config(config, algorithm_type="dpmsolver++", **spacing)
    if kind == "unipc":
        return UniPCMultistepScheduler.from_config(config, **spacing)
    if kind == "ddim":
        return DDIMScheduler.from_config(config, timestep_spacing="trailing")
    if kind == "model":
        return type(own).from_config(config)
    raise UsageError(f"There is no scheduler {kind!r}. Choose one of: dpmsolver++, ddim, unipc, model.")


def _load(name: str, dtype: Any, parts: Mapping[str, str] | None) -> tuple[Any, list[Path]]:
    from diffusers import DiffusionPipeline

    if parts:
        homes = {part: files.fetch_folder(source) for part, source in parts.items()}
        return _assemble(homes, dtype), list(homes.values())
    folder = files.fetch_folder(name)
    index = folder / "model_index.json"
    if not index.is_file():
        inside = {part: folder / part for part in ("unet", "vae", "text_encoder")}
        if all(path.is_dir() for path in inside.values()):
            return _assemble(inside, dtype), [folder]
        raise ModelUnavailable(
            f"{folder} holds no model_index.json.",
            "Give a diffusers pipeline's folder, or one with the sub-folders unet, vae and text_encoder.",
        )
    known = json.loads(index.read_text(encoding="utf-8"))
    # The checker judges photographs; on radiographs it only returns black images.
    off = {k: v for k, v in {"safety_checker": None, "requires_safety_checker": False}.items() if k in known}
    if "safety_checker" in off:
        off["feature_extractor"] = None
    return DiffusionPipeline.from_pretrained(folder, dtype=dtype, local_files_only=True, **off), [folder]


def _assemble(homes: Mapping[str, Path], dtype: Any) -> Any:
    """A pipeline from a UNet, a VAE and a BERT-like text encoder with its tokenizer (RadEdit's parts).

    BioViL-T's text encoder is BERT with an extra head that the pipeline does not use; it is loaded as plain BERT, so
    that no code from the hub runs. The scheduler is RadEdit's: DDIM, linear betas, trailing spacing.
    """
    from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
    from transformers import BertModel, BertTokenizer

    unet_home = homes["unet"] / "unet" if (homes["unet"] / "unet").is_dir() else homes["unet"]
    text = BertModel.from_pretrained(homes["text_encoder"], add_pooling_layer=False, dtype=dtype, local_files_only=True)
    words = homes.get("tokenizer") or homes["text_encoder"]
    tokenizer = BertTokenizer.from_pretrained(words, local_files_only=True, model_max_length=128)
    tokenizer.model_max_length = min(128, text.config.max_position_embeddings)
    scheduler = DDIMScheduler(
        beta_schedule="linear",
        clip_sample=False,
        timestep_spacing="trailing",
        steps_offset=1,
        prediction_type="epsilon",
    )
    return StableDiffusionPipeline(
        vae=AutoencoderKL.from_pretrained(homes["vae"], dtype=dtype, local_files_only=True),
        text_encoder=text,
        tokenizer=tokenizer,
        unet=UNet2DConditionModel.from_pretrained(unet_home, dtype=dtype, local_files_only=True),
        scheduler=scheduler,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def _answer_as_expected(vae: Any) -> None:
    """AutoencoderDC answers in other words than the autoencoders that diffusers' pipelines were written for: its
    `decode` knows no generator, its `encode` names the result `latent`. Everything else fits."""
    from diffusers import AutoencoderDC
    from diffusers.models.autoencoders.autoencoder_tiny import AutoencoderTinyOutput

    if isinstance(vae, AutoencoderDC):
        own: Any = vae
        encode, decode = own.encode, own.decode
        own.encode = lambda x: AutoencoderTinyOutput(latents=encode(x).latent)
        own.decode = lambda z, return_dict=True, generator=None: decode(z, return_dict)


def latents_of(vae: Any, images: Any) -> Any:
    """Latents (B, C, h, w), not scaled, of images (B, in_channels, H, W) in 0..1; of a distribution its mode."""
    code = vae.encode(images * 2 - 1)
    for name in ("latent", "latents"):
        if hasattr(code, name):
            return getattr(code, name)
    return code.latent_dist.mode()


def _place(pipeline: Any, device: str) -> None:
    """Move the pipeline to its device; on a small GPU its parts take turns there."""
    import torch

    if not device.startswith("cuda"):
        pipeline.to(device)
        return
    free, total = torch.cuda.mem_get_info(device)
    weights = sum(p.numel() * p.element_size() for part in _modules(pipeline) for p in part.parameters())
    if weights > _GPU_SHARE * free:
        pipeline.enable_model_cpu_offload(device=device)
    else:
        pipeline.to(device)
    if total < _SLICE_BELOW:
        pipeline.enable_attention_slicing()
        pipeline.vae.enable_slicing()


def _modules(pipeline: Any) -> list[Any]:
    return [m for m in pipeline.components.values() if hasattr(m, "parameters")]


def _token_limit(pipeline: Any) -> int:
    stated = pipeline.tokenizer.model_max_length
    positions = getattr(pipeline.text_encoder.config, "max_position_embeddings", stated)
    return int(min(stated, positions))


def _image_to_image(pipeline: Any) -> Any:
    from diffusers import AutoPipelineForImage2Image

    with _quiet():
        variant = AutoPipelineForImage2Image.from_pipe(pipeline)
    variant.set_progress_bar_config(disable=True)
    return variant


@contextlib.contextmanager
def _quiet() -> Any:
    """Progress bars of loading off: they are noise in a server's log."""
    from diffusers.utils import logging as diffusers_logging
    from transformers.utils import logging as transformers_logging

    verbosity = diffusers_logging.get_verbosity(), transformers_logging.get_verbosity()
    diffusers_logging.set_verbosity_error()
    transformers_logging.set_verbosity_error()
    diffusers_logging.disable_progress_bar()
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        diffusers_logging.set_verbosity(verbosity[0])
        transformers_logging.set_verbosity(verbosity[1])
