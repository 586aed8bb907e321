# SPDX-License-Identifier: GPL-3.0-or-later
"""The history of a target: every result with its settings, through saving, undo, renaming, deleting and appending."""

from __future__ import annotations

import importlib
import json
from types import SimpleNamespace

import bpy
import numpy as np
import pytest
from results import new_result

CHOICES = {"model": "mini", "device": "cpu", "dtype": "float32", "seed": 7, "settings": {"steps": 12}}
UI = "bl_ext.user_default.selfrect_blender.selfrect_blender"


@pytest.fixture
def history(extension):
    return importlib.import_module(f"{UI}.scene.history")


@pytest.fixture
def made(history, extension, pictures):
    """A target with two results, the second newer, and each result's pixels by name."""
    pixels = {}
    for seed in (7, 8):
        flat = np.random.default_rng(seed).random(40 * 36 * 4, np.float32)
        flat[3::4] = 1
        result = new_result("bark rectified", flat, 40, 36, is_data=False)
        history.add(pictures.target, result, pictures.reference, {"calls": seed}, {**CHOICES, "seed": seed}, 1.5)
        pixels[result.name] = flat
    return pixels


def flat_of(image):
    flat = np.empty(len(image.pixels), np.float32)
    image.pixels.foreach_get(flat)
    return flat


def target():
    return bpy.data.images["rough"]


def names():
    return [entry.image and entry.image.name for entry in target().selfrect.history]


def reload(tmp_path):
    path = str(tmp_path / "scene.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path)
    bpy.ops.wm.open_mainfile(filepath=path)


def test_newest_first_with_settings_record_and_time(history, made, pictures):
    newest, oldest = history.entries(pictures.target)
    assert (newest.image.name, oldest.image.name) == ("bark rectified.001", "bark rectified")
    assert history.settings_of(oldest) == CHOICES
    assert history.record_of(oldest) == {"calls": 7}
    assert newest.reference == pictures.reference
    assert newest.seconds == 1.5
    assert newest.made.endswith("+00:00")
    assert history.find(oldest.image) == (pictures.target, oldest)
    assert history.find(pictures.target) is None


def test_a_rectification_enters_itself(history, extension, engine, pictures):
    engine("good")
    bpy.ops.selfrect.rectify(seed=5)
    (entry,) = history.entries(pictures.target)
    assert entry.image == pictures.result
    assert history.settings_of(entry)["seed"] == 5
    assert set(history.settings_of(entry)["settings"]) == {setting["name"] for setting in extension.engine_settings.current()}


def test_a_result_is_listed_with_its_picture(history, extension, sent, pictures, new_image):
    """Display values, whatever Blender makes of float images itself."""
    pictures.target = new_image(600, 40, "wide", color=0.5)[0]
    bpy.ops.selfrect.rectify()
    preview = pictures.result.preview
    assert tuple(preview.image_size) == (200, 13)
    shown = np.empty(200 * 13 * 4, np.float32)
    preview.image_pixels_float.foreach_get(shown)
    np.testing.assert_allclose(shown.reshape(-1, 4), np.tile([0.5, 0.5, 0.5, 1], (13 * 200, 1)), atol=1 / 255)


def test_the_list_tells_what_was_not_as_published(history, extension, sent, pictures):
    panel = importlib.import_module(f"{UI}.ui.history_panel")
    own = bpy.context.scene.selfrect_settings
    own.tile_x, own.scales, own.patches = True, "0.5 2", "off"
    bpy.ops.selfrect.rectify(seed=3)
    assert panel.summary(history.entries(pictures.target)[0]) == "mini, seed 3, Scales 0.5 2, Patches Off, Tile X"


def test_survives_save_and_load_bit_by_bit_even_when_nothing_else_uses_the_images(history, made, pictures, tmp_path):
    pictures.target = pictures.result = pictures.reference = None
    reload(tmp_path)
    assert names() == ["bark rectified.001", "bark rectified"]
    for entry in history.entries(target()):
        np.testing.assert_array_equal(flat_of(entry.image), made[entry.image.name])
        assert entry.image.packed_file
    assert history.settings_of(history.entries(target())[1]) == CHOICES


def test_undo_and_redo(history, made, pictures, extension):
    bpy.ops.ed.undo_push(message="before")
    result = new_result("third", next(iter(made.values())), 40, 36, is_data=False)
    history.add(target(), result, None, {}, CHOICES, 1)
    bpy.ops.ed.undo_push(message="Rectify")
    bpy.ops.ed.undo()
    assert names() == ["bark rectified.001", "bark rectified"]
    assert "third" not in bpy.data.images
    bpy.ops.ed.redo()
    assert names() == ["third", "bark rectified.001", "bark rectified"]
    np.testing.assert_array_equal(flat_of(bpy.data.images["third"]), made["bark rectified"])


def test_renaming_is_followed_and_a_deleted_picture_leaves_its_settings(history, made):
    bpy.data.images["bark rectified"].name = "keep me"
    assert names() == ["bark rectified.001", "keep me"]
    bpy.data.images.remove(bpy.data.images["keep me"])
    assert names() == ["bark rectified.001", None]
    gone = history.entries(target())[1]
    assert gone.name == "bark rectified"
    scene = bpy.context.scene
    bpy.ops.selfrect.recall_result(target="rough", index=1)
    assert (scene.selfrect.seed, scene.selfrect.device, scene.selfrect_settings.steps) == (7, "cpu", 12)
    with pytest.raises(RuntimeError, match="deleted"):
        bpy.ops.selfrect.continue_from_result(target="rough", index=1)


def test_appending_a_target_brings_its_results_a_result_comes_alone(history, made, tmp_path, extension):
    path = str(tmp_path / "library.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path)
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    with bpy.data.libraries.load(path) as (_, wanted):
        wanted.images = ["bark rectified"]
    assert [image.name for image in bpy.data.images] == ["bark rectified"]
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    with bpy.data.libraries.load(path) as (_, wanted):
        wanted.images = ["rough"]
    assert names() == ["bark rectified.001", "bark rectified"]
    np.testing.assert_array_equal(flat_of(bpy.data.images["bark rectified"]), made["bark rectified"])


def test_a_linked_target_holds_no_entries_and_its_result_is_kept(history, made, tmp_path, extension):
    path = str(tmp_path / "library.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path)
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    with bpy.data.libraries.load(path, link=True) as (_, wanted):
        wanted.images = ["rough"]
    result = new_result("mine", next(iter(made.values())), 40, 36, is_data=False)
    history.add(target(), result, None, {}, CHOICES, 1)
    assert result.use_fake_user
    assert len(target().selfrect.history) == 2


def test_choosing_a_row_chooses_the_result(history, made, pictures):
    assert pictures.result is None
    target().selfrect.active = 1
    assert pictures.result.name == "bark rectified"


def test_recall_sets_the_panel(history, made, pictures, extension, new_image):
    pictures.reference, pictures.seed, pictures.model = new_image()[0], 99, "other"
    bpy.ops.selfrect.recall_result(image="bark rectified")
    assert (pictures.reference.name, pictures.seed, pictures.model) == ("bark.png", 7, "mini")
    assert bpy.context.scene.selfrect_settings.steps == 12


def test_settings_of_another_version_are_told_not_dropped(history, made, pictures, extension):
    entry = history.entries(target())[0]
    entry.settings = json.dumps({**CHOICES, "settings": {"steps": 9, "gone": 1}})
    assert extension.engine_settings.recall(bpy.context.scene, history.engine_settings_of(entry)) == ["gone"]
    assert bpy.context.scene.selfrect_settings.steps == 9
    entry.settings = "no JSON"
    assert history.settings_of(entry) == {}


def scribbled(group, keep=()):
    """Other values in all properties of a group, within what they may be; those of the ones not named in `keep`."""
    for prop in group.bl_rna.properties:
        if prop.identifier in ("rna_type", "name", *keep) or prop.is_readonly:
            continue
        if prop.type in ("INT", "FLOAT"):
            setattr(group, prop.identifier, prop.hard_max if getattr(group, prop.identifier) < prop.hard_max else prop.hard_min)
        elif prop.type == "BOOLEAN":
            setattr(group, prop.identifier, not getattr(group, prop.identifier))
        elif prop.type == "ENUM":
            others = (item.identifier for item in prop.enum_items if item.identifier != getattr(group, prop.identifier))
            setattr(group, prop.identifier, next(others))
        elif prop.type == "STRING":
            setattr(group, prop.identifier, "1, 2")
        elif prop.type == "POINTER":
            setattr(group, prop.identifier, None)


def values_of(group, left=()):
    """What can be compared of a group's properties."""
    names = [prop.identifier for prop in group.bl_rna.properties if prop.identifier not in ("rna_type", *left)]
    found = {name: getattr(group, name) for name in names}
    return {key: [values_of(each) for each in value] if hasattr(value, "add") else value for key, value in found.items()}


def test_every_setting_of_a_run_comes_back(history, extension, engine, pictures, new_image):
    """Whatever the panel has: each property is set to something, used, scribbled over, and recalled."""
    engine("good")
    own = bpy.context.scene.selfrect_settings
    own.angles, own.scales, own.flips, own.tile_x, own.steps = "15, -30", "0.5", True, True, 30
    pictures.structure = 0.8
    pictures.reference_weight, pictures.result_width, pictures.seed, pictures.dtype = 2.5, 48, 11, "float32"
    pictures.reference_region, pictures.mask = new_image(40, 36, "area", color=1)[0], new_image(40, 36, "mask", color=1)[0]
    more = pictures.references.add()
    more.image, more.weight = new_image(name="moss")[0], 0.5
    bpy.ops.selfrect.rectify()
    # of the sheet of variations, of the look at the list: no part of a run. Maps: there are none in this file
    left = ("explore_by", "explore_rows", "explore_columns", "reference_index", "with_maps")
    before = values_of(pictures, left), values_of(own)
    scribbled(own)
    scribbled(pictures, keep=("quality", "result"))
    pictures.references.clear()
    assert values_of(own) != before[1]
    bpy.ops.selfrect.recall_result(target="rough")
    assert values_of(own) == before[1]
    assert values_of(pictures, left) == before[0]


def test_a_setting_that_the_result_knows_nothing_of_goes_back_to_its_default(history, made, pictures):
    bpy.context.scene.selfrect_settings.adapt = 300
    bpy.ops.selfrect.recall_result(target="rough")
    assert (bpy.context.scene.selfrect_settings.adapt, bpy.context.scene.selfrect_settings.steps) == (0, 12)


def test_pictures_that_are_gone_are_told(history, made, pictures):
    recalling = importlib.import_module(f"{UI}.scene.recalling")
    entry = history.entries(target())[0]
    entry.settings = json.dumps({**CHOICES, "pictures": {"mask": "hole", "others": [{"image": "moss", "weight": 1, "region": ""}]}})
    assert recalling.recall(entry, bpy.context) == ([], ["hole", "moss"])


def test_continue_works_on_a_copy_and_knows_where_it_came_from(history, made, pictures, extension):
    bpy.ops.selfrect.continue_from_result(image="bark rectified")
    new = pictures.target
    assert new.name != "bark rectified"
    assert new.selfrect.origin.name == "bark rectified"
    np.testing.assert_array_equal(flat_of(new), made["bark rectified"])
    new.pixels.foreach_set(np.zeros(40 * 36 * 4, np.float32))
    np.testing.assert_array_equal(flat_of(bpy.data.images["bark rectified"]), made["bark rectified"])
    assert not history.entries(new)


def test_deleting_takes_the_picture_unless_it_is_used(history, made, pictures, extension):
    material = bpy.data.materials.new("wood")
    extension.materials.apply(material, bpy.data.images["bark rectified"])
    pictures.result = bpy.data.images["bark rectified.001"]
    bpy.ops.selfrect.delete_result(target="rough", index=0)
    assert "bark rectified.001" not in bpy.data.images
    assert pictures.result.name == "bark rectified"
    bpy.ops.selfrect.delete_result(target="rough", index=0)
    assert names() == []
    assert "bark rectified" in bpy.data.images, "a material uses it"
    assert not target().use_fake_user, "the fake user was ours"


def test_deleting_spares_what_the_artist_protects(history, made, pictures):
    bpy.data.images["bark rectified"].use_fake_user = True
    pictures.reference = bpy.data.images["bark rectified.001"]
    for _ in range(2):
        bpy.ops.selfrect.delete_result(target="rough", index=0)
    assert {"bark rectified", "bark rectified.001"} <= set(bpy.data.images.keys())


def test_clearing_leaves_favourites(history, made, pictures):
    history.entries(target())[1].favourite = True
    bpy.ops.selfrect.clear_results(target="rough")
    assert names() == ["bark rectified"]
    assert "bark rectified.001" not in bpy.data.images


def test_undoing_a_delete_brings_the_picture_back(history, made, pictures):
    bpy.ops.ed.undo_push(message="before")
    history.remove(target(), 0)
    bpy.ops.ed.undo_push(message="Delete Result")
    bpy.ops.ed.undo()
    assert names() == ["bark rectified.001", "bark rectified"]
    np.testing.assert_array_equal(flat_of(bpy.data.images["bark rectified.001"]), made["bark rectified.001"])


class Layout:
    """Counts what a panel draws; any call gives another one."""

    def __init__(self, counts=None):
        self.counts = counts if counts is not None else {}

    def __getattr__(self, name):
        def call(*_arguments, **_options):
            self.counts[name] = self.counts.get(name, 0) + 1
            return (Layout(self.counts), Layout(self.counts)) if name == "panel" else Layout(self.counts)

        return call


def test_drawing_costs_the_same_with_100_entries_and_touches_no_pixels(history, made, pictures, monkeypatch):
    panel = importlib.import_module(f"{UI}.ui.history_panel")
    drawn = [_draw(panel, pictures)]
    for _ in range(98):
        history.add(target(), bpy.data.images["bark rectified"], None, {}, CHOICES, 1)
    monkeypatch.setattr(bpy.types.ID, "preview_ensure", None, raising=False)
    drawn.append(_draw(panel, pictures))
    assert drawn[0] == drawn[1], "Blender asks for the visible rows only"


def _draw(panel, choices):
    layout = Layout()
    panel.PANELS[0].draw(SimpleNamespace(layout=layout), bpy.context)
    entry = choices.target.selfrect.history[0]
    panel.SELFRECT_UL_results.draw_item(
        SimpleNamespace(layout_type="DEFAULT"), bpy.context, layout, choices.target.selfrect, entry, 0, choices.target.selfrect, "active"
    )
    return layout.counts
