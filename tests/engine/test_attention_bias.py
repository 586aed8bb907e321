# SPDX-License-Identifier: GPL-3.0-or-later
"""How much each reference counts, as further channels of queries and keys: against a plain softmax over a plain matrix of biased scores."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from selfrect.engine import Request
from selfrect.engines.self_rectification.balance import NOTHING, balance_of
from selfrect.engines.self_rectification.windows import Box
from selfrect.models import attention, probe
from selfrect.models.attention import Bias

KEYS = [300, 400]  # of two references


def random_qkv(width, dtype=torch.float32, heads=3, queries=256):
    generator = torch.Generator().manual_seed(0)
    sizes = [(1, tokens, heads, width) for tokens in (queries, sum(KEYS), sum(KEYS))]
    q, k, v = (torch.randn(size, generator=generator).transpose(1, 2) for size in sizes)
    return (q * 2).to(dtype), (k + 5).to(dtype), v.to(dtype)


def some_bias(queries=256, low=-4.0):
    """Of each query for each reference: 0 for the one that counts most."""
    table = torch.rand(queries, 2, generator=torch.Generator().manual_seed(1)) * low
    return Bias(table - table.amax(1, keepdim=True), owners())


def owners():
    return torch.nn.functional.one_hot(torch.tensor([0] * KEYS[0] + [1] * KEYS[1]), 2).float()


def plain(q, k, v, bias, scale):
    q, k, v = (x.double() for x in (q, k, v))
    scores = q @ k.transpose(2, 3) * (q.shape[3] ** -0.5 if scale is None else scale) + (bias.query @ bias.key.T).double()
    return torch.softmax(scores, 3) @ v


@pytest.mark.parametrize("way", [attention.attention, attention.by_heads])
@pytest.mark.parametrize("width", [40, 64, 17])
@pytest.mark.parametrize("scale", [None, 0.3])
def test_in_float32_it_is_the_matrix(way, width, scale):
    q, k, v = random_qkv(width)
    found = way(q, k, v, scale, some_bias())
    assert found.shape == v[:, :, :256].shape
    torch.testing.assert_close(found, plain(q, k, v, some_bias(), scale).float(), atol=2e-5, rtol=1e-4)
    assert (found - way(q, k, v, scale)).abs().max() > 0.05  # else the bias would not show


@pytest.mark.parametrize("limit", [1, 64 * 700 * 4])
def test_in_slices_too(limit):
    q, k, v = random_qkv(40)
    with attention.sliced(limit):
        found = attention.attention(q, k, v, None, some_bias())
    torch.testing.assert_close(found, plain(q, k, v, some_bias(), None).float(), atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("way", [attention.attention, attention.by_heads])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_in_half_precision_it_costs_no_accuracy(way, dtype, monkeypatch):
    monkeypatch.setattr(probe, "cpu", lambda: probe.Processor(1.0, False))
    q, k, v = random_qkv(40, dtype)
    k = k - 5 if way is attention.attention else k
    none = Bias(torch.zeros(256, 2), owners())

    def error(bias):
        truth = plain(q, k, v, bias, None)
        return float((way(q, k, v, None, bias).double() - truth).square().mean().sqrt() / truth.square().mean().sqrt())

    assert error(some_bias()) < 1.25 * error(none) < 0.03


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_share_is_met_where_all_keys_are_alike(dtype):
    """With nothing to choose by, the share of attention that each reference gets is its weight times its keys."""
    q, k, _ = random_qkv(40, dtype)
    v = owners()[:, :1].expand(1, 3, -1, 40).contiguous().to(dtype)  # 1 at the first reference, 0 at the second
    weights = torch.tensor([0.3, 1.0])
    bias = Bias(weights.log().expand(256, 2).clone(), owners())
    wanted = 0.3 * KEYS[0] / (0.3 * KEYS[0] + KEYS[1])
    got = attention.attention(q * 0, k, v, None, bias).float().mean()
    assert got == pytest.approx(wanted, rel=1e-4 if dtype == torch.float32 else 6e-3)  # weights themselves are rounded


@pytest.mark.parametrize("way", [attention.attention, attention.by_heads])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_what_does_not_count_does_not_count_at_all(way, dtype):
    q, k, v = random_qkv(40, dtype)
    table = torch.zeros(256, 2)
    table[:128, 1] = NOTHING
    table[128:, 0] = NOTHING
    other = v.clone()
    other[:, :, KEYS[0] :] = 1000
    one, changed = (way(q, k, values, None, Bias(table, owners())) for values in (v, other))
    assert torch.equal(one[:, :, :128], changed[:, :, :128])
    assert (changed[:, :, 128:].float() - 1000).abs().max() < 5


def request(count, weights=None, regions=None, side=64):
    picture = np.zeros((side, side, 3), np.float32)
    return Request([picture] * count, picture, weights=weights, regions=regions)


def half(left: bool, side=64):
    region = np.zeros((side, side), np.float32)
    region[:, : side // 2] = left
    region[:, side // 2 :] = not left
    return region


def balance(asked, numbers=(0, 1)):
    return balance_of(asked, list(numbers), (8, 8), 8, (False, False), torch.device("cpu"))


def test_alike_is_no_bias_at_all():
    assert balance(request(2)) is None
    assert balance(request(2, [3.0, 3.0], [None, None])) is None
    assert balance(request(1, [5.0], [half(True)]), [0]) is None
    assert balance(request(2, [1.0, 2.0])) is not None
    assert balance(request(2, None, [None, half(True)])) is not None


def test_copies_count_like_their_reference():
    """Reference 0 has two copies among the images, of 4 and 9 keys; scores are told from the one that counts most."""
    bias = balance(request(2, [1.0, 4.0]), [0, 0, 1]).bias(64, [4, 9, 2])
    scores = bias.query @ bias.key.T
    assert scores.shape == (64, 15)
    torch.testing.assert_close(scores[:, :13], torch.tensor(0.25).log().expand(64, 13))
    assert bool((scores[:, 13:] == 0).all())


def test_regions_reach_every_level_and_every_window():
    made = balance(request(2, None, [half(True), half(False)]))
    for tokens, side in ((64, 8), (16, 4), (4, 2)):
        table = made.bias(tokens, [1, 1]).query.view(side, side, 2)
        assert bool((table[:, : side // 2, 0] == 0).all())
        assert bool((table[:, : side // 2, 1] == NOTHING).all())
        assert bool((table[:, side // 2 :, 0] == NOTHING).all())
    window = made.within(Box(2, 3, 4, 4)).bias(16, [1, 1]).query.view(4, 4, 2)
    assert (window[..., 1] == 0).sum(1).tolist() == [3] * 4  # column 3 is the left one's, 4 to 6 the right one's
    around = made.within(Box(0, 6, 8, 4)).bias(32, [1, 1]).query.view(8, 4, 2)
    assert (around[0, :, 0] == 0).tolist() == [False, False, True, True]


def test_where_no_reference_has_a_region_all_count_by_their_weights():
    left = half(True)
    scores = balance(request(2, [1.0, 2.0], [left, left])).bias(64, [1, 1]).query.view(8, 8, 2)
    torch.testing.assert_close(scores, torch.tensor([0.5, 1.0]).log().expand(8, 8, 2))


def test_a_soft_region_is_a_share():
    soft = np.full((64, 64), 0.25, np.float32)
    scores = balance(request(2, [1.0, 2.0], [None, soft])).bias(64, [1, 1]).query
    torch.testing.assert_close(scores, torch.tensor([1.0, 0.5]).log().expand(64, 2))
