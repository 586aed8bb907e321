# SPDX-License-Identifier: GPL-3.0-or-later
"""The walls of the house: who may import what, and what nobody may do. Read off the syntax trees of all our files."""
from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("server", "selfrect_blender", "tests")
PYTORCH = {"torch", "torchvision", "diffusers", "transformers", "safetensors", "accelerate", "huggingface_hub"}
BLENDER = {"bpy", "bpy_extras", "bl_ui", "bmesh", "gpu", "mathutils", "addon_utils"}
PICKLES = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
SHARED = ("server/src/selfrect/problems.py", "server/src/selfrect/protocol.py", "server/src/selfrect/inputs.py")


def files(*places: str) -> list[Path]:
    found = [ROOT / place for place in places if place.endswith(".py")]
    for place in places:
        found += sorted((ROOT / place).rglob("*.py")) if not place.endswith(".py") else []
    return [path for path in found if "__pycache__" not in path.parts and "build" not in path.parts]


OURS = [*sorted(ROOT.glob("*.py")), *files(*FOLDERS)]


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"), str(path))


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """(line, top-level package) of every absolute import, inside functions too."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name.partition(".")[0]) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.lineno, node.module.partition(".")[0]
        elif isinstance(node, ast.Call) and _name(node.func) in ("importlib.import_module", "import_module", "__import__"):
            first = node.args[0] if node.args else None
            if isinstance(first, ast.Constant) and isinstance(first.value, str) and not first.value.startswith("."):
                yield node.lineno, first.value.partition(".")[0]


def offences(paths: list[Path], forbidden: set[str]) -> list[str]:
    found = [(path, line, name) for path in paths for line, name in imports(path) if name in forbidden]
    return [f"{path.relative_to(ROOT)}:{line} imports {name}" for path, line, name in found]


def _name(node: ast.expr) -> str:
    """`torch.load` of the expression torch.load; "" of anything less plain."""
    if isinstance(node, ast.Attribute):
        return f"{_name(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def test_there_is_something_to_look_at():
    assert len(files("server")) > 10
    assert len(files("selfrect_blender/host")) >= 8


def test_no_blender_in_the_host_and_in_the_engine():
    run_by_blender = files("server/recipes/procedural")  # no part of the engine: it renders what a model is trained on
    engine = [path for path in files("server") if path not in run_by_blender]
    assert offences([*files("selfrect_blender/host", "selfrect_blender/edit"), *engine], BLENDER) == []


def test_no_pytorch_on_blenders_side():
    assert offences([*sorted(ROOT.glob("*.py")), *files("selfrect_blender")], PYTORCH) == []


def test_blenders_side_never_imports_the_engine_by_its_own_name():
    assert offences(files("selfrect_blender"), {"selfrect"}) == []


def test_the_host_needs_only_the_standard_library_and_numpy():
    used = {(path, name) for path in files("selfrect_blender/host", "selfrect_blender/edit", *SHARED) for _, name in imports(path)}
    strange = {(path.name, name) for path, name in used if name not in sys.stdlib_module_names | {"numpy", "__future__"}}
    assert strange == set()


def test_the_files_that_both_sides_share_need_nothing_else_of_the_engine():
    shared = {Path(path).stem for path in SHARED}
    for path in files(*SHARED):
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.ImportFrom) and node.level:
                assert node.module in shared, f"{path.name} imports .{node.module}"


def test_no_pickle_anywhere():
    assert offences(OURS, PICKLES) == []


def _is_checked(path: Path, call: ast.Call) -> bool:
    """The one pickle that is read: weights to measure with, by their hash, by the reader that takes nothing but tensors."""
    safely = any(k.arg == "weights_only" and getattr(k.value, "value", None) is True for k in call.keywords)
    return path == ROOT / "server/recipes/vgg19.py" and safely


@pytest.mark.parametrize("path", OURS, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_runs_what_it_was_sent(path):
    for node in ast.walk(tree(path)):
        if not isinstance(node, ast.Call):
            continue
        where = f"{path.relative_to(ROOT)}:{node.lineno}"
        assert _name(node.func) not in ("torch.load", "eval", "exec") or _is_checked(path, node), f"{where} calls {_name(node.func)}"
        for keyword in node.keywords:
            allowed = isinstance(keyword.value, ast.Constant) and keyword.value.value is False
            forbidden = keyword.arg in ("trust_remote_code", "allow_pickle") and not allowed
            assert not forbidden, f"{where} sets {keyword.arg}"
            shell = keyword.arg == "shell" and not allowed
            assert not shell, f"{where} starts a shell"


@pytest.mark.parametrize("path", OURS, ids=lambda path: str(path.relative_to(ROOT)))
def test_each_file_says_its_licence_and_keeps_no_exception_to_itself(path):
    assert path.read_text("utf-8").startswith("# SPDX-License-Identifier: GPL-3.0-or-later")
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.ExceptHandler) and _name(node.type or ast.Name("Exception")) in ("Exception", "BaseException"):
            silent = all(isinstance(line, ast.Pass | ast.Continue) for line in node.body)
            assert not silent, f"{path.relative_to(ROOT)}:{node.lineno} swallows every exception"
