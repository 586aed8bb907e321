# SPDX-License-Identifier: GPL-3.0-or-later
"""The words of the interface: all of them can be found and translated, and the German ones are complete.

What is looked for, in the syntax trees of the extension: literals in `text=`, `name=`, `description=`, `bl_label`, the
docstrings of operators, the items of choices, and what goes through `say` and `mark`. A sentence that is put together
otherwise cannot be translated and fails the test.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import bpy
import pytest

ROOT = Path(__file__).resolve().parents[2]
FILES = [path for folder in ("", "ui", "scene") for path in sorted((ROOT / "selfrect_blender" / folder).glob("*.py"))]
_WORD = re.compile(r"[A-Za-z]{2}")
_SHOWN = {"text", "name", "description", "title"}
_LAYOUT = {"label", "prop", "operator", "operator_menu_enum", "menu", "popover", "progress", "template_ID"}


def _called(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def _literal(node: ast.AST | None) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def _is_item(node: ast.AST) -> bool:
    """("IDENTIFIER", "Name", "Description", …): one of a choice's items."""
    if not isinstance(node, ast.Tuple) or len(node.elts) < 3:
        return False
    identifier, name = node.elts[0], _literal(node.elts[1])
    is_named = isinstance(identifier, ast.Attribute) or re.fullmatch(r"[A-Z][A-Z0-9_]*|auto|b?float\d+", _literal(identifier))
    return bool(is_named) and bool(name) and isinstance(node.elts[2], ast.Constant)


def _of_class(node: ast.ClassDef) -> list[str]:
    lines = {getattr(line.targets[0], "id", ""): _literal(line.value) for line in node.body if isinstance(line, ast.Assign)}
    told = ast.get_docstring(node) or "" if "_OT_" in node.name and "bl_description" not in lines else ""
    return [lines.get("bl_label", ""), lines.get("bl_description", ""), told]


def words_of(path: Path) -> set[str]:
    """What an artist may read of this file, problems' sentences aside: those come from the engine's side as they are."""
    found: list[str] = []
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ClassDef):
            found += _of_class(node)
        elif isinstance(node, ast.Call) and _called(node) in ("say", "mark"):
            found.append(_literal(node.args[0]))
        elif isinstance(node, ast.Call):
            is_property = _called(node).endswith("Property") or _called(node) in _LAYOUT or _called(node).startswith("_")
            found += [_literal(keyword.value) for keyword in node.keywords if keyword.arg in _SHOWN and is_property]
        elif _is_item(node):
            found += [_literal(element) for element in node.elts[1:3]]
    return {text for text in found if _WORD.search(text) and not re.fullmatch(r"[A-Z0-9_]+", text)}


ALL = {text: path.name for path in FILES for text in words_of(path)}


def po_words(extension) -> dict[str, str]:
    return extension.po.read(ROOT / "selfrect_blender/locale/de.po")


def test_there_is_something_to_translate():
    assert {"Rectify", "Structure", "Draft", "Loading the model", "“{name}” is the result.", "{count} min"} <= set(ALL)
    assert "Turn the rough target into a coherent texture that looks like the reference" in ALL


@pytest.mark.parametrize("path", [path for path in FILES if path.parent.name == "ui"], ids=lambda path: path.name)
def test_no_sentence_is_put_together_where_it_cannot_be_translated(path):
    """f-strings with English words in what a layout or a report shows."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if not isinstance(node, ast.Call) or _called(node) not in (*_LAYOUT, "report", "draw_text"):
            continue
        for value in [*node.args, *(keyword.value for keyword in node.keywords if keyword.arg in _SHOWN)]:
            if isinstance(value, ast.JoinedStr):
                fixed = " ".join(_literal(part) for part in value.values)
                assert not _WORD.search(fixed), f"{path.name}:{node.lineno} shows an f-string; use say()"


def test_each_report_is_translated():
    """self.report shows its text as it is: literals have to go through say()."""
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and _called(node) == "report" and len(node.args) == 2:
                assert not _literal(node.args[1]), f"{path.name}:{node.lineno} reports a literal; use say()"


def test_german_is_complete_and_has_nothing_else(extension):
    german, wanted = po_words(extension), ALL | words_of_engine(extension)
    missing = {text: where for text, where in wanted.items() if text not in german}
    entries = (f'#: {where}\nmsgid {ascii_free(text)}\nmsgstr ""\n' for text, where in sorted(missing.items(), key=str))
    assert missing == {}, "\n".join(entries)
    assert set(german) - set(wanted) == set()


def words_of_engine(extension) -> dict[str, str]:
    """The names, tooltips and choices of the properties that are generated from what the engine declares."""
    group = extension.engine_settings.properties(extension.engine_settings.shipped())
    words = [word for made in group.values() for word in (made.keywords["name"], made.keywords["description"])]
    words += [item[1] for made in group.values() for item in made.keywords.get("items", ())]
    return dict.fromkeys(words, "settings.py of the engine")


def ascii_free(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def test_values_stand_in_both_languages(extension):
    for text, translated in po_words(extension).items():
        names = r"\{(\w+)(?::[^}]*)?\}"
        assert sorted(re.findall(names, text)) == sorted(re.findall(names, translated)), text


def test_blender_hands_them_out(extension):
    words = extension.translations.dictionary()
    assert set(words) == {"de", "de_DE"}
    assert words["de"]["*", "Rectify"] == words["de"]["Operator", "Rectify"] != "Rectify"
    assert extension.translations.say("{count} min", count=3) == "3 min"
    view = bpy.context.preferences.view
    if "de_DE" not in [item.identifier for item in view.bl_rna.properties["language"].enum_items]:
        pytest.skip("this Blender was built without languages")
    view.language, view.use_translate_interface = "de_DE", True
    assert bpy.app.translations.pgettext_iface("Rectify") == words["de"]["*", "Rectify"]
