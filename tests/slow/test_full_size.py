"""The real models' geometry with random weights, from local folders, through the same code: one pair on the CPU.

BiomedCLIP (ViT-B/16 at 224, BERT-base over 30,522 WordPieces, `mlp` projection, context 256) and Stable Diffusion 2.1
(865 M UNet, 340 M text encoder, 512 px). Takes about 8 GiB of memory and 6 GiB of disk; run it by hand:
`UPDP_SLOW=1 python -m pytest tests/slow -s`.
"""

from __future__ import annotations

import gzip
import json
import os
import resource
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.tiny_models import save_clip, wordpiece_vocab, write_bert_tokenizer
from updp_core.config import GeneratorConfig, PromptConfig, Settings
from updp_core.domain import MethodInput
from updp_core.lexicon import load_lexicon
from updp_core.methods import make_method

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.environ.get("UPDP_SLOW") != "1", reason="takes minutes and 6 GiB of disk: set UPDP_SLOW=1"),
]
REPORT = """FINDINGS: The heart is mildly enlarged. There is a small right pleural effusion with basilar atelectasis.
No pneumothorax. IMPRESSION: Cardiomegaly and small right pleural effusion."""


def write_biomedclip_geometry(folder: Path) -> Path:
    """BiomedCLIP's folder format and sizes, with a made-up vocabulary of the same length and random weights."""
    from transformers import BertConfig

    folder.mkdir(parents=True)
    vocab = wordpiece_vocab(sorted(load_lexicon().allowed_words))
    vocab |= {f"filler{n}": n for n in range(len(vocab), 30522)}
    BertConfig(vocab_size=len(vocab), pad_token_id=vocab["[PAD]"]).save_pretrained(folder)
    write_bert_tokenizer(folder, vocab, 256)
    model = {
        "embed_dim": 512,
        "vision_cfg": {
            "timm_model_name": "vit_base_patch16_224",
            "timm_model_pretrained": False,
            "timm_pool": "",
            "timm_proj": "linear",
            "image_size": 224,
        },
        "text_cfg": {
            "hf_model_name": ".",
            "hf_tokenizer_name": ".",
            "hf_proj_type": "mlp",
            "hf_pooler_type": "cls_last_hidden_state_pooler",
            "context_length": 256,
        },
    }
    return save_clip(folder, model, 224, seed=0)


def write_sd21_geometry(folder: Path) -> Path:
    """Stable Diffusion 2.1's folder format and sizes with CLIP's vocabulary and random weights, part by part."""
    import open_clip
    import torch
    from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

    torch.manual_seed(0)
    UNet2DConditionModel(
        sample_size=64,
        in_channels=4,
        out_channels=4,
        cross_attention_dim=1024,
        attention_head_dim=[5, 10, 20, 20],
        block_out_channels=(320, 640, 1280, 1280),
        use_linear_projection=True,
    ).save_pretrained(folder / "unet")
    AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(128, 256, 512, 512),
        layers_per_block=2,
        sample_size=512,
    ).save_pretrained(folder / "vae")
    CLIPTextModel(
        CLIPTextConfig(hidden_size=1024, intermediate_size=4096, num_hidden_layers=23, num_attention_heads=16)
    ).save_pretrained(folder / "text_encoder")
    merges_file = Path(open_clip.__file__).parent / "bpe_simple_vocab_16e6.txt.gz"
    lines = gzip.decompress(merges_file.read_bytes()).decode().split("\n")[1 : 49152 - 256 - 2 + 1]
    tokens = open_clip.SimpleTokenizer().encoder
    names = {"<start_of_text>": "<|startoftext|>", "<end_of_text>": "<|endoftext|>"}
    CLIPTokenizer(
        vocab={names.get(t, t): i for t, i in tokens.items()},
        merges=[tuple(line.split()) for line in lines],
        model_max_length=77,
    ).save_pretrained(folder / "tokenizer")
    DDIMScheduler(
        beta_schedule="scaled_linear",
        beta_start=0.00085,
        beta_end=0.012,
        clip_sample=False,
        steps_offset=1,
        prediction_type="v_prediction",
    ).save_pretrained(folder / "scheduler")
    index: dict[str, Any] = {
        "_class_name": "StableDiffusionPipeline",
        "feature_extractor": [None, None],
        "safety_checker": [None, None],
        "scheduler": ["diffusers", "DDIMScheduler"],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
    }
    (folder / "model_index.json").write_text(json.dumps(index), encoding="utf-8")
    return folder


def test_full_size_models_load_from_folders_and_make_one_pair(tmp_path: Path) -> None:
    seconds: dict[str, float] = {}

    def timed(name: str, call: Any) -> Any:
        started = time.perf_counter()
        result = call()
        seconds[name] = round(time.perf_counter() - started, 1)
        return result

    encoder = timed("write encoder", lambda: write_biomedclip_geometry(tmp_path / "encoder"))
    generator = timed("write generator", lambda: write_sd21_geometry(tmp_path / "generator"))
    settings = Settings(preset="custom", encoder=str(encoder), generator=str(generator), device="cpu")
    prompt = PromptConfig(length=32, steps=int(os.environ.get("UPDP_SLOW_STEPS", "4")), projections=1)
    image = GeneratorConfig(steps=2, guidance_scale=3.0)
    method: Any = timed(
        "load", lambda: make_method("updp", settings, load_lexicon(), {"prompt": prompt, "generation": image})
    )
    counts = {
        "encoder": sum(p.numel() for p in method.encoder.model.parameters()),
        "unet": sum(p.numel() for p in method.generator.pipeline.unet.parameters()),
        "text_encoder": sum(p.numel() for p in method.generator.pipeline.text_encoder.parameters()),
    }
    assert 190e6 < counts["encoder"] < 200e6
    assert 860e6 < counts["unet"] < 870e6 and 335e6 < counts["text_encoder"] < 345e6

    pixels = np.random.default_rng(0).integers(0, 65536, (512, 480), dtype=np.uint16)
    record = MethodInput("r1", pixels, REPORT, REPORT)
    steps = method.propose([record], seeds=[1])
    next(steps)
    timed("prompt", lambda: next(steps))
    made = timed("image", lambda: next(steps)).proposals[0]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"\n{counts}\nseconds: {seconds}\npeak memory: {peak:.1f} GiB\nprompt: {made.prompt_text}")
    assert not made.error
    assert made.image is not None and made.image.shape == (512, 512)
    assert made.prompt is not None and not load_lexicon().forbidden_in(made.prompt_text)
    assert method.generator.max_tokens == 77 and method.encoder.context_length == 256
