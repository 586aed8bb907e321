# SPDX-License-Identifier: GPL-3.0-or-later
"""Images of several UDIM tiles: what touches is one canvas, and comes back as tiles, painted and never saved ones too."""

from __future__ import annotations

import importlib

import bpy
import numpy as np
import pytest


@pytest.fixture
def udim(extension):
    return importlib.import_module(extension.images.__package__ + ".udim")


@pytest.fixture
def tiled(tmp_path, extension):
    """tiled({number: (width, height)}, …) → an image with these tiles on the disk, and their pixels, bottom row first, as in the files."""

    def make(sizes, name="wall", space="sRGB", kind="PNG"):
        ending, painted = {"PNG": "png", "OPEN_EXR": "exr"}[kind], {}
        for number, (width, height) in sizes.items():
            file = bpy.data.images.new("file", width, height, float_buffer=kind == "OPEN_EXR", is_data=True)
            pixels = np.random.default_rng(number).random((height, width, 4), np.float32)
            pixels[..., 3] = 1
            file.pixels.foreach_set(pixels.ravel())
            file.filepath_raw, file.file_format = str(tmp_path / f"{name}.{number}.{ending}"), kind
            file.save()
            bpy.data.images.remove(file)
            painted[number] = np.round(pixels * 255) / 255 if kind == "PNG" else pixels
        image = bpy.data.images.load(str(tmp_path / f"{name}.{min(sizes)}.{ending}"))
        image.source, image.filepath, image.name = "TILED", str(tmp_path / f"{name}.<UDIM>.{ending}"), name
        image.colorspace_settings.name = space
        assert [tile.number for tile in image.tiles] == sorted(sizes)
        return image, painted

    return make


def shown(udim, image):
    """number → display values of each tile, top row first."""
    return {number: tile.display() for number, tile in udim.read(image, "target").items()}


def test_tiles_that_touch_are_a_group(udim):
    sizes = dict.fromkeys((1001, 1002, 1012, 1004, 1010, 1020), (64, 32)) | {1014: (32, 32)}
    groups = udim.groups(sizes)
    assert [group.numbers for group in groups] == [(1001, 1002, 1012), (1004, 1014), (1010, 1020)]
    assert [group.size for group in groups] == [(128, 64), (64, 64), (64, 64)]
    assert udim.groups({1010: (8, 8), 1011: (8, 8)})[1].numbers == (1011,)  # the end of a row does not touch the next one's beginning


def test_two_tiles_are_one_canvas_and_come_back_as_tiles(udim, sent, tiled, new_image, tmp_path):
    target, painted = tiled({1001: (48, 32), 1002: (48, 32), 1012: (48, 32)})
    choices = bpy.context.scene.selfrect
    choices.reference, choices.target = new_image(48, 48, name="bark.png")[0], target
    assert bpy.ops.selfrect.rectify() == {"FINISHED"}
    assert len(sent) == 1
    canvas = sent[0].target
    assert canvas.shape == (64, 96, 4)
    np.testing.assert_allclose(canvas[32:, :48], painted[1001][::-1], atol=1e-6)
    np.testing.assert_allclose(canvas[32:, 48:], painted[1002][::-1], atol=1e-6)
    np.testing.assert_allclose(canvas[:32, 48:], painted[1012][::-1], atol=1e-6)
    assert not canvas[:32, :48].any()  # there is no tile 1011
    result = choices.result
    assert (result.name, result.source, result.colorspace_settings.name) == ("bark rectified", "TILED", "sRGB")
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "a.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "a.blend"))
    result = bpy.context.scene.selfrect.result
    assert [tile.number for tile in result.tiles] == [1001, 1002, 1012]
    assert [tuple(tile.size) for tile in result.tiles] == [(48, 32)] * 3
    for number, picture in shown(udim, result).items():
        np.testing.assert_allclose(picture[..., :3], painted[number][::-1, :, :3], atol=3e-5)
    assert [entry.image for entry in bpy.context.scene.selfrect.target.selfrect.history] == [result]


def test_groups_that_do_not_touch_are_made_one_after_the_other(extension, udim, sent, tiled, new_image):
    target, painted = tiled({1001: (48, 32), 1003: (48, 32), 1004: (48, 32)}, space="AgX Base sRGB")
    choices = bpy.context.scene.selfrect
    choices.reference, choices.target = new_image(48, 48, name="bark.png", space="AgX Base sRGB")[0], target
    assert bpy.ops.selfrect.rectify() == {"FINISHED"}
    assert [request.target.shape[:2] for request in sent] == [(32, 48), (32, 96)]
    result = choices.result
    assert result.colorspace_settings.name == "AgX Base sRGB"
    assert [image.name for image in bpy.data.images if "rectified" in image.name] == ["bark rectified"]
    assert len(target.selfrect.history) == 1
    files = udim.files(result, "result")
    assert sorted(files) == [1001, 1003, 1004]
    unpacked = importlib.import_module(extension.images.__package__ + ".color_spaces").unpacked
    for number, file in files.items():
        np.testing.assert_allclose(unpacked(file, (48, 32)), painted[number][::-1, :, :3], atol=1e-6)
    with pytest.raises(RuntimeError, match="do not touch: 1001; 1003, 1004"):
        bpy.ops.selfrect.explore()


def test_painted_tiles_that_were_never_saved_are_used_and_stay_unsaved(udim, sent, tiled, new_image):
    target, painted = tiled({1001: (48, 32), 1002: (48, 32)})
    before = target.filepath_raw
    flat = np.full(48 * 32 * 4, 1, np.float32)
    target.pixels.foreach_set(flat)
    target.update()
    choices = bpy.context.scene.selfrect
    choices.reference, choices.target = new_image(48, 48, name="bark.png")[0], target
    bpy.ops.selfrect.rectify()
    assert (sent[0].target[:, :48] == 1).all()
    np.testing.assert_allclose(sent[0].target[:, 48:], painted[1002][::-1], atol=1e-6)
    assert (target.is_dirty, target.filepath_raw, target.file_format) == (True, before, "PNG")
    kept = np.empty_like(flat)
    target.pixels.foreach_get(kept)
    assert (kept == 1).all()


def test_tiles_of_other_sizes_keep_them(udim, sent, tiled, new_image):
    target, painted = tiled({1001: (64, 64), 1002: (32, 32)}, space="Linear Rec.709", kind="OPEN_EXR")
    choices = bpy.context.scene.selfrect
    choices.reference, choices.target = new_image(48, 48, name="bark", space="Linear Rec.709", is_float=True)[0], target
    bpy.ops.selfrect.rectify()
    assert sent[0].target.shape == (64, 128, 4)
    assert [tuple(tile.size) for tile in choices.result.tiles] == [(64, 64), (32, 32)]
    shown_tiles = shown(udim, choices.result)
    np.testing.assert_allclose(shown_tiles[1001][..., :3], shown(udim, target)[1001][..., :3], atol=1e-5)
    assert np.corrcoef(shown_tiles[1002][..., 0].ravel(), painted[1002][::-1, :, 0].ravel())[0, 1] > 0.8


def test_each_tile_of_a_reference_is_a_reference(sent, tiled, new_image):
    reference, _ = tiled({1001: (48, 32), 1002: (64, 32)})
    choices = bpy.context.scene.selfrect
    choices.reference, choices.target = reference, new_image(40, 36, name="rough")[0]
    bpy.ops.selfrect.rectify()
    assert [picture.shape[:2] for picture in sent[0].references] == [(32, 48), (32, 64)]
    assert choices.result.source != "TILED"


def test_a_missing_file_is_told_by_its_tile(extension, engine, tiled, new_image, tmp_path):
    engine("good")
    target, _ = tiled({1001: (48, 32), 1002: (48, 32)})
    (tmp_path / "wall.1002.png").unlink()
    new_image(48, 48, name="bark")
    with pytest.raises(RuntimeError, match="Tile 1002 of the target “wall” has no pixels"):
        bpy.ops.selfrect.rectify(reference="bark", target="wall")
    assert target.name == "wall"


def plane_over(low, high):
    """A mesh of one face whose UVs reach from `low` to `high`, active."""
    mesh = bpy.data.meshes.new("plane")
    mesh.from_pydata([(0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0)], [], [(0, 1, 2, 3)])
    (x0, y0), (x1, y1) = low, high
    mesh.uv_layers.new().data.foreach_set("uv", [x0, y0, x1, y0, x1, y1, x0, y1])
    thing = bpy.data.objects.new("plane", mesh)
    bpy.context.scene.collection.objects.link(thing)
    bpy.context.view_layer.objects.active = thing


def test_a_mask_of_tiles_lies_where_the_faces_do_and_is_sent_as_one_canvas(udim, sent, tiled, new_image):
    choices = bpy.context.scene.selfrect
    choices.reference, choices.target = new_image(48, 48, name="bark")[0], tiled({1001: (48, 32), 1002: (48, 32)})[0]
    plane_over((0.5, 0), (1.5, 0.5))
    assert bpy.ops.selfrect.new_mask(source="ISLANDS") == {"FINISHED"}
    assert (choices.mask.source, choices.mask.name, len(choices.mask.tiles)) == ("TILED", "wall mask", 2)
    bpy.ops.selfrect.rectify()
    expected = np.zeros((32, 96))
    expected[16:, 24:72] = 1
    np.testing.assert_array_equal(sent[0].mask, expected)
    assert bpy.ops.selfrect.new_mask(source="PAINT", invert=True) == {"FINISHED"}
    bpy.ops.selfrect.rectify()
    assert sent[1].mask.all()
    with pytest.raises(RuntimeError, match="A drawn mask lies over one image"):
        bpy.ops.selfrect.new_mask(source="DRAWN")
    choices.mask = new_image(96, 32, name="plain")[0]
    with pytest.raises(RuntimeError, match="The mask “plain” has no UDIM tiles"):
        bpy.ops.selfrect.rectify()
    choices.mask = tiled({1001: (48, 32)}, name="half")[0]
    with pytest.raises(RuntimeError, match="lacks the tiles 1002"):
        bpy.ops.selfrect.rectify()


def test_a_hole_across_tiles_is_healed_from_all_of_them(sent, tiled):
    choices = bpy.context.scene.selfrect
    choices.target, _ = tiled({1001: (48, 32), 1002: (48, 32)})
    plane_over((0.75, 0.25), (1.25, 0.75))
    bpy.ops.selfrect.new_mask(source="ISLANDS")
    assert bpy.ops.selfrect.heal() == {"FINISHED"}
    request, hole = sent[0], np.zeros((32, 96), bool)
    hole[8:24, 36:60] = True
    assert [picture.shape for picture in request.references] == [(32, 96, 4)]
    np.testing.assert_array_equal(request.target[..., 3] == 0, hole)
    np.testing.assert_array_equal(request.references[0][..., 3] == 0, hole)
    assert (choices.result.name, choices.result.source) == ("wall healed", "TILED")


def test_a_new_target_of_a_tiled_reference_has_its_tiles(udim, extension, tiled):
    choices = bpy.context.scene.selfrect
    choices.reference, painted = tiled({1001: (48, 32), 1002: (32, 32)})
    assert bpy.ops.selfrect.new_target(mode="COPY") == {"FINISHED"}
    target = choices.target
    assert (target.name, target.source, target.is_float, target != choices.reference) == ("wall target", "TILED", False, True)
    for number, picture in shown(udim, target).items():
        np.testing.assert_allclose(picture, painted[number][::-1], atol=1e-6)
    with pytest.raises(RuntimeError, match="has UDIM tiles"):
        bpy.ops.selfrect.new_target(mode="SHUFFLED")


def test_maps_of_a_result_with_tiles_have_tiles_too(extension, udim, tiled, engine, new_image):
    """The engine answers with a map of the canvas at twice its size."""
    engine("good")
    target, _ = tiled({1001: (48, 32), 1003: (48, 32)})
    reference = new_image(48, 48, name="bark")[0]
    pictures = importlib.import_module(extension.images.__package__ + ".map_pictures")
    for order in extension.rectify.orders(bpy.context.scene, reference, target):
        height, width = order.size[1], order.size[0]
        made = {"height": np.full((2 * height, 2 * width, 1), order.part.group.numbers[0] / 2000, np.float32)}
        encoded, maps = extension.rectify.encode_all(order, np.zeros((height, width, 3), np.float32), made)
        result = extension.rectify.land(order, encoded)
        extension.rectify.land_maps(order, result, maps)
    assert [item.name for item in result.selfrect.maps] == ["height"]
    image = result.selfrect.maps[0].image
    assert (image.source, image.colorspace_settings.name) == ("TILED", "Non-Color")
    for number, tile in udim.read(image, "map").items():
        assert (tile.width, tile.height) == (96, 64)
        np.testing.assert_allclose(tile.display()[..., 0], number / 2000, atol=1e-6)
    assert pictures


@pytest.fixture
def compared(extension, sent, tiled, new_image):
    """The view of a comparison, and a result of two tiles and its target, chosen in the panel."""
    ui = extension.panels.__package__
    compare, view = (importlib.import_module(name) for name in (ui.replace(".ui", ".scene.compare"), ui + ".compare_view"))
    choices = bpy.context.scene.selfrect
    choices.reference, choices.target = new_image(48, 48, name="bark")[0], tiled({1001: (48, 32), 1002: (48, 32)})[0]
    bpy.ops.selfrect.rectify()
    area = max(bpy.context.window_manager.windows[0].screen.areas, key=lambda area: area.width * area.height)
    area.ui_type = "IMAGE_EDITOR"
    with bpy.context.temp_override(window=bpy.context.window_manager.windows[0], area=area):
        yield compare, view, area.spaces.active
    view.end()


def test_the_active_tile_is_compared(udim, compared, extension):
    _, view, editor = compared
    choices = bpy.context.scene.selfrect
    expected = {image.name: shown(udim, image)[1002] for image in (choices.result, choices.target)}
    choices.result.tiles.active_index = 1
    bpy.ops.selfrect.compare(mode="WIPE", against="TARGET")
    assert (view.state().tile, editor.image) == (1002, choices.result)
    pictures = view.pictures(editor)
    assert [picture.name for picture in pictures] == ["bark rectified 1002", "wall 1002"]
    for picture, name in zip(pictures, expected, strict=True):
        assert picture.has_data, "nothing can be read while drawing"
        np.testing.assert_allclose(extension.images.read(picture, "picture").display(), expected[name], atol=1e-6)
    choices.result.tiles.active_index = 0
    bpy.ops.selfrect.compare(mode="WIPE", against="TARGET")
    assert (view.state().mode, view.state().tile) == ("WIPE", 1001), "another tile is no end"
    bpy.ops.selfrect.compare(mode="WIPE", against="TARGET")
    assert (view.state().mode, view.pictures(editor)) == ("OFF", None)
    assert not [image.name for image in bpy.data.images if image.name.endswith(("1001", "1002"))]


def test_pictures_of_tiles_are_in_no_saved_file(compared, tmp_path):
    _, view, _ = compared
    bpy.ops.selfrect.compare(mode="SIDE", against="TARGET")
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "a.blend"))
    assert view.state().mode == "OFF"
    assert sorted(image.name for image in bpy.data.images) == ["bark", "bark rectified", "wall"]


def test_a_tile_that_the_other_picture_lacks_is_told(compared, tiled):
    compare, _, _ = compared
    bpy.context.scene.selfrect.result.tiles.active_index = 1
    tiled({1001: (48, 32)}, name="half")
    with pytest.raises(RuntimeError, match="“half” has no tile 1002, which is the active one of “bark rectified”"):
        bpy.ops.selfrect.compare(mode="WIPE", against="TARGET", other="half")
    assert compare.tile_of(bpy.data.images["bark"], bpy.data.images["bark"]) == 0


@pytest.mark.parametrize(("kind", "space"), [("PNG", "sRGB"), ("OPEN_EXR", "ACEScg"), ("OPEN_EXR", "Non-Color")])
def test_a_tile_is_taken_out_edited_and_put_back(udim, tiled, kind, space, new_image):
    choices = bpy.context.scene.selfrect
    whole = choices.target = tiled({1001: (48, 32), 1002: (40, 24)}, space=space, kind=kind)[0]
    patch = new_image(16, 16, name="patch", color=0.5)[0]
    path, files, before = whole.filepath_raw, udim.files(whole, "target"), shown(udim, whole)
    with pytest.raises(RuntimeError, match="has UDIM tiles"):
        bpy.ops.selfrect.stamp(source="patch", box=(0, 0, 16, 16), location=(20, 12))
    assert bpy.ops.selfrect.edit_tile(number=1002) == {"FINISHED"}
    taken = choices.target
    assert (taken.name, taken.source != "TILED", tuple(taken.size), taken.is_float) == ("wall 1002", True, (40, 24), kind != "PNG")
    bpy.ops.selfrect.put_tile_back()
    assert (choices.target, whole.filepath_raw, len(whole.packed_files)) == (whole, path, 2)
    np.testing.assert_allclose(shown(udim, whole)[1002], before[1002], atol=2e-5)
    choices.target = taken
    bpy.ops.selfrect.stamp(source=patch.name, box=(0, 0, 16, 16), location=(20, 12))
    bpy.ops.selfrect.put_tile_back()
    assert udim.files(whole, "target")[1001] == files[1001], "the other tile is the same to the last bit"
    changed = np.abs(shown(udim, whole)[1002] - before[1002]).max(-1) > 1e-3
    assert changed[4:20, 12:28].mean() > 0.9
    assert not changed[:4].any()
    assert not changed[:, :12].any()


def test_strokes_on_other_tiles_survive_a_tile_that_is_put_back_and_its_undo(udim, tiled):
    whole, painted = tiled({1001: (48, 32), 1002: (48, 32)})
    bpy.context.scene.selfrect.target = whole
    bpy.ops.ed.undo_push(message="before")
    bpy.ops.selfrect.edit_tile(number=1002)
    bpy.ops.ed.undo_push(message="Edit Tile")
    whole.pixels.foreach_set(np.ones(48 * 32 * 4, np.float32))  # of the first tile, as a brush would
    whole.update()
    taken = bpy.context.scene.selfrect.target
    taken.pixels.foreach_set(np.zeros(48 * 32 * 4, np.float32))
    bpy.ops.ed.undo_push(message="Stroke")
    bpy.ops.selfrect.put_tile_back()
    bpy.ops.ed.undo_push(message="Put Tile Back")
    whole = bpy.data.images["wall"]
    assert (shown(udim, whole)[1001] == 1).all()
    assert not shown(udim, whole)[1002].any()
    bpy.ops.ed.undo()
    whole = bpy.data.images["wall"]
    np.testing.assert_allclose(shown(udim, whole)[1002], painted[1002][::-1], atol=1e-6)
    bpy.ops.ed.redo()
    assert not shown(udim, bpy.data.images["wall"])[1002].any()


@pytest.mark.parametrize("ending", [".png", ".exr"])
def test_a_result_with_tiles_is_written_to_a_file_for_each(extension, udim, sent, tiled, new_image, tmp_path, ending):
    choices = bpy.context.scene.selfrect
    choices.reference, choices.target = new_image(48, 48, name="bark")[0], tiled({1001: (48, 32), 1002: (48, 32)})[0]
    bpy.ops.selfrect.rectify()
    expected = shown(udim, choices.result)
    folder = tmp_path / "out"
    files = importlib.import_module(extension.images.__package__ + ".map_files")
    paths = files.write(choices.result, folder / f"made{ending}", use=True)
    assert paths == [str(folder / f"made.<UDIM>{ending}")]
    assert sorted(path.name for path in folder.iterdir()) == [f"made.1001{ending}", f"made.1002{ending}"]
    assert (choices.result.source, len(choices.result.packed_files)) == ("TILED", 0)
    for number, picture in shown(udim, choices.result).items():
        np.testing.assert_allclose(picture[..., :3], expected[number][..., :3], atol=5e-5)
    names = [image.name for image in bpy.data.images]
    assert not [name for name in names if name.startswith("selfrect")]
