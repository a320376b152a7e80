"""Quick stand-ins for models and phantoms, which suites are run on in seconds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from tests.tiny_models import wordpiece_vocab
from tests.toy_encoder import ToyEncoder
from updp_core.backends import vocabulary
from updp_core.domain import Proposal, Step
from updp_core.evaluation import run, testbed
from updp_core.evaluation.suites import SUITES
from updp_core.phantom import FINDINGS

TINY = testbed.Sizes(
    singles=12,
    drawn=8,
    beside=3,
    prompts=3,
    couples=4,
    patients=3,
    images=11,
    test_visits=1,
    generated_visits=1,
    reconstructed=4,
    real=0,
    attacker_seeds=2,
    scale=1.0,
)


def quiet(_: str) -> None: ...


class Toy(ToyEncoder):
    digest = "toy"

    def decode(self, ids):
        return self.vocabulary.decode(ids)

    def encode_text(self, texts):
        return self.encode_embeddings(*self.embed([self.encode_ids(text) for text in texts]))


class Judges:
    """What the suite asks of judges, from a fixed projection of a thumbnail."""

    finding_names, device = FINDINGS, "cpu"

    def __init__(self) -> None:
        self.reference = {"train_nearest_p1": np.float32(0.5)}
        generator = torch.Generator().manual_seed(0)
        weights = torch.randn(64, 40, generator=generator)
        self.network = SimpleNamespace(
            identity_head=lambda f: f @ weights[:, :16], finding_head=lambda f: f @ weights[:, 16:35]
        )

    def features(self, images):
        return images.reshape(len(images), 8, 32, 8, 32).mean((2, 4)).reshape(len(images), 64).astype(np.float32)

    def findings(self, images):
        return self.network.finding_head(torch.from_numpy(self.features(images))).sigmoid().numpy()

    def nearest(self, images):
        return self.features(images).std(axis=1)

    def score(self, images, texts):
        return np.array([image.mean() + len(text) for image, text in zip(images, texts, strict=True)])


class Drawer:
    """A method that draws noise of the seed; `limit` counts the images after which it is killed."""

    def __init__(self, name: str, model: str, counter: dict[str, Any], changes: dict[str, Any]) -> None:
        self.name, self.model, self.counter, self.changes = name, model, counter, changes

    def settings(self):
        return {"method": self.name, "generator": {"name": "x", "sha256": self.model}, **self.changes}

    def propose(self, records, *, seeds):
        for record, seed in zip(records, seeds, strict=True):
            self.counter["drawn"] += 1
            if self.counter["drawn"] > self.counter.get("limit", 10**9):
                raise KeyboardInterrupt
            image = np.random.default_rng([seed, len(self.name), len(self.model)]).integers(
                0, 255, (256, 256), dtype=np.uint8
            )
            made = Proposal(record.id, seed, image, None, f"{self.name} {seed}")
            yield Step("image", 1, 1, (made,))


class ToyModels(testbed.Models):
    """Quick stand-ins for the models; `counter` says what was drawn, and where to be killed."""

    def __init__(self, counter: dict[str, Any]) -> None:
        super().__init__()
        self.counter = counter
        self.encoder = Toy.random(vocabulary.from_word_pieces(list(wordpiece_vocab()), range(7), "##"))
        object.__setattr__(self.encoder, "max_content", 60)
        self.judges = Judges()
        vae = SimpleNamespace(
            config=SimpleNamespace(in_channels=1),
            device="cpu",
            dtype=torch.float32,
            encode=lambda x: SimpleNamespace(latents=x),
            decode=lambda z: SimpleNamespace(sample=0.9 * z),
        )
        self.generator = SimpleNamespace(pipeline=SimpleNamespace(vae=vae))
        self.digests = {"encoder": "e", "generator": counter["generator"], "judges": "j"}

    def method(self, name, lexicon, changes=None):
        return Drawer(name, self.counter["generator"], self.counter, dict(changes or {}))


class Bench(dict):
    """What was drawn and rendered, and where to be killed."""

    def bed(self, folder: Path, sizes: testbed.Sizes = TINY) -> testbed.Testbed:
        drawn = {"renderer": self.render, "plain": self.render}
        return testbed.Testbed(ToyModels(self), folder, sizes, say=quiet, chunk=2, **drawn)

    def render(self, keys, population):
        self["rendered"] += len(keys)
        if self["rendered"] > self.get("render_limit", 10**9):
            raise KeyboardInterrupt
        return np.stack([np.random.default_rng(key).integers(0, 65535, (256, 256), dtype=np.uint16) for key in keys])

    def evaluated(
        self, folder: Path, only: Sequence[str] = (), sizes: testbed.Sizes = TINY, suite: str = "starter", **more: Any
    ) -> dict[str, Any]:
        return run.evaluate(SUITES[suite], replace(self.bed(folder, sizes), **more), only)
