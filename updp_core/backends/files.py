"""Where a model's files are: a local folder, or the hub's cache; and the digest that names exactly these files.

Nothing here touches the network while the files are at hand, or while HF_HUB_OFFLINE is set.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

from updp_core.config import check_pinned, hub_name
from updp_core.errors import ModelUnavailable

if TYPE_CHECKING:
    from torch import nn

LOCAL, HUB = "local-dir:", "hf-hub:"
_MODEL_FILES = {".safetensors", ".bin", ".pt", ".pth", ".json", ".txt", ".model", ".npz"}
_sha256_of: dict[tuple[str, int, int], str] = {}


def offline() -> bool:
    """Whether this process must not use the network (HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE)."""
    return any(
        os.environ.get(n, "").upper() in {"1", "ON", "YES", "TRUE"} for n in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
    )


def pick_device(device: str = "auto") -> str:
    """ "auto" is CUDA where there is one, else the CPU; any other name is taken as it stands."""
    if device != "auto":
        return device
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def write_half(net: nn.Module, file: Path) -> None:
    """Write a network's weights as safetensors in float16."""
    from safetensors.torch import save_file

    state = {k: v.detach().cpu().contiguous().clone() for k, v in net.state_dict().items()}
    save_file({k: v.half() if v.is_floating_point() else v for k, v in state.items()}, file)


def read_half(net: nn.Module, file: Path) -> None:
    """Give a network what `write_half` wrote, as float32. Raises what torch and safetensors raise."""
    from safetensors.torch import load_file

    net.load_state_dict({k: v.float() if v.is_floating_point() else v for k, v in load_file(file).items()})


def local_folder(name: str) -> Path | None:
    """The folder that `name` denotes ("local-dir:PATH" or a path that exists), else None."""
    path = Path(name.removeprefix(LOCAL)).expanduser()
    return path if name.startswith(LOCAL) or path.is_dir() else None


def stated(name: str) -> str:
    """`name` as candidates and releases tell it: a folder is marked as one, since its path may name people."""
    return f"{LOCAL}{name}" if local_folder(name) is not None and not name.startswith(LOCAL) else name


def cached_folder(name: str, patterns: list[str] | None = None) -> Path | None:
    """The folder of a model that is on this machine, as local folder or in the hub's cache; never the network."""
    if (folder := local_folder(name)) is not None:
        return folder if folder.is_dir() else None
    from huggingface_hub import snapshot_download

    plain, revision = hub_name(name.removeprefix(HUB))
    try:
        return Path(snapshot_download(plain, revision=revision, local_files_only=True, allow_patterns=patterns))
    except Exception:
        return None


def fetch_folder(name: str, remedy: str = "", patterns: list[str] | None = None) -> Path:
    """The folder of model `name` (a folder, or ID@COMMIT): local, cached, or downloaded unless offline.

    Raises ModelUnavailable with the one sentence that helps, and for an id without a commit (`config.check_pinned`).
    """
    if (found := cached_folder(name, patterns)) is not None:
        return found
    plain, revision = hub_name(name.removeprefix(HUB))
    if local_folder(name) is not None:
        raise ModelUnavailable(
            f"There is no folder {name.removeprefix(LOCAL)}.", remedy or "Name a folder that exists."
        )
    if offline():
        raise ModelUnavailable(
            f"The model {plain} is not on this machine, which is offline.",
            remedy or f"Download {plain} elsewhere, copy its folder here and give the folder's path.",
        )
    if patterns != ["config.json"]:  # a table of sizes brings no weights: what does not fit them is refused
        check_pinned(name.removeprefix(HUB))
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(plain, revision=revision, allow_patterns=patterns))
    except Exception as error:
        raise ModelUnavailable(
            f"The model {plain} could not be downloaded ({type(error).__name__}).",
            remedy
            or f"Accept its licence at https://huggingface.co/{plain}, run `hf auth login`, or give a local folder.",
        ) from error


def digest(*folders: Path) -> str:
    """sha256 over the names, sizes and sha256s of the files that make up a model (weights, configs, tokenizers).

    A file is read again only when its path, size or modification time has changed.
    """
    rows = []
    for n, folder in enumerate(folders):
        files = [folder] if folder.is_file() else [p for p in folder.rglob("*") if p.is_file()]
        for path in sorted(p for p in files if p.suffix in _MODEL_FILES):
            name = path.name if folder.is_file() else path.relative_to(folder).as_posix()
            if not any(part.startswith(".") for part in Path(name).parts):
                rows.append([n, name, path.stat().st_size, _sha256(path)])
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def _sha256(path: Path) -> str:
    real = path.resolve()
    stat = real.stat()
    key = (str(real), stat.st_mtime_ns, stat.st_size)
    if key not in _sha256_of:
        with real.open("rb") as file:
            _sha256_of[key] = hashlib.file_digest(file, "sha256").hexdigest()
    return _sha256_of[key]
