"""`python -m updp_core train ...`: the recipes of the models that we ship, on phantoms or on an archive."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from updp_core.backends.generator import load_generator
from updp_core.cli.console import command
from updp_core.config import RUNS
from updp_core.errors import UsageError
from updp_core.imageset import VALIDATION, phantom_set
from updp_core.report.light import light_imports
from updp_core.training.captions import targets_of
from updp_core.training.emphasis import emphases
from updp_core.training.prepare import prepare
from updp_core.training.reference import write_reference
from updp_core.training.tokens import make_tokenizer

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


def _say(line: str) -> None:
    typer.echo(line, err=True)


def _material(work: Path, source: Path | None, labels: str, patients: int, limit: int | None) -> Any:
    return prepare(work, source, patients, labels=labels, limit=limit, say=_say)


@app.command()
@command
def autoencoder(
    source: Source = None,
    labels: Labels = "",
    out: Out = OUT,
    work: Work = WORK,
    steps: Steps = 20_000,
    minutes: Minutes = None,
    seed: Seed = 0,
    patients: Patients = 2400,
    limit: Limit = None,
    device: Device = "auto",
) -> None:
    """The generator's latent space (AutoencoderDC)."""
    from updp_core.training.autoencoder import (
        AutoencoderConfig,
        export_autoencoder,
        fit_projection,
        make_autoencoder,
        train_decoder,
    )
    from updp_core.training.card import write_card
    from updp_core.training.loop import Schedule

    material, config = _material(work, source, labels, patients, limit), AutoencoderConfig()
    projection = fit_projection(material.data.images, config)
    vae = make_autoencoder(config, projection)
    schedule = Schedule(steps, minutes, learning_rate=2e-4, seed=seed)
    images = material.data.images
    run = train_decoder(vae, projection.spread, images, work / "autoencoder", schedule, config, device, _say)
    export_autoencoder(vae, out / "autoencoder")
    write_card(
        out / "autoencoder",
        "Autoencoder",
        "Latents of the generator.",
        _data(material),
        run,
        asdict(config),
        "Fine texture below the size of a latent cell is smoothed.",
    )


@app.command()
@command
def encoder(
    source: Source = None,
    labels: Labels = "",
    out: Out = OUT,
    work: Work = WORK,
    steps: Steps = 4_000,
    minutes: Minutes = None,
    seed: Seed = 0,
    patients: Patients = 2400,
    limit: Limit = None,
    device: Device = "auto",
) -> None:
    """The vision-language encoder (open_clip)."""
    from updp_core.training.card import write_card
    from updp_core.training.encoder import EncoderConfig, export_encoder, train_encoder
    from updp_core.training.loop import Schedule

    m, config = _material(work, source, labels, patients, limit).with_findings(), EncoderConfig()
    schedule = Schedule(steps, minutes, learning_rate=1e-3, ema=0.995, seed=seed)
    module, run = train_encoder(
        m.data.images,
        m.texts,
        m.names,
        m.targets,
        m.vocab,
        work / "encoder",
        schedule,
        config,
        m.short,
        device=device,
        say=_say,
    )
    export_encoder(module, m.vocab, out / "encoder")
    write_card(
        out / "encoder",
        "Encoder",
        "A CLIP pair for prompt optimisation.",
        _data(m),
        run,
        asdict(config),
        "Knows the findings and the language that it was trained on, and no others.",
    )


@app.command()
@command
def judges(
    source: Source = None,
    labels: Labels = "",
    out: Out = OUT,
    work: Work = WORK,
    steps: Steps = 4_000,
    minutes: Minutes = None,
    seed: Seed = 1,
    patients: Patients = 2400,
    limit: Limit = None,
    device: Device = "auto",
) -> None:
    """Finding classifier, re-identification and scoring pair, kept apart from the encoder."""
    from updp_core.backends.judges import JudgeShape, load_judges
    from updp_core.training.calibration import blind, calibrate
    from updp_core.training.card import write_card
    from updp_core.training.judges import export_judges, features_of, train_judges
    from updp_core.training.loop import Schedule

    m = _material(work, source, labels, patients, limit).with_findings()
    findings = tuple(name for name in m.names if " " not in name or source is not None)
    shape = JudgeShape(findings, len(m.vocab))
    schedule = Schedule(steps, minutes, learning_rate=1.5e-3, ema=0.995, seed=seed)
    module, run = train_judges(
        m.data.images,
        m.data.patients,
        m.texts,
        m.names,
        m.targets,
        m.vocab,
        work / "judges",
        schedule,
        shape,
        device=device,
        say=_say,
    )
    blind(module.net, features_of(module.net, m.data.images), m.targets[:, : len(findings)])
    present: dict[str, float] = {}
    if source is None:  # an archive has no patients apart to measure on
        apart = phantom_set(work / "validation", VALIDATION, max(2, patients // 10), shape.size, say=_say)
        present = calibrate(
            module.net, features_of(module.net, apart.images), targets_of(apart.rows)[1][:, : len(findings)]
        )
    export_judges(module.net, m.vocab, out / "judges", present)
    write_reference(load_judges(out / "judges", device, reference=False), m.data, out / "judges", m.without_letters())
    write_card(
        out / "judges",
        "Judges",
        "Independent measures of a pair.",
        _data(m),
        run,
        asdict(shape),
        "A judge is one attacker and one reader; a stronger one may see more.",
    )


@app.command()
@command
def generator(
    source: Source = None,
    labels: Labels = "",
    out: Out = OUT,
    work: Work = WORK,
    steps: Steps = 20_000,
    minutes: Minutes = None,
    seed: Seed = 0,
    patients: Patients = 2400,
    limit: Limit = None,
    device: Device = "auto",
) -> None:
    """The latent diffusion model (StableDiffusionPipeline); needs the autoencoder in the same folder."""
    import numpy as np
    import torch
    from diffusers import AutoencoderDC

    from updp_core.training.card import write_card
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

    if not (out / "autoencoder" / "config.json").is_file():
        raise UsageError(f"There is no autoencoder in {out}: run `train autoencoder` with the same --out first.")
    m = _material(work, source, labels, patients, limit).with_findings()
    keep = m.without_letters()
    vae: Any = AutoencoderDC.from_pretrained(out / "autoencoder").float()
    file = work / "latents.pt"
    if not file.is_file():
        torch.save(encode_latents(vae, m.data.images, keep, device=device), file)
    latents = torch.load(file, weights_only=True)
    shape = GeneratorShape(latent_channels=vae.config["latent_channels"])
    caption = captions([m.texts[i] for i in keep], m.vocab, shape, lambda i, rng: m.short(int(keep[i]), rng))
    targets = m.targets[keep]
    probability = likely(targets, len(keep), shape.balanced)
    weights = work / "emphasis.npy"
    if source is None and not weights.is_file():
        np.save(weights, emphases([m.data.rows[i] for i in keep], latents.shape[-1], os.cpu_count() or 1))
    # A tenth of the time for reading, the rest for drawing.
    reading = Schedule(max(1, steps // 10), minutes and 0.1 * minutes, learning_rate=4e-4, ema=0.99, seed=seed)
    torch.manual_seed(seed)
    text, tokenizer = make_text_encoder(shape, m.vocab), make_tokenizer(m.vocab, context=shape.context)
    train_reader(
        text,
        caption,
        m.names,
        targets,
        probability,
        tokenizer,
        shape.read,
        work / "reader",
        reading,
        device=device,
        say=_say,
    )
    start = {f"text.{name}": value for name, value in text.state_dict().items()}
    schedule = Schedule(steps, minutes and 0.9 * minutes, learning_rate=7e-4, warmup=200, ema=0.999, seed=seed)
    module, run = train_generator(
        latents,
        caption,
        m.vocab,
        work / "generator",
        schedule,
        shape,
        start,
        probability,
        np.load(weights) if source is None else None,
        device=device,
        say=_say,
    )
    export_generator(module, vae, m.vocab, out / "generator", shape.read)
    write_card(
        out / "generator",
        "Generator",
        "Radiographs from prompts.",
        _data(m),
        run,
        asdict(shape),
        "Draws only what it was trained on; its images are no basis for care.",
    )


Features = Annotated[int, typer.Option(min=4, help="Channels of the first level; PriCheXy-Net 32, Privacy-Net 16.")]
Levels = Annotated[int, typer.Option(min=1, max=6, help="Levels of the U-Net; PriCheXy-Net 4, Privacy-Net 3.")]
Side = Annotated[
    int, typer.Option(min=16, help="Side in pixels that the U-Net sees, a multiple of 2^levels; papers: 256.")
]
Verify = Annotated[float, typer.Option(min=0, help="Weight of the verification loss.")]


@app.command(name="prichexy-net")
@command
def prichexy_net(
    source: Source = None,
    labels: Labels = "",
    out: Out = OUT,
    work: Work = WORK,
    steps: Steps = 4_000,
    minutes: Minutes = None,
    seed: Seed = 3,
    patients: Patients = 2400,
    limit: Limit = None,
    device: Device = "auto",
    features: Features = 16,
    levels: Levels = 3,
    side: Side = 64,
    verify: Verify = 1.0,
    mu: Annotated[float, typer.Option(min=0, max=1, help="Reach of the warp while training.")] = 0.03,
) -> None:
    """The warp of PriCheXy-Net, against a verifier and beside a classifier."""
    from updp_core.backends.obfuscator import UNetShape
    from updp_core.training.obfuscator import ObfuscatorConfig

    m = _material(work, source, labels, patients, limit).with_findings()
    schedule = _obfuscating(steps, minutes, seed)
    shape, config = UNetShape("warp", side, features, levels), ObfuscatorConfig(mu=mu, verify=verify)
    _obfuscator("prichexy-net", m, out, work, schedule, shape, config, device)


@app.command(name="privacy-net")
@command
def privacy_net(
    source: Source = None,
    labels: Labels = "",
    out: Out = OUT,
    work: Work = WORK,
    steps: Steps = 4_000,
    minutes: Minutes = None,
    seed: Seed = 3,
    patients: Patients = 2400,
    limit: Limit = None,
    device: Device = "auto",
    features: Features = 8,
    levels: Levels = 3,
    side: Side = 128,
    verify: Verify = 1.0,
) -> None:
    """The U-Net of Privacy-Net, against a verifier and beside a classifier."""
    from updp_core.backends.obfuscator import UNetShape
    from updp_core.training.obfuscator import ObfuscatorConfig

    m = _material(work, source, labels, patients, limit).with_findings()
    schedule = _obfuscating(steps, minutes, seed)
    shape, config = UNetShape("image", side, features, levels), ObfuscatorConfig(verify=verify)
    _obfuscator("privacy-net", m, out, work, schedule, shape, config, device)


def _obfuscating(steps: int, minutes: float | None, seed: int) -> Any:
    from updp_core.training.loop import Schedule

    return Schedule(steps, minutes, learning_rate=1.5e-3, warmup=20, ema=0.98, seed=seed)


def _obfuscator(name: str, m: Any, out: Path, work: Path, schedule: Any, shape: Any, config: Any, device: str) -> None:
    """Train, write and describe one network that hides the patient."""
    from updp_core.backends.obfuscator import save_unet
    from updp_core.training.card import write_card
    from updp_core.training.obfuscator import train_obfuscator

    kept = [n for n, title in enumerate(m.names) if " " not in title]  # findings without their sides
    net, run = train_obfuscator(
        m.data.images, m.data.patients, m.targets[:, kept], work / name, schedule, shape, config, device, _say
    )
    save_unet(net, out / name)
    how = {"warp": "Moves the source's pixels by a learned warp", "image": "Redraws the source by a U-Net"}[shape.kind]
    use = (
        f"{how} ({name}, re-implemented small). It is meant to hide the patient; *Measured* says what is known of that."
    )
    limits = (
        "It was trained against one small verifier. An attacker trained anew on its images knows more, and the "
        "source's own pixels are in them: by default nothing that it makes leaves the house."
    )
    told = {**{f"U-Net: {k}": v for k, v in asdict(shape).items()}, **asdict(config)}
    attack = (
        f"The verifier that learned beside it ended at a loss of {run.losses['attack']:.2f} on pairs of images; one "
        "that cannot tell patients apart has 0.69. It has not been attacked by a model trained anew."
    )
    write_card(out / name, name, use, _data(m), run, told, limits, unmeasured=attack)


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


@app.command()
@command
def distil(
    model: Annotated[Path, typer.Option(help="The slow generator, a folder of `train generator`.")] = OUT / "generator",
    source: Source = None,
    labels: Labels = "",
    out: Out = OUT / "student",
    work: Work = WORK,
    steps: Steps = 8_000,
    minutes: Minutes = None,
    seed: Seed = 0,
    patients: Patients = 2400,
    limit: Limit = None,
    count: Annotated[int, typer.Option(min=1, help="How many ways from noise to image the teacher shows.")] = 8_000,
    device: Device = "auto",
) -> None:
    """A generator that draws in 4 steps of one pass, from one that needs 12 of two (half of the minutes each)."""
    import torch
    from diffusers import DiffusionPipeline

    from updp_core.training.card import write_card
    from updp_core.training.distil import Distillation, export_pipeline, train_student, trajectories
    from updp_core.training.generator import GeneratorShape, captions, likely
    from updp_core.training.loop import Schedule

    pipeline: Any = DiffusionPipeline.from_pretrained(model, dtype=torch.float32, local_files_only=True)
    m, shape, config = _material(work, source, labels, patients, limit), GeneratorShape(), Distillation()
    caption = captions(m.texts, m.vocab, shape, m.short)
    probability, half = likely(m.targets, len(m.data), shape.balanced), minutes and minutes / 2
    files = trajectories(
        pipeline, caption, probability, work / "trajectories", count, half, config, seed, device, say=_say
    )
    schedule = Schedule(steps, half, learning_rate=3e-4, warmup=50, decay=0.5, seed=seed)
    run = train_student(pipeline, files, work / "student", schedule, config, device, _say)
    export_pipeline(pipeline, out)
    write_card(
        out,
        "Distilled generator",
        f"Radiographs from prompts in {config.steps} steps without guidance: UPDP_GENERATOR, scheduler `model`.",
        _data(m),
        run,
        asdict(config),
        "It draws at best what its teacher draws; its images are no basis for care.",
    )


@app.command()
@command
def finish(
    model: Annotated[Path, typer.Option(help="The generator, a folder of `train generator`.")] = OUT / "generator",
    source: Source = None,
    labels: Labels = "",
    out: Out = OUT / "finished",
    work: Work = WORK,
    steps: Steps = 4_000,
    minutes: Minutes = None,
    seed: Seed = 0,
    patients: Patients = 2400,
    limit: Limit = None,
    count: Annotated[int, typer.Option(min=1, help="How many latents the generator redraws.")] = 2_000,
    device: Device = "auto",
) -> None:
    """A larger decoder for a generator, taught to mend what the generator leaves rough."""
    import torch

    from updp_core.backends.generator import load_generator
    from updp_core.training.card import write_card
    from updp_core.training.distil import export_pipeline
    from updp_core.training.finish import FinishConfig, redrawn, train_finish, widened
    from updp_core.training.generator import GeneratorShape, captions, encode_latents
    from updp_core.training.loop import Schedule

    pipeline: Any = load_generator(model, device).pipeline.to(torch.float32)
    m, config = _material(work, source, labels, patients, limit), FinishConfig()
    images, index = m.data.images, m.without_letters()
    caption = captions(m.texts, m.vocab, GeneratorShape(), m.short)
    files = redrawn(pipeline, images, index, caption, work / "redrawn", count, config, seed, device, _say)
    pipeline.vae = widened(pipeline.vae.cpu(), encode_latents(pipeline.vae, images, index[:256], device="cpu"), config)
    schedule = Schedule(steps, minutes, learning_rate=5e-4, warmup=30, ema=0.99, decay=0.5, seed=seed)
    run = train_finish(pipeline.vae, images, index, files, work / "finish", schedule, config, device, _say)
    export_pipeline(pipeline, out)
    write_card(
        out,
        "Finished generator",
        "The generator with a decoder that learned from its own drawings: UPDP_GENERATOR.",
        _data(m),
        run,
        asdict(config),
        "It mends seams, grain and lines; what the generator draws in the wrong place stays there.",
    )


@app.command()
@command
def lora(
    model: Annotated[str, typer.Option(help="The diffusers pipeline to fine-tune: folder or hub id.")],
    source: Annotated[Path, typer.Option(help="An archive that `import` reads.")],
    labels: Labels = "",
    out: Out = OUT / "lora",
    work: Work = RUNS / "lora",
    steps: Steps = 2_000,
    minutes: Minutes = None,
    seed: Seed = 0,
    rank: Annotated[int, typer.Option(min=1)] = 16,
    limit: Limit = None,
    device: Device = "auto",
) -> None:
    """Fine-tune any StableDiffusionPipeline on an archive by low-rank adapters."""
    import torch

    from updp_core.training.card import write_card
    from updp_core.training.loop import Schedule
    from updp_core.training.lora import LoraConfig, export_lora, train_lora

    pipeline = load_generator(model, device).pipeline
    pipeline.to(torch.float32)
    side = int(pipeline.unet.config.sample_size * pipeline.vae_scale_factor)
    m = prepare(work, source, size=side, labels=labels, limit=limit, say=_say)
    config = LoraConfig(rank=rank, alpha=rank)
    schedule = Schedule(steps, minutes, learning_rate=1e-4, ema=0.99, seed=seed)
    run = train_lora(pipeline, m.data.images, m.texts, work / "adapters", schedule, config, device, _say)
    export_lora(pipeline, out)
    write_card(
        out,
        "Fine-tuned generator",
        f"{model}, fine-tuned by LoRA.",
        _data(m),
        run,
        asdict(config),
        "A model fine-tuned on patients may repeat them: measure memorisation before any release.",
    )


@app.command(name="all")
@command
def everything(
    source: Source = None,
    labels: Labels = "",
    out: Out = OUT,
    work: Work = WORK,
    minutes: Annotated[float, typer.Option(help="Minutes for all four models together.")] = 120.0,
    seed: Seed = 0,
    patients: Patients = 2400,
    limit: Limit = None,
    device: Device = "auto",
) -> None:
    """Autoencoder, encoder, judges and generator, one after the other."""
    shared: dict[str, Any] = {
        "source": source,
        "labels": labels,
        "out": out,
        "work": work,
        "patients": patients,
        "limit": limit,
        "device": device,
        "steps": 10**6,
    }
    _material(work, source, labels, patients, limit).with_findings()  # refused before time is spent
    autoencoder(minutes=0.1 * minutes, seed=seed, **shared)
    encoder(minutes=0.15 * minutes, seed=seed, **shared)
    judges(minutes=0.15 * minutes, seed=seed + 1, **shared)
    generator(minutes=0.6 * minutes, seed=seed, **shared)


def _data(material: Any) -> str:
    labels, pieces = material.targets.shape[1], len(material.vocab)
    return f"{len(material.data)} images: {material.title}. {labels} labels, {pieces} word pieces."
