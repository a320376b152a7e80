"""The student of a slow generator: its steps are turns, its targets its teacher's states, its folder loads."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests import tiny_models
from updp_core.backends.generator import load_generator, make_scheduler
from updp_core.config import GeneratorConfig
from updp_core.training import distil
from updp_core.training.generator import noise_schedule
from updp_core.training.loop import Schedule

CONFIG = distil.Distillation(steps=2, teacher_steps=4, guidance=2.0, batch=4, shard=2)


def quiet(_: str) -> None: ...


def caption(i: int, rng: np.random.Generator) -> str:
    return ("right effusion", "clear lungs")[i]


@pytest.fixture
def pipeline(tmp_path):
    loaded = load_generator(tiny_models.write_diffusion_folder(tmp_path / "teacher"), "cpu").pipeline
    return loaded.to(torch.float32)


def shown(pipeline, folder, count: int = 4, minutes: float | None = None):
    return distil.trajectories(pipeline, caption, np.array([0.5, 0.5]), folder, count, minutes, CONFIG, 3, "cpu", quiet)


def test_the_teachers_way_ends_where_its_sampler_ends(pipeline) -> None:
    texts, scheduler = ["right effusion", "clear lungs"], make_scheduler(noise_schedule(), "dpmsolver++")
    states = distil.follow(pipeline, texts, 5, CONFIG, torch.device("cpu"))
    assert states.shape[:2] == (2, 3)
    pipeline.scheduler = scheduler
    found = pipeline(
        texts, num_inference_steps=4, guidance_scale=2.0, latents=states[:, 0].float(), output_type="latent"
    ).images
    torch.testing.assert_close(states[:, -1].float(), found, atol=0.05, rtol=0.05)


def test_a_step_of_the_student_with_the_wanted_velocity_leads_to_the_next_state() -> None:
    """The turn of the loss against diffusers' own step, from pure noise on and down to a clean latent."""
    times, parts = distil.angles(4)
    scheduler = distil.few_step_schedule()
    scheduler.set_timesteps(4)
    z, v = torch.randn(1, 2, 4, 4), torch.randn(1, 2, 4, 4)
    for k, t in enumerate(times):
        (a, s), (a2, s2) = parts[k], parts[k + 1]
        turned = (a2 * a + s2 * s) * z - (a2 * s - s2 * a) * v
        torch.testing.assert_close(scheduler.step(v, t, z).prev_sample, turned, atol=1e-4, rtol=1e-4)
    assert times[0] == 999 and parts[0].tolist() == pytest.approx([0, 1], abs=1e-4) and parts[-1].tolist() == [1, 0]


def test_what_the_teacher_has_shown_is_not_drawn_again_and_is_the_same_in_another_run(pipeline, tmp_path) -> None:
    first = shown(pipeline, tmp_path / "a")
    stamps = [file.stat().st_mtime_ns for file in first]
    assert [file.stat().st_mtime_ns for file in shown(pipeline, tmp_path / "a")] == stamps
    again = shown(pipeline, tmp_path / "b")
    a, b = (torch.load(files[1], weights_only=True) for files in (first, again))
    assert a["texts"] == b["texts"]
    torch.testing.assert_close(a["states"], b["states"])


def test_the_student_learns_to_follow_and_its_folder_draws_without_guidance(pipeline, tmp_path) -> None:
    files = shown(pipeline, tmp_path / "shown")
    schedule = Schedule(steps=30, warmup=1, learning_rate=2e-3, ema=0.5, seed=1)
    first = distil.train_student(pipeline, files, tmp_path / "short", Schedule(steps=1, ema=0.0), CONFIG, "cpu", quiet)
    run = distil.train_student(pipeline, files, tmp_path / "work", schedule, CONFIG, "cpu", quiet)
    assert run.losses["loss"] < first.losses["loss"]
    distil.export_pipeline(pipeline, tmp_path / "student")
    student = load_generator(tmp_path / "student", "cpu")
    config = GeneratorConfig(steps=2, guidance_scale=1.0, scheduler="model")
    calls = []
    student.pipeline.unet.register_forward_pre_hook(lambda _, args: calls.append(len(args[0])))
    image = student.generate(["right effusion"], [1], config)
    assert image.shape[0] == 1 and calls == [1, 1]  # two steps, one pass each


def test_trajectories_of_another_number_of_steps_are_refused(pipeline, tmp_path) -> None:
    files, other = shown(pipeline, tmp_path / "shown"), distil.Distillation(steps=4, batch=4)
    with pytest.raises(ValueError, match="another folder"):
        distil.train_student(pipeline, files, tmp_path / "work", Schedule(steps=1), other, "cpu", quiet)
