"""The shipped starter models: they load with no network, they are small, and they draw what they are told."""

from __future__ import annotations

import json
import re
import socket

import numpy as np
import pytest

from updp_core.backends.encoder import load_encoder
from updp_core.backends.generator import load_generator
from updp_core.backends.judges import load_judges
from updp_core.backends.presets import PRESETS
from updp_core.config import STARTER, GeneratorConfig
from updp_core.imageset import VALIDATION
from updp_core.lexicon import load_lexicon
from updp_core.phantom import FINDINGS, render, sample_patient, sample_visit
from updp_core.prompt.constraint import Constraint
from updp_core.prompt.optimise import optimise


@pytest.fixture(autouse=True)
def _no_network(monkeypatch):
    def refuse(*_args, **_kwargs):
        raise AssertionError("the starter models must not use the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.fixture(scope="module")
def judges():
    return load_judges(device="cpu")


def test_all_starter_models_together_stay_below_64_mib() -> None:
    assert sum(file.stat().st_size for file in STARTER.rglob("*") if file.is_file()) < 64 * 2**20


def test_every_starter_model_has_a_card_and_names_no_path_of_the_machine_that_made_it() -> None:
    for part in ("encoder", "generator", "judges", "recogniser"):
        assert (STARTER / part / "README.md").is_file()
        for file in (STARTER / part).rglob("*.json"):
            assert not re.search(r"[\"]/\w", file.read_text())  # an absolute path


def test_the_judges_see_an_effusion_where_there_is_one(judges) -> None:
    shown, clear = [], []
    for seed in range(400):
        visit = sample_visit(sample_patient(VALIDATION[seed]), 1)
        effusion = visit.get("pleural_effusion")
        if effusion and effusion.severity != "mild" and len(shown) < 4:
            shown.append(visit)
        if not visit.findings and len(clear) < 4:
            clear.append(visit)
        if len(shown) == len(clear) == 4:
            break
    column = judges.finding_names.index("pleural_effusion")
    seen = judges.findings(render([*shown, *clear]).astype(np.float32) / 65535)[:, column]
    assert judges.finding_names == FINDINGS
    assert seen[:4].min() > seen[4:].max()


def test_the_encoder_and_the_judges_read_reports_with_their_own_vocabulary() -> None:
    encoder = load_encoder(STARTER / "encoder", "cpu")
    text = "moderate right pleural effusion"
    assert encoder.decode(encoder.encode_ids(text)) == text
    assert len(encoder.encode_ids(text)) == 4, "report words are single tokens"
    assert json.loads((STARTER / "encoder" / "open_clip_config.json").read_text())["model_cfg"]["text_cfg"][
        "hf_model_name"
    ] in (".", "")


def test_the_generator_draws_a_finding_that_is_asserted_rather_than_one_that_is_denied(judges) -> None:
    """Each from the same noise: "hiatal hernia" and "no hiatal hernia" once drew the same chest."""
    generator, names = load_generator(STARTER / "generator", "cpu"), ("pleural_effusion", "hernia")
    words = [name.replace("_", " ") for name in names]
    told = [f"{start} {word}" for word in words for start in ("large", "lungs are clear. no") for _ in range(3)]
    images = generator.generate(told, [1, 2, 3] * 4, GeneratorConfig(steps=12, guidance_scale=2.5))
    assert images.shape == (12, 256, 256) and images.std(axis=(1, 2)).min() > 20
    seen = judges.findings(images.astype(np.float32) / 255).reshape(2, 2, 3, -1)
    for k, name in enumerate(names):
        asserted, denied = seen[k, :, :, judges.finding_names.index(name)]
        assert asserted.mean() > denied.mean() + 0.2, name


def test_the_generator_draws_the_same_image_for_the_same_seed_and_another_for_another() -> None:
    generator = load_generator(STARTER / "generator", "cpu")
    texts, seeds, config = ["right effusion"] * 3, [5, 5, 6], GeneratorConfig(steps=3)
    a, b, c = generator.generate(texts, seeds, config).astype(int)
    assert np.abs(a - b).max() <= 1  # the place in a batch may change the rounding
    np.testing.assert_array_equal(generator.generate(texts, seeds, config), np.stack([a, b, c]))
    assert np.abs(a - c).mean() > 2


def test_a_prompt_is_the_same_to_the_last_bit_alone_and_in_a_batch() -> None:
    """Rounding grows over the steps of Adam until other tokens win: a prompt could not be made again."""
    encoder, config = load_encoder(STARTER / "encoder", "cpu"), PRESETS["starter"].prompt
    constraint = Constraint(load_lexicon(), encoder)
    pictures = list(render([sample_visit(sample_patient(VALIDATION[n]), 0) for n in range(3)], 192))
    texts = ["large right pleural effusion", "clear lungs. no pneumothorax or effusion is seen.", ""]
    together = optimise(encoder, constraint, pictures, texts, config, [5, 6, 7])
    for n, prompt in enumerate(together):
        alone = optimise(encoder, constraint, pictures[n : n + 1], texts[n : n + 1], config, [5 + n])[0]
        assert (alone.text, alone.trace) == (prompt.text, prompt.trace)
