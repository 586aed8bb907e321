# SPDX-License-Identifier: GPL-3.0-or-later
"""The words of the interface in other languages. Blender translates plain literals in labels, names and descriptions itself.

Sentences with values in them go through `say`: `say("{count} waiting", count=3)`. Words that stand in a table and are
shown later go through `mark`, so that the test which looks for untranslated words finds them.
The languages are the .po files in `selfrect_blender/locale`, which any translator's tool can edit.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy

from .. import extension
from ..host import po

LOCALE = Path(__file__).resolve().parents[1] / "locale"
_CONTEXTS = ("*", "Operator")  # Blender looks a button's words up in the second, all else in the first


def say(text: str, **values: Any) -> str:
    """A sentence in the artist's language, its {values} filled in."""
    return bpy.app.translations.pgettext_iface(text).format(**values)


def mark(text: str) -> str:
    """Words that will be translated where they are shown."""
    return text


def dictionary() -> dict[str, dict[tuple[str, str], str]]:
    """{language: {(context, English): translated}}, as Blender wants it."""
    languages: dict[str, dict[tuple[str, str], str]] = {}
    for path in sorted(LOCALE.glob("*.po")):
        words = {(context, text): translated for text, translated in po.read(path).items() for context in _CONTEXTS}
        for language in _codes(path.stem):
            languages[language] = words
    return languages


def _codes(language: str) -> list[str]:
    """Blender calls German "de_DE" in some versions and "de" in others."""
    return [language, f"{language}_{language.upper()}"] if len(language) == 2 else [language]


def register() -> None:
    """Hand our words to Blender."""
    bpy.app.translations.register(extension.ROOT_PACKAGE, dictionary())


def unregister() -> None:
    """Take them back."""
    bpy.app.translations.unregister(extension.ROOT_PACKAGE)
