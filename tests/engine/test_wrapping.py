# SPDX-License-Identifier: GPL-3.0-or-later
"""A network whose convolutions go around the edges does not know where the edges are."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")

from diffusers import AutoencoderKL, UNet2DConditionModel  # noqa: E402
from selfrect.models.wrapping import wrapping_of  # noqa: E402
from tiny_models import codec_config, liven_codec, liven_network, unet_config  # noqa: E402

AXES = {"x": (True, False), "y": (False, True), "xy": (True, True)}


@pytest.fixture(scope="module")
def networks():
    """name → (function of a tensor, its network, a random tensor, pixels by which rolling in and out correspond)"""
    torch.manual_seed(0)
    unet, vae = UNet2DConditionModel(**unet_config("sd1", 16)).eval(), AutoencoderKL(**codec_config("sd1")).eval()
    liven_network(unet), liven_codec(vae)
    text = torch.randn(1, 3, unet.config.cross_attention_dim)
    factor = 2 ** (len(vae.config.block_out_channels) - 1)
    z, x = torch.randn(1, unet.config.in_channels, 16, 24), torch.rand(1, 3, 16 * factor, 24 * factor)
    small = torch.randn(1, vae.config.latent_channels, 16, 24)
    return {
        "unet": (lambda t: unet(t, 5, encoder_hidden_states=text).sample, unet, z, (8, 8)),
        "encode": (lambda t: vae.encode(t).latent_dist.mode(), vae, x, (2 * factor, 2)),
        "decode": (lambda t: vae.decode(t).sample, vae, small, (2, 2 * factor)),
    }


@pytest.mark.parametrize("name", ["unet", "encode", "decode"])
@pytest.mark.parametrize("axes", AXES)
@torch.inference_mode()
def test_rolling_before_is_rolling_after(name, axes, networks):
    run, network, x, (before, after) = networks[name]
    where = [axis for axis, on in zip((-1, -2), AXES[axes], strict=True) if on]
    with wrapping_of(network).along(*AXES[axes]):
        expected = run(x).roll([after] * len(where), where)
        got = run(x.roll([before] * len(where), where))
    torch.testing.assert_close(got, expected, rtol=1e-3, atol=1e-4)
    plainly = run(x.roll([before] * len(where), where)) - run(x).roll([after] * len(where), where)
    assert plainly.abs().max() > 0.01, "without it the edges show"


@pytest.mark.parametrize("name", ["unet", "encode", "decode"])
@torch.inference_mode()
def test_off_it_changes_nothing(name, networks):
    run, network, x, _ = networks[name]
    plain = type(network).from_config(network.config).eval()
    plain.load_state_dict(network.state_dict())
    switch = wrapping_of(network)
    with switch.along(True, True):
        wrapped = run(x)
    again = run(x)
    assert (again - wrapped).abs().max() > 1e-3
    assert (switch.x, switch.y) == (False, False)
    if name == "encode":
        torch.testing.assert_close(again, plain.encode(x).latent_dist.mode(), rtol=0, atol=0)
    if name == "decode":
        torch.testing.assert_close(again, plain.decode(x).sample, rtol=0, atol=0)


def test_there_is_one_switch_for_a_network(networks):
    network = networks["unet"][1]
    assert wrapping_of(network) is wrapping_of(network)
    assert "wrapping" not in " ".join(network.state_dict())


@torch.inference_mode()
def test_packed_convolutions_go_around_too(networks):
    """bfloat16 on a processor: rolling before is rolling after, up to its rounding."""
    from selfrect.models import packed

    network = networks["unet"][1]
    small = UNet2DConditionModel.from_config(network.config).eval()
    small.load_state_dict(network.state_dict())
    small = small.to(torch.bfloat16)
    before = sum(isinstance(part, torch.nn.Conv2d) for part in small.modules())
    packed.pack(small)
    assert sum(isinstance(part, torch.nn.Conv2d) for part in small.modules()) < before
    text, z = torch.randn(1, 3, small.config.cross_attention_dim).bfloat16(), networks["unet"][2].bfloat16()

    def run(x):
        return small(x, 5, encoder_hidden_states=text).sample.float()

    plain = (run(z.roll(8, -1)) - run(z).roll(8, -1)).abs().max()
    with wrapping_of(small).along(True, False):
        wrapped = (run(z.roll(8, -1)) - run(z).roll(8, -1)).abs().max()
    assert wrapped < 0.2 * plain
