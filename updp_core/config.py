"""Settings from UPDP_* variables, and the frozen configurations of prompt and generator."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

ROOT = Path(__file__).resolve().parent.parent
STARTER = ROOT / "data" / "models" / "starter"
SAMPLE = ROOT / "data" / "sample"
LEXICONS = ROOT / "lexicons"


@dataclass(frozen=True)
class PromptConfig:
    """Settings of the prompt optimisation (paper, section 3.3 and 3.4; Algorithm 1).

    `learning_rate` is in units of the token table's standard deviation, so that it means the same for every encoder.
    `select` says what of the projection is taken: "tokens" takes the projected tokens one by one where they raise the
    alignment and leave what the report asserts as it is; "best" takes the best-aligned of `projections` evenly spaced
    projections and the constrained initial prompt; "last" the final projection as in Algorithm 1. `whole_words` lets a
    piece of a word stand only where the initial text has one, so that prompts stay readable. With temperature 0 the
    choice is greedy.
    """

    init: Literal["report", "random"] = "report"
    length: int = 48
    steps: int = 60
    optimizer: Literal["adam", "gradient"] = "adam"
    learning_rate: float = 0.5
    projections: int = 1
    select: Literal["tokens", "best", "last"] = "tokens"
    whole_words: bool = True
    top_k: int = 16
    bias: float = 0.1
    temperature: float = 0.0
    whitelist: Literal["bias", "only"] = "bias"
    iterations: int = 1


@dataclass(frozen=True)
class GeneratorConfig:
    """Settings of the diffusion model. `strength` switches to the image-conditioned variant, which leaks. Of
    `candidates` images of a prompt the one is kept that the encoder finds to fit the prompt best."""

    steps: int = 20
    guidance_scale: float = 4.0
    scheduler: Literal["dpmsolver++", "ddim", "unipc", "model"] = "dpmsolver++"
    strength: float | None = None
    size: int | None = None
    candidates: int = 1


@dataclass(frozen=True)
class Preset:
    """A named pair of models: open_clip name or folder, and diffusers id or folder."""

    name: str
    title: str
    encoder: str
    generator: str
    prompt: PromptConfig = PromptConfig()
    generation: GeneratorConfig = GeneratorConfig()
    remedy: str = ""
    parts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Settings:
    """Where a run lives and what it uses. Every field has a UPDP_* variable (see README).

    `encoder` and `generator` replace the preset's models by a folder or hub id; the preset `custom` needs both.
    """

    home: Path = Path("workspace")
    preset: str = "starter"
    method: str = "updp"
    encoder: str = ""
    generator: str = ""
    device: str = "auto"
    ner: str = ""
    host: str = "127.0.0.1"
    port: int = 7860
    report_policy: Literal["remove", "placeholder", "surrogate"] = "placeholder"
    demo: bool = False
    auth: str = ""
    oauth: bool = False
    proxy_user_header: str = ""
    proxy_from: str = ""
    proxy_sign_out: str = ""
    unlisted: Literal["refuse", "observer"] = "refuse"
    public_url: str = ""

    @property
    def signed(self) -> bool:
        """True where people sign in, in any way; else this is a single person's desk."""
        return bool(self.auth or self.oauth or self.proxy_user_header)

    @classmethod
    def from_env(cls, env: Mapping[str, str] = os.environ, **overrides: Any) -> Settings:
        """Settings from UPDP_HOME, UPDP_PRESET, ...; `overrides` that are not None win."""
        values: dict[str, Any] = {}
        for name, cast in (
            ("home", Path),
            ("preset", str),
            ("method", str),
            ("encoder", str),
            ("generator", str),
            ("device", str),
            ("ner", str),
            ("host", str),
            ("port", int),
            ("report_policy", str),
            ("auth", str),
            ("oauth", lambda text: text != "0"),
            ("proxy_user_header", str),
            ("proxy_from", str),
            ("proxy_sign_out", str),
            ("unlisted", str),
            ("public_url", str),
        ):
            if text := env.get(f"UPDP_{name.upper()}"):
                values[name] = cast(text)
        if env.get("SPACE_ID"):  # a Space is reached from outside its container
            values.setdefault("host", "0.0.0.0")
            names = [name.strip() for name in env.get("SPACE_HOST", "").split(",") if name.strip()]
            values.setdefault("public_url", ",".join(f"https://{name}" for name in names))
        values["demo"] = bool(env.get("SPACE_ID")) or env.get("UPDP_DEMO") == "1"
        values.update({k: v for k, v in overrides.items() if v is not None})
        return cls(**values)
