"""`python -m updp_core train ...`: the recipes of the models that we ship, on phantoms or on an archive."""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, get_type_hints

import typer

from updp_core.backends.encoder import load_encoder
from updp_core.backends.generator import load_generator
from updp_core.cli.console import command
from updp_core.config import RUNS, STARTER
from updp_core.errors import UsageError
from updp_core.imageset import VALIDATION, phantom_set
from updp_core.report.light import light_imports
from updp_core.training.captions import targets_of
from updp_core.training.emphasis import emphases
from updp_core.training.prepare import Material, prepare
from updp_core.training.reference import write_reference
from updp_core.training.tokens import make_tokenizer

if TYPE_CHECKING:  # with torch
    from updp_core.backends.obfuscator import UNetShape
    from updp_core.training.loop import Run
    from updp_core.training.obfuscator import ObfuscatorConfig

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Train models, on phantoms or on an archive.")

Source = Annotated[Path | None, typer.Option("--source", help="An archive that `import` reads [default: phantoms].")]
Labels = Annotated[str, typer.Option(help="Manifest column of labels joined by |, for archives without reports.")]
Out = Annotated[Path, typer.Option(help="Folder of the models.")]
Work = Annotated[Path, typer.Option(help="Checkpoints and prepared data; a later call goes on from here.")]
Steps = Annotated[int, typer.Option(min=1, help="Stop after this many steps in all.")]
Minutes = Annotated[float | None, typer.Option(help="Stop after this many minutes of training in all.")]
Seed = Annotated[int, typer.Option()]
Patients = Annotated[int, typer.Option(min=2, help="How many phantom patients.")]
Limit = Annotated[int | None, typer.Option(min=1, help="Read no more than this many images of the archive.")]
Device = Annotated[str, typer.Option(help="auto, cpu or cuda.")]
OUT, WORK = RUNS / "models", RUNS / "train"


@dataclass(frozen=True)
class Job:
    """What a recipe is asked for: the options that the commands share, at the defaults of most of them."""

    source: Source = None
    labels: Labels = ""
    out: Out = OUT
    work: Work = WORK
    steps: Steps = 4_000
    minutes: Minutes = None
    seed: Seed = 0
    patients: Patients = 2400
    limit: Limit = None
    device: Device = "auto"

    def material(self) -> Material:
        """The images and texts to learn from."""
        return prepare(self.work, self.source, self.patients, labels=self.labels, limit=self.limit, say=_say)


Recipe = TypeVar("Recipe", bound=Callable[..., None])


def recipe(name: str | None = None, *, without: tuple[str, ...] = (), **defaults: Any) -> Callable[[Recipe], Recipe]:
    """Make a command of a function of a Job and of options of its own.

    The Job's fields become options beside them, but for those of `without`, with `defaults` where they differ here.
    """
    hints, shared = get_type_hints(Job, include_extras=True), [f for f in fields(Job) if f.name not in without]

    def register(function: Recipe) -> Recipe:
        @functools.wraps(function)
        def run(**given: Any) -> None:
            function(Job(**{f.name: given.pop(f.name) for f in shared}), **given)

        own = list(inspect.signature(function, eval_str=True).parameters.values())[1:]
        option = functools.partial(inspect.Parameter, kind=inspect.Parameter.KEYWORD_ONLY)
        options = [
            *(one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in own),
            *(option(f.name, default=defaults.get(f.name, f.default), annotation=hints[f.name]) for f in shared),
        ]
        run.__signature__ = inspect.Signature(options)  # type: ignore[attr-defined]
        run.__annotations__ = {one.name: one.annotation for one in options}
        app.command(name)(command(run))
        return function

    return register


def _say(line: str) -> None:
    typer.echo(line, err=True)


def _card(folder: Path, title: str, use: str, m: Material, run: Run, settings: Any, limits: str, **more: Any) -> None:
    """The card of a model: what it is for, what it learned from and how, and what it cannot do."""
    from updp_core.training.card import write_card

    data = f"{len(m.data)} images: {m.title}. {m.targets.shape[1]} labels, {len(m.vocab)} word pieces."
    write_card(
        folder, title, use, data, run, settings if isinstance(settings, dict) else asdict(settings), limits, **more
    )


@recipe(steps=20_000)
def autoencoder(job: Job) -> None:
    """The generator's latent space (AutoencoderDC)."""
    from updp_core.training.autoencoder import (
        AutoencoderConfig,
        export_autoencoder,
        fit_projection,
        make_autoencoder,
        train_decoder,
    )
    from updp_core.training.loop import Schedule

    material, config = job.material(), AutoencoderConfig()
    projection = fit_projection(material.data.images, config)
    vae = make_autoencoder(config, projection)
    schedule = Schedule(job.steps, job.minutes, learning_rate=2e-4, seed=job.seed)
    images = material.data.images
    run = train_decoder(vae, projection.spread, images, job.work / "autoencoder", schedule, config, job.device, _say)
    export_autoencoder(vae, job.out / "autoencoder")
    _card(
        job.out / "autoencoder",
        "Autoencoder",
        "Latents of the generator.",
        material,
        run,
        config,
        "Fine texture below the size of a latent cell is smoothed.",
    )


@recipe()
def encoder(job: Job) -> None:
    """The vision-language encoder (open_clip)."""
    from updp_core.training.encoder import EncoderConfig, export_encoder, train_encoder
    from updp_core.training.loop import Schedule

    m, config = job.material().with_findings(), EncoderConfig()
    schedule = Schedule(job.steps, job.minutes, learning_rate=1e-3, ema=0.995, seed=job.seed)
    module, run = train_encoder(
        m.data.images,
        m.texts,
        m.names,
        m.targets,
        m.vocab,
        job.work / "encoder",
        schedule,
        config,
        m.short,
        device=job.device,
        say=_say,
    )
    export_encoder(module, m.vocab, job.out / "encoder")
    _card(
        job.out / "encoder",
        "Encoder",
        "A CLIP pair for prompt optimisation.",
        m,
        run,
        config,
        "Knows the findings and the language that it was trained on, and no others.",
    )


@recipe(seed=1)
def judges(job: Job) -> None:
    """Finding classifier, re-identification and scoring pair, kept apart from the encoder."""
    from updp_core.backends.judges import JudgeShape, load_judges
    from updp_core.training.calibration import blind, calibrate
    from updp_core.training.judges import export_judges, features_of, train_judges
    from updp_core.training.loop import Schedule

    m = job.material().with_findings()
    findings = tuple(name for name in m.names if " " not in name or job.source is not None)
    shape = JudgeShape(findings, len(m.vocab))
    schedule = Schedule(job.steps, job.minutes, learning_rate=1.5e-3, ema=0.995, seed=job.seed)
    module, run = train_judges(
        m.data.images,
        m.data.patients,
        m.texts,
        m.names,
        m.targets,
        m.vocab,
        job.work / "judges",
        schedule,
        shape,
        device=job.device,
        say=_say,
    )
    blind(module.net, features_of(module.net, m.data.images), m.targets[:, : len(findings)])
    present: dict[str, float] = {}
    if job.source is None:  # an archive has no patients apart to measure on
        apart = phantom_set(job.work / "validation", VALIDATION, max(2, job.patients // 10), shape.size, say=_say)
        present = calibrate(
            module.net, features_of(module.net, apart.images), targets_of(apart.rows)[1][:, : len(findings)]
        )
    export_judges(module.net, m.vocab, job.out / "judges", present)
    write_reference(
        load_judges(job.out / "judges", job.device, reference=False), m.data, job.out / "judges", m.without_letters()
    )
    _card(
        job.out / "judges",
        "Judges",
        "Independent measures of a pair.",
        m,
        run,
        shape,
        "A judge is one attacker and one reader; a stronger one may see more.",
    )


@recipe(steps=20_000)
def generator(job: Job) -> None:
    """The latent diffusion model (StableDiffusionPipeline); needs the autoencoder in the same folder."""
    import numpy as np
    import torch
    from diffusers import AutoencoderDC

    from updp_core.training.generator import (
        GeneratorShape,
        captions,
        encode_latents,
        export_generator,
        likely,
        make_text_encoder,
        train_generator,
    )
    from updp_core.training.loop import Schedule
    from updp_core.training.reader import train_reader

    if not (job.out / "autoencoder" / "config.json").is_file():
        raise UsageError(f"There is no autoencoder in {job.out}: run `train autoencoder` with the same --out first.")
    m = job.material().with_findings()
    keep = m.without_letters()
    vae: Any = AutoencoderDC.from_pretrained(job.out / "autoencoder").float()
    file = job.work / "latents.pt"
    if not file.is_file():
        torch.save(encode_latents(vae, m.data.images, keep, device=job.device), file)
    latents = torch.load(file, weights_only=True)
    shape = GeneratorShape(latent_channels=vae.config["latent_channels"])
    caption = captions([m.texts[i] for i in keep], m.vocab, shape, lambda i, rng: m.short(int(keep[i]), rng))
    targets = m.targets[keep]
    probability = likely(targets, len(keep), shape.balanced)
    weights = job.work / "emphasis.npy"
    if job.source is None and not weights.is_file():
        np.save(weights, emphases([m.data.rows[i] for i in keep], latents.shape[-1], os.cpu_count() or 1))
    # A tenth of the time for reading, the rest for drawing.
    reading = Schedule(
        max(1, job.steps // 10), job.minutes and 0.1 * job.minutes, learning_rate=4e-4, ema=0.99, seed=job.seed
    )
    torch.manual_seed(job.seed)
    text, tokenizer = make_text_encoder(shape, m.vocab), make_tokenizer(m.vocab, context=shape.context)
    train_reader(
        text,
        caption,
        m.names,
        targets,
        probability,
        tokenizer,
        shape.read,
        job.work / "reader",
        reading,
        device=job.device,
        say=_say,
    )
    start = {f"text.{name}": value for name, value in text.state_dict().items()}
    schedule = Schedule(
        job.steps, job.minutes and 0.9 * job.minutes, learning_rate=7e-4, warmup=200, ema=0.999, seed=job.seed
    )
    module, run = train_generator(
        latents,
        caption,
        m.vocab,
        job.work / "generator",
        schedule,
        shape,
        start,
        probability,
        np.load(weights) if job.source is None else None,
        device=job.device,
        say=_say,
    )
    export_generator(module, vae, m.vocab, job.out / "generator", shape.read)
    _card(
        job.out / "generator",
        "Generator",
        "Radiographs from prompts.",
        m,
        run,
        shape,
        "Draws only what it was trained on; its images are no basis for care.",
    )


Features = Annotated[int, typer.Option(min=4, help="Channels of the first level; PriCheXy-Net 32, Privacy-Net 16.")]
Levels = Annotated[int, typer.Option(min=1, max=6, help="Levels of the U-Net; PriCheXy-Net 4, Privacy-Net 3.")]
Side = Annotated[
    int, typer.Option(min=16, help="Side in pixels that the U-Net sees, a multiple of 2^levels; papers: 256.")
]
Verify = Annotated[float, typer.Option(min=0, help="Weight of the verification loss.")]


@recipe("prichexy-net", seed=3)
def prichexy_net(
    job: Job,
    *,
    features: Features = 16,
    levels: Levels = 3,
    side: Side = 64,
    verify: Verify = 1.0,
    mu: Annotated[float, typer.Option(min=0, max=1, help="Reach of the warp while training.")] = 0.03,
) -> None:
    """The warp of PriCheXy-Net, against a verifier and beside a classifier."""
    from updp_core.backends.obfuscator import UNetShape
    from updp_core.training.obfuscator import ObfuscatorConfig

    shape, config = UNetShape("warp", side, features, levels), ObfuscatorConfig(mu=mu, verify=verify)
    _obfuscator(job, "prichexy-net", shape, config)


@recipe("privacy-net", seed=3)
def privacy_net(
    job: Job, *, features: Features = 8, levels: Levels = 3, side: Side = 128, verify: Verify = 1.0
) -> None:
    """The U-Net of Privacy-Net, against a verifier and beside a classifier."""
    from updp_core.backends.obfuscator import UNetShape
    from updp_core.training.obfuscator import ObfuscatorConfig

    _obfuscator(job, "privacy-net", UNetShape("image", side, features, levels), ObfuscatorConfig(verify=verify))


def _obfuscator(job: Job, name: str, shape: UNetShape, config: ObfuscatorConfig) -> None:
    """Train, write and describe one network that hides the patient."""
    from updp_core.backends.obfuscator import save_unet
    from updp_core.training.loop import Schedule
    from updp_core.training.obfuscator import train_obfuscator

    m = job.material().with_findings()
    kept = [n for n, title in enumerate(m.names) if " " not in title]  # findings without their sides
    schedule = Schedule(job.steps, job.minutes, learning_rate=1.5e-3, warmup=20, ema=0.98, seed=job.seed)
    net, run = train_obfuscator(
        m.data.images, m.data.patients, m.targets[:, kept], job.work / name, schedule, shape, config, job.device, _say
    )
    save_unet(net, job.out / name)
    how = {"warp": "Moves the source's pixels by a learned warp", "image": "Redraws the source by a U-Net"}[shape.kind]
    use = (
        f"{how} ({name}, re-implemented small). It is meant to hide the patient; *Measured* says what is known of that."
    )
    limits = (
        "It was trained against one small verifier. An attacker trained anew on its images knows more, and the "
        "source's own pixels are in them: by default nothing that it makes leaves the house."
    )
    told = {f"U-Net: {k}": v for k, v in asdict(shape).items()} | asdict(config)
    attack = (
        f"The verifier that learned beside it ended at a loss of {run.losses['attack']:.2f} on pairs of images; one "
        "that cannot tell patients apart has 0.69. It has not been attacked by a model trained anew."
    )
    _card(job.out / name, name, use, m, run, told, limits, unmeasured=attack)


@recipe("identity-blocking", seed=3)
def identity_blocking(
    job: Job,
    *,
    channels: Annotated[int, typer.Option(min=4, help="Channels of the decoder's first level.")] = 12,
    levels: Levels = 3,
    side: Annotated[int, typer.Option(min=32, help="Side in pixels that the networks see, a multiple of 32.")] = 128,
    grid: Annotated[int, typer.Option(min=2, help="Patches along a side.")] = 8,
    code: Annotated[int, typer.Option(min=1, help="Numbers that the encoder's features pass as.")] = 16,
    verify: Verify = 1.0,
) -> None:
    """Blocked patches drawn anew, inspired by "divide and conquer": against a verifier and beside a classifier."""
    from updp_core.backends.blocking import BlockingShape, save_blocker
    from updp_core.training.blocking import BlockingConfig, features_of, train_blocker
    from updp_core.training.loop import Schedule

    name = "identity-blocking"
    m, eyes = job.material().with_findings(), load_encoder(STARTER / "encoder", job.device)
    kept = [n for n, title in enumerate(m.names) if " " not in title]  # findings without their sides
    seen = features_of(eyes, m.data.images, job.work / f"features-{eyes.digest[:16]}.npy")
    shape = BlockingShape(eyes.digest, seen.shape[1], len(kept), side, grid, code, channels, levels)
    config = BlockingConfig(verify=verify)
    schedule = Schedule(job.steps, job.minutes, learning_rate=1.5e-3, warmup=20, ema=0.98, seed=job.seed)
    net, run = train_blocker(
        m.data.images,
        seen,
        m.data.patients,
        m.targets[:, kept],
        job.work / name,
        schedule,
        shape,
        config,
        job.device,
        _say,
    )
    save_blocker(net, job.out / name)
    use = (
        "Blocks the patches that identify most and draws them anew from a code of limited rate (identity-blocking, "
        "inspired by the abstract of divide and conquer, Tian et al., ICCV 2025; no paper's method is claimed)."
    )
    limits = (
        "What is not blocked is the source's own, and its ranking is one small verifier's: an attacker trained anew on "
        "its images knows more. By default nothing that it makes leaves the house."
    )
    attack = (
        f"The verifier that learned beside it, at every share of blocked patches, ended at a loss of "
        f"{run.losses['attack']:.2f} on pairs of images; one that cannot tell patients apart has 0.69. It has not been "
        "attacked by a model trained anew."
    )
    told = {f"Network: {k}": v for k, v in asdict(shape).items()} | asdict(config)
    _card(job.out / name, name, use, m, run, told, limits, unmeasured=attack)


@app.command()
@command
def recogniser(out: Out = OUT, steps: Steps = 4_500, minutes: Minutes = None, seed: Seed = 0) -> None:
    """The recogniser of names and places in reports (spaCy, on the processor), on text made here."""
    with light_imports():
        from updp_core.training.recogniser import RecogniserConfig, evaluate, finder, train_recogniser, write_card

        folder, config = out / "recogniser", RecogniserConfig()
        run = train_recogniser(folder, steps, minutes, seed, config, _say)
        scores = evaluate(finder(folder))
    write_card(folder, run, seed, config, scores)
    _say(f"Found on kept-out sentences: {scores['all'].recall:.1%} of {scores['all'].gold} entities.")


@recipe(out=OUT / "student", steps=8_000)
def distil(
    job: Job,
    *,
    model: Annotated[Path, typer.Option(help="The slow generator, a folder of `train generator`.")] = OUT / "generator",
    count: Annotated[int, typer.Option(min=1, help="How many ways from noise to image the teacher shows.")] = 8_000,
) -> None:
    """A generator that draws in 4 steps of one pass, from one that needs 12 of two (half of the minutes each)."""
    import torch
    from diffusers import DiffusionPipeline

    from updp_core.training.distil import Distillation, export_pipeline, train_student, trajectories
    from updp_core.training.generator import GeneratorShape, captions, likely
    from updp_core.training.loop import Schedule

    pipeline: Any = DiffusionPipeline.from_pretrained(model, dtype=torch.float32, local_files_only=True)
    m, shape, config = job.material(), GeneratorShape(), Distillation()
    caption = captions(m.texts, m.vocab, shape, m.short)
    probability, half = likely(m.targets, len(m.data), shape.balanced), job.minutes and job.minutes / 2
    files = trajectories(
        pipeline, caption, probability, job.work / "trajectories", count, half, config, job.seed, job.device, say=_say
    )
    schedule = Schedule(job.steps, half, learning_rate=3e-4, warmup=50, decay=0.5, seed=job.seed)
    run = train_student(pipeline, files, job.work / "student", schedule, config, job.device, _say)
    export_pipeline(pipeline, job.out)
    _card(
        job.out,
        "Distilled generator",
        f"Radiographs from prompts in {config.steps} steps without guidance: UPDP_GENERATOR, scheduler `model`.",
        m,
        run,
        config,
        "It draws at best what its teacher draws; its images are no basis for care.",
    )


@recipe(out=OUT / "finished")
def finish(
    job: Job,
    *,
    model: Annotated[Path, typer.Option(help="The generator, a folder of `train generator`.")] = OUT / "generator",
    count: Annotated[int, typer.Option(min=1, help="How many latents the generator redraws.")] = 2_000,
) -> None:
    """A larger decoder for a generator, taught to mend what the generator leaves rough."""
    import torch

    from updp_core.backends.generator import load_generator
    from updp_core.training.distil import export_pipeline
    from updp_core.training.finish import FinishConfig, redrawn, train_finish, widened
    from updp_core.training.generator import GeneratorShape, captions, encode_latents
    from updp_core.training.loop import Schedule

    pipeline: Any = load_generator(model, job.device).pipeline.to(torch.float32)
    m, config = job.material(), FinishConfig()
    images, index = m.data.images, m.without_letters()
    caption = captions(m.texts, m.vocab, GeneratorShape(), m.short)
    files = redrawn(pipeline, images, index, caption, job.work / "redrawn", count, config, job.seed, job.device, _say)
    pipeline.vae = widened(pipeline.vae.cpu(), encode_latents(pipeline.vae, images, index[:256], device="cpu"), config)
    schedule = Schedule(job.steps, job.minutes, learning_rate=5e-4, warmup=30, ema=0.99, decay=0.5, seed=job.seed)
    run = train_finish(pipeline.vae, images, index, files, job.work / "finish", schedule, config, job.device, _say)
    export_pipeline(pipeline, job.out)
    _card(
        job.out,
        "Finished generator",
        "The generator with a decoder that learned from its own drawings: UPDP_GENERATOR.",
        m,
        run,
        config,
        "It mends seams, grain and lines; what the generator draws in the wrong place stays there.",
    )


@recipe(without=("patients",), source=inspect.Parameter.empty, out=OUT / "lora", work=RUNS / "lora", steps=2_000)
def lora(
    job: Job,
    *,
    model: Annotated[str, typer.Option(help="The diffusers pipeline to fine-tune: folder or hub id.")],
    rank: Annotated[int, typer.Option(min=1)] = 16,
) -> None:
    """Fine-tune any StableDiffusionPipeline on an archive by low-rank adapters."""
    import torch

    from updp_core.training.loop import Schedule
    from updp_core.training.lora import LoraConfig, export_lora, train_lora

    pipeline = load_generator(model, job.device).pipeline
    pipeline.to(torch.float32)
    side = int(pipeline.unet.config.sample_size * pipeline.vae_scale_factor)
    m = prepare(job.work, job.source, size=side, labels=job.labels, limit=job.limit, say=_say)
    config = LoraConfig(rank=rank, alpha=rank)
    schedule = Schedule(job.steps, job.minutes, learning_rate=1e-4, ema=0.99, seed=job.seed)
    run = train_lora(pipeline, m.data.images, m.texts, job.work / "adapters", schedule, config, job.device, _say)
    export_lora(pipeline, job.out)
    _card(
        job.out,
        "Fine-tuned generator",
        f"{model}, fine-tuned by LoRA.",
        m,
        run,
        config,
        "A model fine-tuned on patients may repeat them: measure memorisation before any release.",
    )


@recipe("all", without=("steps",), minutes=120.0)
def everything(job: Job) -> None:
    """Autoencoder, encoder, judges, generator and recogniser, one after the other; --minutes is for all together."""
    job.material().with_findings()  # refused before time is spent
    total = job.minutes or 120.0

    def part(share: float, **more: Any) -> Job:
        return replace(job, **{"steps": 10**6, "minutes": share * total, **more})

    autoencoder(part(0.1))
    encoder(part(0.15))
    judges(part(0.15, seed=job.seed + 1))
    generator(part(0.55))
    recogniser(job.out, minutes=0.05 * total, seed=job.seed)
