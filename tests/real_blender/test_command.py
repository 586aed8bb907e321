# SPDX-License-Identifier: GPL-3.0-or-later
"""The built zip in a real Blender without a window: `blender -b scene.blend --command selfrect rectify …`."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

HERE = Path(__file__).parent
SIZE = 128
STEPS = ("--patches", "off", "--steps", "20", "--p1", "8", "--s1", "8", "--p2", "2", "--s2", "2")


@pytest.fixture(scope="module")
def folder(blender, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with reference.png, target.png and scene.blend, made by the Blender under test."""
    folder = tmp_path_factory.mktemp("scene")
    options = ("--factory-startup", "--python-exit-code", "3", "--python")
    done = blender("-b", *options, HERE / "make_scene.py", "--", folder, str(SIZE))
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="module")
def rectified(blender, engine: str, folder: Path) -> subprocess.CompletedProcess:
    """The main job, once for all tests: it leaves result.png, done.blend and report.json in the folder."""
    return rectify(
        blender, folder / "scene.blend", folder / "report.json", "--engine", engine, "--material", "Board", *STEPS,
        "--output", folder / "result.png", "--save", folder / "done.blend", timeout=900.0,
    )


def rectify(blender, blend: Path, report: Path, *more: str | Path, target="target.png", timeout=120.0):
    words = ("--command", "selfrect", "rectify", "--reference", "reference.png", "--target", target, "--report", report)
    return blender("-b", blend, *words, *more, timeout=timeout)


def picture(path: Path) -> np.ndarray:
    """(H, W, 3|4) float in [0, 1]."""
    return np.asarray(Image.open(path), np.float64) / 255


def test_report(rectified, folder):
    assert rectified.returncode == 0, rectified.stdout + rectified.stderr
    report = json.loads((folder / "report.json").read_text())
    assert (report["state"], report["exit_code"], report["problem"]) == ("done", 0, None)
    assert (report["engine"], report["model"]["name"]) == ("self-rectification", "mini")
    assert report["size"] == [SIZE, SIZE]
    assert (report["settings"]["steps"], report["settings"]["s2"]) == (20, 2)
    assert 0 < report["network_calls"] <= 8 * 20  # 8 a step: the method computed without any of its savings
    assert 0 < report["seconds"]["total"] < 900


def test_result_keeps_what_was_placed_and_fills_the_rest(rectified, folder):
    reference, target, result = (picture(folder / f"{name}.png") for name in ("reference", "target", "result"))
    placed = target[..., 3] > 0.5
    assert result.shape[:2] == (SIZE, SIZE)
    layout = np.corrcoef(result[placed, :3].mean(-1), target[placed, :3].mean(-1))[0, 1]
    assert layout > 0.5, "the placed pieces are recognised"
    assert result[~placed].std() > 0.02, "something was made where nothing lay"
    assert np.abs(result[..., :3].mean((0, 1)) - reference[..., :3].mean((0, 1))).max() < 0.2, "the reference's colours"


def test_saved_file_shows_the_result(rectified, blender, folder):
    arguments = ("--factory-startup", "--python-exit-code", "3", "--python", HERE / "read_scene.py", "--")
    done = blender("-b", folder / "done.blend", *arguments, folder / "facts.json")
    assert done.returncode == 0, done.stdout + done.stderr
    facts = json.loads((folder / "facts.json").read_text())
    assert facts["name"] == json.loads((folder / "report.json").read_text())["result"]
    assert facts["size"] == [SIZE, SIZE]
    assert facts["image_nodes"] == 1, "the image was swapped in the node that was there"
    assert facts["packed"]
    assert facts["finite"]
    assert min(facts["deviation"]) > 0.01


def test_the_opened_file_is_left_alone(rectified, blender, folder):
    arguments = ("--factory-startup", "--python-exit-code", "3", "--python", HERE / "read_scene.py", "--")
    assert blender("-b", folder / "scene.blend", *arguments, folder / "before.json").returncode == 0
    assert json.loads((folder / "before.json").read_text())["name"] == "reference.png"


@pytest.mark.parametrize(
    ("more", "target", "status", "code"),
    [
        ((), "no such picture", 2, "bad_input"),
        (("--steps", "1"), "target.png", 2, "bad_input"),
        (("--model", "no-such-model"), "target.png", 3, "model_missing"),
        (("--engine", "/no/such/engine"), "target.png", 1, "engine_missing"),
    ],
)
def test_failures_have_exit_code_sentence_and_report(blender, engine, folder, tmp_path, more, target, status, code):
    save = ("--save", tmp_path / "saved.blend", "--output", tmp_path / "result.png")
    engine_option = () if "--engine" in more else ("--engine", engine)
    done = rectify(blender, folder / "scene.blend", tmp_path / "report.json", *engine_option, *save, *more, target=target)
    assert done.returncode == status, done.stdout + done.stderr
    report = json.loads((tmp_path / "report.json").read_text())
    assert (report["state"], report["exit_code"], report["problem"]["code"]) == ("failed", status, code)
    assert report["problem"]["sentence"] in done.stderr
    assert report["problem"]["remedy"] in done.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"report.json"}, "nothing half-done was left"
