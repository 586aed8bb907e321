# SPDX-License-Identifier: GPL-3.0-or-later
"""The promise for machines without a network: one zip, unpacked as Blender does, becomes a working engine in a network
namespace that has no route, not even a loopback. Linux × CPU, with the real PyTorch; root, for the namespace.
"""
from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKER = [
    ROOT / ".venv-bpy-4.5/bin/python",
    ROOT / ".venv-bpy-4.5/lib/python3.11/site-packages/bpy/4.5/scripts/addons_core/bl_pkg/cli/blender_ext.py",
]
DRAW = """
import sys, numpy
from PIL import Image
Image.fromarray(numpy.random.default_rng(0).integers(0, 255, (64, 64, 3), "uint8")).save(sys.argv[1])
"""
BLENDER = """
import json, socket, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
try:
    socket.create_connection(("127.0.0.1", 9), 1)
except ConnectionRefusedError:
    sys.exit("there is a network")
except OSError:
    pass
from selfrect_blender.host.install import Installer
installer = Installer(Path(sys.argv[2]))
installer.look()
plan = installer.wait(60).plan
print(json.dumps([plan.needs_network, plan.backend, plan.download_bytes, [str(p) for p in plan.obstacles]]))
installer.install(consent=True, online=False)
snapshot = installer.wait(400)
print(json.dumps([snapshot.state.value, snapshot.sentence, snapshot.problem and snapshot.problem.detail]))
installer.uninstall() if sys.argv[3] == "remove" else None
installer.wait(60)
"""


@pytest.fixture(scope="module")
def extension(tmp_path_factory):
    """The bundle's zip, unpacked. Its wheels are made in a copy of the repository: the tree that we work in stays as it is."""
    folder = tmp_path_factory.mktemp("bundle")
    tree = folder / "tree"
    shutil.copytree(ROOT, tree, ignore=shutil.ignore_patterns(".git", ".venv*", "out", "tests", "__pycache__", "*.whl"))
    (tree / "out").mkdir()
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    command = [sys.executable, tree / "wheels/offline_bundle.py", "--platform", "linux", "--backend", "cpu", "--python-version", version,
               "--output", folder / "bundle.zip", "--packer", *PACKER]  # fmt: skip
    subprocess.run(command, check=True, cwd=tree)
    shutil.rmtree(tree)
    with zipfile.ZipFile(folder / "bundle.zip") as archive:
        archive.extractall(folder / "extension")
    (folder / "bundle.zip").unlink()
    yield folder / "extension"
    shutil.rmtree(folder, ignore_errors=True)


def without_network(*command: object, **more) -> subprocess.CompletedProcess:
    """Run in a namespace of its own, with an environment that leads nowhere and a home that holds nothing."""
    words = ["unshare", "--net", "--", *map(str, command)]
    with tempfile.TemporaryDirectory() as home:
        environment = {"PATH": "/usr/bin:/bin", "HOME": home, "OMP_NUM_THREADS": "1"}
        return subprocess.run(words, env=environment, capture_output=True, text=True, timeout=500, **more)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="a network namespace needs root")
def test_one_zip_installs_and_works_without_any_network(extension, tmp_path):
    told = json.loads((extension / "wheels/bundle.json").read_text())
    assert (told["platform"], told["backend"]) == ("linux", "cpu")
    assert {wheel.name for wheel in (extension / "wheels").glob("*.whl")} > set(told["files"])
    root = tmp_path / "a studio's disk, é"
    done = without_network(sys.executable, "-c", BLENDER, extension, root, "keep")
    assert done.returncode == 0, done.stderr
    plan, end = map(json.loads, done.stdout.splitlines())
    assert plan == [False, "cpu", 0, []]
    assert end[0] == "ready", end

    from_bundle = json.loads((root / "env/selfrect-engine.json").read_text())
    assert from_bundle["complete"]
    assert from_bundle["torch"].startswith("2.")
    assert from_bundle["device"] == "cpu"
    packages = without_network(root / "env/bin/python", "-I", "-c", "import torch; print(torch.__file__)").stdout
    assert packages.startswith(str(root)), "it uses packages from elsewhere"
    check = without_network(root / "env/bin/selfrect", "check", "--device", "cpu", "--json")
    assert json.loads(check.stdout)["seconds"] > 0, check.stderr

    picture = tmp_path / "picture.png"
    without_network(root / "env/bin/python", "-I", "-c", DRAW, picture, check=True)
    result = tmp_path / "result.png"
    options = ["--model", "mini", "--patches", "off", "--steps", "4", "--p1", "2",
             "--s1", "1", "--p2", "2", "--s2", "1", "--last-up-levels", "1"]
    pictures = ["--reference", picture, "--target", picture, "--output", result]
    made = without_network(root / "env/bin/selfrect", "rectify", *options, *pictures)
    assert made.returncode == 0, made.stderr
    assert result.is_file()
