"""Settings from UPDP_* variables, and the frozen configurations of prompt and generator."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, get_args, get_type_hints

from updp_core.errors import ModelUnavailable, UsageError

_CLONE = Path(__file__).resolve().parent.parent
ROOT = _CLONE if (_CLONE / "lexicons").is_dir() else _CLONE / "updp_files"
"""Where `lexicons/` and `data/` lie: the clone, or what was installed beside this package (see pyproject.toml)."""
STARTER = ROOT / "data" / "models" / "starter"
SAMPLE = ROOT / "data" / "sample"
LEXICONS = ROOT / "lexicons"
DATABASE = "updp.sqlite3"
"""The SQLite database's name in a workspace."""
RUNS = Path("runs")
"""Where training and evaluation keep their work unless told otherwise: in the current folder."""


COMMIT = re.compile(r"[0-9a-f]{40}")


def hub_name(name: str) -> tuple[str, str | None]:
    """A hub id as it may be written, ID or ID@REVISION -> (id, revision)."""
    plain, at, revision = name.rpartition("@")
    return (plain, revision) if at else (name, None)


def check_pinned(name: str, env: Mapping[str, str] = os.environ) -> None:
    """Before anything is fetched from a hub: ModelUnavailable unless the id names a commit, or UPDP_UNPINNED says that
    what a name means today is good enough. What a name means tomorrow is up to whoever owns it."""
    plain, revision = hub_name(name)
    if env.get("UPDP_UNPINNED") == "1" or COMMIT.fullmatch(revision or ""):
        return
    raise ModelUnavailable(
        f"{plain} is named without the commit that is meant, so other weights may come tomorrow.",
        f"Write {plain}@COMMIT (40 hex digits, on the model's page), or set UPDP_UNPINNED=1 to take what it is today.",
    )


def setting(default: Any, doc: str, low: float | None = None, high: float | None = None) -> Any:
    """A field of a method's Config: default, meaning, and the range that page and command hold it to."""
    return field(default=default, metadata={"doc": doc, "low": low, "high": high})


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

    init: Literal["report", "random"] = setting("report", "Where the prompt starts: from the report, or at random")
    length: int = setting(48, "Prompt length in tokens", 1, 254)
    steps: int = setting(60, "Steps of alignment with the image (T)", 1, 1000)
    optimizer: Literal["adam", "gradient"] = setting("adam", "Adam, or plain gradient descent as in Algorithm 1")
    learning_rate: float = setting(0.5, "Learning rate, in standard deviations of the token table", 0, 1000)
    projections: int = setting(1, "How often a run is projected onto words", 1, 100)
    select: Literal["tokens", "best", "last"] = setting("tokens", "What is taken of the projection")
    whole_words: bool = setting(True, "Pieces of words only where the report has one")
    top_k: int = setting(16, "Nearest tokens among which one is chosen (K)", 1, 1000)
    bias: float = setting(0.1, "Preference for whitelisted words (lambda)", 0, 10)
    temperature: float = setting(0.0, "Temperature of the choice; 0 takes the best", 0, 100)
    whitelist: Literal["bias", "only"] = setting("bias", "Prefer the whitelist, or take its words only")
    iterations: int = setting(1, "How often alignment and projection are repeated", 1, 100)


@dataclass(frozen=True)
class GeneratorConfig:
    """Settings of the diffusion model. `strength` switches to the image-conditioned variant, which leaks. Of
    `candidates` images of a prompt the one is kept that the encoder finds to fit the prompt best."""

    steps: int = setting(20, "Diffusion steps", 1, 1000)
    guidance_scale: float = setting(4.0, "Guidance: how closely the image follows the prompt", 0, 50)
    scheduler: Literal["dpmsolver++", "ddim", "unipc", "model"] = setting("dpmsolver++", "Scheduler")
    strength: float | None = setting(None, "Start from the source image and change this share of it (leaks)", 0, 1)
    size: int | None = setting(None, "Image side in pixels", 8, 4096)
    candidates: int = setting(1, "Images drawn of a prompt, of which the best fitting is kept", 1, 64)


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
    database_url: str = field(default="", repr=False)
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
    upload_files: int = 2000
    upload_files_all: int = 10_000
    upload_megabytes: int = 4000
    upload_megabytes_all: int = 16_000
    sessions: int = 500
    visitors: int = 0
    metrics_token: str = field(default="", repr=False)
    log: Literal["text", "json"] = "text"
    import_from: str = ""

    @property
    def signed(self) -> bool:
        """True where people sign in, in any way; else this is a single person's desk."""
        return bool(self.auth or self.oauth or self.proxy_user_header)

    @property
    def begun(self) -> bool:
        """True where the workspace has been opened before."""
        return bool(self.database_url) or (self.home / DATABASE).exists()

    @classmethod
    def from_env(cls, env: Mapping[str, str] = os.environ, **overrides: Any) -> Settings:
        """Settings from UPDP_HOME, UPDP_PRESET, ...; `overrides` that are not None win.

        Raises UsageError, naming the variable, where a value cannot be what it stands for.
        """
        kinds = get_type_hints(cls)
        values: dict[str, Any] = {}
        for item in fields(cls):
            variable = f"UPDP_{item.name.upper()}"
            if text := env.get(variable):
                values[item.name] = _read(variable, text, kinds[item.name])
        if env.get("SPACE_ID"):  # a Space is reached from outside its container
            values["demo"] = True
            values.setdefault("visitors", 24)
            values.setdefault("host", "0.0.0.0")
            names = [name.strip() for name in env.get("SPACE_HOST", "").split(",") if name.strip()]
            values.setdefault("public_url", ",".join(f"https://{name}" for name in names))
        values.update({k: v for k, v in overrides.items() if v is not None})
        return cls(**values)


def _read(variable: str, text: str, kind: Any) -> Any:
    """The text of a variable as a value of its field's type. Raises UsageError."""
    if choices := get_args(kind):
        if text not in choices:
            raise UsageError(f"{variable} is {text!r}; it must be one of: {', '.join(choices)}.")
        return text
    if kind is bool:
        if text.lower() not in ("0", "1", "false", "true", "no", "yes", "off", "on"):
            raise UsageError(f"{variable} is {text!r}; set it to 1 (on) or 0 (off).")
        return text.lower() in ("1", "true", "yes", "on")
    if kind is int:
        if not text.isdecimal():
            raise UsageError(f"{variable} is {text!r}; it must be a whole number.")
        return int(text)
    return kind(text)
