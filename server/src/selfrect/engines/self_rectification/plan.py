# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run has to do, to the single network call, given what is kept of earlier runs. No PyTorch.

An *item* (n, j) names keys and values: those that the latent z_n of an inverted image leaves at timestep t_j. Step 0 moves
nothing (see `ddim.Schedule.moving`), so that z_0 = z_1 and the last sampling step and its keys and values are not needed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from .settings import Settings

Item = tuple[int, int]


@dataclass(frozen=True)
class Kept:
    """What is there of one image: the latents by n, and the items."""

    latents: frozenset[int] = frozenset()
    items: frozenset[Item] = frozenset()


@dataclass(frozen=True)
class Shape:
    """windows: network calls for one inversion step; pieces: network calls for one item."""

    windows: int = 1
    pieces: int = 1


class ImagePlan:
    """One image that is inverted so that others attend to it.

    wanted: the items of each round. hold: what stays at hand once it was computed. calls: the inversion calls j, each from
    z_j to z_{j+1}. passing: the items that these calls leave by the way. also: latents that are wanted for themselves.
    """

    def __init__(self, wanted: list[set[Item]], hold: set[Item], kept: Kept, shape: Shape, also: frozenset[int] = frozenset()):
        self.wanted, self.shape = wanted, shape
        self.kept = kept.items & set().union(*wanted)
        self.hold = frozenset(hold)
        missing = set().union(*wanted) - self.kept
        self.latents = frozenset(max(n, 1) for n, _ in missing) | also
        self.calls = _calls_for(self.latents, kept.latents)
        in_one_piece = shape.windows == shape.pieces == 1
        self.passing = frozenset(item for item in missing & hold if item[0] == item[1] and item[0] in self.calls and in_one_piece)
        # z_1 is what the codec makes of the picture.
        self.needs_encoding = (bool(self.calls) and self.calls.start == 1) or (1 in self.latents and 1 not in kept.latents)

    @property
    def inversion_calls(self) -> int:
        return len(self.calls) * self.shape.windows

    def item_calls(self, number: int) -> int:
        """Network calls for the items of round `number` (from 0)."""
        at_hand = set(self.kept | self.passing)
        for wanted in self.wanted[:number]:
            at_hand |= wanted & self.hold
        return len(self.wanted[number] - at_hand) * self.shape.pieces


class Plan:
    """references: the shape of each, turned copies included. hold: keys and values have room (else they are computed at each use).

    inverted, sampled: which rounds' latents after inversion and after sampling are kept, by round from 0. region: whether only a
    part may change, so that each sampling step wants the target's own latent.
    With the published settings 351 calls for N = 1 and 615 for N = 4, 263 where the references' items are kept
    (`current`); 288, 420 and 244 (`recorded`).
    """

    def __init__(
        self,
        settings: Settings,
        references: list[Shape],
        target: Shape = Shape(),
        hold: bool = True,
        kept_references: list[Kept] | None = None,
        kept_target: Kept = Kept(),
        inverted: Iterable[int] = (),
        sampled: Iterable[int] = (),
        region: bool = False,
    ):
        self.steps, self.windows = settings.steps, target.windows
        self.parameters = settings.round_parameters()
        last = len(self.parameters) - 1
        self.first = max((r + 1 for r in sampled if r < last), default=0)  # the first round that is worked on
        self.inverts = [r for r in range(self.first, last + 1) if r > self.first or r not in inverted]

        structure = [self._structure(settings, p) if r in self.inverts else set() for r, (p, _) in enumerate(self.parameters)]
        detail = [self._detail(settings, s) if r >= self.first else set() for r, (_, s) in enumerate(self.parameters)]
        held = set().union(*detail) if hold else set()
        nothing = [Kept()] * len(references)
        self.references = [
            ImagePlan(detail, held, kept, shape) for kept, shape in zip(kept_references or nothing, references, strict=True)
        ]
        # Of the target's only those come again that two rounds want, or, where they are recorded, that the inversion passes.
        again = set().union(*structure) if settings.injection == "recorded" else _in_several(structure)
        put_back = frozenset(range(1, settings.steps)) if region else frozenset()
        self.target = ImagePlan(structure, again if hold and target.pieces == 1 else set(), kept_target, target, put_back)

    @property
    def images(self) -> list[ImagePlan]:
        """All that are inverted; the target last."""
        return [*self.references, self.target]

    @property
    def calls(self) -> int:
        """Network calls of the run."""
        images = sum(image.inversion_calls for image in self.images)
        return images + sum(self.inversion_calls(r) + self.sampling_calls(r) for r in range(self.first, len(self.parameters)))

    @property
    def needs_target(self) -> bool:
        """Whether the target's own latent is needed: its inversion begins with it, and so does round 1."""
        return self.target.needs_encoding or 0 in self.inverts

    def inversion_calls(self, number: int) -> int:
        """Network calls of the structure-preserving inversion of round `number` (from 0)."""
        return (self.steps - 1) * self.windows + self.target.item_calls(number) if number in self.inverts else 0

    def sampling_calls(self, number: int) -> int:
        """Network calls of the fine sampling of round `number` (from 0)."""
        return (self.steps - 1) * self.windows + sum(image.item_calls(number) for image in self.references)

    def _structure(self, settings: Settings, p: int) -> set[Item]:
        return {structure_item(settings, i) for i in range(1, min(p, self.steps))}

    def _detail(self, settings: Settings, s: int) -> set[Item]:
        return {detail_item(settings, i) for i in range(s, self.steps - 1)}


def structure_item(settings: Settings, i: int) -> Item:
    """What inversion step i < P attends to: the target's inversion, from its noisy end.

    current: z_{T−i} at the running timestep; recorded: what call T − 1 − i left at its own.
    """
    n = settings.steps - i
    return (n, i) if settings.injection == "current" else (n - 1, n - 1)


def detail_item(settings: Settings, i: int) -> Item:
    """What sampling step i ≥ S attends to. Inversion call T − 1 − i, which made z_{T−i}, ran at the same timestep."""
    n = settings.steps - i
    return (n, n - 1) if settings.injection == "current" else (n - 1, n - 1)


def _in_several(rounds: list[set[Item]]) -> set[Item]:
    return {item for wanted in rounds for item in wanted if sum(item in other for other in rounds) > 1}


def _calls_for(needed: frozenset[int], kept: frozenset[int]) -> range:
    """The calls that lead to all latents that are needed and not there, from the nearest that is."""
    missing = needed - kept - {1}
    if not missing:
        return range(0)
    return range(max((n for n in kept if n < min(missing)), default=1), max(missing))
