# SPDX-License-Identifier: GPL-3.0-or-later
"""Self-rectification written a second time: slow, plain, sharing no code with the engine. The engine is held against it.

Implements Zhou, Xiao, Lischinski, Cohen-Or, Huang, "Generating Non-Stationary Textures using Self-Rectification", CVPR 2024
(arXiv 2401.02847), in the notation of our own statement of the method:

    T            DDIM steps; t_i = i · 1000/T, i = 0 … T−1; a(t) cumulative alpha, a(t<0) = a(0)
    z_0 … z_T    what a plain DDIM inversion leaves: IR of the target, R of a reference
    K/V          keys and values of a self-attention layer, dictionaries {layer name: (keys, values)} of (1, tokens, channels)

One picture per network call, everything float32, attention as an explicit softmax over an explicit matrix, nothing kept that
could be computed again. Read it from `self_rectify` upwards.
"""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer


@dataclass(frozen=True)
class Plan:
    """How many steps of what. `injection`: "current", "recorded", or "none" (never inject: a control, not in the paper)."""

    steps: int = 50
    p1: int = 20
    s1: int = 20
    p2: int = 5
    s2: int = 5
    injection: str = "current"
    last_up_levels: int = 2


# ---------------------------------------------------------------- attention


class ExplicitAttention:
    """softmax(Q Kᵀ / √d) V, written out. Self-attention layers in `tape.given` take K/V from there; all leave theirs in `tape.seen`."""

    def __init__(self, layer: str, tape: Tape):
        self.layer, self.tape = layer, tape

    def __call__(self, attn, hidden_states, encoder_hidden_states=None, attention_mask=None, **unused):
        own = encoder_hidden_states is None  # self-attention: no text given
        source = hidden_states if own else encoder_hidden_states
        queries, keys, values = attn.to_q(hidden_states), attn.to_k(source), attn.to_v(source)
        if own:
            self.tape.seen[self.layer] = (keys, values)
            keys, values = self.tape.given.get(self.layer, (keys, values))
        queries, keys, values = (split_heads(x, attn.heads) for x in (queries, keys, values))
        scores = queries @ keys.transpose(-1, -2) / queries.shape[-1] ** 0.5
        if own and self.layer in self.tape.given and self.tape.shares:
            scores = scores + self.bias(queries.shape[2], keys.shape[2])
        weights = torch.softmax(scores, dim=-1)
        mixed = (weights @ values).transpose(1, 2).flatten(2)  # (1, heads, tokens, d) → (1, tokens, channels)
        return attn.to_out[0](mixed)


    def bias(self, queries: int, keys: int) -> torch.Tensor:
        """(queries, keys): the logarithm of how much each reference counts at the query. Square pictures, references of one size."""
        side, columns = round(queries**0.5), []
        for share in self.tape.shares:
            block = len(share) // side
            columns.append(torch.from_numpy(share).reshape(side, block, side, block).mean((1, 3)).flatten())
        return torch.stack(columns, 1).log().repeat_interleave(keys // len(columns), dim=1)


class Tape:
    """What passes between the attention layers and the caller during one network call. shares: of each reference (H, W), or none."""

    def __init__(self):
        self.given: dict = {}
        self.seen: dict = {}
        self.shares: list = []


def split_heads(x: torch.Tensor, heads: int) -> torch.Tensor:
    """(1, tokens, channels) → (1, heads, tokens, channels / heads)"""
    return x.unflatten(2, (heads, -1)).transpose(1, 2)


def self_attention_of_last_levels(unet: UNet2DConditionModel, count: int) -> list[str]:
    """Names of the processors of the self-attention layers in the last `count` up levels that hold any."""
    names = [name for name in unet.attn_processors if name.startswith("up_blocks.") and ".attn1." in name]
    levels = sorted({int(name.split(".")[1]) for name in names})[-count:]
    return [name for name in names if int(name.split(".")[1]) in levels]


# ---------------------------------------------------------------- the model


class PlainModel:
    """Network, codec, schedule and empty-prompt condition of a diffusers folder, with a count of network calls."""

    def __init__(self, folder: Path | str):
        folder = Path(folder)
        self.unet = UNet2DConditionModel.from_pretrained(folder / "unet", low_cpu_mem_usage=False).float().eval()
        self.vae = AutoencoderKL.from_pretrained(folder / "vae", low_cpu_mem_usage=False).float().eval()
        self.tape = Tape()
        self.unet.set_attn_processor({name: ExplicitAttention(name, self.tape) for name in self.unet.attn_processors})
        schedule = json.loads((folder / "scheduler" / "scheduler_config.json").read_text(encoding="utf-8"))
        assert schedule["beta_schedule"] == "scaled_linear"
        assert schedule["num_train_timesteps"] == 1000
        roots = np.linspace(schedule["beta_start"] ** 0.5, schedule["beta_end"] ** 0.5, 1000, dtype=np.float64)
        self.cumulative_alpha = np.cumprod(1.0 - roots**2)
        self.prediction = schedule["prediction_type"]
        self.words, self.pooled = empty_prompt(folder)
        self.calls = 0

    def a(self, t: int) -> float:
        return float(self.cumulative_alpha[max(t, 0)])

    def encode(self, picture: np.ndarray) -> torch.Tensor:
        """(H, W, 3) in [0, 1] → latent (1, 4, H/8, W/8): posterior mean × scaling factor."""
        image = torch.from_numpy(np.asarray(picture, np.float32)).permute(2, 0, 1)[None] * 2 - 1
        return self.vae.encode(image).latent_dist.mean * self.vae.config.scaling_factor

    def decode(self, latent: torch.Tensor) -> np.ndarray:
        """Latent → (H, W, 3), not clamped."""
        image = self.vae.decode(latent / self.vae.config.scaling_factor).sample
        return (image[0].permute(1, 2, 0) / 2 + 0.5).numpy()

    def network(self, z: torch.Tensor, t: int, given: dict | None = None) -> tuple[torch.Tensor, dict]:
        """One network call: (ε, K/V of every self-attention layer). `given`: K/V used instead of the layers' own."""
        self.calls += 1
        self.tape.given, self.tape.seen = given or {}, {}
        extra = None
        if self.unet.config.addition_embed_type == "text_time":
            height, width = 8 * z.shape[2], 8 * z.shape[3]
            numbers = [height, width, 0, 0, height, width]  # size before, top left corner of the crop, size after
            extra = {"text_embeds": self.pooled, "time_ids": torch.tensor([numbers], dtype=torch.float32)}
        output = self.unet(z, t, encoder_hidden_states=self.words, added_cond_kwargs=extra).sample
        if self.prediction == "v_prediction":
            output = self.a(t) ** 0.5 * output + (1 - self.a(t)) ** 0.5 * z
        return output, self.tape.seen

    def move(self, z: torch.Tensor, noise: torch.Tensor, level: int, next_level: int) -> torch.Tensor:
        """The deterministic DDIM move of latent `z` from the noise of timestep `level` to that of `next_level`."""
        clean = (z - (1 - self.a(level)) ** 0.5 * noise) / self.a(level) ** 0.5
        return self.a(next_level) ** 0.5 * clean + (1 - self.a(next_level)) ** 0.5 * noise


def empty_prompt(folder: Path) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Text condition (1, 77, channels) and, with a second text encoder, pooled text (1, channels), of the prompt ""."""
    index = json.loads((folder / "model_index.json").read_text(encoding="utf-8"))
    first = CLIPTextModel.from_pretrained(folder / "text_encoder").float().eval()
    ids = empty_ids(folder / "tokenizer")
    if "text_encoder_2" not in index:
        return first(ids).last_hidden_state, None
    second = CLIPTextModelWithProjection.from_pretrained(folder / "text_encoder_2").float().eval()
    one = first(ids, output_hidden_states=True)
    two = second(empty_ids(folder / "tokenizer_2"), output_hidden_states=True)
    words, pooled = torch.cat([one.hidden_states[-2], two.hidden_states[-2]], dim=-1), two.text_embeds
    if index["force_zeros_for_empty_prompt"]:
        words, pooled = torch.zeros_like(words), torch.zeros_like(pooled)
    return words, pooled


def empty_ids(folder: Path) -> torch.Tensor:
    """(1, 77) token numbers of the empty prompt: start, end, padding."""
    tokenizer = CLIPTokenizer.from_pretrained(folder)
    return torch.tensor([tokenizer("", padding="max_length", max_length=77, truncation=True).input_ids])


# ---------------------------------------------------------------- the method


@dataclass
class Inversion:
    """`latents` z_0 … z_T of a plain inversion and `recorded`, the K/V of its calls 0 … T−1."""

    latents: list[torch.Tensor]
    recorded: list[dict]


class PlainSelfRectification:
    def __init__(self, model: PlainModel, plan: Plan, shares: list | None = None):
        self.model, self.plan, self.shares = model, plan, shares or []
        self.times = [i * 1000 // plan.steps for i in range(plan.steps)]
        self.layers = self_attention_of_last_levels(model.unet, plan.last_up_levels)

    def time_before(self, i: int) -> int:
        """t_{i−1}, negative for i = 0."""
        return self.times[i - 1] if i > 0 else -1

    def invert(self, picture: np.ndarray) -> Inversion:
        """Plain DDIM inversion."""
        latents, recorded = [self.model.encode(picture)], []
        for i, t in enumerate(self.times):
            noise, seen = self.model.network(latents[-1], t)
            latents.append(self.model.move(latents[-1], noise, self.time_before(i), t))
            recorded.append({layer: seen[layer] for layer in self.layers})
        return Inversion(latents, recorded)

    def given(self, sources: list[Inversion], i: int, t: int) -> dict:
        """K/V for step i at the running timestep t: those of all sources, concatenated along tokens."""
        T = self.plan.steps
        if self.plan.injection == "none":
            return {}
        if self.plan.injection == "recorded":
            parts = [source.recorded[T - 1 - i] for source in sources]
        else:
            parts = [self.model.network(source.latents[T - i], t)[1] for source in sources]
        return {layer: tuple(torch.cat([part[layer][k] for part in parts], dim=1) for k in (0, 1)) for layer in self.layers}

    def invert_keeping_structure(self, picture: np.ndarray, target: Inversion, P: int) -> torch.Tensor:
        """Inversion whose first P steps attend to the first target's inversion, read from its noisy end."""
        z = self.model.encode(picture)
        for i, t in enumerate(self.times):
            given = self.given([target], i, t) if i < P else None
            noise, _ = self.model.network(z, t, given)
            z = self.model.move(z, noise, self.time_before(i), t)
        return z

    def sample_fine(self, z: torch.Tensor, references: list[Inversion], S: int) -> torch.Tensor:
        """Sampling whose steps from S on attend to the references."""
        for i in range(self.plan.steps):
            t = self.times[self.plan.steps - 1 - i]
            given = self.given(references, i, t) if i >= S else None
            self.model.tape.shares = self.shares
            noise, _ = self.model.network(z, t, given)
            self.model.tape.shares = []
            z = self.model.move(z, noise, t, self.time_before(self.plan.steps - 1 - i))
        return z

    def rounds(self, references: list[np.ndarray], target: np.ndarray) -> list[np.ndarray]:
        R = [self.invert(reference) for reference in references]
        IR = self.invert(target)
        picture, pictures = target, []
        for P, S in [(self.plan.p1, self.plan.s1), (self.plan.p2, self.plan.s2)]:
            z = self.invert_keeping_structure(picture, IR, P)
            z = self.sample_fine(z, R, S)
            picture = self.model.decode(z)
            pictures.append(picture)
        return pictures


@torch.no_grad()
def self_rectify(
    folder: Path | str, references: list[np.ndarray], target: np.ndarray, plan: Plan, shares: list[np.ndarray] | None = None
) -> tuple[list[np.ndarray], int]:
    """Rectify `target` after `references`, all (H, W, 3) in [0, 1], with the model in a diffusers `folder`.

    shares: of each reference (H, W) ≥ 0, how much it counts at each pixel of the target; None: all alike.
    Returns the pictures of round 1 and round 2, (H, W, 3) clamped to [0, 1] only here, and the number of network calls.
    """
    model = load(Path(folder))
    before = model.calls
    pictures = PlainSelfRectification(model, plan, shares).rounds(references, target)
    return [np.clip(picture, 0.0, 1.0) for picture in pictures], model.calls - before


@functools.lru_cache(maxsize=4)
def load(folder: Path) -> PlainModel:
    """The model of a diffusers folder, read once. Nothing in it but the count of calls outlives a network call."""
    with torch.no_grad():
        return PlainModel(folder)
