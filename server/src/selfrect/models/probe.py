# SPDX-License-Identifier: GPL-3.0-or-later
"""What this processor is fast at: measured once in a third of a second, kept in the cache folder."""

from __future__ import annotations

import functools
import hashlib
import json
import platform
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

import torch
import torch.nn.functional as F

from .. import __version__
from .cache import cache_folder, keep

CLEARLY = 1.15  # times faster; below, the choice could fall otherwise tomorrow, and with it the last digits of a picture


@dataclass(frozen=True)
class Processor:
    """bfloat16: how many times faster than float32 a convolution and a matrix multiplication are, together.

    attention_by_heads: whether `attention.by_heads` beats PyTorch's fused attention in bfloat16.
    """

    bfloat16: float
    attention_by_heads: bool


@functools.cache
def cpu() -> Processor:
    """Of this machine and this PyTorch. Where the processor has no instructions for bfloat16 nothing is measured."""
    if not has_bfloat16():
        return Processor(0.0, False)
    file = cache_folder() / "processor" / f"{_identity()}.json"
    try:
        return Processor(**json.loads(file.read_text("utf-8")))
    except (OSError, ValueError, TypeError):
        found = measure()
        keep(file, lambda unfinished: unfinished.write_text(json.dumps(asdict(found)), "utf-8"))
        return found


def has_bfloat16() -> bool:
    """AVX-512 BF16 or AMX on x86, BF16 on Arm: without them PyTorch computes bfloat16 by detours."""
    return torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported()


@torch.inference_mode()
def measure() -> Processor:
    """Shapes of Stable Diffusion's network at 512², on one thread."""
    from .attention import by_heads

    wide = torch.bfloat16
    picture = torch.randn(1, 320, 32, 32).to(memory_format=torch.channels_last)
    kernel = torch.randn(320, 320, 3, 3).to(memory_format=torch.channels_last)
    tokens, matrix = torch.randn(1024, 640), torch.randn(640, 640)

    def work(dtype: torch.dtype) -> Callable[[], object]:
        p, k, x, m = (tensor.to(dtype) for tensor in (picture, kernel, tokens, matrix))
        return lambda: (F.conv2d(p, k, padding=1), F.linear(x, m))

    q = torch.randn(1, 2, 2048, 40).to(wide)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        whole, half = _seconds(work(torch.float32), work(wide))
        fused, ours = _seconds(lambda: F.scaled_dot_product_attention(q, q, q), lambda: by_heads(q, q, q))
    finally:
        torch.set_num_threads(threads)
    return Processor(round(whole / half, 2), fused > CLEARLY * ours)


def _seconds(one: Callable[[], object], other: Callable[[], object], times: int = 5) -> tuple[float, float]:
    """The quickest run of each, in turns, in this thread's own time where the system counts it finely: the answer is kept,
    and a machine that is busy today must not decide for ever.
    """
    clock = time.thread_time if time.get_clock_info("thread_time").resolution < 1e-4 else time.perf_counter
    taken: list[list[float]] = [[], []]
    for _ in range(times + 1):
        for call, spent in zip((one, other), taken, strict=True):
            start = clock()
            call()
            spent.append(clock() - start)
    return min(taken[0][1:]), min(taken[1][1:])


def _identity() -> str:
    known = (platform.machine(), _name(), torch.__version__, __version__)
    return hashlib.sha256(repr(known).encode()).hexdigest()[:32]


def _name() -> str:
    """The processor's own name; platform.processor() knows it on few systems."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            return next((line.split(":", 1)[1].strip() for line in file if line.startswith("model name")), "")
    except OSError:
        return platform.processor()
