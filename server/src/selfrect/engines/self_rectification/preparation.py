# SPDX-License-Identifier: GPL-3.0-or-later
"""Before the first network call: pictures made ready, memory looked at, what is kept looked up, the work planned to the call."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from ...engine import Request
from ...kept.keys import hash_of
from ...memory import Rung
from ...models.model import Model
from ...progress import Progress
from .background import Growth
from .finish import mode, share
from .inputs import alpha_map, prepare_references, prepare_target
from .inversion import InvertedImage
from .keeping import Keeping
from .latents import Latents
from .network import Network
from .plan import ImagePlan, Kept, Plan, Shape
from .room import Room
from .settings import Settings
from .windows import Grid, Windows, tiles


@dataclass
class Work:
    """One run: what it works with, and its plan. references: turned copies included. glimpse: of the target, a few of its pixels."""

    model: Model
    request: Request
    settings: Settings
    network: Network
    progress: Progress
    keeping: Keeping
    rung: Rung
    references: list[InvertedImage]
    target: InvertedImage
    growth: Growth | None
    glimpse: torch.Tensor
    plan: Plan | None = None
    keys: Keys | None = None

    @property
    def grid(self) -> Grid:
        return self.target.grid

    @property
    def rung_at_work(self) -> Rung:
        """A picture that goes through the network in windows goes through the codec in tiles, whatever memory there is."""
        return replace(self.rung, codec_tiles=self.rung.codec_tiles or self.grid.count > 1)

    @property
    def images(self) -> list[InvertedImage]:
        """All that are inverted; the target last."""
        return [*self.references, self.target]


@dataclass
class Keys:
    """Of each round's latents, after its inversion and after its sampling."""

    inverted: list[str]
    sampled: list[str]


def prepare(model: Model, request: Request, settings: Settings, progress: Progress, room: Room) -> Work:
    factor = model.codec.factor
    pixels = prepare_references(request.references, settings.augment, factor, settings.seed)
    target = prepare_target(request.target, request.references, factor, settings.seed)
    sizes = [(x.shape[2] // factor, x.shape[3] // factor) for x in (*pixels, target)]
    rung, windows = room.choose(sizes[-1], sizes[:-1])

    keeping = Keeping(model, settings, rung)
    references = [_image(keeping, x, size, windows) for x, size in zip(pixels, sizes, strict=False)]
    network = Network(model, settings.steps, settings.last_up_levels, progress)
    work = Work(
        model, request, settings, network, progress, keeping, rung, references,
        target=_image(keeping, target, sizes[-1], windows),
        growth=_growth(model, request, settings, sizes[-1]),
        glimpse=target[..., ::8, ::8].clone(),
    )  # fmt: skip
    _plan(work)
    room.make()
    progress.plan(work.plan.calls + (share(work.plan.calls) if mode(settings, model.family) == "finish" else 0))
    return work


def _image(keeping: Keeping, pixels: torch.Tensor, size: tuple[int, int], windows: Windows) -> InvertedImage:
    grid = Grid(*size, windows)
    key = keeping.image(pixels, grid.window if grid.count > 1 else None)
    return InvertedImage(pixels, key, grid, tiles(*size, windows))


def _growth(model: Model, request: Request, settings: Settings, size: tuple[int, int]) -> Growth | None:
    if settings.background_eta == 0 or request.target.shape[2] == 3:
        return None
    alpha = alpha_map(request.target, model.codec.factor).to(model.device)
    return Growth(alpha, size, settings.background_eta, settings.seed)


def _plan(work: Work) -> None:
    """Look up what is kept, plan the rest, and lay out each image accordingly."""
    work.keys = _keys(work)
    rounds = range(len(work.keys.sampled))
    shapes = [Shape(image.grid.count, len(image.pieces)) for image in work.references]
    target = Shape(work.grid.count, work.grid.count)  # whoever attends to it does so in its own windows
    stages = {
        "inverted": [r for r in rounds if work.keeping.has_latent(work.keys.inverted[r])],
        "sampled": [r for r in rounds if work.keeping.has_latent(work.keys.sampled[r])],
    }
    hold = work.rung.kv != "recompute"
    unaided = Plan(work.settings, shapes, target, hold, **stages)
    kept = [_look_up(work, *pair) for pair in zip(work.images, unaided.images, strict=True)]
    work.plan = Plan(work.settings, shapes, target, hold, kept[:-1], kept[-1], **stages)
    for image, plan in zip(work.images, work.plan.images, strict=True):
        image.plan = plan
        if not (plan.needs_encoding or (image is work.target and work.plan.needs_target)):
            image.pixels = None


def _look_up(work: Work, image: InvertedImage, plan: ImagePlan) -> Kept:
    """What of an image is kept. It is taken at hand, so that nothing can evict it before its use."""
    for item in set().union(*plan.wanted):
        found = work.keeping.key_values(image.key, item, work.network.layers)
        if found is not None:
            image.items[item] = found
    latents = work.keeping.latents(image.key, image.latent_shape(work.network)) if plan.latents else {}
    image.latents = Latents(work.model.device, image.latent_bytes(work.network), work.settings.steps, plan.latents)
    for n, z in latents.items():
        image.latents[n] = z
    return Kept(frozenset(n for n in latents if n in image.latents), frozenset(image.items))


def _keys(work: Work) -> Keys:
    keys, before = Keys([], []), work.target.key
    growth = work.growth and [hash_of(work.growth.eta.cpu().numpy()), work.settings.seed]
    for p, s in work.settings.round_parameters():
        keys.inverted.append(work.keeping.inverted(before, work.target.key, p))
        before = work.keeping.sampled(keys.inverted[-1], [image.key for image in work.references], s, growth)
        keys.sampled.append(before)
    return keys
