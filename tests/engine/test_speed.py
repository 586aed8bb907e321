# SPDX-License-Identifier: GPL-3.0-or-later
"""What makes a network call faster changes no result: each trick against plain diffusers or plain PyTorch."""

from __future__ import annotations

import pytest
import tiny_models
import torch
import torch.nn.functional as F
from diffusers import UNet2DConditionModel
from selfrect.models import attention, constant_text, packed, probe
from selfrect.models.loading import load_model

SHAPES = [(1, 2, 300, 700, 40), (2, 3, 64, 64, 16)]  # batch, heads, queries, keys, width


@pytest.fixture(autouse=True)
def own_folders(tmp_path, monkeypatch):
    monkeypatch.setenv("SELFRECT_CACHE", str(tmp_path / "cache"))


def random_qkv(batch, heads, queries, keys, width, dtype=torch.float32):
    generator = torch.Generator().manual_seed(0)
    sizes = [(batch, tokens, heads, width) for tokens in (queries, keys, keys)]
    return [torch.randn(size, generator=generator).to(dtype).transpose(1, 2) for size in sizes]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("scale", [None, 0.3])
def test_attention_by_heads(shape, scale):
    q, k, v = random_qkv(*shape)
    q, k = q * 2, k + 5  # the mean key must not matter
    expected = F.scaled_dot_product_attention(q, k, v, scale=scale)
    torch.testing.assert_close(attention.by_heads(q, k, v, scale), expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("sharp", [1, 2, 3])
def test_attention_by_heads_in_bfloat16_is_as_near_to_the_truth_as_bfloat16_allows(sharp):
    q, k, v = random_qkv(1, 2, 300, 1500, 40, torch.bfloat16)
    q, k = q * sharp, k * sharp  # scores of standard deviation 1, 4, 9: the largest are what counts, and what rounding hits
    truth = F.scaled_dot_product_attention(q.double(), k.double(), v.double())
    error = (attention.by_heads(q, k, v).double() - truth).square().mean().sqrt()
    assert error < 0.01 * truth.square().mean().sqrt()


@pytest.mark.parametrize("limit", [1, 64 * 700 * 4, 10**9])
def test_attention_in_slices_is_exact(limit):
    q, k, v = random_qkv(1, 2, 300, 700, 40)
    whole = attention.attention(q, k, v)
    with attention.sliced(limit):
        torch.testing.assert_close(attention.attention(q, k, v), whole, atol=1e-6, rtol=1e-5)


def test_slices_hold_their_limit(monkeypatch):
    seen = []
    fused = F.scaled_dot_product_attention

    def watched(q, k, v, **more):
        seen.append(q.shape[1] * q.shape[2] * k.shape[2] * 4)
        return fused(q, k, v, **more)

    monkeypatch.setattr(F, "scaled_dot_product_attention", watched)
    q, k, v = random_qkv(1, 2, 300, 700, 40)
    with attention.sliced(10**5):
        attention.attention(q, k, v)
    assert len(seen) > 1
    assert max(seen) <= 10**5


@pytest.mark.parametrize(
    ("by_heads", "dtype", "ours"), [(True, torch.bfloat16, True), (False, torch.bfloat16, False), (True, torch.float32, False)]
)
def test_which_attention_is_taken_follows_the_measurement(monkeypatch, by_heads, dtype, ours):
    monkeypatch.setattr(probe, "cpu", lambda: probe.Processor(2.0, by_heads))
    monkeypatch.setattr(attention, "LONG", 64)
    called = []
    monkeypatch.setattr(attention, "by_heads", lambda q, *_: called.append(1) or q)
    attention.attention(*random_qkv(1, 2, 64, 64, 16, dtype))
    assert bool(called) == ours


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    folder = tiny_models.make_pipeline(tmp_path_factory.mktemp("sd1"), "sd1")
    return UNet2DConditionModel.from_pretrained(folder / "unet", low_cpu_mem_usage=False).eval()


@pytest.mark.parametrize("tokens", [77, 1])
@pytest.mark.parametrize("batch", [1, 2])
@torch.no_grad()
def test_the_constant_text_is_the_text(network, tokens, batch):
    """Against the same network as diffusers runs it; with another text the result differs."""
    z = torch.randn(batch, 4, 16, 24)
    text = torch.randn(1, tokens, network.config.cross_attention_dim)
    before = dict(network.attn_processors)
    plain = network(z, 300, encoder_hidden_states=text.expand(batch, -1, -1)).sample
    try:
        constant_text.install(network, text)
        fast = network(z, 300, encoder_hidden_states=torch.zeros_like(text).expand(batch, -1, -1)).sample
        torch.testing.assert_close(fast, plain, atol=1e-5, rtol=1e-4)
        constant_text.install(network, text + 1)
        assert (network(z, 300, encoder_hidden_states=text.expand(batch, -1, -1)).sample - plain).abs().max() > 1e-2
    finally:
        network.set_attn_processor(before)


@torch.no_grad()
def test_one_token_needs_no_queries(network):
    before = dict(network.attn_processors)
    layers = [m for name, m in network.named_modules() if name.endswith("attn2")]
    asked = []
    hooks = [layer.to_q.register_forward_hook(lambda *_: asked.append(1)) for layer in layers]
    try:
        constant_text.install(network, torch.randn(1, 1, network.config.cross_attention_dim))
        network(torch.randn(1, 4, 16, 16), 300, encoder_hidden_states=torch.zeros(1, 1, network.config.cross_attention_dim))
        assert layers
        assert not asked
    finally:
        network.set_attn_processor(before)
        for hook in hooks:
            hook.remove()


def test_the_constant_text_moves_with_the_network(network):
    before = dict(network.attn_processors)
    try:
        constant_text.install(network, torch.randn(1, 77, network.config.cross_attention_dim))
        buffers = [m for m in network.to(torch.float64).modules() if isinstance(m, constant_text.ConstantText)]
        assert buffers
        assert all(m.key.dtype == torch.float64 for m in buffers)
        assert not any("processor" in name for name in network.state_dict())
    finally:
        network.to(torch.float32).set_attn_processor(before)


@pytest.mark.skipif(not probe.has_bfloat16(), reason="this processor has no instructions for bfloat16")
@torch.inference_mode()
def test_packed_weights_are_the_same_weights(monkeypatch):
    monkeypatch.setattr(packed, "SMALL", 0)
    parts = torch.nn.Sequential(torch.nn.Conv2d(16, 32, 3, 2, 1), torch.nn.SiLU(), torch.nn.Conv2d(32, 32, 1, bias=False))
    linear = torch.nn.Sequential(torch.nn.Linear(64, 48), torch.nn.Linear(48, 16, bias=False))
    parts, linear = parts.bfloat16(), linear.bfloat16()
    for size in ((8, 8), (20, 14)):  # whatever size was packed for
        x, y = torch.randn(2, 16, *size).bfloat16(), torch.randn(2, 33, 64).bfloat16()
        before = parts(x), linear(y)
        copies = [torch.nn.Sequential(*module) for module in (parts, linear)]
        for module in copies:
            packed.pack(module)
        assert not any(type(m) in (torch.nn.Conv2d, torch.nn.Linear) for module in copies for m in module)
        assert type(copies[0][2]) is packed.PackedPointwise
        torch.testing.assert_close(copies[0](x), before[0], atol=1e-2, rtol=2e-2)
        torch.testing.assert_close(copies[1](y), before[1], atol=1e-2, rtol=2e-2)


def test_float32_is_not_packed():
    conv = torch.nn.Sequential(torch.nn.Conv2d(64, 64, 3))
    packed.pack(conv)
    assert type(conv[0]) is torch.nn.Conv2d


@pytest.mark.skipif(not probe.has_bfloat16(), reason="this processor has no instructions for bfloat16")
def test_what_the_processor_is_fast_at_is_measured_once(monkeypatch):
    probe.cpu.cache_clear()
    monkeypatch.setattr(probe, "measure", lambda: probe.Processor(1.9, True))
    assert probe.cpu() == probe.Processor(1.9, True)
    probe.cpu.cache_clear()
    monkeypatch.setattr(probe, "measure", lambda: pytest.fail("measured again"))
    assert probe.cpu() == probe.Processor(1.9, True)  # from the cache folder
    probe.cpu.cache_clear()


@pytest.mark.parametrize(("times_faster", "dtype"), [(2.0, torch.bfloat16), (1.1, torch.float32), (0.0, torch.float32)])
def test_auto_takes_bfloat16_only_where_it_is_clearly_faster(monkeypatch, times_faster, dtype):
    monkeypatch.setattr(probe, "cpu", lambda: probe.Processor(times_faster, False))
    assert load_model("mini", device="cpu").dtype == dtype


@pytest.mark.slow
@torch.inference_mode()
def test_a_compiled_network_is_the_same_network(tmp_path):
    folder = tiny_models.make_pipeline(tmp_path / "model", "sd1")
    z = torch.randn(1, 4, 8, 8)
    plain, fast = (load_model(folder, device="cpu", dtype="float32", compiled=compiled) for compiled in (False, True))
    try:
        a, b = (m.unet(z, 5, encoder_hidden_states=m.condition.embedding).sample for m in (plain, fast))
    except Exception as error:  # noqa: BLE001 - inductor's own classes
        pytest.skip(f"no compiler here: {type(error).__name__}")
    torch.testing.assert_close(b, a, atol=1e-4, rtol=1e-3)
