# SPDX-License-Identifier: GPL-3.0-or-later
"""What is measured: `mini` as it ships, and a network and codec of Stable Diffusion 1.4's true shape with random weights.

The cost of the method does not depend on what the weights were trained to; the shape is all that counts. The random model
is written once, below out/bench, as a diffusers folder in float16, as such models come.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from selfrect.engines.self_rectification.settings import Settings
from selfrect.models.codec import AutoencoderCodec, PatchCodec

ROOT = Path(__file__).resolve().parents[2]
MINI = ROOT / "server" / "src" / "selfrect" / "models" / "mini"
sys.path.insert(0, str(ROOT / "tests" / "engine"))

import tiny_models  # noqa: E402

#: Pieces of the reference and its colours cost next to nothing; what is measured here is the network.
_OFF = {"patches": "off", "colour_match": 0.0}
ALONE = {name: off for name, off in _OFF.items() if name in Settings.__dataclass_fields__}
UNET = {
    "sample_size": 64,
    "block_out_channels": (320, 640, 1280, 1280),
    "down_block_types": ("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",),
    "up_block_types": ("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3,
    "layers_per_block": 2,
    "attention_head_dim": 8,
    "cross_attention_dim": 768,
}
CODEC = {
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "block_out_channels": (128, 256, 512, 512),
    "layers_per_block": 2,
    "latent_channels": 4,
    "sample_size": 512,
    "scaling_factor": 0.18215,
}


def folder(name: str) -> str:
    """What `load_model` takes for “mini” or “sd” (made now if it is not there)."""
    if name == "mini":
        return "mini"
    place = ROOT / "out" / "bench" / "sd-shape"
    if not (place / "model_index.json").is_file():
        _write(place)
    return str(place)


def unet_in_float32(name: str) -> UNet2DConditionModel:
    """For the plain way, as diffusers gives it."""
    place = MINI if name == "mini" else Path(folder(name))
    unet = UNet2DConditionModel.from_pretrained(place / "unet", torch_dtype=torch.float32, low_cpu_mem_usage=False)
    return unet.eval().requires_grad_(False)


def codec_in_float32(name: str, device: torch.device) -> AutoencoderCodec | PatchCodec:
    """As it stands, in one piece."""
    if name == "mini":
        return PatchCodec(4, device)
    return AutoencoderCodec(AutoencoderKL.from_pretrained(Path(folder(name)) / "vae", low_cpu_mem_usage=False), device)


def tiny(name: str, place: Path) -> str:
    """A folder of the same way of working, so small that a whole run takes seconds: for counting."""
    return "mini" if name == "mini" else str(tiny_models.make_pipeline(place / "tiny", "sd1"))


def picture(side: int, seed: int) -> np.ndarray:
    """(side, side, 3) in [0, 1]: waves, stripes and grain."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side] / 64
    waves = [np.sin(rng.uniform(-2, 2) * x + rng.uniform(-2, 2) * y) for _ in range(3)]
    stripes = [np.sign(np.sin(rng.uniform(2, 6) * x + y)) for _ in range(3)]
    smooth = 0.5 + 0.2 * np.stack(waves, -1) + 0.15 * np.stack(stripes, -1)
    return np.clip(smooth + rng.normal(0, 0.03, (side, side, 3)), 0, 1).astype(np.float32)


@torch.no_grad()
def _write(place: Path) -> None:
    torch.manual_seed(0)
    unet = UNet2DConditionModel(**UNET)
    tiny_models.liven_network(unet)
    vae = AutoencoderKL(**CODEC)
    tiny_models.liven_codec(vae)
    tiny_models.write_text(place, "", "sd1", UNET["cross_attention_dim"], 12, padding=tiny_models.END)
    unet.half().save_pretrained(place / "unet", safe_serialization=True)
    vae.save_pretrained(place / "vae", safe_serialization=True)
    tiny_models.write_json(place / "scheduler" / "scheduler_config.json", tiny_models.scheduler_config("sd1"))
    tiny_models.write_json(place / "model_index.json", tiny_models.model_index("sd1"))

