# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine's files are used without the engine: nothing of it appears where other extensions could meet it."""
from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

LOOK = """
import sys
sys.path.insert(0, sys.argv[1])
import {package}  # the package itself is Blender's to import
before, path = set(sys.modules), list(sys.path)
import {package}.host.job_queue as job_queue
from {package}.host.engine_source import inputs, problems, protocol
assert sys.path == path
new = {{name for name in set(sys.modules) - before if name.partition(".")[0] not in sys.stdlib_module_names}}
outside = {{name for name in new if not name.startswith(("{package}.", "numpy"))}}
assert not outside, outside
assert protocol.Problem is problems.Problem is inputs.Problem is job_queue.problems.Problem
print(problems.__name__)
"""


def look(folder: Path, package: str) -> str:
    code = LOOK.format(package=package)
    return subprocess.run([sys.executable, "-I", "-c", code, folder], check=True, capture_output=True, text=True).stdout.strip()


def test_importing_the_host_leaves_no_trace_at_the_top():
    assert look(ROOT, "selfrect_blender") == "selfrect_blender.host.wire.problems"


def test_it_works_below_any_package_as_an_extension(tmp_path):
    extension = tmp_path / "bl_ext" / "user_default" / "selfrect_blender"
    shutil.copytree(ROOT / "selfrect_blender" / "host", extension / "selfrect_blender" / "host")
    shutil.copytree(ROOT / "server" / "src" / "selfrect", extension / "server" / "src" / "selfrect",
                    ignore=shutil.ignore_patterns("*.safetensors", "__pycache__"))  # fmt: skip
    for package in (extension, extension / "selfrect_blender"):
        (package / "__init__.py").write_text("")
    package = "bl_ext.user_default.selfrect_blender.selfrect_blender"
    assert look(tmp_path, package) == f"{package}.host.wire.problems"
