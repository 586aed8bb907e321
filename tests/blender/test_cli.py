# SPDX-License-Identifier: GPL-3.0-or-later
"""`--command selfrect rectify`, called as a function: exit codes, report, files. Through the program: tests/real_blender."""

from __future__ import annotations

import json
from pathlib import Path

import bpy
import numpy as np
import pytest
from map_materials import separate_maps


@pytest.fixture
def run(extension, fake_engine, tmp_path):
    """run(mode, *arguments) → (exit code, report)."""

    def command(mode, *arguments):
        report = tmp_path / "report.json"
        code = extension.cli.main(["rectify", "--engine", fake_engine(mode), "--report", str(report), *arguments])
        return code, json.loads(report.read_text())

    return command


def test_does_the_whole_job(extension, run, pictures, tmp_path):
    bpy.ops.mesh.primitive_plane_add()
    paths = [str(tmp_path / name) for name in ("result.png", "saved.blend")]
    pair = ["--reference", "bark.png", "--target", "rough", "--steps", "4", "--seed", "3"]
    code, report = run("good", *pair, "--apply", "--output", paths[0], "--save", paths[1])
    assert (code, report["state"], report["exit_code"], report["problem"]) == (0, "done", 0, None)
    assert (report["reference"], report["target"], report["result"], report["seed"]) == ("bark.png", "rough", "bark rectified", 3)
    assert (report["output"], report["blend"]) == tuple(paths)
    expected = extension.images.read(pictures.target, "target").display()
    bpy.ops.wm.open_mainfile(filepath=paths[1])
    image = bpy.data.images["bark rectified"]
    assert report["material"] == {"material": "Plane", "node": "Image Texture", "image": image.name, "previous": None, "maps": {}}
    assert bpy.data.materials["Plane"].node_tree.nodes["Image Texture"].image == image
    for written in (image, bpy.data.images.load(paths[0])):
        np.testing.assert_allclose(extension.images.read(written, "target").display()[..., :3], expected[..., :3], atol=2e-5)


def test_speaks_of_quality_and_sliders_as_the_panel_does(extension, run, pictures):
    pair = ["--reference", "bark.png", "--target", "rough"]
    for words, (steps, p1, s1) in (
        (["--quality", "draft"], (20, 8, 8)),
        (["--structure", "1", "--s1", "3"], (50, 40, 3)),
        (["--quality", "best", "--detail", "0"], (100, 40, 80)),
    ):
        assert run("good", *pair, *words)[0] == 0
        (entry, *_) = extension.history.entries(pictures.target)
        settings = extension.history.settings_of(entry)["settings"]
        assert (settings["steps"], settings["p1"], settings["s1"]) == (steps, p1, s1)
    assert extension.cli.main(["rectify", *pair, "--structure", "2"]) == 2


def test_takes_pictures_by_path(run, new_image, tmp_path):
    image, _ = new_image(40, 36)
    for name in ("a.png", "b.png"):
        image.filepath_raw, image.file_format = str(tmp_path / name), "PNG"
        image.save()
    code, report = run("good", "--reference", str(tmp_path / "a.png"), "--target", str(tmp_path / "b.png"))
    assert (code, report["result"]) == (0, "a rectified")


def test_maps_of_the_material_and_maps_by_path_go_along(extension, run, new_image, tmp_path):
    bpy.ops.mesh.primitive_plane_add()
    material, _ = separate_maps(lambda name, data=True: new_image(64, 48, name=name, space="Non-Color" if data else "sRGB")[0])
    bpy.context.object.active_material = material
    new_image(64, 48, name="rough")
    pair = ["--reference", "base", "--target", "rough"]
    code, report = run("good", *pair, "--apply", "--output", str(tmp_path / "out.png"))
    assert code == 0
    assert set(report["maps"]) == {"normal", "roughness", "metallic", "height", "emission", "opacity"} == set(report["material"]["maps"])
    assert {Path(path).name for path in report["map_files"]} == {f"out_{name}.png" for name in report["maps"]}
    assert all(Path(path).is_file() for path in report["map_files"])
    assert run("good", *pair, "--no-maps")[1]["maps"] == {}
    code, report = run("good", *pair, "--map", f"normal={tmp_path / 'out_normal.png'}", "--map", "emission=e")
    assert (code, set(report["maps"])) == (0, {"normal", "emission"})
    assert bpy.data.images["out_normal.png"].colorspace_settings.is_data
    assert run("good", *pair, "--map", "ao=absent")[0] == 2


def test_several_references_a_mask_a_size_and_tiles(extension, run, pictures, new_image, monkeypatch):
    sent = []
    submit = extension.job_queue.JobQueue.submit
    monkeypatch.setattr(extension.job_queue.JobQueue, "submit", lambda self, request: sent.append(request) or submit(self, request))
    new_image(40, 36, name="moss", seed=3)
    white = new_image(40, 36, name="white", color=1)[0]
    words = ["--weight", "1", "2", "--region", "2=white", "--mask", white.name, "--size", "80x64", "--tile", "XY"]
    code, report = run("good", "--reference", "bark.png", "moss", "--target", "rough", *words)
    assert (code, report["references"]) == (0, 2)
    (request,) = sent
    assert (request.weights, request.target.shape[:2], request.mask.shape) == ([1.0, 2.0], (64, 80), (64, 80))
    assert request.regions[0] is None
    assert request.regions[1].min() == 1
    assert request.settings["tile_x"]
    assert request.settings["tile_y"]
    assert run("good", "--reference", "bark.png", "--target", "rough", "--weight", "1", "2")[0] == 2


@pytest.mark.parametrize(
    ("mode", "changes", "code", "words"),
    [
        ("fails", {}, 4, "not enough memory"),
        ("dies", {}, 1, "exit code 7"),
        ("good", {"--target": "absent"}, 2, "neither an image nor a file “absent”"),
        ("good", {"--material": "absent"}, 2, "no material “absent”"),
        ("good", {"--output": "result.jpg"}, 2, "no known ending"),
    ],
)
def test_failures_have_their_exit_code_and_their_sentence(run, pictures, state_of_file, capfd, mode, changes, code, words):
    before = state_of_file()
    arguments = {"--reference": "bark.png", "--target": "rough"} | changes
    given, report = run(mode, *(word for pair in arguments.items() for word in pair))
    assert (given, report["exit_code"], report["state"]) == (code, code, "failed")
    assert words in report["problem"]["sentence"]
    assert words in capfd.readouterr().err
    assert state_of_file() == before


def test_ctrl_c_cancels(extension, run, pictures, monkeypatch):
    def interrupted(self, job, on_change=None, timeout=None):
        if timeout is None:
            raise KeyboardInterrupt
        return original(self, job, on_change, timeout)

    original = extension.job_queue.JobQueue.wait
    monkeypatch.setattr(extension.job_queue.JobQueue, "wait", interrupted)
    code, report = run("slow", "--reference", "bark.png", "--target", "rough")
    assert (code, report["state"], report["problem"]["code"]) == (5, "cancelled", "cancelled")


def test_wrong_words_and_help_are_told_by_the_parser(extension, capfd):
    assert extension.cli.main(["rectify"]) == 2
    assert "--reference" in capfd.readouterr().err
    assert extension.cli.main(["rectify", "--help"]) == 0
    assert "--last-up-levels" in capfd.readouterr().out


def test_a_report_that_cannot_be_written_is_a_failure(extension, fake_engine, pictures, tmp_path):
    words = ["rectify", "--reference", "bark.png", "--target", "rough", "--engine", fake_engine("good")]
    assert extension.cli.main([*words, "--report", str(tmp_path / "no" / "folder.json")]) == 1


def test_the_real_engine_with_its_embedded_model(extension, real_engine, pictures, tmp_path):
    """The one slow test here: few steps, few pixels, all stations."""
    report = tmp_path / "report.json"
    pair = ["--reference", "bark.png", "--target", "rough", "--patches", "off"]
    steps = ["--steps", "2", "--rounds", "1", "--p1", "1", "--s1", "0"]
    code = extension.cli.main(["rectify", "--engine", real_engine, "--report", str(report), *pair, *steps])
    report = json.loads(report.read_text())
    assert (code, report["problem"]) == (0, None)
    assert report["engine"] == "self-rectification"
    assert report["settings"]["steps"] == 2
    assert report["size"] == [40, 36]
    assert 0 < report["network_calls"] <= 12
    pixels = extension.images.read(bpy.data.images[report["result"]], "target").display()
    assert np.isfinite(pixels).all()
    assert pixels[..., :3].std() > 0.01
