# SPDX-License-Identifier: GPL-3.0-or-later
"""The results of a target, newest first, kept in the .blend with the target itself: `image.selfrect.history`.

Pointers run one way, from a target to its results and their references: whoever appends a material with a result
gets that one picture, whoever appends a target gets all that was made of it. An entry outlives its picture: where
someone deletes the image, name and settings are still there to be recalled.
"""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import Any

import bpy
from bpy.props import BoolProperty, CollectionProperty, FloatProperty, IntProperty, PointerProperty, StringProperty

from . import editors, targets

_MARK = "selfrect_history"
PICTURES = "pictures"  # the key under which the names of further pictures lie, see `references`
FOLLOWED = "maps"  # the key among those under which the names of the maps' images lie that were ticked
ENGINE_SETTINGS = "settings"  # the key under which the engine's own settings lie in what `rectify.order` takes


def _image(description: str) -> PointerProperty:
    return PointerProperty(type=bpy.types.Image, description=description)


def _favourite() -> BoolProperty:
    return BoolProperty(name="Favourite", description="Stays when the others are cleared away")


class SelfrectMap(bpy.types.PropertyGroup):
    """A map that came with a result: `name` is what the engine calls it, such as "normal"."""

    image: _image("The map; empty: it was deleted")
    source: StringProperty(description="The name of the image that it was made from; empty: it was estimated")
    uses: StringProperty(description="What a material takes it for, see map_uses")


class SelfrectEntry(bpy.types.PropertyGroup):
    """One result: `name` is what the image was called at first."""

    image: _image("The result; empty: it was deleted")
    reference: _image("The reference it was made with")
    made: StringProperty(description="When: ISO 8601, UTC")
    seconds: FloatProperty(description="From the order to the result", unit="TIME_ABSOLUTE")
    settings: StringProperty(description="What rectify.order takes, as JSON")
    record: StringProperty(description="The engine's record, as JSON")
    favourite: _favourite()


def _choose(data: SelfrectImage, context: bpy.types.Context) -> None:
    """Called when a row is clicked: that result is the panel's result, and seen where this history was seen."""
    target = data.id_data
    if _adding or not 0 <= data.active < len(data.history) or data.history[data.active].image is None:
        return
    image = data.history[data.active].image
    context.scene.selfrect.result = image
    editors.show(editors.viewers({target, *(entry.image for entry in data.history)} - {None}), image)


class SelfrectImage(bpy.types.PropertyGroup):
    """What is kept with an image that was a target."""

    history: CollectionProperty(type=SelfrectEntry)
    active: IntProperty(name="Result", description="The result that is looked at", update=_choose)
    origin: _image("The result from which this target goes on")
    maps: CollectionProperty(type=SelfrectMap, description="Of a result: the maps that were made with it")
    follows: BoolProperty(
        name="Follow", description="As a map of the material: it is rectified together with the base colour", default=True
    )
    tile_of: _image("The tiled image that this is a tile of, taken out to be edited")
    tile: IntProperty(description="Its number there")
    tile_state: IntProperty(description="Of a tiled image: which pixels it has, as a number that Blender's undo knows")
    kept: BoolProperty(description="The fake user of this image is ours and goes with its last entry")


_adding = False


def add(
    target: bpy.types.Image | None,
    result: bpy.types.Image,
    reference: bpy.types.Image | None,
    record: dict[str, Any],
    settings: dict[str, Any],
    seconds: float,
) -> None:
    """Enter a result that has just landed. settings: what `rectify.order` takes besides scene and images.

    Neither is lost at the next save: the target gets a fake user, the entry is a user of the result. A target that is
    gone or lies in another file cannot hold entries; its result gets the fake user then.
    """
    global _adding
    if target is None or target.library:
        result.use_fake_user = True
        return
    data = target.selfrect
    if not data.history and not target.use_fake_user:
        target.use_fake_user = data.kept = True
    _hold_pointers(target)
    entry = data.history.add()
    entry.name, entry.image, entry.reference = result.name, result, reference
    entry.made, entry.seconds = datetime.now(timezone.utc).isoformat(timespec="seconds"), seconds
    entry.settings, entry.record = (json.dumps(words, default=str) for words in (settings, record))
    data.history.move(len(data.history) - 1, 0)
    _adding = True
    data.active = 0
    _adding = False


def entries(target: bpy.types.Image | None) -> list[SelfrectEntry]:
    """The target's results, newest first."""
    return list(target.selfrect.history) if target else []


def active(target: bpy.types.Image | None) -> SelfrectEntry | None:
    """The entry that is chosen in the list."""
    found = entries(target)
    return found[target.selfrect.active] if found and 0 <= target.selfrect.active < len(found) else None


def find(image: bpy.types.Image | None) -> tuple[bpy.types.Image, SelfrectEntry] | None:
    """The target and the entry that an image is the result of."""
    for target in bpy.data.images if image else ():
        for entry in target.selfrect.history:
            if entry.image == image:
                return target, entry
    return None


def reference_of(image: bpy.types.Image) -> bpy.types.Image | None:
    """The reference that a result was made with."""
    found = find(image)
    return found[1].reference if found else None


def add_map(result: bpy.types.Image, name: str, image: bpy.types.Image, source: str, uses: str) -> None:
    """Keep a map with its result: whoever keeps, appends or deletes that one does so with both."""
    _hold_pointers(result)
    item = result.selfrect.maps.add()
    item.name, item.image, item.source, item.uses = name, image, source, uses


def maps_of(result: bpy.types.Image | None) -> dict[str, bpy.types.Image]:
    """The maps that came with a result and are still there, by name."""
    return {item.name: item.image for item in result.selfrect.maps if item.image} if result else {}


def index_of(target: bpy.types.Image, image_name: str) -> int:
    """Which entry has the result of this name; the active one for "", −1 where there is none."""
    if not image_name:
        return target.selfrect.active if active(target) else -1
    return next((i for i, entry in enumerate(target.selfrect.history) if entry.image and entry.image.name == image_name), -1)


def settings_of(entry: SelfrectEntry) -> dict[str, Any]:
    """What `rectify.order` took for this result; empty where the file holds something else."""
    return _read(entry.settings)


def record_of(entry: SelfrectEntry) -> dict[str, Any]:
    """The engine's record of this result."""
    return _read(entry.record)


def engine_settings_of(entry: SelfrectEntry) -> dict[str, Any]:
    """The engine's own settings of this result by name; empty where the file holds something else."""
    own = settings_of(entry).get(ENGINE_SETTINGS)
    return own if isinstance(own, dict) else {}


def go_on(entry: SelfrectEntry, scene: bpy.types.Scene) -> bpy.types.Image:
    """A copy of the result becomes the target, so that what is painted next does not change the result itself.

    Raises Problem bad_input where the picture is gone.
    """
    target = targets.new_target(entry.image, "COPY")
    _hold_pointers(target)
    target.selfrect.origin = entry.image
    scene.selfrect.target = target
    return target


def remove(target: bpy.types.Image, index: int) -> str | None:
    """Delete an entry, its image and that one's maps, unless something else in the file uses them.

    Returns the name of the image where it was deleted.
    """
    data = target.selfrect
    image = data.history[index].image
    data.history.remove(index)
    data.active = max(0, min(data.active, len(data.history) - 1))
    if data.kept and not data.history:
        target.use_fake_user = data.kept = False
    if image is None or _is_used(image):
        return None
    latest = next((entry.image for entry in data.history if entry.image), None)
    for scene in bpy.data.scenes:
        if scene.selfrect.result == image:
            scene.selfrect.result = latest
    spaces = [area.spaces.active for area in editors.areas("IMAGE_EDITOR")]
    editors.show([space for space in spaces if space.image == image], latest or target)
    name, maps = image.name, list(maps_of(image).values())
    bpy.data.images.remove(image)
    for each in maps:
        if not _is_used(each):
            bpy.data.images.remove(each)
    return name


def _is_used(image: bpy.types.Image) -> bool:
    """By more than the panels' "Result" and editors that show it: a material, another history, a fake user of the artist's."""
    users = bpy.data.user_map(subset={image})[image]
    loose = (bpy.types.Scene, bpy.types.Screen, bpy.types.WindowManager, bpy.types.WorkSpace)
    chosen = {scene for scene in bpy.data.scenes if image in (scene.selfrect.target, scene.selfrect.reference)}
    return image.use_fake_user or bool(chosen) or any(not isinstance(user, loose) for user in users)


def _hold_pointers(image: bpy.types.Image) -> None:
    """Blender 5.0 empties an image's registered pointers to a deleted data-block only if it has a custom property too.

    Without one they would go on pointing at freed memory.
    """
    image[_MARK] = True


def _read(words: str) -> dict[str, Any]:
    try:
        read = json.loads(words or "{}")
    except ValueError:
        return {}
    return read if isinstance(read, dict) else {}


_register, _unregister = bpy.utils.register_classes_factory((SelfrectMap, SelfrectEntry, SelfrectImage))


def register() -> None:
    """Give each image its history."""
    _register()
    bpy.types.Image.selfrect = PointerProperty(type=SelfrectImage)


def unregister() -> None:
    """Take the property back; histories in files stay and are found again."""
    del bpy.types.Image.selfrect
    _unregister()
