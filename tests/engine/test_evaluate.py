# SPDX-License-Identifier: GPL-3.0-or-later
"""The measures say what their names say: each one moves with its own fault and not with the others."""

from __future__ import annotations

import json

import numpy as np
import pytest

pytest.importorskip("torch")

from selfrect import cli, colour
from selfrect.evaluation import features
from selfrect.evaluation.colours import colour_distance
from selfrect.evaluation.measures import evaluate
from selfrect.evaluation.sheet import sheet
from selfrect.evaluation.structure import border_seen, structure_kept
from selfrect.evaluation.texture import texture_distance
from selfrect.evaluation.tiling import wrap_difference
from selfrect.image import write_image

# Sharma, Wu, Dalal: "The CIEDE2000 color-difference formula", 2005, table 1 (the pairs that tell implementations apart)
SHARMA = [
    ((50.0, 2.6772, -79.7751), (50.0, 0.0, -82.7485), 2.0425),
    ((50.0, 3.1571, -77.2803), (50.0, 0.0, -82.7485), 2.8615),
    ((50.0, -1.3802, -84.2814), (50.0, 0.0, -82.7485), 1.0000),
    ((50.0, 0.0, 0.0), (50.0, -1.0, 2.0), 2.3669),
    ((50.0, 2.49, -0.001), (50.0, -2.49, 0.0009), 7.1792),
    ((50.0, 2.49, -0.001), (50.0, -2.49, 0.0011), 7.2195),
    ((50.0, -0.001, 2.49), (50.0, 0.0009, -2.49), 4.8045),
    ((50.0, -0.001, 2.49), (50.0, 0.0011, -2.49), 4.7461),
    ((50.0, 2.5, 0.0), (50.0, 0.0, -2.5), 4.3065),
    ((50.0, 2.5, 0.0), (73.0, 25.0, -18.0), 27.1492),
    ((50.0, 2.5, 0.0), (61.0, -5.0, 29.0), 22.8977),
    ((50.0, 2.5, 0.0), (56.0, -27.0, -3.0), 31.9030),
    ((50.0, 2.5, 0.0), (58.0, 24.0, 15.0), 19.4535),
    ((60.2574, -34.0099, 36.2677), (60.4626, -34.1751, 39.4387), 1.2644),
    ((63.0109, -31.0961, -5.8663), (62.8187, -29.7946, -4.0864), 1.2630),
    ((61.2901, 3.7196, -5.3901), (61.4292, 2.2480, -4.9620), 1.8731),
    ((35.0831, -44.1164, 3.7933), (35.0232, -40.0716, 1.5901), 1.8645),
    ((6.7747, -0.2908, -2.4247), (5.8714, -0.0985, -2.2286), 0.6377),
    ((2.0776, 0.0795, -1.1350), (0.9033, -0.0636, -0.5514), 0.9082),
]


@pytest.fixture(autouse=True)
def without_vgg19(monkeypatch, tmp_path):
    """The same measures on every machine."""
    monkeypatch.setenv("SELFRECT_MODELS", str(tmp_path / "models"))


@pytest.fixture
def stripes() -> np.ndarray:
    """A texture of 96 × 96 with the period 12 in x, cut where its slope is least."""
    y, x = np.mgrid[:96, :96] + 3
    wave = 0.5 + 0.3 * np.sin(x * 2 * np.pi / 12 + 0.4 * np.sin(y * 2 * np.pi / 48))
    return np.stack([wave, wave * 0.7, wave * 0.5], -1).astype(np.float32)


@pytest.mark.parametrize(("one", "other", "expected"), SHARMA)
def test_ciede2000_meets_its_authors_test_data(one, other, expected):
    assert colour.delta_e(np.array(one), np.array(other)) == pytest.approx(expected, abs=1e-4)
    assert colour.delta_e(np.array(other), np.array(one)) == pytest.approx(expected, abs=1e-4)


def test_lab_and_back():
    picture = np.random.default_rng(0).random((8, 8, 3))
    np.testing.assert_allclose(colour.srgb_from_lab(colour.lab_from_srgb(picture)), picture, atol=1e-6)
    np.testing.assert_allclose(colour.lab_from_srgb(np.ones((1, 1, 3))), [[[100, 0, 0]]], atol=1e-5)


def test_colour_distance_ignores_places_and_sees_a_tint(stripes):
    shuffled = np.random.default_rng(1).permutation(stripes.reshape(-1, 3)).reshape(stripes.shape)
    assert colour_distance(shuffled, stripes) < 0.3
    tinted = np.clip(stripes * [1.1, 1.0, 0.9], 0, 1).astype(np.float32)
    same_places = colour.delta_e(colour.lab_from_srgb(tinted), colour.lab_from_srgb(stripes)).mean()
    assert colour_distance(tinted, stripes) == pytest.approx(same_places, rel=0.25)


def test_texture_distance_ignores_a_shift_and_sees_another_texture(stripes):
    shifted = texture_distance(np.roll(stripes, 5, axis=1), stripes, "patches")
    turned = texture_distance(np.rot90(stripes), stripes, "patches")
    noise = texture_distance(np.random.default_rng(0).random(stripes.shape).astype(np.float32), stripes, "patches")
    assert shifted < 0.5 * turned < 0.5 * noise
    assert texture_distance(stripes[:72], stripes, "patches") < 0.5 * turned


def test_vgg19_is_used_where_its_weights_are(stripes, monkeypatch, tmp_path):
    """With random weights in their true shapes: maps after the first convolution of four blocks."""
    import torch
    from safetensors.torch import save_file

    widths, tensors = (64, 128, 256, 512), {"colour.weight": torch.eye(3)[..., None, None].contiguous(), "colour.bias": torch.zeros(3)}
    random, channels = torch.Generator().manual_seed(0), 3
    for block, (width, count) in enumerate(zip(widths, (2, 2, 4, 4), strict=True), start=1):
        for number in range(1, count + 1):
            tensors[f"conv{block}_{number}.weight"] = torch.randn(width, channels, 3, 3, generator=random) / (channels * 9) ** 0.5
            tensors[f"conv{block}_{number}.bias"] = torch.zeros(width)
            channels = width
    assert features.features_at_hand() == "patches"
    features.vgg19_file().parent.mkdir(parents=True)
    save_file(tensors, features.vgg19_file())
    assert features.features_at_hand() == "vgg19"
    maps = list(features.maps(torch.from_numpy(stripes.transpose(2, 0, 1)), "vgg19"))
    assert [tuple(m.shape) for m in maps] == [(64, 96, 96), (128, 48, 48), (256, 24, 24), (512, 12, 12)]
    measured = evaluate(stripes, stripes, stripes)
    assert measured["texture"]["features"] == "vgg19"
    assert measured["texture"]["distance"] == pytest.approx(0, abs=1e-5)


def test_structure_is_judged_only_where_something_is_placed(stripes):
    broad = np.repeat(np.repeat(np.random.default_rng(0).random((6, 6, 1)), 16, 0), 16, 1).repeat(3, 2).astype(np.float32)
    placed = np.zeros((96, 96))
    placed[:, :48] = 1
    half = broad.copy()
    half[:, 48:] = 1 - half[:, 48:]
    assert structure_kept(broad, broad, placed) == pytest.approx(1)
    assert structure_kept(half, broad, placed) > 0.99
    assert structure_kept(half, broad, 1 - placed) < -0.99
    assert structure_kept(broad, broad, np.zeros((96, 96))) is None


def test_a_sharp_border_is_seen(stripes):
    placed = np.zeros((96, 96))
    placed[24:72, 24:72] = 1
    pasted = np.where(placed[..., None] > 0, np.rot90(stripes) * 0.5, stripes).astype(np.float32)
    assert border_seen(pasted, placed) > 2 * border_seen(stripes, placed)
    assert border_seen(stripes, np.ones((96, 96))) is None


def test_wrap_difference_tells_the_axis(stripes):
    assert wrap_difference(stripes)["x"] < 1.05
    assert wrap_difference(stripes[:, :90])["x"] > 1.2
    assert wrap_difference(np.rot90(stripes[:, :90]))["y"] > 1.2


def test_command_line(stripes, tmp_path, capsys):
    files = [str(tmp_path / name) for name in ("reference.png", "target.png", "result.png")]
    target = np.concatenate([np.roll(stripes, 7, 0), np.ones((96, 96, 1), np.float32)], -1)
    for file, picture in zip(files, (stripes, target, stripes), strict=True):
        write_image(file, picture)
    assert cli.main(["evaluate", *files, "--sheet", str(tmp_path / "sheet.png"), "--side", "128"]) == 0
    measured = json.loads(capsys.readouterr().out)
    assert set(measured) == {"texture", "structure", "border", "colour", "wrap"}
    assert measured["texture"]["ratio"] < 1
    assert (tmp_path / "sheet.png").stat().st_size > 1000


def test_a_result_of_another_size(stripes, tmp_path, capsys):
    write_image(tmp_path / "small.png", stripes[:64])
    write_image(tmp_path / "target.png", stripes)
    code = cli.main(["evaluate", str(tmp_path / "target.png"), str(tmp_path / "target.png"), str(tmp_path / "small.png")])
    assert code == 2
    assert "different sizes: 96 × 96 and 96 × 64 pixels" in capsys.readouterr().err


def test_transparent_parts_of_a_sheet_are_a_checkerboard():
    empty = np.zeros((64, 64, 4), np.float32)
    shown = sheet([("target", empty)], 64)[30:, 8:72]
    assert {round(float(value), 1) for value in np.unique(shown[8:-8])} >= {0.4, 0.6}
