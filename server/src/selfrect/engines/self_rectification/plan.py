# SPDX-License-Identifier: GPL-3.0-or-later
"""How many network calls a run takes and which of them must leave their keys and values. No PyTorch."""

from __future__ import annotations

from .settings import Settings


class Plan:
    """references: N, the number of reference images, turned copies included.

    With the published settings 395 calls for N = 1 and 755 for N = 4 (`current`), 295 and 430 (`recorded`).
    """

    def __init__(self, settings: Settings, references: int):
        self.steps, self.references = settings.steps, references
        self.current = settings.injection == "current"
        rounds = settings.round_parameters()
        most_p = min(max(p for p, _ in rounds), self.steps)
        least_s = min(min(s for _, s in rounds), self.steps)

        # Sampling step i ≥ S uses z_{T−i} of the reference, so that its inversion can stop at z_{T−S}.
        self.reference_calls = self.steps - least_s
        self.reference_record = range(0) if self.current else range(self.reference_calls)
        # Inversion step i < P uses z_{T−i} of the target: nothing of it is used when no round has a P.
        self.target_calls = self.steps if most_p else 0
        self.target_record = range(0) if self.current else range(self.steps - most_p, self.target_calls)

        self.calls = self.reference_calls * references + self.target_calls
        self.calls += sum(self.inversion_calls(p) + self.sampling_calls(s) for p, s in rounds)

    def inversion_calls(self, p: int) -> int:
        """Network calls of a structure-preserving inversion with P = p."""
        return self.steps + (min(p, self.steps) if self.current else 0)

    def sampling_calls(self, s: int) -> int:
        """Network calls of a fine sampling with S = s."""
        injected = self.steps - min(s, self.steps)
        return self.steps + (injected * self.references if self.current else 0)
