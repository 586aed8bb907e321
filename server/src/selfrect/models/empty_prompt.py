# SPDX-License-Identifier: GPL-3.0-or-later
"""The empty prompt through a model's own CLIP text encoder(s), as the diffusers pipelines of each family do it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer
from transformers.utils import logging

from .condition import Condition

logging.disable_progress_bar()  # ours is the only one

CLIP_VOCABULARY = 49408  # of every Stable Diffusion; the last two words are begin and end of text
BEGIN, END = CLIP_VOCABULARY - 2, CLIP_VOCABULARY - 1


def from_folder(folder: Path, pipeline: dict[str, Any]) -> Condition:
    """folder: a diffusers pipeline; pipeline: its model_index.json. One text encoder: SD 1.x and 2.x; two: SDXL."""
    first = CLIPTextModel.from_pretrained(folder / "text_encoder", use_safetensors=True, **_variant(folder / "text_encoder"))
    ids = _ids(folder / "tokenizer", first, END)
    if not (folder / "text_encoder_2").is_dir():
        return encode(first, ids)
    second = CLIPTextModelWithProjection.from_pretrained(
        folder / "text_encoder_2", use_safetensors=True, **_variant(folder / "text_encoder_2")
    )
    ids_2 = _ids(folder / "tokenizer_2", second, 0)
    return encode_two(first, ids, second, ids_2, pipeline.get("force_zeros_for_empty_prompt", True))


@torch.inference_mode()
def encode(encoder: CLIPTextModel, ids: torch.Tensor) -> Condition:
    """SD 1.x and 2.x: the last hidden state, (1, tokens, D)."""
    return Condition(encoder.float().eval()(ids)[0])


@torch.inference_mode()
def encode_two(
    first: CLIPTextModel, ids: torch.Tensor, second: CLIPTextModelWithProjection, ids_2: torch.Tensor, force_zeros: bool
) -> Condition:
    """SDXL: the last but one hidden states of both, side by side, and the second's pooled projection.

    force_zeros: SDXL base was trained with zeros where the prompt is empty; its pipeline says so in its own configuration.
    """
    one = first.float().eval()(ids, output_hidden_states=True)
    two = second.float().eval()(ids_2, output_hidden_states=True)
    embedding, pooled = torch.cat([one.hidden_states[-2], two.hidden_states[-2]], -1), two.text_embeds
    return Condition(torch.zeros_like(embedding), torch.zeros_like(pooled)) if force_zeros else Condition(embedding, pooled)


def ids_of_nothing(config: Any, padding: int) -> torch.Tensor:
    """(1, positions): begin, end, padding … for a text encoder whose tokenizer is not there.

    SD 1.x and SDXL's first encoder pad with the end, SD 2.x and SDXL's second with 0; a vocabulary that is not CLIP's
    has its begin and end in the encoder's configuration, and the end pads.
    """
    begin, end = BEGIN, END
    if config.vocab_size != CLIP_VOCABULARY:
        begin, end, padding = config.bos_token_id, config.eos_token_id, config.eos_token_id
    ids = torch.full((1, config.max_position_embeddings), padding, dtype=torch.long)
    ids[0, 0], ids[0, 1] = begin, end
    return ids


def _ids(tokenizer: Path, encoder: Any, padding: int) -> torch.Tensor:
    if not tokenizer.is_dir():
        return ids_of_nothing(encoder.config, padding)
    tokens = CLIPTokenizer.from_pretrained(tokenizer)
    length = min(tokens.model_max_length, encoder.config.max_position_embeddings)
    return tokens("", padding="max_length", max_length=length, truncation=True, return_tensors="pt").input_ids


def _variant(folder: Path) -> dict[str, str]:
    """Full precision where it is there, else the fp16 files."""
    only_half = not (folder / "model.safetensors").exists() and (folder / "model.fp16.safetensors").exists()
    return {"variant": "fp16"} if only_half else {}
