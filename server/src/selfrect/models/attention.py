# SPDX-License-Identifier: GPL-3.0-or-later
"""softmax(q·kᵀ)·v without a matrix of all scores: PyTorch's fused kernels, in slices where memory is short.

One case has a way of its own, bfloat16 on a processor: PyTorch's fused kernel works there at a third of what the same
processor's matrix multiplication reaches. `by_heads` multiplies head by head, some hundred queries at a time, so that the
scores stay in the cache. Which of the two is faster is measured once on each machine (`probe`), not guessed.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from . import probe

LOG2_E = math.log2(math.e)
LONG = 1024  # keys; below, the matrix multiplications of one head are too small to pay
MULTIPLE = 8  # channels of a head: what the fused kernels of graphics cards ask for
QUERIES = 256  # rows of scores at a time: 256 × 4096 in bfloat16 are 2 MB
LANES = 16  # columns that the processor multiplies at once; 40 of them take half as long again as 48
SPARSE = 16  # of so many keys one is asked beforehand for how large scores become
SAFE = 56.0  # two scores of that size apart, 2 to that power is still a number, times any number of keys

_slice_bytes: ContextVar[int | None] = ContextVar("selfrect_attention_slice_bytes", default=None)


@contextmanager
def sliced(limit: int | None) -> Iterator[None]:
    """Within: no slice of queries has more than `limit` bytes of scores, should a kernel materialise them. None: whole."""
    token = _slice_bytes.set(limit)
    try:
        yield
    finally:
        _slice_bytes.reset(token)


@dataclass(frozen=True)
class Bias:
    """What is added to the scores: for query p and key k the sum over n of query[p, n] · key[k, n], float32 on the device.

    query (queries, n), key (keys, n) of values that every precision holds. It rides along as further channels of queries and keys, so
    that no matrix of queries × keys is needed and the fused kernels stay in use.
    """

    query: torch.Tensor
    key: torch.Tensor

    def appended(self, query: torch.Tensor, key: torch.Tensor, scale: float) -> tuple[torch.Tensor, torch.Tensor]:
        """(B, heads, tokens, d) twice → with the channels, for scores that are scaled by `scale`.

        In half precision the query's part is told twice, as its rounded value and as what rounding took.
        """
        asked, told = self.query / scale, self.key
        if query.dtype != torch.float32:
            rounded = asked.to(query.dtype)
            asked, told = torch.cat([rounded, (asked - rounded.float()).to(query.dtype)], 1), torch.cat([told, told], 1)
        return _widened(query, asked), _widened(key, told)


def attention(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scale: float | None = None, bias: Bias | None = None
) -> torch.Tensor:
    """(B, heads, queries, d), (B, heads, keys, d) twice → (B, heads, queries, d). scale: None is 1/√d."""
    if _pays_by_heads(query, key):
        return by_heads(query, key, value, scale, bias)
    if bias is not None:
        scale, width = query.shape[3] ** -0.5 if scale is None else scale, value.shape[3]
        query, key = bias.appended(query, key, scale)
        value = F.pad(value, (0, query.shape[3] - width))  # the kernels want all of one width
        return attention(query, key, value, scale)[..., :width]
    rows = _rows(query, key)
    if rows >= query.shape[2]:
        return F.scaled_dot_product_attention(query, key, value, scale=scale)
    parts = [F.scaled_dot_product_attention(part, key, value, scale=scale) for part in query.split(rows, 2)]
    return torch.cat(parts, 2)


def by_heads(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scale: float | None = None, bias: Bias | None = None
) -> torch.Tensor:
    """The same in plain matrix multiplications, `QUERIES` rows of one head at a time.

    Two things change no softmax, but make the scores small where bfloat16 rounds them: the mean key is taken off every key, and off each
    query's scores about the largest of them, as one key in `SPARSE` tells it, which rides along as a further channel.
    """
    batch, heads, queries, width = query.shape
    out = query.new_empty(batch, queries, heads, value.shape[3])  # as the caller's next layer wants it in memory
    scale = width**-0.5 if scale is None else scale
    centred = ((key.float() - key.float().mean(2, keepdim=True)) * (scale * LOG2_E)).to(key.dtype)
    if bias is not None:
        query, centred = bias.appended(query, centred, 1 / LOG2_E)
    told = _with_ones(value)
    bound = 0.0 if query.dtype == torch.float16 else SAFE  # which ends at 2 to the power of 16
    small = (_longest(query) * _longest(centred) < bound).tolist()  # no score is larger, Cauchy and Schwarz say
    for b in range(batch):
        for h in range(heads):
            q, k = _shifted(query[b, h], centred[b, h])
            v = told[b, h]
            for start in range(0, queries, QUERIES):
                scores = q[start : start + QUERIES] @ k
                weights = scores.exp2_() if small[b][h] else torch.softmax(scores.mul_(1 / LOG2_E), -1)
                sums = weights @ v
                out[b, start : start + QUERIES, h] = sums[:, : value.shape[3]] / sums[:, -1:]
    return out.transpose(1, 2)


def _shifted(query: torch.Tensor, key: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """(queries, d), (keys, d) → (queries, d + 2), (d + 2, keys): scores without each query's largest, roughly. Even widths are faster."""
    most = (query @ key[::SPARSE].t()).amax(1, keepdim=True)
    one, none = torch.ones_like(key[:, :1]), torch.zeros_like
    return torch.cat([query, -most, none(most)], 1), torch.cat([key, one, none(one)], 1).t()


def _with_ones(value: torch.Tensor) -> torch.Tensor:
    """(B, heads, keys, d) → with zeros up to a width that the processor likes and a last channel of 1: its sum is that of the weights."""
    batch, heads, keys, width = value.shape
    told = value.new_zeros(batch, heads, keys, width + LANES - width % LANES)
    told[..., :width], told[..., -1] = value, 1
    return told


def _longest(vectors: torch.Tensor) -> torch.Tensor:
    """(B, heads, tokens, d) → (B, heads): the length of the longest."""
    return torch.linalg.vector_norm(vectors, dim=3, dtype=torch.float32).amax(2)


def _widened(x: torch.Tensor, channels: torch.Tensor) -> torch.Tensor:
    """(B, heads, tokens, d) and (tokens, n) → (B, heads, tokens, d + n), filled up with zeros to a width that kernels like."""
    batch, heads, tokens, width = x.shape
    more = F.pad(channels.to(x.dtype), (0, -(width + channels.shape[1]) % MULTIPLE))
    return torch.cat([x, more.expand(batch, heads, tokens, -1)], 3)


def _pays_by_heads(query: torch.Tensor, key: torch.Tensor) -> bool:
    if query.device.type != "cpu" or query.dtype != torch.bfloat16 or min(query.shape[2], key.shape[2]) < LONG:
        return False
    return probe.cpu().attention_by_heads


def _rows(query: torch.Tensor, key: torch.Tensor) -> int:
    """How many queries fit into the limit at once; at least one."""
    limit = _slice_bytes.get()
    if limit is None:
        return query.shape[2]
    return max(limit // (query.shape[0] * query.shape[1] * key.shape[2] * 4), 1)  # scores are float32 in every kernel
