# SPDX-License-Identifier: GPL-3.0-or-later
"""Plain DDIM inversion, and what of it is kept: the inversion reference (paper, section 3.1)."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch

from .balance import Balance
from .keeping import Keeping, OnDisk
from .kv_injection import KeyValues, Offered
from .latents import Latents
from .network import Network
from .plan import ImagePlan, Item
from .windows import Box, Grid


class InvertedImage:
    """A reference or the target, as far as it is inverted, and the keys and values that it offers.

    pixels: (1, 3, H, W) in [−1, 1], None once they are not needed any more. grid: its windows. pieces: in which parts it offers its
    keys and values. shown (h, w) bool: the places that do; None: all. plan: what is to be done with it. items: keys and values at hand.
    """

    def __init__(self, pixels: torch.Tensor | None, key: str, grid: Grid, pieces: list[Box], shown: torch.Tensor | None = None):
        self.pixels, self.key, self.grid, self.pieces, self.shown = pixels, key, grid, pieces, shown
        self.plan: ImagePlan | None = None
        self.latents: Latents | None = None
        self.items: dict[Item, KeyValues | OnDisk] = {}

    def latent(self, network: Network, n: int) -> torch.Tensor:
        """z_n (1, C, h, w) float32. z_1, which is z_0, comes from the codec when it is first asked for."""
        if n <= 1 and n not in self.latents:
            with network.model.codec.along(*self.grid.wrap):
                self.latents[1] = network.model.codec.encode(self.pixels).float()
            self.pixels = None  # of a large picture, many bytes
        return self.latents[n]

    def latent_shape(self, network: Network) -> tuple[int, ...]:
        return 1, network.model.unet.config.in_channels, self.grid.height, self.grid.width

    def latent_bytes(self, network: Network) -> int:
        return 4 * math.prod(self.latent_shape(network))

    def shown_in(self, piece: Box) -> torch.Tensor | None:
        return None if self.shown is None else piece.cut(self.shown)

    def hold(self, item: Item, key_values: KeyValues, keeping: Keeping) -> None:
        self.items[item] = keeping.keep_key_values(self.key, item, key_values)


class Injected:
    """The keys and values that one or several inverted images offer to a running image.

    item_of: which item of theirs step i attends to. balance: how much each of them counts; None: all alike. attending: who looks at
    what is attended to.
    """

    def __init__(
        self,
        network: Network,
        images: list[InvertedImage],
        item_of: Callable[[int], Item],
        keeping: Keeping,
        balance: Balance | None = None,
    ):
        self.network, self.images, self.item_of, self.keeping = network, images, item_of, keeping
        self.balance, self.attending = balance, None
        self._coming: dict[int, list[Callable[[], KeyValues] | None]] = {}

    def at(self, i: int, box: Box | None = None) -> Offered:
        """For step i of the running image: of the images' same window, where `box` names one, else of the whole images."""
        coming = self._coming.pop(i, None) or self._bring(i)
        found = [bring() if bring else self._compute(image, i, box) for image, bring in zip(self.images, coming, strict=True)]
        self._coming = {i + 1: self._bring(i + 1)}  # while the network computes
        return Offered.joined(found, self.balance, self.attending and self.attending.at(i))

    def _bring(self, i: int) -> list[Callable[[], KeyValues] | None]:
        """For each image a way to have the keys and values that are at hand; None where they have to be computed."""
        at_hand = [image.items.get(self.item_of(i)) for image in self.images]
        return [self.keeping.bring(found) if found is not None else None for found in at_hand]

    def _compute(self, image: InvertedImage, i: int, box: Box | None) -> KeyValues:
        n, j = self.item_of(i)
        z = image.latent(self.network, n)
        pieces, around = [box] if box else image.pieces, image.grid.around
        left = [(piece, self.network.key_values(piece.cut(z), j, around)) for piece in pieces]
        found = KeyValues.joined([own.only(image.shown_in(piece)) for piece, own in left])
        if (n, j) in image.plan.hold:
            image.hold((n, j), found, self.keeping)
        return found


def invert(network: Network, images: list[InvertedImage], keeping: Keeping) -> None:
    """Invert images in one batch, as far as their plans say; they are of one size and go around alike, or only one."""
    ranges = [image.plan.calls for image in images]
    z = {image: image.latent(network, calls.start) for image, calls in zip(images, ranges, strict=True)}
    for j in range(min(calls.start for calls in ranges), max(calls.stop for calls in ranges)):
        active = [image for image in images if j in image.plan.calls]
        eps = _eps(network, active, torch.cat([z[image] for image in active]), j, keeping)
        for image, own in zip(active, eps.split(1), strict=True):
            z[image] = network.schedule.up(z[image], own, j)
            image.latents[j + 1] = z[image]
    for image in images:
        keeping.keep_latents(image.key, image.latents.tensors())


def _eps(network: Network, images: list[InvertedImage], z: torch.Tensor, j: int, keeping: Keeping) -> torch.Tensor:
    """ε of inversion call j; the keys and values that it leaves stay where a plan says so."""
    grid = images[0].grid
    passing = [image for image in images if (j, j) in image.plan.passing]
    if not passing:
        return grid.blend(z, j, lambda part, _: network.eps(part, j, around=grid.around))
    eps, left = network.eps_and_key_values(z, j, grid.around)
    for image, own in zip(images, left.of_each(), strict=True):
        if image in passing:
            image.hold((j, j), own.only(image.shown), keeping)
    return eps
