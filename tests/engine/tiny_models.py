# SPDX-License-Identifier: GPL-3.0-or-later
"""Small diffusion pipelines with random weights, in the shape of Stable Diffusion 1.x, 2.x and SDXL.

`make_pipeline(folder, variant, seed)` writes a diffusers folder (safetensors and JSON only, no network) that a loader cannot tell
from the real thing but for its size. The weights are random yet not degenerate, see `liven_network` and `liven_codec`: a test on
them must notice when self-attention keys and values come from the wrong picture.

Variants:
  "sd1"        epsilon-prediction, 16 self-attention layers, 1x1 convolutions as projections
  "sd2"        v-prediction, linear projections, head counts per level
  "sdxl"       two text encoders, text_time condition, an empty prompt becomes zeros
  "sdxl_words" the same, but an empty prompt goes through the text encoders
  "sd1_single" as "sd1" with everything that a checkpoint's shapes do not tell (groups, head counts, vocabulary) as in the real SD 1.x
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

START, END = "<|startoftext|>", "<|endoftext|>"
CLIP_VOCABULARY = 49408  # of the real CLIP; "sd1_single" keeps it because a checkpoint carries no tokenizer
PREDICTION = {"sd1": "epsilon", "sd2": "v_prediction", "sdxl": "epsilon", "sdxl_words": "epsilon", "sd1_single": "epsilon"}
SCALING_FACTOR = {"sd1": 0.18215, "sd2": 0.18215, "sdxl": 0.13025, "sdxl_words": 0.13025, "sd1_single": 0.18215}


def make_pipeline(folder: Path | str, variant: str = "sd1", seed: int = 0) -> Path:
    """Write the pipeline folder of one variant and return its path. Same variant and seed: same weights. ValueError if unknown."""
    if variant not in PREDICTION:
        raise ValueError(f"unknown variant {variant!r}, expected one of {sorted(PREDICTION)}")
    folder = Path(folder)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        text_width = write_texts(folder, variant)
        unet = UNet2DConditionModel(**unet_config(variant, text_width))
        liven_network(unet)
        vae = AutoencoderKL(**codec_config(variant))
        liven_codec(vae)
    unet.save_pretrained(folder / "unet", safe_serialization=True)
    vae.save_pretrained(folder / "vae", safe_serialization=True)
    write_json(folder / "scheduler" / "scheduler_config.json", scheduler_config(variant))
    write_json(folder / "model_index.json", model_index(variant))
    return folder


def is_sdxl(variant: str) -> bool:
    return variant.startswith("sdxl")


# ---------------------------------------------------------------- the network


def unet_config(variant: str, text_width: int) -> dict:
    """The keyword arguments of UNet2DConditionModel. `text_width`: channels of the text condition."""
    if is_sdxl(variant):
        return {
            "sample_size": 8,
            "block_out_channels": (32, 64, 64),
            "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
            "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
            "layers_per_block": 2,
            "transformer_layers_per_block": [1, 1, 2],
            "attention_head_dim": [1, 2, 4],  # diffusers' old name for the number of heads
            "norm_num_groups": 8,
            "cross_attention_dim": text_width,
            "use_linear_projection": True,
            "addition_embed_type": "text_time",
            "addition_time_embed_dim": 8,
            "projection_class_embeddings_input_dim": 24 + 6 * 8,  # pooled text + six embedded numbers
        }
    single = variant == "sd1_single"  # 32 groups want more channels: a group of one channel at one place is only its sign
    groups, heads = (32, 8) if single else (8, 2)
    return {
        "sample_size": 8,
        "block_out_channels": (64, 128, 128, 128) if single else (32, 64, 64, 64),
        "down_block_types": ("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",),
        "up_block_types": ("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3,
        "layers_per_block": 2,
        "attention_head_dim": [1, 2, 2, 4] if variant == "sd2" else heads,
        "norm_num_groups": groups,
        "cross_attention_dim": text_width,
        "use_linear_projection": variant == "sd2",
    }


@torch.no_grad()
def liven_network(unet: UNet2DConditionModel) -> None:
    """Change random weights in place so that self-attention matters and round-off does not grow into a picture of its own.

    PyTorch's defaults give attention logits of standard deviation 1/3, so every token would receive nearly the same average of all
    values, and replacing the keys would change next to nothing: raised here. Quieter residual convolutions and an output that is
    partly constant (about 0.8 of its unit variance in root mean square, alternating in sign) keep two rounds of inversion and
    sampling from being chaotic: a change of 1e-6 in the target moves round 2 by about 1e-4, a missing injection by more than 0.3.
    """
    quieten(unet, 0.5)
    for name, module in unet.named_modules():
        if name.endswith("attn1"):
            for projection in (module.to_q, module.to_k, module.to_v, module.to_out[0]):
                projection.weight.mul_(2.0)
    config = unet.config
    latent = torch.randn(1, config.in_channels, 16, 16)
    words = torch.randn(1, 77, config.cross_attention_dim)
    extra = None
    if config.addition_embed_type == "text_time":
        pooled_width = config.projection_class_embeddings_input_dim - 6 * config.addition_time_embed_dim
        extra = {"text_embeds": torch.zeros(1, pooled_width), "time_ids": torch.tensor([[64.0, 64, 0, 0, 64, 64]])}
    output = unet(latent, 500, encoder_hidden_states=words, added_cond_kwargs=extra).sample
    unet.conv_out.weight.mul_(0.6 / output.std())
    unet.conv_out.bias.copy_(torch.tensor([0.8, -0.8, 0.8, -0.8]))


def quieten(model: torch.nn.Module, factor: float) -> None:
    """Multiply what the residual blocks' second convolutions add."""
    for name, module in model.named_modules():
        if name.endswith("conv2"):
            module.weight.mul_(factor)
            module.bias.mul_(factor)


# ---------------------------------------------------------------- the codec


def codec_config(variant: str) -> dict:
    """The keyword arguments of AutoencoderKL: 4 latent channels, factor 8."""
    return {
        "down_block_types": ("DownEncoderBlock2D",) * 4,
        "up_block_types": ("UpDecoderBlock2D",) * 4,
        "block_out_channels": (32, 32, 32, 32) if variant == "sd1_single" else (8, 16, 16, 16),
        "layers_per_block": 2,
        "latent_channels": 4,
        "norm_num_groups": 32 if variant == "sd1_single" else 8,
        "sample_size": 64,
        "scaling_factor": SCALING_FACTOR[variant],
    }


@torch.no_grad()
def liven_codec(vae: AutoencoderKL) -> None:
    """Scale random weights in place: scaled latents of unit variance, decoded pictures about 0.5 ± 0.2, seldom clamped."""
    quieten(vae, 0.1)
    picture = torch.nn.functional.interpolate(torch.rand(1, 3, 16, 16) * 2 - 1, size=128, mode="bilinear")
    channels = vae.config.latent_channels
    mean = vae.encode(picture).latent_dist.mean
    vae.quant_conv.weight[:channels].div_(mean.std() * vae.config.scaling_factor)
    vae.quant_conv.bias[:channels].zero_()
    mean = vae.encode(picture).latent_dist.mean
    vae.quant_conv.bias[:channels].copy_(-mean.mean(dim=(0, 2, 3)))
    vae.post_quant_conv.weight.mul_(vae.config.scaling_factor)  # the decoder's first layer sees unit variance again
    vae.decoder.conv_out.weight.div_(vae.decode(torch.randn(1, channels, 16, 16) / vae.config.scaling_factor).sample.std() / 0.4)
    vae.decoder.conv_out.bias.zero_()


# ---------------------------------------------------------------- text


def write_texts(folder: Path, variant: str) -> int:
    """Write tokenizer(s) and text encoder(s); return the channels of the text condition that the network receives."""
    if not is_sdxl(variant):
        width = 64 if variant == "sd1_single" else 32
        heads = 1 if variant == "sd1_single" else 2
        write_text(folder, "", variant, width, heads, padding="!" if variant == "sd2" else END)
        return width
    write_text(folder, "", variant, 32, 2, padding=END)
    write_text(folder, "_2", variant, 24, 2, padding="!", projected=True)
    return 32 + 24


def write_text(folder: Path, suffix: str, variant: str, width: int, heads: int, padding: str, projected: bool = False) -> None:
    """Write `tokenizer<suffix>` and `text_encoder<suffix>`, 77 positions, weights from the running random state."""
    vocabulary = small_vocabulary()
    size = len(vocabulary)
    if variant == "sd1_single":
        size = CLIP_VOCABULARY
        vocabulary |= {START: CLIP_VOCABULARY - 2, END: CLIP_VOCABULARY - 1}
    tokenizer = folder / f"tokenizer{suffix}"
    write_json(tokenizer / "vocab.json", vocabulary)
    (tokenizer / "merges.txt").write_text("#version: 0.2\n", encoding="utf-8")
    special = {"bos_token": START, "eos_token": END, "unk_token": END, "pad_token": padding}
    write_json(tokenizer / "special_tokens_map.json", special)
    write_json(tokenizer / "tokenizer_config.json", special | {"model_max_length": 77, "tokenizer_class": "CLIPTokenizer"})
    config = CLIPTextConfig(
        vocab_size=size, hidden_size=width, intermediate_size=4 * width, num_hidden_layers=2, num_attention_heads=heads,
        max_position_embeddings=77, hidden_act="gelu" if projected else "quick_gelu", projection_dim=width,
        bos_token_id=0, eos_token_id=2, pad_token_id=1,
    )  # fmt: skip
    model = (CLIPTextModelWithProjection if projected else CLIPTextModel)(config)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 2:
                parameter.mul_(5.0)  # CLIP starts out so small that every position would look the same
    model.save_pretrained(folder / f"text_encoder{suffix}", safe_serialization=True)


def small_vocabulary() -> dict[str, int]:
    """Byte-level letters with and without end of word, then the two special tokens, as CLIP orders them."""
    letters = [chr(code) for code in range(ord("!"), ord("~") + 1)]
    words = letters + [letter + "</w>" for letter in letters] + [START, END]
    return {word: number for number, word in enumerate(words)}


# ---------------------------------------------------------------- the folder's JSON files


def scheduler_config(variant: str) -> dict:
    """scheduler_config.json as SD 1.4, 2.1 and SDXL publish it."""
    return {
        "_class_name": "DDIMScheduler" if variant == "sd2" else "PNDMScheduler",
        "_diffusers_version": "0.7.0",
        "beta_start": 0.00085,
        "beta_end": 0.012,
        "beta_schedule": "scaled_linear",
        "num_train_timesteps": 1000,
        "prediction_type": PREDICTION[variant],
        "set_alpha_to_one": False,
        "steps_offset": 1,
        "trained_betas": None,
    }


def model_index(variant: str) -> dict:
    index = {
        "_class_name": "StableDiffusionXLPipeline" if is_sdxl(variant) else "StableDiffusionPipeline",
        "_diffusers_version": "0.7.0",
        "scheduler": ["diffusers", scheduler_config(variant)["_class_name"]],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
    }
    if is_sdxl(variant):
        index["text_encoder_2"] = ["transformers", "CLIPTextModelWithProjection"]
        index["tokenizer_2"] = ["transformers", "CLIPTokenizer"]
        index["force_zeros_for_empty_prompt"] = variant == "sdxl"
    return index


def write_json(path: Path, content: dict) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
