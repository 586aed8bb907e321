# SPDX-License-Identifier: GPL-3.0-or-later
"""Installing the engine: an environment of its own with PyTorch in it, beside Blender, never inside it. No bpy.

Read in the order of the work: machine → backends → plan → installer → story (uv → pythons → resolve → fetch → engine_wheel →
check), with marker, lock and state telling how far it is. What goes wrong gets its words in faults.
"""
from .backends import Choice
from .installer import Installer
from .machine import Gpu, Machine
from .marker import Installed
from .places import engine_folder, root_in
from .plan import Plan
from .state import Snapshot, State

__all__ = ["Choice", "Gpu", "Installed", "Installer", "Machine", "Plan", "Snapshot", "State", "engine_folder", "root_in"]
