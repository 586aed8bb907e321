# SPDX-License-Identifier: GPL-3.0-or-later
"""The ring inside Blender's Python module: the built zip, installed into a throw-away user folder, as an artist has it.

bpy can be started once per process and knows its user folder from then on, hence the work at import. Each test begins
with an empty file. What is tested is the installed copy (`extension`), never the working tree.
"""

from __future__ import annotations

import atexit
import importlib
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).resolve().parents[2]
MODULE = "bl_ext.user_default.selfrect_blender"

_USER_FOLDER = tempfile.mkdtemp(prefix="selfrect-blender-")
atexit.register(shutil.rmtree, _USER_FOLDER, ignore_errors=True)
os.environ["BLENDER_USER_RESOURCES"] = _USER_FOLDER

import bpy  # noqa: E402 - the folder above has to be known first
import numpy as np  # noqa: E402
import setup_stage  # noqa: E402


def packer() -> Path:
    """Blender's own tool that validates and builds extensions."""
    scripts = Path(bpy.__file__).parents[2]  # …/scripts/modules/bpy/__init__.py
    return scripts / "addons_core" / "bl_pkg" / "cli" / "blender_ext.py"


@pytest.fixture(scope="session")
def zip_file(tmp_path_factory) -> Path:
    """The extension, built from the working tree by Blender's packer of this very version."""
    target = tmp_path_factory.mktemp("build") / "selfrect_blender.zip"
    command = [sys.executable, str(packer()), "build", "--source-dir", str(ROOT), "--output-filepath", str(target)]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    return target


@pytest.fixture(scope="session")
def installed(zip_file):
    """The extension, installed and switched on."""
    bpy.ops.extensions.package_install_files(
        filepath=str(zip_file), repo="user_default", enable_on_install=False, overwrite=True
    )
    assert bpy.ops.preferences.addon_enable(module=MODULE) == {"FINISHED"}
    yield sys.modules[MODULE]
    bpy.ops.preferences.addon_disable(module=MODULE)


@pytest.fixture
def extension(installed, monkeypatch):
    """The installed extension's modules by name (`extension.images`), in an empty file, with no engine set."""
    monkeypatch.delenv("SELFRECT_ENGINE", raising=False)
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    bpy.context.preferences.addons[MODULE].preferences.engine_location = ""
    names = ["main_thread", "rectify", "extension", "scene.images", "scene.targets", "scene.materials", "scene.node_graph"]
    names += ["scene.picture_files", "ui.cli", "ui.panels", "ui.reasons", "ui.engine_settings", "host.job_queue"]
    names += ["preview", "explore", "plan", "scene.provisional", "scene.history", "host.variations", "host.po"]
    names += ["ui.explore_operators", "ui.translations"]
    parts = {name.split(".")[-1]: importlib.import_module(f"{MODULE}.selfrect_blender.{name}") for name in names}
    yield SimpleNamespace(**parts, problems=parts["images"].problems)
    parts["main_thread"].queue().close()


@pytest.fixture(name="packer", scope="session")
def _packer() -> Path:
    return packer()


@pytest.fixture
def new_image():
    """new_image(width, height, …) → (image, its pixels (height, width, 4) as painted, bottom row first)."""

    def make(width=64, height=64, name="picture", space="sRGB", is_float=False, color=None, alpha=1.0, seed=0):
        image = bpy.data.images.new(name, width, height, alpha=True, float_buffer=is_float)
        image.colorspace_settings.name = space
        painted = np.random.default_rng(seed).random((height, width, 4), np.float32)
        if color is not None:
            painted[..., :3] = color
        painted[..., 3:] = alpha
        image.pixels.foreach_set(painted.ravel())
        return image, painted

    return make


@pytest.fixture
def render():
    """render(image) → (32, 32, 4) of a square that shines with the image, as scene-linear values."""

    def picture_of(image):
        scene = bpy.data.scenes.new("render")
        scene.render.engine = "CYCLES"
        scene.cycles.samples, scene.cycles.use_denoising, scene.cycles.pixel_filter_type = 1, False, "BOX"
        scene.cycles.filter_width = 0.01
        scene.render.resolution_x = scene.render.resolution_y = 32
        return _shine(scene, image)

    return picture_of


def _shine(scene, image):
    mesh = bpy.data.meshes.new("square")
    mesh.from_pydata([(-1, -1, 0), (1, -1, 0), (1, 1, 0), (-1, 1, 0)], [], [(0, 1, 2, 3)])
    mesh.uv_layers.new().data.foreach_set("uv", [0, 0, 1, 0, 1, 1, 0, 1])
    material = bpy.data.materials.new("shine")
    if bpy.app.version < (5, 0):
        material.use_nodes = True
    nodes, links = material.node_tree.nodes, material.node_tree.links
    nodes.clear()
    texture, emission, output = map(nodes.new, ("ShaderNodeTexImage", "ShaderNodeEmission", "ShaderNodeOutputMaterial"))
    texture.image, texture.interpolation = image, "Closest"
    links.new(texture.outputs["Color"], emission.inputs["Color"])
    links.new(emission.outputs[0], output.inputs["Surface"])
    mesh.materials.append(material)
    camera = bpy.data.cameras.new("camera")
    camera.type, camera.ortho_scale = "ORTHO", 2
    for data, height in ((mesh, 0), (camera, 1)):
        thing = bpy.data.objects.new(data.name, data)
        thing.location.z = height
        scene.collection.objects.link(thing)
    scene.camera = thing
    path = os.path.join(bpy.app.tempdir, "render.exr")
    settings = scene.render.image_settings
    if hasattr(settings, "media_type"):
        settings.media_type = "IMAGE"
    settings.file_format, settings.color_depth, settings.color_mode = "OPEN_EXR", "32", "RGBA"
    scene.render.filepath = path
    bpy.ops.render.render(write_still=True, scene=scene.name)
    rendered = bpy.data.images.load(path)
    flat = np.empty(32 * 32 * 4, np.float32)
    rendered.pixels.foreach_get(flat)
    bpy.data.images.remove(rendered)
    return flat.reshape(32, 32, 4)


def fake_engine(mode: str, *arguments: object) -> str:
    """The location of tests/host/fake_engine.py, as an artist would type a command."""
    return shlex.join([sys.executable, str(ROOT / "tests/host/fake_engine.py"), mode, *map(str, arguments)])


@pytest.fixture
def engine(extension):
    """engine(mode): let the extension use a fake engine of that mode, with short deadlines."""

    queue = extension.main_thread.queue()
    usual = queue.deadlines.silence, queue.deadlines.cancel

    def use(mode: str, *arguments: object) -> None:
        bpy.context.preferences.addons[MODULE].preferences.engine_location = fake_engine(mode, *arguments)
        queue.close()
        queue.deadlines.silence = queue.deadlines.cancel = 0.5

    yield use
    queue.close()
    queue.deadlines.silence, queue.deadlines.cancel = usual


@pytest.fixture
def sent(extension, engine, monkeypatch):
    """The requests that reach the queue."""
    engine("good")
    requests = []
    queue = extension.main_thread.queue()
    submit = queue.submit
    monkeypatch.setattr(queue, "submit", lambda request: requests.append(request) or submit(request))
    return requests


@pytest.fixture
def pictures(extension, new_image):
    """A reference and a target, chosen in the panel; both painted and never saved."""
    choices = bpy.context.scene.selfrect
    choices.reference, choices.target = new_image(48, 32, "bark.png", seed=1)[0], new_image(40, 36, "rough", seed=2)[0]
    return choices


def state_of_file() -> dict:
    """What must be the same after a failure: names, pixels and pointers."""
    pixels = {}
    for image in bpy.data.images:
        flat = np.empty(len(image.pixels), np.float32)
        image.pixels.foreach_get(flat)
        pixels[image.name] = (flat.tobytes(), image.is_dirty, image.source, bool(image.packed_file))
    choices = bpy.context.scene.selfrect
    materials = {material.name: [node.name for node in material.node_tree.nodes] for material in bpy.data.materials}
    return {"pixels": pixels, "chosen": [choices.reference, choices.target, choices.result], "materials": materials}


@pytest.fixture(name="state_of_file")
def _state_of_file():
    return state_of_file


@pytest.fixture(name="fake_engine")
def _fake_engine():
    return fake_engine


@pytest.fixture
def real_engine() -> str:
    """The environment that `make` sets up, or the one that SELFRECT_TEST_ENGINE names."""
    location = os.environ.get("SELFRECT_TEST_ENGINE") or str(ROOT / ".venv")
    if not Path(location).is_dir():
        pytest.skip(f"there is no engine in {location}: make sets one up")
    return location


@pytest.fixture
def setup_parts(extension):
    """The installed extension's modules of the setup, and everything put back afterwards."""
    names = ["setup", "ui.setup_panel", "ui.setup_operators", "ui.preferences", "host.install"]
    parts = {name.split(".")[-1]: importlib.import_module(f"{MODULE}.selfrect_blender.{name}") for name in names}
    yield SimpleNamespace(**parts, problems=extension.problems, main_thread=extension.main_thread)
    parts["setup"]._stop()
    setup_stage.preferences().engine_folder = setup_stage.preferences().engine_location = ""
    questions = bpy.context.window_manager.selfrect_setup
    questions.confirming = questions.source = questions.licence_of = ""


@pytest.fixture
def installer(setup_parts, monkeypatch):
    """A FakeInstaller that takes the place of the real one."""
    real = setup_parts.install

    def fake(root):
        return setup_stage.FakeInstaller(root, real.Installer(root).snapshot(), real.State)

    monkeypatch.setattr(setup_parts.setup, "Installer", fake)
    setup_parts.setup._stop()
    return setup_parts.setup.installer()


@pytest.fixture
def allowed(setup_parts, monkeypatch):
    """allowed(True/False): Blender's own preference about the network."""
    return lambda yes: monkeypatch.setattr(setup_parts.setup, "online", lambda: yes)
