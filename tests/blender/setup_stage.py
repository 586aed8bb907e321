# SPDX-License-Identifier: GPL-3.0-or-later
"""What tests of the engine's setup share: an Installer that only plays its part, a plan, and what a panel draws."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import MagicMock

import bpy

MODULE = "bl_ext.user_default.selfrect_blender"
GB = 10**9

PLAN = SimpleNamespace(
    backend="cuda",
    choices=(
        SimpleNamespace(name="cuda", title="NVIDIA", reason="For the graphics card", recommended=True, possible=True),
        SimpleNamespace(name="cpu", title="Processor only", reason="Runs everywhere", recommended=False, possible=True),
    ),
    machine=SimpleNamespace(gpus=(SimpleNamespace(title="GeForce RTX 4090"),)),
    root=Path("/somewhere/engine"), download_bytes=2_600_000_000, disk_bytes=6 * GB, free_bytes=200 * GB, exact=True,
    needs_network=True, source="the package index", locked=True, obstacles=(), notes=("An existing Python 3.11 will be used.",),
)  # fmt: skip

DEFAULTS = {
    "not_installed": {"actions": ("look",), "sentence": "The engine is not installed yet."},
    "looking": {"actions": (), "sentence": "Looking at this machine…"},
    "planned": {"actions": ("install", "look"), "plan": PLAN, "sentence": "The engine is not installed yet."},
    "installing": {"actions": ("cancel",), "step_text": "Downloading PyTorch", "fraction": 0.25, "done_bytes": 650_000_000,
                   "total_bytes": 2_600_000_000, "speed": 12e6, "seconds_left": 160.0, "sentence": "The engine is being installed."},
    "testing": {"actions": ("cancel",), "step_text": "Testing", "fraction": 0.97, "sentence": "The engine is being tested."},
    "ready": {"usable": True, "actions": ("test", "repair", "uninstall"), "sentence": "The engine is ready."},
    "outdated": {"usable": True, "actions": ("update", "uninstall"), "sentence": "The engine is 0.0.9, the extension 0.1.0."},
    "incomplete": {"actions": ("resume", "look", "uninstall"), "sentence": "The installation was cut off.", "remedy": "Resume it."},
    "broken": {"actions": ("repair", "uninstall"), "sentence": "The package torch is missing."},
    "failed": {"actions": ("retry", "look", "uninstall"), "sentence": "The connection was cut.", "remedy": "Try again."},
    "removing": {"actions": (), "sentence": "The engine is being removed."},
}  # fmt: skip


class FakeInstaller:
    """Set what is seen with `show`, and with `after` what is seen once a method was called; read `calls`."""

    def __init__(self, root: Path, nothing, states):
        """nothing: what the real one shows where there is nothing; states: its State."""
        self.root, self.seen, self.nothing, self.states = root, nothing, nothing, states
        self.calls, self.after = [], {}

    def show(self, state: str, **fields):
        self.seen = dataclasses.replace(self.nothing, **(DEFAULTS[state] | {"state": self.states(state)} | fields))

    def snapshot(self):
        return self.seen

    def wait(self, timeout=None):
        self.calls.append("wait")
        return self.seen

    def __getattr__(self, name):
        def call(**arguments):
            self.calls.append((name, arguments))
            if name in self.after:
                self.show(*self.after[name][:1], **dict(*self.after[name][1:]))

        if name in ("look", "install", "resume", "retry", "repair", "update", "test", "cancel", "uninstall", "close"):
            return call
        raise AttributeError(name)


def preferences():
    return bpy.context.preferences.addons[MODULE].preferences


class Drawn:
    """What was drawn: words, buttons as {idname: [button]}, each with its row, and bars, (factor, text)."""

    def __init__(self, draw):
        self.words, self.buttons, self.bars = [], {}, []
        self.result = draw(self._layout())

    def _layout(self):
        layout = MagicMock()
        layout.enabled = True
        for method in ("row", "column", "box"):
            getattr(layout, method).side_effect = lambda **_: self._layout()
        layout.label.side_effect = lambda text="", **_: self.words.append(text)
        layout.progress.side_effect = lambda factor=0, text="", **_: self.bars.append((factor, text))
        layout.prop.side_effect = lambda _owner, name, **_: self.words.append(f"<{name}>")
        layout.operator.side_effect = lambda idname, text="", **_: self._button(layout, idname, text)
        return layout

    def _button(self, layout, idname, text):
        self.words.append(f"[{text}]")
        self.buttons.setdefault(idname, []).append(SimpleNamespace(row=layout))
        return self.buttons[idname][-1]

    @property
    def text(self):
        return " ".join(self.words)

    @property
    def operators(self):
        """{idname: its last button}"""
        return {idname: buttons[-1] for idname, buttons in self.buttons.items()}

    def enabled(self, idname):
        return self.buttons[idname][-1].row.enabled


def draw_state(parts):
    return Drawn(lambda layout: parts.setup_panel.draw_state(layout, bpy.context))


def draw_preferences(parts):
    def draw(layout):
        parts.preferences.SelfrectPreferences.draw(PreferencesLike(layout), bpy.context)

    return Drawn(draw)


class PreferencesLike:
    """The preferences with a layout that only listens."""

    def __init__(self, layout):
        self.layout = layout

    def __getattr__(self, name):
        return getattr(preferences(), name)
