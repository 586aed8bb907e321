# SPDX-License-Identifier: GPL-3.0-or-later
"""A sheet of variations: ordered so that work is shared, filled tile by tile, each to be kept in full."""

from __future__ import annotations

from types import SimpleNamespace

import bpy
import numpy as np
import pytest
from test_panels import drawn
from test_rectify import display, tick_until


@pytest.fixture
def sent(extension, monkeypatch):
    """The requests in the order in which they are made."""
    requests, queue = [], extension.main_thread.queue()
    submit = queue.submit
    monkeypatch.setattr(queue, "submit", lambda request: requests.append(request) or submit(request))
    return requests


def begin(extension, choices, rows=2, columns=2):
    """As in a window, where the timer does the work: tick_until stands for it."""
    order = extension.rectify.order(bpy.context.scene, choices.reference, choices.target, settings=settings(extension))
    chosen = extension.variations.grid(0.5, 0.5, rows, columns)
    queue, converter = extension.main_thread.queue(), extension.main_thread.converter()
    return extension.main_thread.add(extension.explore.Exploration(order, chosen, queue, converter))


def settings(extension):
    return extension.engine_settings.values(bpy.context.scene)


def pixels(image):
    flat = np.empty(len(image.pixels), np.float32)
    image.pixels.foreach_get(flat)
    return flat.reshape(image.size[1], image.size[0], 4)


def tile(extension, exploration, row, column):
    x, y = exploration.sheet.corner(row, column)
    width, height = exploration.sheet.cell
    return pixels(exploration.image())[y : y + height, x : x + width, :3]


def test_rows_share_a_structure_and_come_one_after_the_other(extension, engine, pictures, sent):
    engine("good")
    assert bpy.ops.selfrect.explore(rows=2, columns=3) == {"FINISHED"}
    assert [request.settings["p1"] for request in sent] == [15, 15, 15, 25, 25, 25]
    assert [request.settings["s1"] for request in sent] == [30, 20, 10] * 2
    assert {(request.seed, request.settings["steps"]) for request in sent} == {(0, 50)}
    assert len(extension.explore.latest().done) == 6


def test_seeds(extension, engine, pictures, sent):
    engine("good")
    pictures.explore_by, pictures.explore_rows, pictures.explore_columns = "SEEDS", 1, 2
    bpy.ops.selfrect.explore(seed=7)
    assert [request.seed for request in sent] == [7, 8]
    bpy.ops.selfrect.explore_keep(row=0, column=1)
    assert pictures.seed == 8


def test_keep_lands_the_full_picture_with_history_and_settings(extension, engine, pictures):
    engine("good")
    bpy.ops.selfrect.explore(rows=1, columns=2)
    assert pictures.result is None
    assert bpy.ops.selfrect.explore_keep(row=0, column=1) == {"FINISHED"}
    np.testing.assert_allclose(display(extension, pictures.result), display(extension, pictures.target), atol=1e-6)
    assert pictures.result.packed_file
    assert (pictures.structure, pictures.detail) == (0.5, 0.625)
    (entry,) = extension.history.entries(pictures.target)
    assert extension.history.settings_of(entry)["settings"] == settings(extension)
    assert extension.history.record_of(entry)["engine"] == "fake"


def test_fills_tile_by_tile_and_done_ones_can_be_kept_meanwhile(extension, engine, pictures):
    engine("good")
    exploration = begin(extension, pictures)
    tick_until(extension, lambda: (0, 0) in exploration.done)
    assert tile(extension, exploration, 0, 0).std() > 0.01
    if (1, 1) not in exploration.done:
        assert tile(extension, exploration, 1, 1).std() < 1e-6
        with pytest.raises(RuntimeError, match="not there yet"):
            bpy.ops.selfrect.explore_keep(row=1, column=1)
    bpy.ops.selfrect.explore_keep(row=0, column=0)
    assert pictures.result
    tick_until(extension, lambda: exploration.finished)
    assert tile(extension, exploration, 1, 1).std() > 0.01
    assert exploration.image().packed_file


def test_cancel_keeps_what_is_done(extension, engine, pictures, sent):
    engine("good")
    exploration = begin(extension, pictures, 3, 3)
    tick_until(extension, lambda: len(exploration.done) == 1)
    bpy.ops.selfrect.cancel()
    tick_until(extension, lambda: exploration.finished)
    assert exploration.problem is None
    assert len(sent) < 9
    assert 1 <= len(exploration.done) < 9
    assert bpy.ops.selfrect.explore_keep(row=0, column=0) == {"FINISHED"}


def test_cancel_before_the_first_one_leaves_the_file_as_it_was(extension, engine, pictures, state_of_file):
    engine("slow")
    before = state_of_file()
    exploration = begin(extension, pictures)
    exploration.shown()
    tick_until(extension, lambda: exploration.job.step > 1)
    exploration.cancel()
    tick_until(extension, lambda: exploration.finished)
    assert state_of_file() == before


def test_a_problem_ends_it_with_its_words(extension, engine, pictures):
    engine("fails")
    with pytest.raises(RuntimeError, match="not enough memory"):
        bpy.ops.selfrect.explore(rows=2, columns=2)
    assert extension.explore.latest().image() is None


def test_a_rectify_ordered_meanwhile_comes_before_the_end(extension, engine, pictures):
    engine("good")
    exploration = begin(extension, pictures, 3, 3)
    work = extension.main_thread.start(extension.rectify.order(bpy.context.scene, pictures.reference, pictures.target))
    tick_until(extension, lambda: work.finished)
    assert not exploration.finished
    tick_until(extension, lambda: exploration.finished)
    assert len(exploration.done) == 9


def test_a_sheet_that_an_undo_took_away_comes_again(extension, engine, pictures):
    engine("good")
    exploration = begin(extension, pictures)
    tick_until(extension, lambda: exploration.done)
    bpy.data.images.remove(exploration.image())
    tick_until(extension, lambda: exploration.finished)
    if exploration.image() is None:  # all were done at once
        bpy.ops.selfrect.explore_show()
    assert tile(extension, exploration, 0, 0).std() > 0.01


def test_another_file_forgets_it_with_its_full_pictures(extension, engine, pictures):
    engine("good")
    bpy.ops.selfrect.explore(rows=1, columns=2)
    exploration = extension.explore.latest()
    path = exploration._path(0, 0)
    assert path.is_file()
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    assert not path.exists()
    assert extension.explore.latest() is None
    with pytest.raises(RuntimeError, match="no sheet"):
        bpy.ops.selfrect.explore_keep(row=0, column=0)


def test_the_sheet_is_saved_with_the_file(extension, engine, pictures, tmp_path):
    engine("good")
    exploration = begin(extension, pictures)
    tick_until(extension, lambda: exploration.done)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "saved.blend"), copy=True)
    assert exploration.image().packed_file


def test_a_click_keeps_the_variation_beneath_it(extension, engine, pictures):
    engine("good")
    bpy.ops.selfrect.explore(rows=2, columns=2)
    exploration, pick = extension.explore.latest(), extension.explore_operators.SELFRECT_OT_explore_pick
    space = SimpleNamespace(type="IMAGE_EDITOR", image=exploration.image())
    x, y = exploration.sheet.corner(1, 0)
    width, height = exploration.sheet.size
    at = SimpleNamespace(region_to_view=lambda mouse_x, mouse_y: (mouse_x / width, mouse_y / height))
    context = SimpleNamespace(space_data=space, region=SimpleNamespace(view2d=at))
    assert pick.poll(context)
    assert pick.invoke(None, context, SimpleNamespace(mouse_region_x=2, mouse_region_y=2)) == {"PASS_THROUGH"}
    assert pictures.result is None
    assert pick.invoke(None, context, SimpleNamespace(mouse_region_x=x + 1, mouse_region_y=y + 1)) == {"FINISHED"}
    assert pictures.result
    assert (pictures.structure, pictures.detail) == (0.625, 0.375)
    space.image = pictures.target
    assert not pick.poll(context)


@pytest.mark.parametrize("place", ["image", "shader", "view3d"])
def test_the_panel_has_a_button_for_each(extension, engine, pictures, place):
    engine("good")
    panel = getattr(bpy.types, f"SELFRECT_PT_explore_{place}")
    text, operators, _ = drawn(panel)
    assert operators == ["selfrect.explore"]
    bpy.ops.selfrect.explore(rows=2, columns=3)
    text, operators, layout = drawn(panel)
    assert operators.count("selfrect.explore_keep") == 6
    assert "Click one" in text
    labels = [call.kwargs["text"] for call in layout.operator.call_args_list if call.args[0] == "selfrect.explore_keep"]
    assert labels[0] == ".38 · .25"
