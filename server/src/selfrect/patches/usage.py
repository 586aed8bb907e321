# SPDX-License-Identifier: GPL-3.0-or-later
"""How often each place of a reference is used, at whatever turn (Kaspar et al. 2015): what is used too often becomes dear."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F

from .sources import Sources


class Usage:
    """place (S·h·w,): for each source pixel the number of the reference's pixel that it shows, all references counted through.

    expected: how often the places of each reference are to be used, 1 the average.
    """

    def __init__(self, sources: Sources, references: list[torch.Tensor], expected: Sequence[float] | None = None):
        self.expected = expected or [1.0] * len(references)
        self.shape = sources.shape
        self.sizes = [tuple(r.shape[1:]) for r in references]
        self.places = sum(height * width for height, width in self.sizes)
        self.place = self._numbers(sources)

    def of(self, matches: torch.Tensor, patch: int) -> torch.Tensor:
        """(S, h, w): how often the places are used by matches (n,), 1 as expected, smoothed over a patch."""
        return self.of_counts(torch.bincount(self.place[matches], minlength=self.places) * (self.places / len(matches)), patch)

    def of_counts(self, counts: torch.Tensor, patch: int) -> torch.Tensor:
        """The same from a count for each place."""
        patch |= 1
        parts = counts.float().split([height * width for height, width in self.sizes])
        smooth = [
            F.avg_pool2d(part.view(1, 1, *size) / often, patch, stride=1, padding=patch // 2, count_include_pad=False).reshape(-1)
            for part, size, often in zip(parts, self.sizes, self.expected, strict=True)
        ]
        return torch.cat(smooth)[self.place].view(self.shape)

    def _numbers(self, sources: Sources) -> torch.Tensor:
        _, rows, columns = sources.shape
        device = sources.pictures.device
        y, x = torch.meshgrid(torch.arange(rows, device=device), torch.arange(columns, device=device), indexing="ij")
        here = torch.stack([x, y, torch.ones_like(x)]).reshape(3, -1).double()
        numbers, first = [], [0]
        for height, width in self.sizes:
            first.append(first[-1] + height * width)
        for matrix, reference in zip(sources.to_reference, sources.references.tolist(), strict=True):
            height, width = self.sizes[reference]
            at = (matrix @ here).round().long()
            numbers.append(first[reference] + at[1].clamp(0, height - 1) * width + at[0].clamp(0, width - 1))
        return torch.cat(numbers)
