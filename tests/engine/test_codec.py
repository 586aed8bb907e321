# SPDX-License-Identifier: GPL-3.0-or-later
"""The codec in tiles is the codec: same numbers, less memory. And the rough picture is roughly the picture."""

from __future__ import annotations

import copy

import pytest
import tiny_models
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL
from selfrect.models.codec import AutoencoderCodec, PatchCodec

EXACT = 1e-8  # in float64, where round-off does not hide a difference
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def codec():
    torch.manual_seed(0)
    vae = AutoencoderKL(**tiny_models.codec_config("sd1"))
    tiny_models.liven_codec(vae)
    return AutoencoderCodec(vae, CPU)


@pytest.fixture(scope="module")
def precise(codec):
    return AutoencoderCodec(copy.deepcopy(codec.vae).double(), CPU)


def picture(height, width):
    """Dark on the left, bright on the right: tiles with statistics of their own would each come out alike."""
    torch.manual_seed(1)
    ramp = torch.linspace(-0.8, 0.8, width).expand(1, 3, height, width)
    return (ramp + 0.1 * torch.randn(1, 3, height, width)).clamp(-1, 1)


def the_same_in_tiles(codec, x, tile):
    """There and back in one piece, after it was seen that tiles give the same."""
    z = codec.encode(x)
    y = codec.decode(z)
    with codec.tiled(tile):
        in_tiles, again = codec.encode(x), codec.decode(z)
    assert (in_tiles - z).abs().max() < EXACT
    assert (again - y).abs().max() < EXACT
    return y


@pytest.mark.parametrize(("size", "tile"), [((128, 128), 32), ((128, 128), 96), ((72, 200), 48), ((104, 40), 64)])
@torch.inference_mode()
def test_tiles_change_nothing(precise, size, tile):
    assert the_same_in_tiles(precise, picture(*size).double(), tile).std() > 0.1


@pytest.mark.parametrize("axes", [(True, False), (False, True), (True, True)], ids=["x", "y", "xy"])
@pytest.mark.parametrize(("size", "tile"), [((128, 128), 32), ((72, 200), 48), ((104, 40), 64)])
@torch.inference_mode()
def test_tiles_go_around_as_the_whole_does(precise, size, tile, axes):
    x = picture(*size).double()
    plain = precise.decode(precise.encode(x))
    with precise.along(*axes):
        y = the_same_in_tiles(precise, x, tile)
    assert (y - plain).abs().max() > 1e-3
    assert torch.equal(precise.decode(precise.encode(x)), plain)


@torch.inference_mode()
def test_tiles_round_no_worse_than_the_whole(codec, precise):
    z = codec.encode(picture(72, 136))
    truth = precise.decode(z.double())
    with codec.tiled(48):
        in_tiles = codec.decode(z)
    assert (in_tiles - truth).abs().max() < 2 * (codec.decode(z) - truth).abs().max() + 1e-5


@torch.inference_mode()
def test_statistics_matter(precise):
    """What the tests above would catch: a tile normalised by itself is another picture."""
    z = precise.encode(picture(128, 128).double())
    y, alone = precise.decode(z), precise.decode(z[..., :8])
    assert (y[..., :40] - alone[..., :40]).abs().max() > 1e-2


@torch.inference_mode()
def test_a_tile_is_all_that_the_widest_layers_see(codec, monkeypatch):
    seen, conv = [], F.conv2d
    monkeypatch.setattr(F, "conv2d", lambda x, *a, **k: seen.append(x.shape[-1] * x.shape[-2]) or conv(x, *a, **k))
    with codec.tiled(64):
        codec.decode(torch.randn(1, 4, 32, 32))
    assert max(seen) <= (64 + 2 * 10) ** 2


@torch.inference_mode()
def test_outside_the_context_nothing_is_tiled(codec, monkeypatch):
    from selfrect.models import codec_tiles

    with codec.tiled(32):
        pass
    monkeypatch.setattr(codec_tiles, "encode", lambda *_: pytest.fail("tiled"))
    codec.encode(picture(64, 64))


@torch.inference_mode()
def test_the_rough_picture(codec):
    x = F.interpolate(picture(8, 8), size=128, mode="bilinear")
    codec = AutoencoderCodec(codec.vae, CPU)
    z = codec.encode(x)
    small = F.interpolate(x, size=z.shape[2:], mode="area")
    rough = codec.preview(z)
    assert rough.shape == (1, 3, *z.shape[2:])
    assert (rough - small).square().mean() < 0.5 * small.var()  # a random codec keeps less of the colours than a trained one


def test_nothing_seen_yet_is_grey(codec):
    assert AutoencoderCodec(codec.vae, CPU).preview(torch.randn(1, 4, 8, 8)).abs().max() == 0


def test_patches_are_exact():
    codec = PatchCodec(4, CPU)
    x = picture(64, 64)
    torch.testing.assert_close(codec.preview(codec.encode(x)), x)
