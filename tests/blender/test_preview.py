# SPDX-License-Identifier: GPL-3.0-or-later
"""The picture that sharpens while the engine works: a provisional image that leaves nothing behind, whatever happens."""

from __future__ import annotations

import time

import bpy
import numpy as np
import pytest
from test_rectify import display, tick_until


@pytest.fixture
def editor(extension):
    """An image editor that views what it is given."""
    area = bpy.context.window_manager.windows[0].screen.areas[0]
    area.type = "IMAGE_EDITOR"
    area.spaces.active.mode = "VIEW"
    return area.spaces.active


def provisional():
    return [image for image in bpy.data.images if "selfrect_provisional" in image]


def start(extension, choices):
    return extension.main_thread.start(extension.rectify.order(bpy.context.scene, choices.reference, choices.target))


@pytest.fixture
def running(extension, engine, pictures, editor):
    """A work whose first preview is shown where the target was."""
    engine("slow")
    editor.image = pictures.target
    work = start(extension, pictures)
    tick_until(extension, provisional)
    return work


def test_stands_in_the_targets_place_and_then_the_result_does(extension, engine, pictures, editor):
    engine("good")
    editor.image = pictures.target
    work, seen = start(extension, pictures), []
    tick_until(extension, lambda: seen.extend(image.name for image in provisional() if image == editor.image) or work.finished)
    assert set(seen) == {"bark rectified"}
    assert provisional() == []
    assert editor.image == pictures.result
    assert pictures.result.name == "bark rectified"


def test_has_the_targets_size_and_the_previews_colour(running, pictures):
    (image,) = provisional()
    assert tuple(image.size) == tuple(pictures.target.size)
    flat = np.empty(len(image.pixels), np.float32)
    image.pixels.foreach_get(flat)
    np.testing.assert_allclose(flat.reshape(-1, 4)[:, :3], 0.2140, atol=1e-3)  # 0.5 in sRGB, scene-linear
    assert not image.packed_file


def test_cancel_takes_it_away_and_the_editor_shows_the_target_again(extension, running, pictures, editor):
    assert editor.image in provisional()
    running.cancel()
    tick_until(extension, lambda: running.finished)
    assert provisional() == []
    assert editor.image == pictures.target


def test_an_artist_who_went_back_to_the_target_is_left_there(extension, engine, pictures, editor):
    engine("good")
    editor.image = pictures.target
    work = start(extension, pictures)
    tick_until(extension, provisional)
    editor.image = pictures.reference
    tick_until(extension, lambda: work.finished)
    assert editor.image == pictures.reference


def test_a_saved_file_has_none_and_the_next_picture_brings_it_back(extension, running, pictures, editor, tmp_path):
    path = str(tmp_path / "saved.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path, copy=True)
    with bpy.data.libraries.load(path) as (inside, _):
        assert "rough" in inside.images
        assert "bark rectified" not in inside.images
    assert editor.image == pictures.target
    running._preview._offered = None  # the fake engine sends one only
    tick_until(extension, provisional)
    assert editor.image in provisional()


def test_one_that_an_undo_brings_back_is_swept_away(extension, running, pictures, editor):
    running.cancel()
    tick_until(extension, lambda: running.finished)
    ghost = bpy.data.images.new("bark rectified", 8, 8)
    ghost["selfrect_provisional"], ghost["selfrect_instead_of"] = "nobody", "rough"
    editor.image = ghost
    extension.main_thread._sweep_soon()
    extension.main_thread._tick()
    assert provisional() == []
    assert editor.image == pictures.target


def test_an_editor_that_an_undo_emptied_shows_the_target(extension, pictures, editor, new_image):
    other = bpy.context.window_manager.windows[0].screen.areas[1]
    editor.image = new_image(8, 8, "result")[0]
    extension.main_thread._remember_shown()
    bpy.data.images.remove(editor.image)
    extension.main_thread._sweep_soon()
    extension.main_thread._tick()
    assert editor.image == pictures.target
    assert other.type != "IMAGE_EDITOR" or other.spaces.active.image is None


def test_one_that_was_deleted_meanwhile_comes_again(extension, running, pictures, editor):
    bpy.data.images.remove(provisional()[0])
    assert editor.image is None
    running._preview._offered = None
    tick_until(extension, provisional)
    assert editor.image in provisional()


def test_two_a_second_at_most_and_within_a_frame(extension, engine, pictures, new_image, monkeypatch):
    engine("slow")
    pictures.target = new_image(2048, 2048, name="large")[0]
    work, writes = start(extension, pictures), []
    write = extension.provisional.write

    def timed(image, flat):
        before = time.thread_time()
        write(image, flat)
        writes.append((time.monotonic(), time.thread_time() - before))

    monkeypatch.setattr(extension.provisional, "write", timed)
    tick_until(extension, lambda: work.job.preview is not None, 30)

    def another():
        work.job.preview = work.job.preview.copy()  # as if the engine had sent the next one
        return len(writes) > 3

    tick_until(extension, another, 60)
    assert np.diff([moment for moment, _ in writes]).min() > 0.45
    assert min(seconds for _, seconds in writes) < 0.016
    work.cancel()


def test_pictures_are_stretched_without_a_shift(extension, engine, pictures):
    ramp = np.linspace(0, 1, 8, dtype=np.float32)[None, :].repeat(4, 0)
    stretched = extension.preview._stretch(ramp, 80, 1)
    assert stretched.shape == (4, 80)
    np.testing.assert_allclose(stretched.mean(), 0.5, atol=1e-6)
    assert (np.diff(stretched[0]) >= 0).all()
    np.testing.assert_allclose(stretched[0] + stretched[0, ::-1], 1, atol=1e-6)


def test_several_wait_for_their_turn_and_each_can_be_taken_out(extension, engine, pictures, new_image):
    engine("slow")
    pictures.reference = new_image(32, 32, "stone")[0]
    works = [start(extension, pictures) for _ in range(3)]
    tick_until(extension, lambda: works[0].job.step > 1)
    assert extension.main_thread.unfinished() == works
    assert bpy.ops.selfrect.cancel(index=1) == {"FINISHED"}
    tick_until(extension, lambda: works[1].finished)
    assert not works[0].job.cancelling
    assert extension.main_thread.unfinished() == [works[0], works[2]]
    bpy.ops.selfrect.cancel()
    tick_until(extension, lambda: works[2].job.step > 1)
    bpy.ops.selfrect.cancel(all=True)
    tick_until(extension, lambda: not extension.main_thread.unfinished())
    assert all(work.problem is None for work in works)
    assert provisional() == []


def test_queued_ones_land_in_order_each_with_its_own_target(extension, engine, pictures, new_image):
    engine("good")
    works = []
    for name in ("first", "second"):
        pictures.target = new_image(32, 32, name, seed=len(works) + 5)[0]
        works.append(start(extension, pictures))
    tick_until(extension, lambda: all(work.finished for work in works))
    for work, name in zip(works, ("first", "second"), strict=True):
        target = bpy.data.images[name]
        np.testing.assert_allclose(display(extension, bpy.data.images[work.result_name]), display(extension, target), atol=1e-6)
        assert [entry.image.name for entry in extension.history.entries(target)] == [work.result_name]


def test_the_engine_that_dies_takes_only_its_own_work_along(extension, engine, pictures):
    engine("dies")
    first, second = start(extension, pictures), start(extension, pictures)
    tick_until(extension, lambda: first.finished)
    assert first.problem
    assert extension.main_thread.latest() is first
    engine_location = bpy.context.preferences.addons[extension.extension.ROOT_PACKAGE].preferences
    engine_location.engine_location = engine_location.engine_location.replace(" dies", " good")
    tick_until(extension, lambda: second.finished)
    assert second.finished
    assert provisional() == []
