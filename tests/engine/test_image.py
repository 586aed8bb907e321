# SPDX-License-Identifier: GPL-3.0-or-later
"""Picture files: what is written is what is read, in every depth, and a file is whole or not there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import OpenImageIO as oiio
import pytest
import selfrect
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image
from raw_pictures import write_raw
from selfrect.image import (
    check_output,
    linear_from_srgb,
    read_data,
    read_image,
    read_info,
    read_mask,
    srgb_from_linear,
    write_data,
    write_image,
)
from selfrect.problems import Problem

SHAPES = st.tuples(st.integers(1, 9), st.integers(1, 9), st.sampled_from((3, 4)))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """One folder for all examples of a property."""
    return tmp_path_factory.mktemp("pictures")


# --- round trips -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ["png", "tif"])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_integers_come_back_exactly(folder, ending, kind, data):
    values = data.draw(hnp.arrays(kind, SHAPES))
    array = values.astype(np.float32) / np.float32(np.iinfo(kind).max)
    path = folder / f"integers.{ending}"
    write_image(path, array, bits=np.iinfo(kind).bits)
    assert read_info(path).bits == np.iinfo(kind).bits
    np.testing.assert_array_equal(read_image(path), array)


@pytest.mark.parametrize("ending", ["tiff", "exr"])
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_floats_come_back_to_the_last_bits(folder, ending, data):
    array = data.draw(hnp.arrays(np.float32, SHAPES, elements=st.floats(0, 1, width=32)))
    if array.shape[2] == 4:  # EXR keeps no colour under alpha 0, and little of it close to 0
        array[..., 3] = np.maximum(array[..., 3], np.float32(0.01))
    path = folder / f"floats.{ending}"
    write_image(path, array, bits=32)
    assert read_info(path).linear
    np.testing.assert_allclose(read_image(path), array, rtol=2e-6, atol=1e-9)


def test_half_floats_keep_eleven_bits(tmp_path):
    array = np.random.default_rng(0).random((20, 30, 3), dtype=np.float32)
    write_image(tmp_path / "half.exr", array, bits=16)
    assert read_info(tmp_path / "half.exr").bits == 16
    np.testing.assert_allclose(read_image(tmp_path / "half.exr"), array, atol=1e-3)


@settings(max_examples=200, deadline=None)
@given(hnp.arrays(np.float32, 64, elements=st.floats(-4, 4, width=32)))
def test_the_srgb_curve_and_its_inverse(values):
    np.testing.assert_allclose(srgb_from_linear(linear_from_srgb(values)), values, rtol=3e-6, atol=1e-7)
    assert (np.diff(srgb_from_linear(np.sort(values))) >= 0).all()


def test_the_srgb_curve_has_the_published_values():
    np.testing.assert_allclose(srgb_from_linear(np.array([0, 0.18, 0.5, 1])), [0, 0.46135613, 0.73535698, 1], atol=1e-6)


@pytest.mark.parametrize(("name", "bits"), [("a.png", 8), ("a.TIF", 16), ("a.exr", 32)])
def test_the_depth_that_is_written_unless_told(tmp_path, name, bits):
    write_image(tmp_path / name, np.full((2, 3, 3), 0.5))
    info = read_info(tmp_path / name)
    assert (info.bits, info.width, info.height) == (bits, 3, 2)


# --- against an independent reader and writer ---------------------------------------------------------------------


def test_pillow_reads_what_was_written(tmp_path):
    array = np.random.default_rng(1).random((7, 5, 4), dtype=np.float32)
    write_image(tmp_path / "a.png", array)
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "a.png")), np.rint(array * 255).astype(np.uint8))


@pytest.mark.parametrize(("mode", "channels"), [("L", 3), ("LA", 4), ("RGB", 3), ("RGBA", 4), ("1", 3), ("P", 3)])
def test_every_kind_of_png_becomes_three_or_four_channels(tmp_path, mode, channels):
    noise = np.random.default_rng(2).integers(0, 256, (6, 8, 4), dtype=np.uint8)
    picture = Image.fromarray(noise)
    picture = picture.convert("RGB").quantize(16) if mode == "P" else picture.convert(mode)
    picture.save(tmp_path / "a.png")
    expected = np.asarray(picture.convert("RGBA" if channels == 4 else "RGB"), dtype=np.float32) / 255
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), expected)


def test_transparent_palette(tmp_path):
    picture = Image.fromarray(np.arange(4, dtype=np.uint8).reshape(2, 2), "P")
    picture.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255, 9, 9, 9])
    picture.save(tmp_path / "a.png", transparency=1)
    expected = np.asarray(Image.open(tmp_path / "a.png").convert("RGBA"), dtype=np.float32) / 255
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), expected)


def test_jpeg_is_read_and_stood_upright(tmp_path):
    ramp = np.tile(np.linspace(0, 255, 64, dtype=np.uint8)[:, None], (1, 32))
    exif = Image.Exif()
    exif[0x0112] = 6  # turn a quarter clockwise to see it upright
    Image.fromarray(ramp).convert("RGB").save(tmp_path / "a.jpg", quality=95, exif=exif)
    array = read_image(tmp_path / "a.jpg")
    assert array.shape == (32, 64, 3)
    np.testing.assert_allclose(array[..., 0], np.rot90(ramp, -1) / 255, atol=0.02)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_all_orientations_as_pillow_turns_them(tmp_path, orientation):
    from PIL import ImageOps

    noise = np.random.default_rng(3).integers(0, 256, (5, 8, 3), dtype=np.uint8)
    write_raw(tmp_path / "a.tif", noise, Orientation=orientation)
    picture = Image.fromarray(noise)
    picture.getexif()[0x0112] = orientation
    expected = np.asarray(ImageOps.exif_transpose(picture), dtype=np.float32) / 255
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif"), expected)


# --- meaning of the values ----------------------------------------------------------------------------------------


def test_exr_is_linear_with_associated_alpha(tmp_path):
    write_raw(tmp_path / "a.exr", np.array([[[0.09, 0.0, 0.5, 0.5], [0.2, 0.2, 0.2, 0.0]]], np.float32))
    array = read_image(tmp_path / "a.exr")
    np.testing.assert_allclose(array[0, 0], [0.46135613, 0, 1, 0.5], atol=1e-6)
    assert array[0, 1, 3] == 0


def test_integer_tiff_with_associated_alpha_becomes_straight(tmp_path):
    write_raw(tmp_path / "a.tif", np.array([[[100, 50, 0, 200]]], np.uint8))
    np.testing.assert_allclose(read_image(tmp_path / "a.tif")[0, 0], [0.5, 0.25, 0, 200 / 255], atol=1e-6)


def test_layered_exr_finds_its_colour_by_name(tmp_path):
    values = np.array([[[0.1, 0.2, 0.3, 0.4, 1.0]]], np.float32)
    names = ("Depth.Z", "View.Combined.B", "View.Combined.G", "View.Combined.R", "View.Combined.A")
    write_raw(tmp_path / "a.exr", values, channels=names)
    expected = [*srgb_from_linear(np.array([0.4, 0.3, 0.2])), 1]
    np.testing.assert_allclose(read_image(tmp_path / "a.exr")[0, 0], expected, atol=1e-6)


def test_nan_and_infinity_are_passed_on(tmp_path):
    values = np.array([[[np.nan, np.inf, 1.0], [-np.inf, -1.0, 0.0]]], np.float32)
    write_raw(tmp_path / "a.exr", values)
    np.testing.assert_allclose(read_image(tmp_path / "a.exr"), values, atol=1e-6)


@pytest.mark.parametrize(("name", "bits", "error"), [("a.exr", 32, 1e-6), ("a.exr", 16, 6e-4), ("a.tif", 32, 1e-6)])
def test_light_above_white_and_colours_outside_srgb_come_back(tmp_path, name, bits, error):
    linear = np.float32([[[7.0, 1.0, -0.25], [60000.0, 0.18, 1e-4]]])
    write_image(tmp_path / name, srgb_from_linear(linear), bits)
    np.testing.assert_allclose(linear_from_srgb(read_image(tmp_path / name)), linear, rtol=error)


def test_light_that_a_half_cannot_hold_is_cut_and_not_infinite(tmp_path):
    write_image(tmp_path / "a.exr", srgb_from_linear(np.full((1, 1, 3), 1e6, np.float32)), 16)
    np.testing.assert_allclose(linear_from_srgb(read_image(tmp_path / "a.exr")), 65504, rtol=1e-5)


def test_integers_are_cut_at_white(tmp_path):
    write_image(tmp_path / "a.png", np.float32([[[7.0, 0.5, -0.25]]]), 16)
    np.testing.assert_allclose(read_image(tmp_path / "a.png"), [[[1, 0.5, 0]]], atol=1e-5)


@pytest.mark.parametrize(("name", "bits"), [("a.png", 8), ("a.png", 16), ("a.tif", 8), ("a.tif", 16)])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_data_of_integers_comes_back_bit_by_bit(tmp_path, name, bits, channels):
    most = 2**bits - 1
    whole = np.random.default_rng(0).integers(0, most + 1, (6, 7, channels))
    write_data(tmp_path / name, (whole / most).astype(np.float32), bits)
    assert read_info(tmp_path / name).bits == bits
    np.testing.assert_array_equal(np.rint(read_data(tmp_path / name) * most), whole)


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("name", ["a.exr", "a.tif"])
def test_data_of_floats_comes_back_bit_by_bit(tmp_path, name, channels):
    data = np.random.default_rng(0).normal(0, 100, (6, 7, channels)).astype(np.float32)
    write_data(tmp_path / name, data, 32)
    np.testing.assert_array_equal(read_data(tmp_path / name), data)


def test_grey_data_with_alpha(tmp_path):
    values = np.random.default_rng(2).integers(0, 256, (6, 8, 2), dtype=np.uint8)
    Image.fromarray(values, "LA").save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_data(tmp_path / "a.png") * 255, values[..., [0, 0, 0, 1]])


@pytest.mark.parametrize(("mode", "expected"), [("L", 0.2), ("RGB", 0.2), ("RGBA", 0.1), ("LA", 0.1)])
def test_white_of_a_mask_is_1_and_what_is_transparent_is_black(tmp_path, mode, expected):
    Image.new("RGBA", (5, 4), (51, 51, 51, 128)).convert(mode).save(tmp_path / "a.png")
    mask = read_mask(tmp_path / "a.png")
    assert mask.shape == (4, 5)
    assert mask.dtype == np.float32
    np.testing.assert_allclose(mask, expected, atol=0.001)


def test_a_file_says_what_its_values_are(tmp_path):
    picture = np.full((4, 4, 3), 0.5, np.float32)
    for name in ("a.png", "a.tif", "a.exr"):
        write_image(tmp_path / name, picture)
    write_data(tmp_path / "d.png", picture)
    write_data(tmp_path / "d.exr", picture)
    names = ("a.png", "a.tif", "a.exr", "d.exr")
    spaces = [oiio.ImageInput.open(str(tmp_path / name)).spec().get_string_attribute("oiio:ColorSpace") for name in names]
    assert spaces == ["srgb_rec709_scene", "srgb_rec709_scene", "lin_rec709_scene", "data"]
    assert b"sRGB" in (tmp_path / "a.png").read_bytes()
    assert b"sRGB" not in (tmp_path / "d.png").read_bytes()
    assert b"gAMA" not in (tmp_path / "d.png").read_bytes()
    assert len(oiio.ImageInput.open(str(tmp_path / "a.exr")).spec().getattribute("chromaticities")) == 8


# --- bad input: the file, what it is, what to do -------------------------------------------------------------------


def _cut_png(path):
    Image.fromarray(np.random.default_rng(4).integers(0, 256, (50, 50, 3), dtype=np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[:4000])


def _cut_jpeg(path):
    Image.fromarray(np.random.default_rng(4).integers(0, 256, (50, 50, 3), dtype=np.uint8)).save(path, "JPEG")
    path.write_bytes(path.read_bytes()[:1500])


def _cut_tiff(path):
    Image.fromarray(np.random.default_rng(4).integers(0, 256, (50, 50, 3), dtype=np.uint8)).save(path, "TIFF")
    path.write_bytes(path.read_bytes()[:4000])


def _cut_exr(path):
    write_raw(path.with_suffix(".exr"), np.random.default_rng(4).random((50, 50, 3), dtype=np.float32))
    path.write_bytes(path.with_suffix(".exr").read_bytes()[:4000])


def _huge(path):
    """A PNG header of 16384², with next to nothing behind it."""
    import struct
    import zlib

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", 16384, 16384, 8, 2, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0")))


BAD = {
    "missing": (lambda path: None, "no file"),
    "a folder": (lambda path: path.mkdir(), "folder"),
    "empty": (lambda path: path.touch(), "0 bytes"),
    "text": (lambda path: path.write_text("This is no picture.\n" * 99), "not a picture"),
    "a movie": (lambda path: path.write_bytes(b"\0\0\0\x18ftypmp42" + bytes(range(256)) * 9), "not a picture"),
    "an animation": (lambda path: Image.new("RGB", (8, 8)).save(path, "GIF"), "gif"),
    "half a PNG": (_cut_png, "cut off"),
    "half a JPEG": (_cut_jpeg, "cut off"),
    "half a TIFF": (_cut_tiff, "damaged"),
    "half an EXR": (_cut_exr, "damaged"),
    "too large": (_huge, "16384×16384"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_files_are_refused_in_a_sentence(tmp_path, case):
    make, words = BAD[case]
    path = tmp_path / "wood.png"
    make(path)
    with pytest.raises(Problem) as caught:
        read_image(path)
    problem = caught.value
    assert problem.code == "bad_input"
    assert str(path) in problem.sentence
    assert words in problem.sentence
    assert problem.remedy.endswith(".")
    assert "\n" not in str(problem)


# --- writing: whole or not at all -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "bits", "words"),
    [
        ("a.jpg", None, ".jpg"),
        ("a", None, "ending"),
        ("a.png", 32, "32 bits"),
        ("a.exr", 8, "8 bits"),
        ("none/a.png", None, "no folder"),
        ("file/a.png", None, "no folder"),
        ("folder.png", None, "is a folder"),
    ],
)
def test_places_that_cannot_be_written(tmp_path, name, bits, words):
    (tmp_path / "file").touch()
    (tmp_path / "folder.png").mkdir()
    for attempt in (check_output, lambda path, bits: write_image(path, np.zeros((2, 2, 3)), bits)):
        with pytest.raises(Problem) as caught:
            attempt(tmp_path / name, bits)
        assert caught.value.code == "bad_input"
        assert words in caught.value.sentence
    assert sorted(os.listdir(tmp_path)) == ["file", "folder.png"]


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.exr"])
def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path, name):
    """A limit on the size of files stands for the full disk, in a process of its own."""
    pytest.importorskip("resource")
    write_image(tmp_path / name, np.full((4, 4, 3), 0.25))
    before = (tmp_path / name).read_bytes()
    script = (
        "import resource, sys, numpy, selfrect.image as image\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "picture = numpy.random.default_rng(0).random((300, 300, 3), dtype=numpy.float32)\n"
        "try:\n    image.write_image(sys.argv[1], picture)\n"
        "except image.Problem as problem:\n    print(problem.code, problem)\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path / name)]
    environment = {**os.environ, "PYTHONPATH": str(Path(selfrect.__file__).parents[1])}
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment)
    assert done.stdout.startswith("disk_full"), done
    assert name in done.stdout
    assert (tmp_path / name).read_bytes() == before
    assert os.listdir(tmp_path) == [name]


def test_a_failing_rename_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    write_image(tmp_path / "a.png", np.full((4, 4, 3), 0.25))
    before = (tmp_path / "a.png").read_bytes()

    def full(source, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(Problem) as caught:
        write_image(tmp_path / "a.png", np.zeros((4, 4, 3)))
    assert caught.value.code == "disk_full"
    assert (tmp_path / "a.png").read_bytes() == before
    assert os.listdir(tmp_path) == ["a.png"]


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "real.png").touch()
    (tmp_path / "link.png").symlink_to("real.png")
    write_image(tmp_path / "link.png", np.ones((2, 2, 3)))
    assert (tmp_path / "link.png").is_symlink()
    assert read_image(tmp_path / "real.png").min() == 1


def test_nothing_that_is_no_picture_is_written(tmp_path):
    with pytest.raises(Problem, match="NaN"):
        write_image(tmp_path / "a.png", np.full((2, 2, 3), np.nan))
    with pytest.raises(ValueError, match="2, 2, 2"):
        write_image(tmp_path / "a.png", np.zeros((2, 2, 2)))
    assert not os.listdir(tmp_path)
