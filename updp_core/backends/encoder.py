"""The vision-language encoder: an open_clip model seen as a token table and a differentiable text tower.

open_clip takes token ids only. Here each text tower is entered behind its embedding layer, with the special tokens
placed around the content, so that gradients reach the content embeddings (paper, eq. 7). The model itself is never
changed: it is in eval mode and none of its parameters takes a gradient.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from updp_core.backends import files, vocabulary
from updp_core.backends.vocabulary import Vocabulary
from updp_core.config import check_pinned
from updp_core.domain import Image8, Image16
from updp_core.errors import ModelUnavailable

if TYPE_CHECKING:
    from torch import Tensor

# (B, S, d) embeddings with special tokens and padding, (B, S) attention, (B,) place of the last special token -> (B, D)
TextTower = Callable[["Tensor", "Tensor", "Tensor"], "Tensor"]

# A matrix product rounds its few rows otherwise than its many: the head behind the pooled texts sees whole blocks of
# this many rows, so that a text's features are the same to the last bit alone and in a batch of the same length.
_ROWS = 32


@dataclass(frozen=True, eq=False, repr=False)
class Encoder:
    """E_I and E_T of one contrastive model. Features are l2-normalised, so that dot products are cosines.

    `token_table` (V, d) are the input embeddings of all tokens; `digest` names the exact model files;
    `max_content` is the number of content tokens that fit beside the special ones.
    """

    name: str
    digest: str
    device: str
    vocabulary: Vocabulary
    token_table: Tensor
    context_length: int
    prefix: tuple[int, ...]
    suffix: tuple[int, ...]
    pad_id: int
    model: Any
    _tokenize: Callable[[str], list[int]]
    _tower: TextTower
    _pads_fully: bool

    @property
    def max_content(self) -> int:
        return self.context_length - len(self.prefix) - len(self.suffix)

    def encode_ids(self, text: str) -> list[int]:
        """Content token ids of a text, without special tokens, not truncated."""
        return self._tokenize(text)

    def decode(self, ids: Sequence[int]) -> str:
        """The text that content tokens read as."""
        return self.vocabulary.decode(ids)

    def encode_embeddings(self, content: Tensor, mask: Tensor) -> Tensor:
        """E_T of content embeddings: (B, L, d) and mask (B, L), true on each record's first tokens -> (B, D).

        Differentiable in `content`. Equal to open_clip's own encode_text for the same tokens.
        """
        import torch

        batch, length, _ = content.shape
        table, device = self.token_table, content.device
        before, after = len(self.prefix), len(self.suffix)
        size = self.context_length if self._pads_fully else before + length + after
        sizes = mask.sum(dim=1)  # (B,)
        rows = torch.arange(batch, device=device)

        x = table[self.pad_id].expand(batch, size, -1).clone()  # (B, S, d)
        x[:, :before] = table[list(self.prefix)]
        x[:, before : before + length] = torch.where(mask[..., None], content, x[:, before : before + length])
        for n, token in enumerate(self.suffix):
            x[rows, before + sizes + n] = table[token]
        end = before + sizes + after - 1  # (B,)
        attention = torch.arange(size, device=device) <= end[:, None]  # (B, S)
        # bfloat16 pays on CUDA only.
        with torch.autocast("cuda", dtype=torch.bfloat16, enabled=device.type == "cuda"):
            features = self._tower(x, attention, end)
        return torch.nn.functional.normalize(features.to(self.token_table.dtype), dim=-1)

    def encode_text(self, texts: Sequence[str]) -> Tensor:
        """E_T of texts, truncated at the context length -> (B, D), without gradient."""
        import torch

        with torch.no_grad():
            ids = [self.encode_ids(text)[: self.max_content] for text in texts]
            return self.encode_embeddings(*self.embed(ids))

    def embed(self, ids: Sequence[Sequence[int]], length: int = 1) -> tuple[Tensor, Tensor]:
        """Embeddings (B, L, d) and mask (B, L) of ragged content tokens, padded to the longest, or to `length`.

        Of one `length`, a text's features do not depend on the texts beside it, not even in their last bit.
        """
        import torch

        length = max([length, *map(len, ids)])
        padded = torch.full((len(ids), length), self.pad_id, dtype=torch.long)
        mask = torch.zeros((len(ids), length), dtype=torch.bool)
        for n, row in enumerate(ids):
            padded[n, : len(row)] = torch.as_tensor(row, dtype=torch.long)
            mask[n, : len(row)] = True
        return self.token_table[padded.to(self.device)], mask.to(self.device)

    def encode_image(self, images: Sequence[Image16 | Image8]) -> Tensor:
        """E_I of grayscale images (H, W), uint16 or uint8 over their full range -> (B, D), without gradient.

        An image that is not square is padded with black to a square: a centre crop would cut costophrenic angles off.
        On a CPU each image goes alone, which takes as long and gives the same features in every batch.
        """
        import torch

        cfg = self.model.visual.preprocess_cfg
        with torch.no_grad():
            x = torch.cat([square(image, _side(cfg["size"]), cfg["interpolation"]) for image in images])  # (B, 1, S, S)
            mean, std = (torch.tensor(cfg[k]).view(1, -1, 1, 1) for k in ("mean", "std"))
            x = ((x - mean) / std).to(self.device, self.token_table.dtype)  # (B, 3, S, S)
            with torch.autocast("cuda", dtype=torch.bfloat16, enabled=x.device.type == "cuda"):
                parts = x.split(1 if x.device.type == "cpu" else len(x))
                features = torch.cat([self.model.encode_image(part) for part in parts])
            return torch.nn.functional.normalize(features.to(self.token_table.dtype), dim=-1)


def square(image: Image16 | Image8, side: int, interpolation: str = "bicubic") -> Tensor:
    """A grayscale image as (1, 1, side, side) float32 in 0..1: padded with black to a square, antialiased."""
    import torch

    x = torch.from_numpy(image.astype(np.float32) / np.iinfo(image.dtype).max)[None, None]
    height, width = image.shape
    if height != width:
        wide, high = max(0, height - width), max(0, width - height)
        x = torch.nn.functional.pad(x, (wide // 2, wide - wide // 2, high // 2, high - high // 2))
    if x.shape[-1] != side:
        mode = interpolation if interpolation in ("bicubic", "bilinear") else "bicubic"
        x = torch.nn.functional.interpolate(x, size=(side, side), mode=mode, align_corners=False, antialias=True)
    return x.clamp(0, 1)


def load_encoder(name: str | Path, device: str = "auto") -> Encoder:
    """The encoder `name`: a folder, "local-dir:PATH", "hf-hub:ID", or an open_clip architecture as "ViT-B-32:openai".

    Raises ModelUnavailable where the files are missing, damaged or of a kind that cannot be used.
    """
    import open_clip
    import torch

    name, device = str(name), files.pick_device(device)
    builtin, _, tag = name.partition(":")
    try:
        if builtin in open_clip.list_models() and files.local_folder(name) is None:
            check_pinned(name)  # a tag of the library's own: there is no commit to write behind it
            model = open_clip.create_model(builtin, pretrained=tag or None, require_pretrained=True, device=device)
            tokenizer, digest = open_clip.get_tokenizer(builtin), _state_digest(model)
        else:
            folder = files.fetch_folder(name)
            model, tokenizer, digest = _from_folder(folder, device)
    except ModelUnavailable:
        raise
    except Exception as error:
        raise ModelUnavailable(
            f"The encoder {name.removeprefix(files.LOCAL)} cannot be loaded ({type(error).__name__}).",
            "Check that its folder holds open_clip_config.json, the weights and the tokenizer's files, all whole.",
        ) from error
    model.eval().requires_grad_(False)
    if hasattr(model, "text") and hasattr(model.text, "pooler"):
        table, tower, pads_fully = _hf_tower(model.text)
        context = min(tokenizer.context_length, model.text.context_length or tokenizer.context_length)
    else:
        table, tower, pads_fully, context = _own_tower(getattr(model, "text", model), name)
    with torch.no_grad():
        words, tokenize, prefix, suffix, pad = _read_tokenizer(tokenizer, table.shape[0])
        return Encoder(
            files.stated(name),
            digest,
            device,
            words,
            table,
            context,
            prefix,
            suffix,
            pad,
            model,
            tokenize,
            tower,
            pads_fully,
        )


@dataclass(frozen=True)
class Words:
    """The tokens of an encoder without the encoder: enough for a constraint's masks."""

    vocabulary: Vocabulary
    _tokenize: Callable[[str], list[int]]

    def encode_ids(self, text: str) -> list[int]:
        """Content token ids of a text, without special tokens."""
        return self._tokenize(text)


def load_words(name: str) -> Words:
    """The tokens of the encoder `name`, as `load_encoder` takes it, from its tokenizer alone: no weights, no network.

    Raises ModelUnavailable where the tokenizer is not on this machine.
    """
    import open_clip

    builtin = name.partition(":")[0]
    source = builtin
    if builtin not in open_clip.list_models() or files.local_folder(name) is not None:
        folder = files.cached_folder(name)
        if folder is None:
            raise ModelUnavailable("The encoder is not on this machine yet.", "Generate once, or name its folder.")
        source = f"{files.LOCAL}{folder}"
    try:
        tokenizer = open_clip.get_tokenizer(source)
        rows = len(tokenizer.decoder) if hasattr(tokenizer, "sot_token_id") else len(tokenizer.tokenizer)
        words, tokenize, *_ = _read_tokenizer(tokenizer, rows)
    except Exception as error:
        raise ModelUnavailable(
            f"The encoder's tokenizer cannot be loaded ({type(error).__name__}).",
            "Check that the encoder's folder holds its tokenizer's files, all whole.",
        ) from error
    return Words(words, tokenize)


def _from_folder(folder: Path, device: str) -> tuple[Any, Any, str]:
    """Model, tokenizer and digest of an open_clip folder, whatever path its config was written with."""
    import open_clip

    path = folder / "open_clip_config.json"
    if not path.is_file():
        raise ModelUnavailable(
            f"{folder} holds no open_clip_config.json.",
            "Give the folder of an open_clip model, with its weights inside.",
        )
    config = json.loads(path.read_text(encoding="utf-8"))["model_cfg"]
    sources = [folder]
    override: dict[str, Any] = {}
    if hf := config["text_cfg"].get("hf_model_name"):
        # The text tower's config.json: inside the folder for air-gapped machines, else a small file of the hub.
        inside = [p for p in (folder / hf, folder) if (p / "config.json").is_file()]
        home = inside[0] if inside else files.fetch_folder(hf, patterns=["config.json"])
        sources += [] if inside else [home / "config.json"]
        override = {"text_cfg": {**config["text_cfg"], "hf_model_name": str(home), "hf_model_pretrained": False}}
    if not any(folder.glob("*.safetensors")) and not any(folder.glob("*.bin")) and not any(folder.glob("*.pt*")):
        raise ModelUnavailable(f"{folder} holds no weights.", "Copy the model's .safetensors file into it.")
    model = open_clip.create_model(f"{files.LOCAL}{folder}", require_pretrained=True, device=device, **override)
    return model, open_clip.get_tokenizer(f"{files.LOCAL}{folder}"), files.digest(*sources)


def _hf_tower(text: Any) -> tuple[Tensor, TextTower, bool]:
    """An HF text tower (BiomedCLIP's kind): transformer on embeddings, pooler, projection."""

    def run(x: Tensor, attention: Tensor, end: Tensor) -> Tensor:
        mask = attention.long()
        out = text.transformer(inputs_embeds=x, attention_mask=mask)
        return _whole_blocks(text.proj, text.pooler(out, mask))

    return text.transformer.get_input_embeddings().weight.detach(), run, False


def _whole_blocks(head: Callable[[Tensor], Tensor], rows: Tensor) -> Tensor:
    """`head` of rows (B, d), filled up with zeros to whole blocks of rows: see _ROWS."""
    import torch

    return head(torch.nn.functional.pad(rows, (0, 0, 0, -len(rows) % _ROWS)))[: len(rows)]


def _own_tower(text: Any, name: str) -> tuple[Tensor, TextTower, bool, int]:
    """open_clip's own text tower (CLIP's kind): positions, causal attention, pooling at the end token."""
    if getattr(text, "cls_emb", None) is not None:
        raise ModelUnavailable(
            f"The encoder {name} adds a class token to its text (CoCa's kind).", "Choose a CLIP model without one."
        )
    pool = getattr(text, "text_pool_type", None) or text.pool_type

    def run(x: Tensor, attention: Tensor, end: Tensor) -> Tensor:
        import torch

        size = x.shape[1]
        x = x + text.positional_embedding[:size]
        causal = None if text.attn_mask is None else text.attn_mask[:size, :size]
        x = text.ln_final(text.transformer(x, attn_mask=causal))
        at = {"first": torch.zeros_like(end), "last": torch.full_like(end, size - 1)}.get(pool, end)
        pooled = x[torch.arange(len(x), device=x.device), at]
        if text.text_projection is None:
            return pooled
        if isinstance(text.text_projection, torch.nn.Linear):
            return _whole_blocks(text.text_projection, pooled)
        return _whole_blocks(lambda rows: rows @ text.text_projection, pooled)

    # Without a causal mask, and where the last position is pooled, padding takes part in the result.
    return text.token_embedding.weight.detach(), run, text.attn_mask is None or pool == "last", text.context_length


def _read_tokenizer(
    tokenizer: Any, rows: int
) -> tuple[Vocabulary, Callable[[str], list[int]], tuple[int, ...], tuple[int, ...], int]:
    """Vocabulary over the table's `rows`, content tokenizer, special tokens before and after, padding token."""
    if hasattr(tokenizer, "sot_token_id"):  # open_clip's own BPE
        tokens = [tokenizer.decoder.get(i, "") for i in range(rows)]
        words = vocabulary.from_clip_bpe(tokens, [*tokenizer.all_special_ids, *_blank(tokens)])
        prefix, suffix = (tokenizer.sot_token_id,), (tokenizer.eot_token_id,)
        return words, lambda text: list(tokenizer.encode(text)), prefix, suffix, 0
    hf = tokenizer.tokenizer
    known = min(rows, len(hf))
    tokens = [t or "" for t in hf.convert_ids_to_tokens(list(range(known)))] + [""] * (rows - known)
    special = [*hf.all_special_ids, *_blank(tokens)]
    kind = json.loads(hf.backend_tokenizer.to_str())["model"]
    if prefix_mark := kind.get("continuing_subword_prefix") if kind["type"] == "WordPiece" else None:
        words = vocabulary.from_word_pieces(tokens, special, prefix_mark)
    elif kind.get("end_of_word_suffix"):
        words = vocabulary.from_clip_bpe(tokens, special, kind["end_of_word_suffix"])
    else:
        marks = {m: sum(t.startswith(m) for t in tokens) for m in ("Ġ", "▁")}
        words = vocabulary.from_space_marked(tokens, special, max(marks, key=lambda m: marks[m]))

    def tokenize(text: str) -> list[int]:
        # Long reports are cut later, on purpose and visibly; the tokenizer's own warning would be noise.
        return list(hf(tokenizer.clean_fn(text), add_special_tokens=False, verbose=False)["input_ids"])

    probe = tokenize("chest")
    whole = list(hf("chest", verbose=False)["input_ids"])
    at = next(n for n in range(len(whole)) if whole[n : n + len(probe)] == probe)
    pad = hf.pad_token_id if hf.pad_token_id is not None else 0
    return words, tokenize, tuple(whole[:at]), tuple(whole[at + len(probe) :]), pad


def _blank(tokens: Sequence[str]) -> list[int]:
    return [i for i, token in enumerate(tokens) if not token]


def _state_digest(model: Any) -> str:
    """sha256 of a model's tensors, for a model that does not come from a folder."""
    import hashlib

    total = hashlib.sha256()
    for key, value in sorted(model.state_dict().items()):
        total.update(key.encode())
        total.update(value.detach().cpu().contiguous().numpy().tobytes())
    return total.hexdigest()


def _side(size: int | Sequence[int]) -> int:
    return size if isinstance(size, int) else int(size[0])
