# SPDX-License-Identifier: GPL-3.0-or-later
"""Steps of brightness between pieces are spread far, in all maps alike, as they are in the picture (`patches.joining`).

Where any map has an edge of a thing at the joint, no map is changed there.
"""

from __future__ import annotations

import torch

from ..patches.correspondence import Reader
from ..poisson import settled

_REACH = 0.23  # of the shorter side: how far a step is spread
_THING = 0.1  # of a map's range: steps larger than this are edges of things, and stay

Wrap = tuple[bool, bool]


class Easing:
    """Made once for all maps. readers: of each map, of the field's size and in about [0, 1]; wrap: (x, y), where the field goes around."""

    def __init__(self, readers: list[Reader], wrap: Wrap):
        self.wrap = wrap
        rows, columns = readers[0].field.x.shape
        self.weight = 1 / (_REACH * min(rows, columns)) ** 2
        largest = [torch.zeros(rows, columns) for _ in range(2)]
        for reader in readers:
            for most, off in zip(largest, steps(reader), strict=True):
                torch.maximum(most, off.abs().amax(0), out=most)
        self.share = [torch.exp(-((most / _THING) ** 2)) for most in largest]

    def spread(self, reader: Reader) -> torch.Tensor:
        """(C, H, W): what is to be added to the map of each pixel of the field."""
        off_x, off_y = (off * share for off, share in zip(steps(reader), self.share, strict=True))
        return torch.stack([settled(x, y, self.wrap, self.weight) for x, y in zip(off_x, off_y, strict=True)])


def steps(reader: Reader) -> tuple[torch.Tensor, torch.Tensor]:
    """(C, H, W) twice, to the right and downwards, around the edges too: by how much the next pixel of the field would have to differ
    from what it is, to go on as both pieces do there.
    """
    rows, columns = reader.field.x.shape
    row, column, none = torch.arange(rows)[:, None], torch.arange(columns)[None, :], torch.zeros(1, 1)
    plain = reader.at(row, column, none, none)
    found = []
    for down, right in ((0, 1), (1, 0)):
        following = plain.roll((-down, -right), (1, 2))
        ours = reader.at(row, column, none + down, none + right)
        theirs = reader.at((row + down) % rows, (column + right) % columns, none - down, none - right)
        found.append(((plain - theirs) + (ours - following)) / 2)
    return found[0], found[1]
