# SPDX-License-Identifier: GPL-3.0-or-later
"""One .safetensors checkpoint in Stable Diffusion's original layout → Model, with no configuration to fetch.

diffusers converts the weights; it would ask a model hub for the configurations, so these are read off the tensors'
own names and shapes instead (`checkpoint_shapes`).
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from diffusers.loaders.single_file_utils import create_diffusers_clip_model_from_ldm
from safetensors.torch import load_file
from transformers import CLIPTextModel, CLIPTextModelWithProjection

from . import checkpoint_shapes as shapes
from . import condition as conditions
from .codec import AutoencoderCodec
from .condition import Condition
from .empty_prompt import encode, encode_two, ids_of_nothing
from .model import Model, family_of, ready
from .schedule import alphas_cumprod
from .store import file_hash

# The noise schedule that all three families were trained with.
SCHEDULE = {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012, "num_train_timesteps": 1000}


def load_single_file(file: Path, name: str, device: torch.device, dtype: torch.dtype, compiled: bool = False) -> Model:
    """Raises SafetensorError, KeyError or ValueError where the file is no such checkpoint (the caller makes the sentence)."""
    weights = load_file(file)
    if not any(key.startswith(shapes.UNET) for key in weights):
        raise ValueError(f"no tensors named {shapes.UNET}… in {file.name}")
    with tempfile.TemporaryDirectory() as folder:
        configs = {
            "unet": shapes.unet_config(weights),
            "vae": shapes.vae_config(weights),
            **shapes.text_encoder_configs(weights),
        }
        for part, config in configs.items():
            (Path(folder) / part).mkdir()
            (Path(folder) / part / "config.json").write_text(json.dumps(config), "utf-8")
        # A copy each time: the conversion takes out of the dictionary what it has used.
        unet = UNet2DConditionModel.from_single_file(
            dict(weights), config=folder, subfolder="unet", torch_dtype=dtype, local_files_only=True
        )
        vae = AutoencoderKL.from_single_file(
            dict(weights), config=folder, subfolder="vae", torch_dtype=torch.float32, local_files_only=True
        )
        condition = conditions.kept([file], lambda: _condition(dict(weights), folder, list(configs)[2:]))
    condition = condition.to(device, dtype)
    unet = ready(unet, device, condition, compiled)
    return Model(
        name=name,
        family=family_of(unet),
        hash=file_hash(file),
        unet=unet,
        codec=AutoencoderCodec(vae, device),
        condition=condition,
        alphas_cumprod=alphas_cumprod(SCHEDULE),
        prediction_type=_prediction_type(weights, unet, condition, device, dtype),
        device=device,
        dtype=dtype,
    )


def _condition(weights: dict[str, torch.Tensor], folder: str, parts: list[str]) -> Condition:
    def encoder(kind: type, part: str) -> Any:
        return create_diffusers_clip_model_from_ldm(kind, weights, subfolder=part, config=folder, local_files_only=True)

    first = encoder(CLIPTextModel, "text_encoder")
    ids = ids_of_nothing(first.config, shapes.padding(weights))
    if len(parts) == 1:
        return encode(first, ids)
    second = encoder(CLIPTextModelWithProjection, "text_encoder_2")
    return encode_two(first, ids, second, ids_of_nothing(second.config, 0), force_zeros=True)


@torch.inference_mode()
def _prediction_type(
    weights: dict[str, torch.Tensor], unet: UNet2DConditionModel, condition: Condition, device: torch.device, dtype: torch.dtype
) -> str:
    """ε or v? A checkpoint does not say it, but the network does: of pure noise at the last timestep, ε is the noise itself.

    v is then −x0, which has nothing to do with the noise. Only SD 2.x and SDXL come in both kinds.
    """
    if "v_pred" in weights:
        return "v_prediction"
    if family_of(unet) not in ("sd2", "sdxl"):
        return "epsilon"
    noise = torch.randn(1, unet.config.in_channels, 32, 32, generator=torch.Generator().manual_seed(0)).to(device)
    added = condition.added(32, 32, 8)
    out = unet(noise.to(dtype), 999, encoder_hidden_states=condition.embedding, added_cond_kwargs=added).sample.float()
    alike = torch.nn.functional.cosine_similarity(out.flatten(), noise.flatten(), dim=0)
    return "epsilon" if alike > 0.5 else "v_prediction"
