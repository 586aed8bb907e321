# SPDX-License-Identifier: GPL-3.0-or-later
"""Consistency of maps is measured: none is lost where a whole material was moved, and each fault is seen in its own map."""

from __future__ import annotations

import json

import material
import numpy as np
import pytest
from selfrect import cli
from selfrect.evaluation.maps import map_consistency
from selfrect.image import read_image, write_data, write_image

HEIGHT = material.height_of(72)
SHIFTED = HEIGHT[10:66, 8:64]


def maps(height: np.ndarray) -> dict[str, np.ndarray]:
    return {"roughness": material.roughness(height), "normal": material.normal(height)}


def part(one: np.ndarray) -> np.ndarray:
    return one[10:66, 8:64]


OF_REFERENCE = maps(HEIGHT)
OF_RESULT = {name: part(one) for name, one in OF_REFERENCE.items()}


def measured(**changed) -> dict:
    return map_consistency(material.base_colour(HEIGHT), material.base_colour(SHIFTED), OF_REFERENCE, OF_RESULT | changed)


def test_maps_that_were_moved_with_the_picture_are_right():
    found = measured()
    assert all(one["error"] < 0.01 for one in found["maps"].values())
    assert found["maps"]["normal"]["degrees"] < 1
    assert found["maps"]["normal"]["length"] < 1e-4
    assert found["field"]["continuity"] > 0.9
    assert found["field"]["unlike"] < 0.005


def test_a_map_that_lags_behind_is_seen_in_it_alone():
    found = measured(roughness=np.roll(OF_RESULT["roughness"], 4, 1))["maps"]
    assert found["roughness"]["error"] > 0.03
    assert found["normal"]["error"] < 0.01


def test_normals_that_were_not_turned_are_seen_and_so_are_short_ones():
    x, y, z = np.moveaxis(OF_RESULT["normal"], -1, 0)
    found = measured(normal=np.stack([1 - x, y, z], -1) * 0.9 + 0.05)["maps"]
    assert found["normal"]["degrees"] > 5
    assert found["normal"]["length"] > 0.05
    assert found["roughness"]["error"] < 0.01


@pytest.mark.parametrize("named", [False, True])
def test_the_command_measures_and_draws_them(named, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("SELFRECT_MODELS", str(tmp_path / "models"))
    pictures = {"rock": material.base_colour(HEIGHT), "made": material.base_colour(SHIFTED)}
    for stem, picture in pictures.items():
        write_image(tmp_path / f"{stem}.png", picture)
        for name, one in (OF_REFERENCE if stem == "rock" else OF_RESULT).items():
            write_data(tmp_path / f"{stem}_{name}.png", one, 16)
    given = [f"roughness={tmp_path / 'rock_roughness.png'},{tmp_path / 'made_roughness.png'}"] if named else []
    names = [str(tmp_path / f"{stem}.png") for stem in ("rock", "made", "made")]
    assert cli.main(["evaluate", *names, "--sheet", str(tmp_path / "sheet.png"), "--side", "64", "--maps", *given]) == 0
    found = json.loads(capsys.readouterr().out)
    assert set(found["maps"]) == ({"roughness"} if named else {"roughness", "normal"})
    assert found["maps"]["roughness"]["error"] < 0.01
    assert read_image(tmp_path / "sheet.png").shape[1] > 64 * (6 if named else 8)


def test_where_there_are_no_maps_it_says_what_to_do(tmp_path, capsys):
    write_image(tmp_path / "a.png", material.base_colour(SHIFTED))
    assert cli.main(["evaluate", *[str(tmp_path / "a.png")] * 3, "--maps", "normal"]) != 0
    assert "NAME=REFERENCE,RESULT" in capsys.readouterr().err
    assert cli.main(["evaluate", *[str(tmp_path / "a.png")] * 3, "--maps"]) != 0
    assert "a_normal.png" in capsys.readouterr().err
