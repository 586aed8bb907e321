# SPDX-License-Identifier: GPL-3.0-or-later
"""The real command in a process of its own, with the embedded model on small pictures."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import selfrect
from raw_pictures import write_raw
from selfrect.cli import main
from selfrect.image import read_image, read_info, write_image

# One thread: pictures this small gain nothing from more, and lose much where other work has the other cores.
MORE = {"PYTHONPATH": str(Path(selfrect.__file__).parents[1]), "OMP_NUM_THREADS": "1"}
SELFRECT = [sys.executable, "-m", "selfrect"]
RECTIFY = [*SELFRECT, "rectify", "--reference", "wood.tif", "--target", "rough.png", "--output", "result.png", "--device", "cpu"]
FEW_STEPS = ["--patches", "off", "--steps", "4", "--p1", "3", "--s1", "1", "--p2", "1", "--s2", "1"]


@pytest.fixture
def place(tmp_path):
    """Stripes as the reference (16 bit), stripes cut and turned over a transparent ground as the target."""
    rows, columns = np.mgrid[0:64, 0:64] / 64
    stripes = 0.5 + 0.4 * np.sin(20 * columns + 4 * rows)
    write_image(tmp_path / "wood.tif", np.stack([stripes, stripes * 0.7, stripes * 0.4], axis=-1), 16)
    rough = np.zeros((64, 64, 4))
    rough[16:48, 8:40, :3] = np.stack([stripes, stripes * 0.7, stripes * 0.4], axis=-1)[:32, :32].transpose(1, 0, 2)
    rough[16:48, 8:40, 3] = 1
    write_image(tmp_path / "rough.png", rough)
    return tmp_path


def run(command, place, timeout=300):
    return subprocess.run(command, cwd=place, env=os.environ | MORE, capture_output=True, text=True, timeout=timeout)


def test_rectify_with_the_embedded_model(place):
    done = run([*RECTIFY, *FEW_STEPS, "--seed", "3", "--json"], place)
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)
    assert record["engine"] == "self-rectification"
    assert record["model"]["name"] == "mini"
    assert (record["settings"]["steps"], record["settings"]["p1"], record["seed"]) == (4, 3, 3)
    assert record["network_calls"] > 0
    assert record["seconds"]["total"] > 0
    assert record["output"] == str(place / "result.png")
    assert "invert target, 2 steps" in done.stderr
    result = read_image(place / "result.png")
    assert result.shape == (64, 64, 3)
    assert result.std() > 0.01
    assert read_info(place / "result.png").bits == 16  # as the reference


@pytest.mark.skipif(os.name == "nt", reason="signals of this kind are POSIX")
@pytest.mark.parametrize("moment", ["load model", "invert reference"])
def test_ctrl_c_in_a_real_run(place, moment):
    process = subprocess.Popen([*RECTIFY, "--patches", "off"], cwd=place, env=os.environ | MORE, stderr=subprocess.PIPE, text=True)
    told = []
    for line in process.stderr:
        told.append(line)
        if moment in line:
            process.send_signal(signal.SIGINT)
            break
    told.append(process.stderr.read())
    assert process.wait(timeout=60) == 5, told
    assert told[-1].strip().splitlines()[-1].startswith("selfrect: The work was cancelled.")
    assert "Traceback" not in "".join(told)
    assert sorted(os.listdir(place)) == ["rough.png", "wood.tif"]


@pytest.mark.parametrize(
    ("name", "picture", "words"),
    [
        ("nan.exr", np.full((64, 64, 3), np.nan, np.float32), "NaN"),
        ("pixel.exr", np.full((1, 1, 3), 0.5, np.float32), "1 × 1"),
        ("line.exr", np.full((1, 4096, 3), 0.5, np.float32), "4096 × 1"),
    ],
)
@pytest.mark.parametrize("role", ["--reference", "--target"])
def test_pictures_that_the_engine_refuses(place, monkeypatch, capsys, name, picture, words, role):
    """In this process, but with the engine's own check."""
    write_raw(place / name, picture)
    monkeypatch.chdir(place)
    assert main([*RECTIFY[3:], role, name]) == 2
    err = capsys.readouterr().err
    assert words in err
    assert len(err.splitlines()) == 1
    assert not (place / "result.png").exists()


@pytest.mark.parametrize("command", [["--help"], ["--version"], ["rectify", "--help"], ["models"], ["draw"]])
def test_what_needs_no_torch_loads_none(tmp_path, command):
    """`--help` and usage errors answer at once; only describing the engines takes numpy."""
    light = {"torch", "diffusers", "OpenImageIO"} | ({"numpy"} if command[0].startswith("-") else set())
    script = f"import sys; from selfrect.cli import main; main({command!r}); print(sorted({light!r} & set(sys.modules)))"
    done = run([sys.executable, "-c", script], tmp_path)
    assert done.stdout.splitlines()[-1] == "[]", done


@pytest.mark.parametrize(("given", "found"), [(None, "PASSIVE"), ("ACTIVE", "ACTIVE")])
def test_threads_do_not_spin_beside_a_busy_blender(monkeypatch, given, found):
    """Unless somebody wants it."""
    monkeypatch.setenv("OMP_WAIT_POLICY", "taken away by monkeypatch afterwards")
    monkeypatch.delenv("OMP_WAIT_POLICY") if given is None else monkeypatch.setenv("OMP_WAIT_POLICY", given)
    assert main(["--version"]) == 0
    assert os.environ["OMP_WAIT_POLICY"] == found


def test_serve_is_reached(tmp_path):
    """The wire has its own tests; here only that the command is it: a greeting first, and the end with stdin's."""
    done = subprocess.run([*SELFRECT, "serve"], stdin=subprocess.DEVNULL, env=os.environ | MORE, capture_output=True, timeout=120)
    assert done.stdout.startswith(b"Content-Length: ")
    assert b'"greeting"' in done.stdout
    assert done.returncode in (0, 5), done  # 5: it left while PyTorch was still being imported


def test_train_is_reached(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", [])
    assert main(["train", "--help"]) == 0
    assert "recipe" in capsys.readouterr().out
