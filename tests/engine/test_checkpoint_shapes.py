# SPDX-License-Identifier: GPL-3.0-or-later
"""The configuration of the real Stable Diffusion networks, read off tensors of their true shapes (which hold no data)."""

from __future__ import annotations

import pytest
import torch
from diffusers import UNet2DConditionModel
from selfrect.models import checkpoint_shapes as shapes
from tiny_checkpoint import network_key

ATTENTION = ["CrossAttnDownBlock2D"] * 3
REAL = {
    "SD 1.x": {
        "block_out_channels": [320, 640, 1280, 1280],
        "down_block_types": [*ATTENTION, "DownBlock2D"],
        "up_block_types": ["UpBlock2D", *["CrossAttnUpBlock2D"] * 3],
        "cross_attention_dim": 768,
        "attention_head_dim": 8,
        "use_linear_projection": False,
    },
    "SD 2.x": {
        "block_out_channels": [320, 640, 1280, 1280],
        "down_block_types": [*ATTENTION, "DownBlock2D"],
        "up_block_types": ["UpBlock2D", *["CrossAttnUpBlock2D"] * 3],
        "cross_attention_dim": 1024,
        "attention_head_dim": [5, 10, 20, 20],
        "use_linear_projection": True,
    },
    "SDXL": {
        "block_out_channels": [320, 640, 1280],
        "down_block_types": ["DownBlock2D", *ATTENTION[:2]],
        "up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
        "transformer_layers_per_block": [1, 2, 10],
        "cross_attention_dim": 2048,
        "attention_head_dim": [5, 10, 20],
        "use_linear_projection": True,
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": 256,
        "projection_class_embeddings_input_dim": 2816,
    },
}


def empty(*shape):
    return torch.empty(shape, device="meta")


def checkpoint_of(config):
    """The tensors of a network in the original layout, without data, and SDXL's pooled projection."""
    with torch.device("meta"):
        tensors = UNet2DConditionModel(**config).state_dict()
    added = {"add_embedding.linear_1": "label_emb.0.0", "add_embedding.linear_2": "label_emb.0.2"}
    weights = {}
    for key, value in tensors.items():
        name, end = key.rsplit(".", 1)
        weights[shapes.UNET + (f"{added[name]}.{end}" if name in added else network_key(key, tensors))] = value
    if "addition_embed_type" in config:
        weights[f"{shapes.XL_OPEN_CLIP}text_projection"] = empty(1280, 1280)
    return weights


@pytest.mark.parametrize("family", REAL)
def test_the_network_is_rebuilt_from_its_shapes(family):
    weights = checkpoint_of(REAL[family])
    read = shapes.unet_config(weights)
    assert {key: read[key] for key in REAL[family]} == REAL[family]
    assert (read["in_channels"], read["out_channels"], read["layers_per_block"]) == (4, 4, 2)
    with torch.device("meta"):
        rebuilt = UNet2DConditionModel(**read).state_dict()
        real = UNet2DConditionModel(**REAL[family]).state_dict()
    assert {k: v.shape for k, v in rebuilt.items()} == {k: v.shape for k, v in real.items()}


def open_clip(prefix, layers, width):
    return {
        f"{prefix}token_embedding.weight": empty(49408, width),
        f"{prefix}positional_embedding": empty(77, width),
        **{f"{prefix}transformer.resblocks.{i}.mlp.c_fc.weight": empty(4 * width, width) for i in range(layers)},
    }


def clip(prefix, layers, width):
    return {
        f"{prefix}embeddings.token_embedding.weight": empty(49408, width),
        f"{prefix}embeddings.position_embedding.weight": empty(77, width),
        **{f"{prefix}encoder.layers.{i}.mlp.fc1.weight": empty(4 * width, width) for i in range(layers)},
    }


def brief(config):
    return tuple(config[key] for key in ("hidden_size", "num_hidden_layers", "num_attention_heads", "hidden_act"))


def test_the_text_encoder_of_sd_1():
    weights = clip(shapes.CLIP, 12, 768)
    assert {k: brief(v) for k, v in shapes.text_encoder_configs(weights).items()} == {"text_encoder": (768, 12, 12, "quick_gelu")}
    assert shapes.padding(weights) == 49407


def test_the_text_encoder_of_sd_2_stops_before_the_last_layer():
    weights = open_clip(shapes.OPEN_CLIP, 24, 1024)
    assert {k: brief(v) for k, v in shapes.text_encoder_configs(weights).items()} == {"text_encoder": (1024, 23, 16, "gelu")}
    assert shapes.padding(weights) == 0


def test_the_two_text_encoders_of_sdxl():
    weights = clip(shapes.XL_CLIP, 12, 768) | open_clip(shapes.XL_OPEN_CLIP, 32, 1280)
    weights[f"{shapes.XL_OPEN_CLIP}text_projection"] = empty(1280, 1280)
    read = shapes.text_encoder_configs(weights)
    assert {k: brief(v) for k, v in read.items()} == {
        "text_encoder": (768, 12, 12, "quick_gelu"),
        "text_encoder_2": (1280, 32, 20, "gelu"),
    }
    assert read["text_encoder_2"]["projection_dim"] == 1280
