# SPDX-License-Identifier: GPL-3.0-or-later
"""The main job through operators and timer, with an engine that answers with the target it was sent, or misbehaves."""

from __future__ import annotations

import time

import bpy
import numpy as np
import pytest


def display(extension, image):
    return extension.images.read(image, "target").display()[..., :3]


def tick_until(extension, condition, seconds=10):
    """What the timer does, by hand: in background mode Blender runs none. Returns the longest turn in seconds of work."""
    longest, until = 0.0, time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "the timer's work never came to its end"
        started = time.thread_time()  # of this thread alone: other programs on a busy machine do not count
        extension.main_thread._tick()
        longest = max(longest, time.thread_time() - started)
        time.sleep(0.01)
    return longest


def test_operator_sends_painted_pixels_and_makes_a_packed_float_image(extension, engine, pictures):
    engine("good")
    assert bpy.ops.selfrect.rectify() == {"FINISHED"}
    result = pictures.result
    assert result.name == "bark rectified"
    assert result.is_float
    assert result.packed_file
    assert not result.colorspace_settings.is_data
    np.testing.assert_allclose(display(extension, result), display(extension, pictures.target), atol=1e-6)


def test_data_stays_data(extension, engine, pictures, new_image):
    engine("good")
    roughness = new_image(32, 32, name="roughness", space="Non-Color")[0]
    bpy.ops.selfrect.rectify(reference="roughness", target="roughness")
    assert pictures.result.colorspace_settings.name == "Non-Color"
    np.testing.assert_array_equal(display(extension, pictures.result), display(extension, roughness))


def test_arguments_go_before_the_panel_and_leave_it_alone(extension, engine, pictures, new_image, monkeypatch):
    engine("good")
    sent = []
    queue = extension.main_thread.queue()
    submit = queue.submit
    monkeypatch.setattr(queue, "submit", lambda request: sent.append(request) or submit(request))
    new_image(32, 32, name="other")
    bpy.context.scene.selfrect_settings.steps, pictures.seed = 7, 4
    bpy.ops.selfrect.rectify()
    bpy.ops.selfrect.rectify(target="other", steps=3, injection="recorded", seed=9, model="sd", device="cpu", dtype="float32")
    first, second = sent
    assert (first.settings["steps"], first.seed, first.model, first.dtype) == (7, 4, "mini", "auto")
    assert (second.settings["steps"], second.settings["injection"], second.seed) == (3, "recorded", 9)
    assert (second.model, second.device, second.dtype) == ("sd", "cpu", "float32")
    assert second.settings["p1"] == first.settings["p1"]
    assert (bpy.context.scene.selfrect_settings.steps, pictures.seed, pictures.target.name) == (7, 4, "rough")


@pytest.mark.parametrize(
    ("mode", "words"),
    [
        ("fails", "There was not enough memory. Use less."),
        ("dies", "c10::Error"),
        ("no_start", "libc10.so"),
        ("hangs", "no sign of life"),
        ("garbage", "engine"),
        ("wrong_version", "protocol 99"),
        ("nan_image", "NaN"),
    ],
)
def test_the_engines_sentence_reaches_the_script_and_the_file_stays_as_it_was(
    extension, engine, pictures, state_of_file, mode, words
):
    engine(mode)
    before = state_of_file()
    with pytest.raises(RuntimeError, match=words):
        bpy.ops.selfrect.rectify()
    assert state_of_file() == before
    engine("good")
    assert bpy.ops.selfrect.rectify() == {"FINISHED"}


def test_no_engine_is_told_with_the_place_that_was_tried(extension, pictures, monkeypatch, tmp_path):
    with pytest.raises(RuntimeError, match="No engine is set up"):
        bpy.ops.selfrect.rectify()
    monkeypatch.setenv("SELFRECT_ENGINE", str(tmp_path / "nowhere"))
    with pytest.raises(RuntimeError, match="nowhere"):
        bpy.ops.selfrect.rectify()


def test_bad_images_are_refused_before_anything_starts(extension, engine, pictures, state_of_file, new_image):
    engine("good")
    new_image(8, 8, name="tiny")
    before = state_of_file()
    for arguments, words in (
        ({"target": "tiny"}, "8 × 8 pixels"),
        ({"reference": "absent"}, "no image “absent”"),
        ({"reference": "tiny"}, "8 × 8 pixels"),
    ):
        with pytest.raises(RuntimeError, match=words):
            bpy.ops.selfrect.rectify(**arguments)
    assert state_of_file() == before
    assert extension.main_thread.queue().state == "off"


def test_the_timer_lands_the_result_and_ends_with_the_engine(extension, engine, pictures):
    engine("good")
    work = extension.main_thread.start(extension.rectify.order(bpy.context.scene, pictures.reference, pictures.target))
    assert bpy.app.timers.is_registered(extension.main_thread._tick)
    assert extension.main_thread.working() is work
    tick_until(extension, lambda: work.finished)
    assert bpy.data.images[work.result_name] == pictures.result
    np.testing.assert_allclose(display(extension, pictures.result), display(extension, pictures.target), atol=1e-6)
    assert extension.main_thread.working() is None
    assert extension.main_thread._tick() == 1.0  # the idle engine is watched
    extension.main_thread.queue().close()
    assert extension.main_thread._tick() is None


def test_the_timer_never_holds_the_interface_for_long(extension, engine, new_image):
    engine("good")
    image = new_image(1024, 1024)[0]
    work = extension.main_thread.start(extension.rectify.order(bpy.context.scene, image, image))
    longest = tick_until(extension, lambda: work.finished, 30)
    assert longest < 0.1  # the landing: copying and packing 16 MB, about 0.03 s


def test_cancel_keeps_everything_and_the_next_one_runs(extension, engine, pictures, state_of_file):
    engine("slow")
    before = state_of_file()
    work = extension.main_thread.start(extension.rectify.order(bpy.context.scene, pictures.reference, pictures.target))
    tick_until(extension, lambda: work.job.step > 1)
    assert bpy.ops.selfrect.cancel() == {"FINISHED"}
    assert work.job.cancelling
    tick_until(extension, lambda: work.finished)
    assert work.problem is None
    assert state_of_file() == before
    assert bpy.ops.selfrect.cancel() == {"CANCELLED"}
    engine("good")
    bpy.ops.selfrect.rectify()
    assert pictures.result


def test_renaming_and_deleting_meanwhile_does_no_harm(extension, engine, pictures):
    engine("good")
    work = extension.main_thread.start(extension.rectify.order(bpy.context.scene, pictures.reference, pictures.target))
    bpy.data.images.remove(pictures.reference)
    pictures.target.name = "something else"
    tick_until(extension, lambda: work.finished)
    assert work.problem is None
    assert pictures.result.name == "bark rectified"


def test_opening_another_file_abandons_what_was_asked_for_in_this_one(extension, engine, pictures):
    engine("slow")
    work = extension.main_thread.start(extension.rectify.order(bpy.context.scene, pictures.reference, pictures.target))
    tick_until(extension, lambda: work.job.step > 1)
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    assert extension.main_thread.latest() is None
    tick_until(extension, lambda: work.job.finished)
    assert bpy.context.scene.selfrect.result is None
    assert [image.name for image in bpy.data.images if "rectified" in image.name] == []


def test_an_engine_with_other_settings_gets_its_own_properties(extension):
    shipped = extension.engine_settings.shipped()
    bpy.context.scene.selfrect_settings.steps = 7
    extra = {"name": "warmth", "kind": "float", "default": 0.5, "minimum": 0, "maximum": 1, "choices": []}
    extra |= {"title": "Warmth", "description": "How warm"}
    try:
        extension.engine_settings._adopt({"engines": [{"name": "self-rectification", "settings": [*shipped, extra]}]})
        values = extension.engine_settings.values(bpy.context.scene)
        assert (values["warmth"], values["steps"]) == (0.5, 7)
    finally:
        extension.engine_settings._adopt({"engines": [{"name": "self-rectification", "settings": shipped}]})
    assert "warmth" not in extension.engine_settings.values(bpy.context.scene)
