# SPDX-License-Identifier: GPL-3.0-or-later
"""The configurations of a Stable Diffusion checkpoint, read off its tensors' names and shapes. No PyTorch is imported.

Names are those of the original code (“LDM layout”), which every single-file checkpoint keeps.
"""

from __future__ import annotations

import re
from typing import Any

UNET = "model.diffusion_model."
VAE = "first_stage_model."
CLIP = "cond_stage_model.transformer.text_model."  # SD 1.x
OPEN_CLIP = "cond_stage_model.model."  # SD 2.x
XL_CLIP = "conditioner.embedders.0.transformer.text_model."
XL_OPEN_CLIP = "conditioner.embedders.1.model."

Weights = dict[str, Any]  # name → tensor


def unet_config(weights: Weights) -> dict[str, Any]:
    """UNet2DConditionModel's configuration."""
    levels = _unet_levels(weights)
    deepest = _count(weights, rf"{UNET}middle_block\.1\.transformer_blocks\.(\d+)\.")
    some_block = next(key for key in weights if key.startswith(UNET) and key.endswith("transformer_blocks.0.attn2.to_k.weight"))
    linear = weights[some_block.split("transformer_blocks")[0] + "proj_in.weight"].ndim == 2
    channels = [level["channels"] for level in levels]
    config = {
        "in_channels": weights[f"{UNET}input_blocks.0.0.weight"].shape[1],
        "out_channels": weights[f"{UNET}out.2.weight"].shape[0],
        "block_out_channels": channels,
        "layers_per_block": levels[0]["blocks"],
        "down_block_types": ["CrossAttnDownBlock2D" if level["depth"] else "DownBlock2D" for level in levels],
        "up_block_types": ["CrossAttnUpBlock2D" if level["depth"] else "UpBlock2D" for level in reversed(levels)],
        # diffusers wants a number for levels without attention too, and gives the middle that of the last level.
        "transformer_layers_per_block": [*(level["depth"] or 1 for level in levels[:-1]), deepest],
        "cross_attention_dim": weights[some_block].shape[1],
        "use_linear_projection": linear,
        # diffusers' name for the number of heads: 8 in SD 1.x, one per 64 channels since SD 2.x.
        "attention_head_dim": [max(c // 64, 1) for c in channels] if linear else 8,
    }
    if f"{UNET}label_emb.0.0.weight" in weights:
        added = weights[f"{UNET}label_emb.0.0.weight"].shape[1]
        pooled = weights[f"{XL_OPEN_CLIP}text_projection"].shape[1]
        config |= {
            "addition_embed_type": "text_time",
            "addition_time_embed_dim": (added - pooled) // 6,  # six numbers: two sizes and a crop
            "projection_class_embeddings_input_dim": added,
        }
    return config


def vae_config(weights: Weights) -> dict[str, Any]:
    """AutoencoderKL's configuration. The scaling factor is in no tensor: SDXL's codec has another one."""
    count = _count(weights, rf"{VAE}encoder\.down\.(\d+)\.")
    channels = [weights[f"{VAE}encoder.down.{i}.block.0.conv2.weight"].shape[0] for i in range(count)]
    return {
        "latent_channels": weights[f"{VAE}decoder.conv_in.weight"].shape[1],
        "block_out_channels": channels,
        "layers_per_block": _count(weights, rf"{VAE}encoder\.down\.0\.block\.(\d+)\."),
        "down_block_types": ["DownEncoderBlock2D"] * count,
        "up_block_types": ["UpDecoderBlock2D"] * count,
        "scaling_factor": 0.13025 if f"{XL_OPEN_CLIP}text_projection" in weights else 0.18215,
    }


def text_encoder_configs(weights: Weights) -> dict[str, dict[str, Any]]:
    """CLIPTextModel's configuration for “text_encoder”, and for “text_encoder_2” where there are two."""
    if f"{XL_OPEN_CLIP}text_projection" in weights:
        return {"text_encoder": _clip(weights, XL_CLIP), "text_encoder_2": _open_clip(weights, XL_OPEN_CLIP, 0)}
    if f"{OPEN_CLIP}token_embedding.weight" in weights:
        return {"text_encoder": _open_clip(weights, OPEN_CLIP, 1)}
    return {"text_encoder": _clip(weights, CLIP)}


def padding(weights: Weights) -> int:
    """The token after the end of the empty prompt: SD 2.x pads with 0, the others with the end of text."""
    return 0 if f"{OPEN_CLIP}token_embedding.weight" in weights else 49407


def _clip(weights: Weights, prefix: str) -> dict[str, Any]:
    layers = _count(weights, rf"{re.escape(prefix)}encoder\.layers\.(\d+)\.")
    words = weights[f"{prefix}embeddings.token_embedding.weight"].shape
    positions = weights[f"{prefix}embeddings.position_embedding.weight"].shape[0]
    middle = weights[f"{prefix}encoder.layers.0.mlp.fc1.weight"].shape[0]
    return _text_config(words, positions, layers, middle, "quick_gelu")


def _open_clip(weights: Weights, prefix: str, unused_layers: int) -> dict[str, Any]:
    """unused_layers: SD 2.x takes the text before the last layer, so that diffusers builds one layer less."""
    layers = _count(weights, rf"{re.escape(prefix)}transformer\.resblocks\.(\d+)\.") - unused_layers
    words = weights[f"{prefix}token_embedding.weight"].shape
    positions = weights[f"{prefix}positional_embedding"].shape[0]
    middle = weights[f"{prefix}transformer.resblocks.0.mlp.c_fc.weight"].shape[0]
    config = _text_config(words, positions, layers, middle, "gelu")
    if f"{prefix}text_projection" in weights:
        config["projection_dim"] = weights[f"{prefix}text_projection"].shape[1]
    return config


def _text_config(words: Any, positions: int, layers: int, middle: int, activation: str) -> dict[str, Any]:
    vocabulary, width = words
    return {
        "model_type": "clip_text_model",
        "vocab_size": vocabulary,
        "hidden_size": width,
        "max_position_embeddings": positions,
        "num_hidden_layers": layers,
        "intermediate_size": middle,
        "num_attention_heads": max(width // 64, 1),
        "hidden_act": activation,
        "projection_dim": width,
        "bos_token_id": vocabulary - 2,
        "eos_token_id": vocabulary - 1,
        "pad_token_id": vocabulary - 1,
    }


def _unet_levels(weights: Weights) -> list[dict[str, int]]:
    """Of each down level: channels, ResNet blocks, and transformer blocks in each of its attention layers (0: none)."""
    levels = [{"channels": 0, "blocks": 0, "depth": 0}]
    for i in range(1, _count(weights, rf"{UNET}input_blocks\.(\d+)\.")):
        prefix = f"{UNET}input_blocks.{i}."
        if f"{prefix}0.op.weight" in weights:
            levels.append({"channels": 0, "blocks": 0, "depth": 0})
            continue
        levels[-1]["blocks"] += 1
        levels[-1]["channels"] = weights[f"{prefix}0.out_layers.3.weight"].shape[0]
        levels[-1]["depth"] = _count(weights, rf"{re.escape(prefix)}1\.transformer_blocks\.(\d+)\.")
    return levels


def _count(weights: Weights, pattern: str) -> int:
    """One more than the highest number that stands where the pattern has its group."""
    found = [int(match[1]) for key in weights if (match := re.match(pattern, key))]
    return max(found) + 1 if found else 0
