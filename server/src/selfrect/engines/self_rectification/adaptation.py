# SPDX-License-Identifier: GPL-3.0-or-later
"""Adaptation: before it works, the network is trained on the references for a moment (not in the paper, which has none; off by default).

Pairs of crops of one reference are noised alike, and in three batches of four one crop's self-attention reads the other's keys
and values, as rectifying does. A small network of our own learns with all its weights, any other through matrices of a low rank
added to its self-attention (Hu et al., LoRA, arXiv 2106.09685). What was learnt is kept under a hash of all that it depends on.
"""

from __future__ import annotations

import copy
import dataclasses
import time
from typing import Any

import torch
from torch.nn.utils import parametrize

from ...engine import Request
from ...kept import store
from ...kept.keys import hash_of, key_of
from ...models.facts import Facts
from ...models.model import Model, ready
from ...progress import Progress
from ...training import losses, paired_attention
from .background import fill_background
from .inputs import to_tensor
from .keeping import fingerprint
from .settings import Settings

STAGE = "adapt to reference"
PAIRS, SIDE, SMALL_SIDE = 4, 32, 16  # a step: so many pairs of crops, so many latent pixels wide at most; of the small model on a processor
SHARED, RANK = 0.75, 8
RATE, LOW_RANK_RATE = 2e-4, 1e-3
CALLS = 3 * 2 * PAIRS  # what a step takes, in network calls on a picture of the crops' size: forth and twice as much back
_WAY = 1  # counted up when the way of learning changes


def adapted(model: Model, request: Request, settings: Settings, progress: Progress) -> tuple[Model, list[str]]:
    """The model that the run works with, and sentences for the record. The given one stays as it is."""
    if not settings.adapt:
        return model, []
    key, began = _key(model, request, settings), time.monotonic()
    learnt = store().get(key)
    if learnt is None:
        with torch.inference_mode(False), torch.enable_grad(), progress.stage(STAGE, settings.adapt):
            learnt = _learn(model, request, settings, progress)
        store().put(key, learnt)
        note = f"The model was adapted to the reference in {time.monotonic() - began:.0f} s ({settings.adapt} steps), and this is kept."
    else:
        note = f"The model is adapted to the reference ({settings.adapt} steps); that was kept of an earlier run."
    return _with(model, learnt, key), [note]


def foreseen(model: Model, request: Request, settings: Settings) -> tuple[Model, bool]:
    """The model under the name that it will have adapted, so that what is kept can be looked up; and whether it still has to learn."""
    if not settings.adapt:
        return model, False
    key = _key(model, request, settings)
    return dataclasses.replace(model, hash=f"{model.hash}+{key}"), not store().has(key)


def with_learning(told: dict[str, Any], settings: Settings, facts: Facts, latent_pixels: int) -> dict[str, Any]:
    """A plan (see `dry_plan`) that begins with adapting: a note, and its seconds by what the plan's calls take."""
    calls = round(settings.adapt * CALLS * _side(facts.family, facts.device) ** 2 / latent_pixels)
    seconds = told["seconds"] and told["calls"] and round(told["seconds"] * (1 + calls / told["calls"]), 1)
    note = f"Adapting to the reference comes first, once for it: about as long as {calls} network calls."
    return told | {"seconds": seconds or None, "notes": [*told["notes"], note]}


def _side(family: str, device: str) -> int:
    """On a processor steps are what is short, and a quarter of the pixels takes a quarter of the time."""
    return SMALL_SIDE if family == "mini" and device == "cpu" else SIDE


def _key(model: Model, request: Request, settings: Settings) -> str:
    references = [hash_of(image) for image in request.references]
    way = [_WAY, _side(model.family, model.device.type), str(model.dtype)]
    return key_of("adaptation", way, model.hash, fingerprint(model), references, settings.adapt, settings.seed)


def _with(model: Model, learnt: dict[str, torch.Tensor], key: str) -> Model:
    whole = _trainable(model)
    with torch.no_grad():
        for name, weight in whole.named_parameters():
            if name in learnt:
                weight.copy_(learnt[name])
            elif f"{name}.up" in learnt:
                weight += (learnt[f"{name}.up"].float() @ learnt[f"{name}.down"].float()).to(weight)
    unet = ready(torch.nn.Module.to(whole, model.dtype), model.device, model.condition)
    again = model.in_float32 and (lambda: _with(model.in_float32(), learnt, key))
    return dataclasses.replace(model, unet=unet, hash=f"{model.hash}+{key}", in_float32=again)


def _trainable(model: Model) -> torch.nn.Module:
    """The network once more, in float32, its weights in no order of their own (see `packed`)."""
    return torch.nn.Module.float(model.in_float32().unet if model.in_float32 else copy.deepcopy(model.unet))


def _learn(model: Model, request: Request, settings: Settings, progress: Progress) -> dict[str, torch.Tensor]:
    """Weights by name, or for each changed matrix NAME.up and NAME.down; float16, on the CPU."""
    unet, chance = _trainable(model).train(), torch.Generator().manual_seed(settings.seed)
    whole = model.family == "mini"
    learning = list(unet.requires_grad_(True).parameters()) if whole else _low_rank(unet.requires_grad_(False))
    attention = paired_attention.install(unet)
    views = _views(model, request, settings)
    side = min(_side(model.family, model.device.type), *(min(view.shape[1:]) for view in views))
    rate = RATE if whole else LOW_RANK_RATE
    optimizer = torch.optim.AdamW(learning, rate, weight_decay=0.0)
    for step in range(settings.adapt):
        for group in optimizer.param_groups:
            group["lr"] = rate * min(1.0, (step + 1) / 10) * (1 - step / settings.adapt)
        loss = _loss(model, unet, attention, _pairs(views, side, chance).to(model.device), chance)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(learning, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        progress.plan(2 * settings.adapt)  # the picture itself is the other half
        progress.beside((step + 1) / settings.adapt, settings.adapt)
    if whole:
        return {name: _kept(weight) for name, weight in unet.named_parameters()}
    return {f"{name}.{part}": _kept(getattr(low, part)) for name, low in _lows(unet) for part in ("up", "down")}


def _loss(model: Model, unet, attention, clean: torch.Tensor, chance: torch.Generator) -> torch.Tensor:
    """Of one step, for latents (2 · pairs, C, h, w): references, then targets."""
    device, levels = model.device, len(model.alphas_cumprod)
    timesteps = torch.randint(levels, (len(clean) // 2,), generator=chance).repeat(2)
    alphas = model.alphas_cumprod[timesteps].float().to(device)
    noise = torch.randn(clean.shape, generator=chance).to(device)
    noisy, v = losses.add_noise(clean, noise, alphas)
    attention.share(torch.rand((), generator=chance).item() < SHARED)
    added = model.condition.added(*clean.shape[2:], model.codec.factor)
    half = model.dtype != torch.float32 and device.type in ("cpu", "cuda")
    with torch.autocast(device.type, torch.bfloat16, enabled=half):
        made = unet(
            noisy,
            timesteps.to(device),
            encoder_hidden_states=model.condition.embedding.float().expand(len(clean), -1, -1),
            added_cond_kwargs=added and {name: x.float().expand(len(clean), -1) for name, x in added.items()},
        ).sample
    if model.prediction_type != "v_prediction":
        return (made.float() - noise).square().mean()
    return losses.v_loss(made, v, losses.weights(alphas, 5.0, 0.25))


@torch.no_grad()
def _views(model: Model, request: Request, settings: Settings) -> list[torch.Tensor]:
    """Latents (C, h, w) of each reference in the eight poses of a square, cut to whole pixels of the network's deepest level."""
    views, factor = [], model.codec.factor
    deepest = 2 ** (len(model.unet.config.block_out_channels) - 1)
    for image in request.references:
        x = to_tensor(fill_background(image, request.references, settings.seed))
        for pose in range(8):
            turned = torch.rot90(x.flip(3) if pose > 3 else x, pose % 4, (2, 3))
            away = pose % 4 if min(turned.shape[2:]) > 2 * deepest * factor else 0  # so that latent pixels begin at other pixels, too
            turned = turned[..., away:, away:]
            height, width = (side // (factor * deepest) * (factor * deepest) for side in turned.shape[2:])
            views.append(model.codec.encode(turned[..., :height, :width].contiguous())[0].float().cpu())
    return views


def _pairs(views: list[torch.Tensor], side: int, chance: torch.Generator) -> torch.Tensor:
    """References, then targets (2 · PAIRS, C, side, side); a pair is of one picture, half of the time turned alike."""
    firsts, seconds = [], []
    for _ in range(PAIRS):
        first, turn, alike = (int(torch.randint(n, (), generator=chance)) for n in (len(views), 8, 2))
        second = first if alike else first // 8 * 8 + turn
        firsts.append(_crop(views[first], side, chance))
        seconds.append(_crop(views[second], side, chance))
    return torch.stack(firsts + seconds)


def _crop(view: torch.Tensor, side: int, chance: torch.Generator) -> torch.Tensor:
    top, left = (int(torch.randint(length - side + 1, (), generator=chance)) for length in view.shape[1:])
    return view[:, top : top + side, left : left + side]


class _LowRank(torch.nn.Module):
    """weight → weight + up · down."""

    def __init__(self, weight: torch.Tensor):
        super().__init__()
        self.up = torch.nn.Parameter(weight.new_zeros(weight.shape[0], RANK))
        down = torch.randn(RANK, weight.shape[1], generator=torch.Generator().manual_seed(0)) / RANK**0.5
        self.down = torch.nn.Parameter(down.to(weight))

    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        return weight + self.up @ self.down


def _low_rank(unet: torch.nn.Module) -> list[torch.nn.Parameter]:
    """Give each matrix of self-attention its low-rank part; these parts' parameters."""
    learning = []
    for name, module in list(unet.named_modules()):
        if ".attn1." in name and isinstance(module, torch.nn.Linear):
            low = _LowRank(module.weight)
            parametrize.register_parametrization(module, "weight", low)
            learning += low.parameters()
    return learning


def _lows(unet: torch.nn.Module) -> list[tuple[str, _LowRank]]:
    ending = ".parametrizations.weight.0"
    return [(f"{name.removesuffix(ending)}.weight", part) for name, part in unet.named_modules() if isinstance(part, _LowRank)]


def _kept(weight: torch.Tensor) -> torch.Tensor:
    return weight.detach().half().cpu().contiguous()
