# SPDX-License-Identifier: GPL-3.0-or-later
"""One .safetensors in the original key layout of Stable Diffusion 1.x, out of a small diffusers folder.

The names are those of the published checkpoints: `model.diffusion_model.` (network), `first_stage_model.` (codec) and
`cond_stage_model.transformer.` (text encoder). Each function below takes a diffusers key and gives the original one.
"""

from __future__ import annotations

import re
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

NETWORK_ENDS = {
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "conv_in": "input_blocks.0.0",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
}
NETWORK_RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}
CODEC_ATTENTION = {"group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v", "to_out.0": "proj_out"}


def write_checkpoint(folder: Path | str, path: Path | str) -> Path:
    """Write the pipeline in `folder` (network with two layers per block, four levels) as one checkpoint file at `path`."""
    folder, path = Path(folder), Path(path)
    network = load_file(folder / "unet" / "diffusion_pytorch_model.safetensors")
    codec = load_file(folder / "vae" / "diffusion_pytorch_model.safetensors")
    text = load_file(folder / "text_encoder" / "model.safetensors")
    tensors = {f"model.diffusion_model.{network_key(key, network)}": value for key, value in network.items()}
    for key, value in codec.items():
        projection = ".attentions." in key and value.ndim == 2  # 1×1 convolutions in the original
        tensors[f"first_stage_model.{codec_key(key)}"] = value[:, :, None, None] if projection else value
    for key, value in text.items():  # transformers has written the keys with and without `text_model.`
        tensors[f"cond_stage_model.transformer.text_model.{key.removeprefix('text_model.')}"] = value
    tensors["cond_stage_model.transformer.text_model.embeddings.position_ids"] = torch.arange(77)[None]
    tensors["betas"] = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64).square().float()
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({key: value.contiguous() for key, value in tensors.items()}, path)
    return path


def network_key(key: str, keys) -> str:
    """diffusers → original name of one of the network's `keys`."""
    for ours, original in NETWORK_ENDS.items():
        if key.startswith(ours + "."):
            return original + key[len(ours) :]
    match = re.fullmatch(r"(down_blocks|up_blocks|mid_block)\.(?:(\d+)\.)?(resnets|attentions|downsamplers|upsamplers)\.(\d+)\.(.+)", key)
    side, level, part, layer, rest = match.group(1), int(match.group(2) or 0), match.group(3), int(match.group(4)), match.group(5)
    if part == "resnets":
        name, end = rest.rsplit(".", 1)
        rest = f"{NETWORK_RESNET[name]}.{end}"
    if side == "mid_block":
        return f"middle_block.{1 if part == 'attentions' else 2 * layer}.{rest}"
    if part == "downsamplers":
        return f"input_blocks.{3 * (level + 1)}.0.{rest.replace('conv.', 'op.')}"
    if part == "upsamplers":  # comes after the attention where there is one
        place = 2 if any(other.startswith(f"up_blocks.{level}.attentions.") for other in keys) else 1
        return f"output_blocks.{3 * level + 2}.{place}.{rest}"
    block = f"input_blocks.{3 * level + layer + 1}" if side == "down_blocks" else f"output_blocks.{3 * level + layer}"
    return f"{block}.{0 if part == 'resnets' else 1}.{rest}"


def codec_key(key: str) -> str:
    """diffusers → original name of one of the codec's keys."""
    for ours, original in CODEC_ATTENTION.items():
        key = re.sub(rf"mid_block\.attentions\.0\.{re.escape(ours)}\.", f"mid.attn_1.{original}.", key)
    key = re.sub(r"mid_block\.resnets\.(\d)", lambda m: f"mid.block_{int(m[1]) + 1}", key)
    key = re.sub(r"down_blocks\.(\d)\.resnets\.", r"down.\1.block.", key)
    key = re.sub(r"down_blocks\.(\d)\.downsamplers\.0", r"down.\1.downsample", key)
    key = re.sub(r"up_blocks\.(\d)\.resnets\.", lambda m: f"up.{3 - int(m[1])}.block.", key)  # counted from the latent's end
    key = re.sub(r"up_blocks\.(\d)\.upsamplers\.0", lambda m: f"up.{3 - int(m[1])}.upsample", key)
    return key.replace("conv_norm_out", "norm_out").replace("conv_shortcut", "nin_shortcut")
