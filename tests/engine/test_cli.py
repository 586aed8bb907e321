# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line with the engine's work replaced: what it asks for, prints and writes."""

from __future__ import annotations

import json

import numpy as np
import pytest
from commands import RECORD, grey, one_line, rectify
from selfrect import __version__, registry
from selfrect.cli import main
from selfrect.engine import Result
from selfrect.image import read_data, read_image, read_info, write_image


def test_the_plain_command_asks_for_the_defaults(place, engine):
    assert rectify() == 0
    ((name, model, device, dtype, request),) = engine.calls
    assert (name, model, device, dtype) == ("self-rectification", "mini", "auto", "auto")
    assert (request.seed, request.settings) == (0, {})  # defaults stand in the engine alone
    np.testing.assert_array_equal(request.references[0], read_image("r.png"))
    assert request.target.shape == (48, 40, 4)
    np.testing.assert_allclose(read_image("out.png"), 64 / 255)


def test_every_setting_of_the_engine_is_a_flag(place, engine):
    values = {}
    for setting in registry.engines()[0].settings:
        likely = {"enum": (setting.choices or ("",))[-1], "bool": True, "numbers": (setting.maximum, setting.minimum)}
        values[setting.name] = likely.get(setting.kind, setting.minimum)
    texts = {name: ",".join(map(str, value)) if isinstance(value, tuple) else str(value) for name, value in values.items()}
    flags = [word for name, value in texts.items() for word in ("--" + name.replace("_", "-"), value) if word != "True"]
    assert rectify(*flags) == 0
    assert engine.calls[0][4].settings == values
    kinds = {setting.name: setting.kind for setting in registry.engines()[0].settings}
    assert all(isinstance(value, int) for name, value in engine.calls[0][4].settings.items() if kinds[name] == "int")


def test_the_settings_that_the_readme_names_are_there():
    names = {setting.name for setting in registry.engines()[0].settings}
    assert names >= {"steps", "p1", "s1", "p2", "s2", "injection", "augment", "last_up_levels", "background_eta"}


@pytest.mark.parametrize("flags", [["--reference", "r2.png", "r.png"], ["--reference", "r2.png", "--reference", "r.png"]])
def test_several_references(place, engine, flags):
    assert rectify(*flags) == 0
    assert len(engine.calls[0][4].references) == 3


def test_model_device_type_and_seed(place, engine):
    (place / "folder").mkdir()
    assert rectify("--model", "folder", "--device", "cpu", "--dtype", "float32", "--seed", "7") == 0
    assert engine.calls[0][1:4] == ("folder", "cpu", "float32")
    assert engine.calls[0][4].seed == 7


def test_tile_is_both_flags_in_one(place, engine):
    for flag, expected in (("x", {"tile_x": True}), ("y", {"tile_y": True}), ("xy", {"tile_x": True, "tile_y": True})):
        assert rectify("--tile", flag) == 0
        assert engine.calls[-1][4].settings == expected
    assert rectify("--tile", "xy", "--no-tile-y") == 0
    assert engine.calls[-1][4].settings == {"tile_x": True, "tile_y": False}


def test_numbers_may_begin_with_a_minus(place, engine):
    assert rectify("--angles=-15,30.5") == 0
    assert engine.calls[0][4].settings == {"angles": (-15.0, 30.5)}


def test_mask_weights_regions_and_maps(place, engine):
    maps = ["--map", f"normal={grey(0.2, 'n1.png', 7, 9, 3)},{grey(0.4, 'n2.exr', 5, 5, 3, 32)}"]
    maps += ["--map", f"light 2={grey(0.6, 'a.png')},{grey(0.8, 'b.tif')}"]
    more = ["--mask", grey(0.5), "--weight", "1", "2.5", "--region", f"2={grey(1.0, 'g.png')}"]
    assert rectify("--reference", "r2.png", *more, *maps) == 0
    request = engine.calls[0][4]
    assert request.mask.shape == (48, 40)
    np.testing.assert_allclose(request.mask, 128 / 255)
    assert request.weights == [1.0, 2.5]
    assert request.regions[0] is None
    assert (request.regions[1] == 1).all()
    assert {name: [array.shape for array in of_each] for name, of_each in request.maps.items()} == {
        "normal": [(7, 9, 3), (5, 5, 3)], "light 2": [(48, 40, 1), (48, 40, 1)]
    }  # fmt: skip
    np.testing.assert_allclose(request.maps["normal"][1], 0.4)  # data: floats as they stand


def test_a_comma_in_the_name_of_the_only_references_map(place, engine):
    assert rectify("--map", f"ao={grey(0.5, 'a,b.png')}") == 0
    assert len(engine.calls[0][4].maps["ao"]) == 1


def test_size_scales_the_target_and_what_lies_on_it(place, engine):
    assert rectify("--size", "80x96", "--mask", grey(1.0), "--region", f"1={grey(1.0, 'g.png')}") == 0
    request = engine.calls[0][4]
    assert request.target.shape == (96, 80, 4)
    assert request.references[0].shape == (40, 40, 3)
    assert request.mask.shape == request.regions[0].shape == (96, 80)
    np.testing.assert_allclose(request.target.mean((0, 1)), read_image("t.png").mean((0, 1)), atol=0.02)


def test_a_mask_of_the_new_size_stays(place, engine):
    assert rectify("--size", "80x96", "--mask", grey(1.0, height=96, width=80)) == 0
    assert engine.calls[0][4].mask.shape == (96, 80)


# --- what comes out --------------------------------------------------------------------------------------------------


def test_json_is_all_of_stdout(place, engine, capfd):
    engine.act = lambda report: print("noise of a library")
    assert rectify("--json") == 0
    out, err = capfd.readouterr()
    assert json.loads(out) == {**RECORD, "output": str(place / "out.png")}
    assert "noise of a library" in err


def test_a_person_gets_one_line(place, engine, capsys):
    assert rectify() == 0
    assert capsys.readouterr().out == "out.png: 40 x 48 pixels, 10 network calls, 2 s\n"


def test_quiet_is_quiet(place, engine, capsys):
    assert rectify("--quiet") == 0
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("output", "flags", "reference_bits", "bits"),
    [
        ("o.png", [], 8, 8),
        ("o.png", [], 16, 16),
        ("o.png", ["--bits", "8"], 16, 8),
        ("o.png", ["--bits", "16"], 8, 16),
        ("o.tif", [], 8, 16),
        ("o.tiff", ["--bits", "32"], 8, 32),
        ("o.exr", [], 8, 32),
        ("o.exr", ["--bits", "16"], 8, 16),
    ],
)
def test_depth_of_the_output(place, engine, output, flags, reference_bits, bits):
    write_image("r.png", read_image("r.png"), reference_bits)
    assert rectify(*flags, output=output) == 0
    assert read_info(output).bits == bits
    np.testing.assert_allclose(read_image(output), 0.25, atol=1 / 255)


@pytest.mark.parametrize(
    ("source", "bits", "expected"),
    [("n.png", 8, ("out_light_2.png", 8)), ("n.png", 16, ("out_light_2.png", 16)), ("n.exr", 16, ("out_light_2.exr", 16)),
     ("n.tif", 32, ("out_light_2.tif", 32))],
)  # fmt: skip
def test_maps_are_written_beside_the_output_as_they_came_in(place, engine, capsys, source, bits, expected):
    engine.maps = {"light 2": np.full((96, 80, 1), 0.75, np.float32), "height": np.full((9, 9, 1), 0.5, np.float32)}
    assert rectify("--map", f"light 2={grey(0.5, source, 5, 7, bits=bits)}", "--json") == 0
    record = json.loads(capsys.readouterr().out)
    assert record["maps"] == {"light 2": str(place / expected[0]), "height": str(place / "out_height.png")}
    assert read_info(expected[0]).bits == expected[1]
    written = read_data(expected[0])
    assert written.shape == (96, 80, 1)
    np.testing.assert_allclose(written, 0.75, atol=1 / 255)
    assert read_info("out_height.png").bits == 16  # an estimate has no file to take it from


def test_light_above_white_that_the_file_cannot_hold_is_told(place, monkeypatch, capsys):
    picture = np.full((48, 40, 3), 3.5, np.float32)
    monkeypatch.setattr(registry, "synthesize", lambda *_: Result(picture, dict(RECORD)))
    assert rectify() == 0
    assert "up to 3.5" in one_line(capsys.readouterr().err)
    assert rectify(output="out.exr") == 0
    assert capsys.readouterr().err == ""
    np.testing.assert_allclose(read_image("out.exr"), picture, rtol=1e-5)


# --- the other commands ----------------------------------------------------------------------------------------------


def test_version(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"selfrect {__version__}\n"


@pytest.mark.parametrize("command", [[], ["rectify"], ["engines"], ["models"], ["serve"]])
def test_help(capsys, command):
    assert main([*command, "--help"]) == 0
    assert "usage: selfrect" in capsys.readouterr().out


def test_engines_as_data(capsys):
    assert main(["engines", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data == json.loads(json.dumps([engine.as_dict() for engine in registry.engines()]))
    assert data[0]["name"] == "self-rectification"


def test_engines_and_models_for_people(capsys):
    assert main(["engines"]) == 0
    assert "last_up_levels = 2" in capsys.readouterr().out
    assert main(["models"]) == 0
    assert capsys.readouterr().out.startswith("mini         installed")


def test_models_as_data(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("SELFRECT_MODELS", str(tmp_path))
    assert main(["models", "--json"]) == 0
    installed = {model["name"]: model["installed"] for model in json.loads(capsys.readouterr().out)}
    assert installed["mini"] is True
    assert installed["sd-1.4"] is False
