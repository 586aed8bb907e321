# SPDX-License-Identifier: GPL-3.0-or-later
"""Before the first network call: pictures made ready, memory looked at, what is kept looked up, the work planned to the call."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch

from ...delivery import needs_correspondence
from ...engine import Request
from ...kept.keys import hash_of, key_of
from ...memory import Rung
from ...models.model import Model
from ...progress import Progress
from .attending import Attending
from .background import Growth
from .balance import Balance, balance_of
from .canvas import Wrap, fitted
from .edges import MENDED, Mending
from .finish import mode, share
from .inputs import alpha_map, prepare_references, prepare_target
from .inversion import InvertedImage
from .keeping import Keeping
from .latents import Latents
from .network import Network
from .places import Places
from .plan import ImagePlan, Kept, Plan, Shape
from .region import Region, free_latents
from .room import Room
from .settings import Settings
from .turned import Copy
from .windows import Grid, Windows, tiles


@dataclass
class Work:
    """One run: what it works with, and its plan. request: as it came in, but for edges of the target that were mended. references: with
    their copies; copies: what these are. glimpse: a few of the target's pixels.
    """

    model: Model
    request: Request
    settings: Settings
    network: Network
    progress: Progress
    keeping: Keeping
    rung: Rung
    references: list[InvertedImage]
    copies: list[Copy]
    balance: Balance | None
    attending: Attending | None
    target: InvertedImage
    growth: Growth | None
    region: Region | None
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

    def alive() -> None:
        progress.beside(0.0, 0.0)

    pixels, copies = zip(*prepare_references(request, settings, factor, alive), strict=True)
    wrap = (settings.tile_x, settings.tile_y)
    request = replace(request, target=_mended(model, request, settings, progress, room))
    target = prepare_target(request.target, request.references, factor, settings.seed, wrap)
    sizes = [(x.shape[2] // factor, x.shape[3] // factor) for x in (*pixels, target)]
    rung, windows = room.choose(sizes[-1], sizes[:-1])
    balance = balance_of(request, [copy.reference for copy in copies], sizes[-1], factor, wrap, model.device)

    keeping = Keeping(model, settings, rung, room.on_disk())
    references = [_image(keeping, x, size, windows, shown=copy.shown) for x, size, copy in zip(pixels, sizes, copies, strict=False)]
    network = Network(model, settings.steps, settings.last_up_levels, progress)
    inverted = _image(keeping, target, sizes[-1], windows, wrap)
    work = Work(
        model, request, settings, network, progress, keeping, rung, references, list(copies), balance,
        _attending(request, settings, model, sizes[-1], list(copies), references), inverted,
        growth=_growth(model, request, settings, sizes[-1]),
        region=_region(network, request, wrap, inverted),
        glimpse=target[..., ::8, ::8].clone(),
    )  # fmt: skip
    _plan(work)
    room.make()
    progress.plan(work.plan.calls + (share(work.plan.calls) if mode(settings, model.family) == "finish" else 0))
    return work


def _mended(model: Model, request: Request, settings: Settings, progress: Progress, room: Room) -> np.ndarray:
    """The target; where it is to tile and its edges do not meet, with edges that do."""
    wrap = (settings.tile_x, settings.tile_y)
    if not any(wrap):
        return request.target
    device = "cuda" if model.device.type == "cuda" else "cpu"  # patches need double precision, which others lack
    mending = Mending(request.references, wrap, settings.seed, device, alive=lambda: progress.beside(0.0, 0.0))
    target = mending.mend(request.target, request.mask)
    if target is not request.target and MENDED not in room.notes:
        room.notes.append(MENDED)
    return target


def _image(
    keeping: Keeping,
    pixels: torch.Tensor,
    size: tuple[int, int],
    windows: Windows,
    wrap: Wrap = (False, False),
    shown: torch.Tensor | None = None,
) -> InvertedImage:
    grid = Grid(*size, windows, wrap)
    key = keeping.image(pixels, grid.window if grid.count > 1 else None, wrap)
    key = key if shown is None else key_of("shown", key, hash_of(shown.numpy()))
    return InvertedImage(pixels, key, grid, tiles(*size, windows), shown)


def _growth(model: Model, request: Request, settings: Settings, size: tuple[int, int]) -> Growth | None:
    if settings.background_eta == 0 or request.target.shape[2] == 3:
        return None
    alpha = alpha_map(request.target, model.codec.factor, (settings.tile_x, settings.tile_y)).to(model.device)
    return Growth(alpha, size, settings.background_eta, settings.seed)


def _attending(
    request: Request, settings: Settings, model: Model, size: tuple[int, int], copies: list[Copy], references: list[InvertedImage]
) -> Attending | None:
    if mode(settings, model.family) == "finish" or not needs_correspondence(request, settings):
        return None
    places = Places(copies, [image.pieces for image in references], model.codec.factor)
    return Attending(size, settings.steps - 2, places)  # the last step moves nothing and attends to nothing


def _region(network: Network, request: Request, wrap: Wrap, target: InvertedImage) -> Region | None:
    if request.mask is None or request.mask.min() > 0:
        return None
    factor = network.model.codec.factor
    mask = fitted(torch.from_numpy(np.ascontiguousarray(request.mask))[None, None], factor, wrap)
    return Region(free_latents(mask, factor).to(network.model.device), network, target)


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
    hold, region = work.rung.kv != "recompute", work.region is not None
    unaided = Plan(work.settings, shapes, target, hold, **stages, region=region)
    kept = [_look_up(work, *pair) for pair in zip(work.images, unaided.images, strict=True)]
    work.plan = Plan(work.settings, shapes, target, hold, kept[:-1], kept[-1], **stages, region=region)
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
    more = [hash_of(work.region.free.cpu().numpy())] if work.region else []
    more += [work.balance.key] if work.balance else []
    for p, s in work.settings.round_parameters():
        keys.inverted.append(work.keeping.inverted(before, work.target.key, p))
        before = work.keeping.sampled(keys.inverted[-1], [image.key for image in work.references], s, growth, *more)
        keys.sampled.append(before)
    return keys
