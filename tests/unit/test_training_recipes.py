"""Each recipe at a tiny size: it writes a folder that the product loads, and resumes to the same weights."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from tests import tiny_models
from updp_core import imageset
from updp_core.backends.judges import JudgeShape
from updp_core.phantom import FINDINGS
from updp_core.training import captions
from updp_core.training.loop import Schedule, rate, train
from updp_core.training.tokens import build_vocabulary

ROWS = imageset.phantom_rows(imageset.TRAIN, 4)[:8]
TEXTS = [captions.texts_of(row, 2) for row in ROWS]
NAMES, TARGETS = captions.targets_of(ROWS)
VOCAB = build_vocabulary([t for options in TEXTS for t in options], 600)
IMAGES = np.random.default_rng(0).integers(0, 255, (len(ROWS), 64, 64), dtype=np.uint8)
SMOOTH = np.linspace(0, 255, 64, dtype=np.uint8)[:, None].repeat(64, axis=1)
SHORT = Schedule(steps=2, warmup=1, seed=3)


def quiet(_: str) -> None: ...


class _Line(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.line, self.norm, self.drop = nn.Linear(4, 1), nn.BatchNorm1d(4), nn.Dropout(0.5)


def _fit(folder, stop_at: int | None = None) -> dict[str, torch.Tensor]:
    module, calls = _Line(), 0

    def batch(rng: np.random.Generator):
        nonlocal calls
        calls += 1
        if stop_at is not None and calls > stop_at:
            raise KeyboardInterrupt
        x = torch.from_numpy(rng.normal(size=(8, 4)).astype(np.float32))
        return (module.line(module.drop(module.norm(x))) - x.sum(dim=1, keepdim=True)).square().mean(), {}

    weights, run = train(module, batch, Schedule(steps=12, warmup=2, seed=5, checkpoint_seconds=0), folder, quiet)
    assert run.step == 12
    return weights | {f"raw {k}": v for k, v in module.state_dict().items()}


def test_a_resumed_run_has_the_weights_of_an_uninterrupted_one(tmp_path) -> None:
    whole = _fit(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        _fit(tmp_path / "cut", stop_at=7)
    resumed = _fit(tmp_path / "cut")
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_a_loss_that_is_not_finite_stops_the_run_and_keeps_the_last_checkpoint(tmp_path) -> None:
    module = _Line()
    with pytest.raises(FloatingPointError, match="learning rate"):
        train(module, lambda rng: (module.line.weight.sum() * float("nan"), {}), SHORT, tmp_path, quiet)


def test_the_rate_warms_up_stays_and_falls() -> None:
    schedule = Schedule(steps=100, warmup=10, decay=0.3, learning_rate=1.0)
    rates = [rate(schedule, step, step / 100) for step in range(100)]
    assert rates[0] == pytest.approx(0.1) and rates[40] == 1.0 and rates[99] == pytest.approx(0.01 / 0.3)
    assert rates[:10] == sorted(rates[:10]) and rates[70:] == sorted(rates[70:], reverse=True)


@pytest.fixture(scope="module")
def autoencoder(tmp_path_factory):
    from updp_core.training import autoencoder as recipe

    work = tmp_path_factory.mktemp("autoencoder")
    config = recipe.AutoencoderConfig(latent_channels=4, crop=48, batch=4)
    projection = recipe.fit_projection(IMAGES, config)
    vae = recipe.make_autoencoder(config, projection).eval()
    recipe.export_autoencoder(vae, work / "vae")
    return vae, projection, config, work


def _patches(images: np.ndarray) -> torch.Tensor:
    """Patches (N, P, 256) in -1..1 of uint8 images."""
    x = torch.from_numpy(images).float()[:, None] / 127.5 - 1
    return nn.functional.unfold(x, 16, stride=16).transpose(1, 2)


def test_the_autoencoder_starts_as_the_principal_components_of_patches() -> None:
    from sklearn.decomposition import PCA

    from updp_core.training import autoencoder as recipe

    smooth = np.stack([np.roll(SMOOTH, 5 * k, axis=k % 2) // 2 + 40 for k in range(8)]).astype(np.uint8)
    config = recipe.AutoencoderConfig(latent_channels=4)
    vae = recipe.make_autoencoder(config, recipe.fit_projection(smooth, config)).eval()
    rows = _patches(smooth)
    oracle = PCA(4).fit(rows.reshape(-1, 256).numpy())
    expected = oracle.inverse_transform(oracle.transform(rows.reshape(-1, 256).numpy()))
    x = torch.from_numpy(smooth).float()[:, None] / 255
    with torch.no_grad():
        z = recipe.latents_of(vae, x)
        found = vae.decode(z).sample
    assert z.shape == (8, 4, 4, 4) and float(z.square().mean().sqrt()) == pytest.approx(0.5, abs=0.02)
    found = nn.functional.unfold(found, 16, stride=16).transpose(1, 2).reshape(-1, 256)
    torch.testing.assert_close(found, torch.from_numpy(expected).float(), atol=0.01, rtol=0.01)


def test_refining_the_decoder_leaves_the_latents_as_they_are(autoencoder, tmp_path) -> None:
    import copy

    from updp_core.training import autoencoder as recipe

    vae, projection, config, _ = autoencoder
    later = copy.deepcopy(vae)
    recipe.train_decoder(later, projection.spread, IMAGES, tmp_path, SHORT, config, "cpu", quiet)
    before, after = vae.state_dict(), later.state_dict()
    same = {name: torch.equal(before[name], after[name]) for name in before}
    assert all(value for name, value in same.items() if name.startswith("encoder."))
    assert not all(same.values())


def test_the_similarity_in_training_is_the_one_of_the_evaluation() -> None:
    from torchmetrics.functional.image import structural_similarity_index_measure

    from updp_core.training.autoencoder import ssim

    a = torch.from_numpy(IMAGES).float()[:, None] / 255
    b = (a + 0.1 * torch.randn_like(a)).clamp(0, 1)
    assert float(ssim(a, b)) == pytest.approx(
        float(structural_similarity_index_measure(a, b, data_range=1.0)), abs=0.01
    )


def test_the_generator_recipe_writes_a_pipeline_that_draws(autoencoder, tmp_path) -> None:
    from updp_core.backends.generator import load_generator
    from updp_core.config import GeneratorConfig
    from updp_core.training import generator as recipe

    vae = autoencoder[0]
    latents = recipe.encode_latents(vae, IMAGES, np.arange(len(IMAGES)), device="cpu")
    shape = recipe.GeneratorShape(
        latent_channels=4, latent_size=4, widths=(32, 32), head_width=16, text_width=48, text_layers=1, batch=4, read=24
    )
    caption = recipe.captions(TEXTS, VOCAB, shape, lambda i, rng: "right effusion")
    probability = recipe.likely(TARGETS, len(IMAGES), shape.balanced)
    module, _ = recipe.train_generator(
        latents,
        caption,
        VOCAB,
        tmp_path,
        SHORT,
        shape,
        probability=probability,
        emphasis=np.full((len(IMAGES), 4, 4), 2.0),
        device="cpu",
        say=quiet,
    )
    recipe.export_generator(module, vae, VOCAB, tmp_path / "pipeline", shape.read)
    loaded = load_generator(tmp_path / "pipeline", "cpu")
    images = loaded.generate(["large right pleural effusion", "normal"], [1, 2], GeneratorConfig(steps=2))
    assert images.shape == (2, 64, 64) and images.dtype == np.uint8 and loaded.max_tokens == 24


def test_a_rare_finding_is_drawn_as_often_as_a_common_one() -> None:
    from updp_core.training.generator import likely

    targets = np.zeros((100, 3), bool)
    targets[:2, 0] = targets[10:90, 1] = True  # the third finding is never seen
    chance = likely(targets, 100, balanced=1.0)
    assert chance.sum() == pytest.approx(1)
    assert chance[:2].sum() == pytest.approx(chance[10:90].sum())
    assert likely(targets, 100, balanced=0.0) == pytest.approx(np.full(100, 0.01))
    assert likely(None, 4, balanced=0.5) == pytest.approx(np.full(4, 0.25))


def test_a_finding_counts_in_training_however_small_it_is_and_where_it_is() -> None:
    from updp_core.phantom import render_masks, sample_patient, sample_visit
    from updp_core.training.emphasis import MOST, SHARE, emphasis

    seen = set()
    for seed in range(30):
        visit = sample_visit(sample_patient(seed), 0)
        weight = emphasis({"patient": seed, "visit": 0}, 16).astype(float)
        masks = render_masks(visit, 64)
        shown = [mask.reshape(16, 4, 16, 4).mean(axis=(1, 3)) > 0.05 for mask in masks.values()]
        seen |= set(masks)
        assert ((weight > 1) == np.any([np.zeros((16, 16), bool), *shown], axis=0)).all()
        fair = sum(min(SHARE * 256, MOST * mask.sum()) for mask in shown)
        assert weight.sum() - 256 == pytest.approx(fair, rel=0.01)
    assert len(seen) > 8, "the sample shows many kinds of finding"


def taught(said: list[str], names: list[str], targets: list[list[int]], steps: int, folder: Path) -> list[str]:
    """What the reader says while it learns to tell `targets` from what is `said`."""
    from updp_core.training import generator as recipe
    from updp_core.training.reader import train_reader
    from updp_core.training.tokens import make_tokenizer

    shape, told = recipe.GeneratorShape(text_width=48, text_layers=1, read=24), []
    tokenizer, chance = make_tokenizer(VOCAB, context=shape.context), np.full(len(said), 1 / len(said))
    schedule = Schedule(steps=steps, warmup=5, learning_rate=3e-3, ema=0.8, seed=3, log_seconds=0)
    train_reader(
        recipe.make_text_encoder(shape, VOCAB),
        lambda i, rng: said[i],
        names,
        np.array(targets, bool),
        chance,
        tokenizer,
        24,
        folder,
        schedule,
        16,
        "cpu",
        told.append,
    )
    return told


def test_a_text_encoder_learns_which_findings_a_caption_asserts(tmp_path) -> None:
    said = ["large effusion", "no effusion", "pneumothorax", "no pneumothorax"]
    told = taught(said, ["effusion", "air"], [[1, 0], [0, 0], [0, 1], [0, 0]], 100, tmp_path)
    assert float(told[-2].rpartition("wrong ")[2]) < 0.15  # saying "none" each time is wrong in a quarter
    assert re.fullmatch(r"reads worst: (effusion|air) [\d.]+, (effusion|air) [\d.]+ \(AUC on new captions\)", told[-1])


def test_what_the_text_encoder_cannot_read_is_said_by_name(tmp_path) -> None:
    said = ["large effusion", "no effusion", "nodule", "nodule"]  # nothing tells the third from the fourth
    told = taught(said, ["effusion", "nodule"], [[1, 0], [0, 0], [0, 1], [0, 0]], 60, tmp_path)
    assert told[-1].startswith("reads worst: nodule 0.")


def test_the_encoder_recipe_writes_a_folder_that_open_clip_loads(tmp_path) -> None:
    from updp_core.backends.encoder import load_encoder
    from updp_core.training.encoder import EncoderConfig, export_encoder, train_encoder

    vision = {"image_size": 32, "layers": 1, "width": 32, "head_width": 16, "patch_size": 8}
    config = EncoderConfig(vision, embed_dim=24, text_width=48, text_layers=1, context=40, batch=6, read=32, queries=5)
    module, run = train_encoder(
        IMAGES, TEXTS, NAMES, TARGETS, VOCAB, tmp_path / "work", SHORT, config, device="cpu", say=quiet
    )
    export_encoder(module, VOCAB, tmp_path / "encoder")
    encoder = load_encoder(tmp_path / "encoder", "cpu")
    assert run.step == 2 and encoder.encode_text(["right effusion"]).shape == (1, 24)
    features = encoder.encode_image([SMOOTH.astype(np.uint16) * 257])
    with torch.no_grad():
        expected = nn.functional.normalize(module.image(torch.from_numpy(SMOOTH).float()[None, None] / 255), dim=-1)
    torch.testing.assert_close(features.float(), expected, atol=3e-2, rtol=3e-2)


def test_images_with_the_same_findings_are_each_others_positives() -> None:
    from updp_core.training.encoder import soft_targets

    goal = soft_targets(torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]]))
    torch.testing.assert_close(goal, torch.tensor([[0.5, 0.0, 0.5], [0.0, 1.0, 0.0], [0.5, 0.0, 0.5]]))


def test_the_judges_recipe_writes_a_folder_with_its_reference(tmp_path) -> None:
    from updp_core.backends.judges import load_judges
    from updp_core.training.judges import JudgesConfig, export_judges, train_judges
    from updp_core.training.reference import write_reference

    shape = JudgeShape(FINDINGS, len(VOCAB), 64, (8, 16), (1, 1), 16, 16, 16)
    patients = np.array([row["patient"] for row in ROWS])
    module, _ = train_judges(
        IMAGES,
        patients,
        TEXTS,
        NAMES,
        TARGETS,
        VOCAB,
        tmp_path / "work",
        SHORT,
        shape,
        JudgesConfig(patients=3),
        device="cpu",
        say=quiet,
    )
    export_judges(module.net, VOCAB, tmp_path / "judges")
    found = imageset.ImageSet(tmp_path, IMAGES, tuple(ROWS))
    scalars = write_reference(load_judges(tmp_path / "judges", "cpu", reference=False), found, tmp_path / "judges")
    judges = load_judges(tmp_path / "judges", "cpu")
    assert judges.finding_names == FINDINGS and scalars["train_nearest_p1"] > 0
    copy = judges.nearest(IMAGES[:2].astype(np.float32) / 255)
    assert (copy < scalars["train_nearest_p1"]).all(), "a copy of a training image must be seen as one"


def test_lora_changes_the_attention_of_a_pipeline_and_merges_into_it(tmp_path) -> None:
    from updp_core.backends.generator import load_generator
    from updp_core.config import GeneratorConfig
    from updp_core.training.lora import LoraConfig, export_lora, train_lora

    source = tiny_models.write_diffusion_folder(tmp_path / "base")
    pipeline = load_generator(source, "cpu").pipeline
    before = {k: v.clone() for k, v in pipeline.unet.state_dict().items()}
    images = IMAGES[:, ::2, ::2].copy()
    run = train_lora(
        pipeline,
        images,
        TEXTS,
        tmp_path / "work",
        Schedule(3, warmup=1, learning_rate=0.05, ema=0.0),
        LoraConfig(rank=2, alpha=2, batch=2),
        "cpu",
        quiet,
    )
    export_lora(pipeline, tmp_path / "tuned")
    tuned = load_generator(tmp_path / "tuned", "cpu")
    after = tuned.pipeline.unet.state_dict()
    changed = {name for name in before if not torch.allclose(before[name], after[name], atol=1e-6)}
    assert run.step == 3 and set(before) == set(after)
    assert changed and all("attn" in name for name in changed)
    assert tuned.generate(["normal"], [0], GeneratorConfig(steps=1)).shape == (1, 32, 32)


def test_an_archive_in_which_nothing_is_found_is_refused_with_what_to_do(tmp_path) -> None:
    from PIL import Image

    from updp_core.errors import UsageError
    from updp_core.training.prepare import prepare

    Image.fromarray((np.arange(256 * 256).reshape(256, 256) % 251).astype(np.uint8)).save(tmp_path / "a.png")
    (tmp_path / "manifest.csv").write_text("file,patient_id,finding_labels,view\na.png,p1,No Finding,PA\n")
    material = prepare(tmp_path / "work", tmp_path / "manifest.csv", labels="finding_labels", say=quiet)
    assert len(material.data) == 1, "autoencoder and LoRA can learn from it"
    with pytest.raises(UsageError, match="--labels"):
        material.with_findings()
