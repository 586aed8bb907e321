# SPDX-License-Identifier: GPL-3.0-or-later
"""The latents z_n of an inverted image, by n. Where they lie depends on how much they are together."""

from __future__ import annotations

import contextlib
import tempfile

import numpy as np
import torch

ON_DEVICE = 256 * 2**20  # bytes of all; above, they lie in RAM
IN_RAM = 1024 * 2**20  # above, in a file


class Latents:
    """Each (1, C, h, w) float32, handed out on `device`. z_0 is not told from z_1 (see `ddim.Schedule.moving`).

    each: bytes of one. steps: how many there may be. needed: which of them the run will ask for; where all would be too
    much, the others are not taken in.
    """

    def __init__(self, device: torch.device, each: int, steps: int, needed: frozenset[int]):
        self._needed = needed
        self._taken = None if each * steps <= ON_DEVICE else needed | {1}
        size = each * (steps if self._taken is None else len(self._taken))
        self._device, self._home = device, device if size <= ON_DEVICE else torch.device("cpu")
        self._file = _SpillFile() if size > IN_RAM else None
        self._at: dict[int, torch.Tensor | int] = {}  # n → the latent, or its place in the file
        self._shape: torch.Size | None = None

    def __contains__(self, n: int) -> bool:
        return max(n, 1) in self._at

    def __getitem__(self, n: int) -> torch.Tensor:
        place = self._at[max(n, 1)]
        z = self._file.read(place).view(self._shape) if isinstance(place, int) else place
        return z.to(self._device)

    def __setitem__(self, n: int, z: torch.Tensor) -> None:
        if self._taken is None or n in self._taken:
            self._shape = z.shape
            place = self._file.append(z) if self._file else None
            self._at[n] = z.to(self._home) if place is None else place

    def let_go_of_the_first(self) -> None:
        """Round 1 has begun: where memory counts and nothing else asks for it, z_1 goes."""
        if self._taken is not None and 1 not in self._needed:
            self._at.pop(1, None)

    def tensors(self) -> dict[int, torch.Tensor]:
        """Those that lie in memory, by n."""
        return {n: z for n, z in self._at.items() if not isinstance(z, int)}


class _SpillFile:
    """A temporary file without a name: gone with its object, or with the process, however that ends."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile(prefix="selfrect-")  # noqa: SIM115 - as long as the latents are needed
        self._end = 0

    def append(self, z: torch.Tensor) -> int | None:
        """The place of the latent; None where the disk is full: then it has to stay in memory."""
        place = self._end
        with contextlib.suppress(OSError):
            self._write(place, z.detach().cpu().contiguous().numpy())
            self._end, self._size = place + z.nbytes, z.nbytes
            return place
        return None

    def read(self, place: int) -> torch.Tensor:
        self._file.seek(place)
        return torch.from_numpy(np.fromfile(self._file, np.float32, self._size // 4))

    def _write(self, place: int, array: np.ndarray) -> None:
        self._file.seek(place)
        array.tofile(self._file)
