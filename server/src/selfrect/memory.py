# SPDX-License-Identifier: GPL-3.0-or-later
"""How much memory a run may take, and the ladder of ways to take less. No PyTorch until something is asked of a device.

The first rung is the fastest. Each further one gives up some speed, and only the last ones, which cut the picture into
smaller windows, change the picture. A run stands on the highest rung that its budget carries; where memory ends all the
same it steps down and begins again.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from . import system_memory
from .problems import Problem

if TYPE_CHECKING:
    from .models.model import Model

VARIABLE = "SELFRECT_MEMORY"
UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
RESERVE = 256 * 2**20  # for what no formula foresees: workspaces of libraries, fragmentation
SLICE_BYTES = 256 * 2**20  # scores of attention at once
CODEC_TILE = 256  # image pixels a side

_limit: int | None = None


@dataclass(frozen=True)
class Rung:
    """kv: where keys and values of the references wait, “device”, “ram” or “recompute” (nowhere); on a processor many of them wait on
    disk. batch: pictures inverted at once. codec_tiles, attention_slices: one after the other instead of all at once, same result.
    offload: network and codec take turns on the device. window: the longest side, in latent pixels, of what the network sees at once;
    None: free.
    """

    kv: str
    batch: int
    codec_tiles: bool
    attention_slices: bool
    offload: bool
    window: int | None


LADDER = (
    Rung("device", 2, False, False, False, None),
    Rung("device", 1, True, False, False, None),
    Rung("ram", 1, True, False, False, None),
    Rung("recompute", 1, True, False, False, None),
    Rung("recompute", 1, True, True, False, None),
    Rung("recompute", 1, True, True, True, None),
    Rung("recompute", 1, True, True, True, 64),
    Rung("recompute", 1, True, True, True, 48),
)


def parse_size(text: str) -> int:
    """“3G”, “800M”, “1.5 GB” → bytes, by powers of 1024. Raises Problem bad_input."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?\s*", text, re.IGNORECASE)
    if not match or float(match[1]) == 0:
        raise Problem("bad_input", f"“{text}” is no amount of memory.", "Write it as 3G or 800M.")
    return int(float(match[1]) * UNITS[match[2].upper()])


def set_limit(limit: int | str | None) -> None:
    """The most that the engine may hold, on the device it works on: bytes or “3G”; None: what is free."""
    global _limit
    _limit = parse_size(limit) if isinstance(limit, str) else limit


def limit() -> int | None:
    """What was set, else SELFRECT_MEMORY, else None. Raises Problem bad_input for a variable that is no size."""
    return _limit if _limit is not None else parse_size(os.environ[VARIABLE]) if os.environ.get(VARIABLE) else None


def held(device: Any) -> int:
    """Bytes that this process holds now: on CUDA in the device's memory, else in the machine's."""
    if device.type == "cuda":
        import torch

        return torch.cuda.memory_allocated(device)
    return system_memory.resident() or system_memory.peak()


def budget(device: Any) -> int:
    """Bytes that this process may hold in all on the device, what it holds already included."""
    room = held(device) + _free(device) - RESERVE
    return min(room, limit() or room)


def is_out_of_memory(error: BaseException) -> bool:
    from .problems import from_exception

    return from_exception(error).code == "out_of_memory"


@dataclass(frozen=True)
class Sizes:
    """What a run works on, (h, w) in latent pixels. window: the longest side that one network call sees; None: whole pictures.

    kept_steps: of how many steps the keys and values of each reference are wanted.
    """

    target: tuple[int, int]
    references: list[tuple[int, int]]
    kept_steps: int
    window: int | None = None

    def seen(self, size: tuple[int, int], rung: Rung) -> tuple[int, int]:
        """What one network call sees of a picture of that size."""
        return tuple(min(side, self.window or side, rung.window or side) for side in size)


class Ladder:
    """The ladder for one loaded model. disk: whether anything may wait on disk."""

    disk = True

    def __init__(self, model: Model, last_up_levels: int = 2):
        from .models.footprint import Footprint

        self.model, self.footprint = model, Footprint(model, last_up_levels)

    def choose(
        self, budget: int, target: tuple[int, int], references: list[tuple[int, int]], kept_steps: int, window: int | None = None
    ) -> Rung:
        """The highest rung that fits, else the lowest. budget: of the device, as `budget` tells; the others as in `Sizes`."""
        sizes = Sizes(target, references, kept_steps, window)
        for rung in LADDER:
            if self._is_other(rung) and self._need(rung, sizes) <= budget and self._fits_ram(rung, sizes):
                return rung
        return LADDER[-1]

    def below(self, rung: Rung) -> Rung | None:
        """The next rung down that makes a difference on this device; None at the foot."""
        return next((lower for lower in LADDER[LADDER.index(rung) + 1 :] if self._is_other(lower)), None)

    def need(
        self, rung: Rung, target: tuple[int, int], references: list[tuple[int, int]], kept_steps: int, window: int | None = None
    ) -> int:
        """Bytes that the process will hold at the most on the model's device, what it holds now included."""
        return self._need(rung, Sizes(target, references, kept_steps, window))

    def on_disk(self, target: tuple[int, int], references: list[tuple[int, int]], kept_steps: int, window: int | None = None) -> bool:
        """Whether keys and values, where a rung keeps them, wait on disk instead of in memory."""
        return self._on_disk(Sizes(target, references, kept_steps, window))

    def _on_disk(self, sizes: Sizes) -> bool:
        from .kept import budgets, store

        size = self._kept(sizes) * sizes.kept_steps
        return self.disk and budgets.key_values_wait_on_disk(size, self.model.device.type, store().disk.budget)

    def _need(self, rung: Rung, sizes: Sizes) -> int:
        foot, kept = self.footprint, self._kept(sizes)
        in_memory = rung.kv == "device" or (rung.kv == "ram" and self.model.device.type == "cpu")
        waiting = kept * sizes.kept_steps if in_memory and not self._on_disk(sizes) else 0
        seen = [sizes.seen(size, rung) for size in (sizes.target, *sizes.references)]
        network = foot.network_call(max(seen, key=_area), rung.batch, rung.attention_slices) + waiting
        network += kept + foot.joined_attention(seen[0], sizes.references)
        codec = foot.codec_call(max([sizes.target, *sizes.references], key=_area), CODEC_TILE if rung.codec_tiles else None) + waiting
        if rung.offload:
            network, codec = network - foot.codec_weights, codec - foot.network_weights
        return held(self.model.device) + max(network, codec)

    def _kept(self, sizes: Sizes) -> int:
        return sum(self.footprint.key_values(reference) for reference in sizes.references)

    def _is_other(self, rung: Rung) -> bool:
        """On a processor “ram” is “device”, and there is nowhere to offload to."""
        return self.model.device.type != "cpu" or (rung.kv != "ram" and (not rung.offload or rung.window is not None))

    def _fits_ram(self, rung: Rung, sizes: Sizes) -> bool:
        free = system_memory.available()
        return rung.kv != "ram" or free is None or self._kept(sizes) * sizes.kept_steps < free - RESERVE


@contextmanager
def applied(model: Model, rung: Rung) -> Iterator[None]:
    """Within: attention in slices, the codec in tiles, network and codec by turns on the device, as the rung says."""
    from .models import attention, offload

    with ExitStack() as stack:
        if rung.attention_slices:
            stack.enter_context(attention.sliced(SLICE_BYTES))
        if rung.codec_tiles:
            stack.enter_context(model.codec.tiled(CODEC_TILE))
        if rung.offload and model.device.type != "cpu":
            stack.enter_context(offload.by_turns(model))
        yield


def _free(device: Any) -> int:
    if device.type == "cuda":
        import torch

        free = torch.cuda.mem_get_info(device)[0] + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return min(free, _fraction(device) - torch.cuda.memory_allocated(device))
    free = system_memory.available()
    return free if free is not None else 4 * 2**30


def _fraction(device: Any) -> int:
    """What torch.cuda.set_per_process_memory_fraction leaves to this process."""
    import torch

    told = getattr(torch.cuda, "get_per_process_memory_fraction", lambda _: 1.0)(device)
    return int(told * torch.cuda.get_device_properties(device).total_memory)


def _area(size: tuple[int, int]) -> int:
    return size[0] * size[1]
