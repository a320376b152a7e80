"""Tiny random models in the folder formats of the real ones, written in a second for tests.

The weights are random and mean nothing; the file formats, the tokenizers' kinds and the code paths are the real ones.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

_WORD_TEXT = """
no normal clear small large mild moderate severe right left bilateral upper lower lobe lung lungs heart size is are
the of with and in a there pleural effusion consolidation atelectasis edema pneumothorax nodule opacity
cardiomegaly emphysema fibrosis scoliosis fracture rib ribs hilar mediastinal contours silhouette enlarged seen
unchanged chest radiograph pacemaker catheter tube wires sternotomy granuloma calcified aorta spine diaphragm
costophrenic angle blunting interstitial markings vascular congestion apical basilar acute process disease old male
female mr mrs dr john smith mary may date hospital street monday january 12 2019 patient year gray long hill
"""
WORDS: tuple[str, ...] = tuple(_WORD_TEXT.split())
PIECES: tuple[str, ...] = (
    "jo",
    "##hn",
    "##son",
    "ma",
    "##ry",
    "##s",
    "##ing",
    "##ed",
    "dex",
    "##tro",
    "##scoliosis",
    "##hill",
)
_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
_SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[unused0]", "[unused1]")


def wordpiece_vocab(words: Sequence[str] = WORDS, pieces: Sequence[str] = PIECES) -> dict[str, int]:
    """A WordPiece vocabulary that can spell every lower-case ASCII word."""
    tokens = [*_SPECIAL, *".,:;-/()'%_", *_LETTERS, *(f"##{c}" for c in _LETTERS), *pieces, *words]
    return {token: i for i, token in enumerate(dict.fromkeys(tokens))}


def write_bert_tokenizer(folder: Path, vocab: dict[str, int] | None = None, max_length: int = 48) -> Any:
    """A BERT tokenizer over `vocab`, saved into `folder`."""
    from transformers import BertTokenizerFast

    tokenizer = BertTokenizerFast(vocab=vocab or wordpiece_vocab(), model_max_length=max_length)
    tokenizer.save_pretrained(folder)
    return tokenizer


def save_clip(folder: Path, model_cfg: dict[str, Any], image_size: int, seed: int) -> Path:
    """An open_clip local folder for `model_cfg` with random weights; HF text configs must lie in it already."""
    import torch
    from open_clip.model import CLIP, CustomTextCLIP
    from safetensors.torch import save_file

    torch.manual_seed(seed)
    kind = CustomTextCLIP if model_cfg.get("custom_text") or "hf_model_name" in model_cfg["text_cfg"] else CLIP
    cfg = {k: v for k, v in model_cfg.items() if k != "custom_text"}
    text_cfg = dict(cfg["text_cfg"])
    if "hf_model_name" in text_cfg:
        text_cfg |= {"hf_model_name": str(folder), "hf_model_pretrained": False}
    model = kind(**{**cfg, "text_cfg": text_cfg})
    with torch.no_grad():  # the default initialisation makes all token embeddings alike; spread them
        for name, value in model.named_parameters():
            if "token_embedding" in name or "word_embeddings" in name:
                value.normal_(std=0.3)
    preprocess = {
        "mean": [0.48, 0.46, 0.41],
        "std": [0.27, 0.26, 0.28],
        "interpolation": "bicubic",
        "resize_mode": "shortest",
    }
    folder.mkdir(parents=True, exist_ok=True)
    config = {"model_cfg": model_cfg, "preprocess_cfg": {**preprocess, "size": image_size}}
    (folder / "open_clip_config.json").write_text(json.dumps(config), encoding="utf-8")
    state = {k: v.contiguous().clone() for k, v in model.state_dict().items()}
    save_file(state, folder / "open_clip_model.safetensors")
    return folder


def write_clip_folder(
    folder: Path,
    *,
    seed: int = 0,
    width: int = 32,
    layers: int = 2,
    embed_dim: int = 24,
    context_length: int = 77,
    custom_text: bool = False,
    **text_cfg: Any,
) -> Path:
    """An open_clip local folder with open_clip's own text tower and its BPE vocabulary (49,408 tokens)."""
    text = {
        "context_length": context_length,
        "vocab_size": 49408,
        "width": width,
        "heads": 4,
        "layers": layers,
        **text_cfg,
    }
    cfg = {
        "embed_dim": embed_dim,
        "vision_cfg": {"image_size": 32, "layers": 1, "width": 32, "head_width": 16, "patch_size": 8},
        "text_cfg": text,
        **({"custom_text": True} if custom_text else {}),
    }
    return save_clip(Path(folder), cfg, 32, seed)


def write_bert_clip_folder(
    folder: Path,
    *,
    seed: int = 0,
    vocab: dict[str, int] | None = None,
    width: int = 32,
    layers: int = 2,
    embed_dim: int = 24,
    context_length: int = 64,
    pooler: str = "cls_last_hidden_state_pooler",
) -> Path:
    """An open_clip local folder in BiomedCLIP's format: BERT text tower, `mlp` projection, CLS pooler, WordPieces."""
    from transformers import BertConfig

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    vocab = vocab or wordpiece_vocab()
    BertConfig(
        vocab_size=len(vocab),
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=4,
        intermediate_size=2 * width,
        max_position_embeddings=context_length,
        pad_token_id=vocab["[PAD]"],
    ).save_pretrained(folder)
    write_bert_tokenizer(folder, vocab, context_length)
    cfg = {
        "embed_dim": embed_dim,
        "vision_cfg": {"image_size": 32, "layers": 1, "width": 32, "head_width": 16, "patch_size": 8},
        "text_cfg": {
            "hf_model_name": ".",
            "hf_tokenizer_name": ".",
            "hf_proj_type": "mlp",
            "hf_pooler_type": pooler,
            "context_length": context_length,
        },
    }
    return save_clip(folder, cfg, 32, seed)


def clip_bpe_vocab(words: Sequence[str] = WORDS) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Vocabulary and merges of a CLIP tokenizer in which each of `words` is one token."""
    alphabet = [chr(c) for c in range(33, 127)]
    vocab = dict.fromkeys([*alphabet, *(f"{c}</w>" for c in alphabet)])
    merges: dict[tuple[str, str], None] = {}
    for word in words:
        pieces = [*word[:-1], f"{word[-1]}</w>"]
        while len(pieces) > 1:
            merges[(pieces[0], pieces[1])] = None
            pieces[:2] = [pieces[0] + pieces[1]]
            vocab[pieces[0]] = None
    tokens = [*vocab, "<|startoftext|>", "<|endoftext|>"]
    return {token: i for i, token in enumerate(tokens)}, list(merges)


def write_diffusion_folder(
    folder: Path, *, seed: int = 0, channels: int = 1, size: int = 32, max_length: int = 20, text: str = "clip"
) -> Path:
    """A StableDiffusionPipeline folder: `channels` of the VAE (1 or 3), output `size` px, `text` tower clip or bert."""
    import torch
    from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
    from transformers import BertConfig, BertModel, CLIPTextConfig, CLIPTextModel, CLIPTokenizer

    torch.manual_seed(seed)
    folder = Path(folder)
    if text == "clip":
        vocab, merges = clip_bpe_vocab()
        tokenizer = CLIPTokenizer(vocab=vocab, merges=merges, model_max_length=max_length)
        ends = {
            "bos_token_id": vocab["<|startoftext|>"],
            "eos_token_id": vocab["<|endoftext|>"],
            "pad_token_id": vocab["<|endoftext|>"],
        }
        encoder: Any = CLIPTextModel(
            CLIPTextConfig(
                vocab_size=len(vocab),
                hidden_size=16,
                intermediate_size=32,
                num_hidden_layers=1,
                num_attention_heads=2,
                max_position_embeddings=max_length,
                **ends,
            )
        )
    else:
        words = wordpiece_vocab()
        tokenizer = write_bert_tokenizer(folder / "tokenizer", words, max_length)
        encoder = BertModel(
            BertConfig(
                vocab_size=len(words),
                hidden_size=16,
                intermediate_size=32,
                num_hidden_layers=1,
                num_attention_heads=2,
                max_position_embeddings=max_length,
            ),
            add_pooling_layer=False,
        )
    unet = UNet2DConditionModel(
        sample_size=size // 2,
        in_channels=4,
        out_channels=4,
        layers_per_block=1,
        block_out_channels=(8, 16),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=16,
        attention_head_dim=4,
        norm_num_groups=4,
    )
    vae = AutoencoderKL(
        in_channels=channels,
        out_channels=channels,
        latent_channels=4,
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        block_out_channels=(8, 8),
        norm_num_groups=4,
        sample_size=size,
    )
    pipeline = StableDiffusionPipeline(
        vae=vae,
        text_encoder=encoder,
        tokenizer=tokenizer,
        unet=unet,
        scheduler=DDIMScheduler(
            beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012, clip_sample=False, steps_offset=1
        ),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.save_pretrained(folder)
    return folder
