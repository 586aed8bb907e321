# SPDX-License-Identifier: GPL-3.0-or-later
"""What an installation will do, before it does anything: backend, download, disk, folder, and what stands in its way.

Found out without the network: sizes were measured when the lists were made.
"""
from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path

from ..engine_source import problems
from . import marker
from .backends import Backend, Choice, backends, choices, unfit
from .bundle import Bundle, bundle_in
from .machine import Machine, examine
from .places import Places, free_bytes, length_obstacle, writing_obstacle
from .uv import SIZE as UV_SIZE

PYTHON_SIZE = 35 << 20
_ROOM = 200 << 20  # what should be left
_MEMORY = 7 << 30


@dataclass(frozen=True)
class Plan:
    """download_bytes: still to be fetched; disk_bytes: needed while it is installed; exact: whether these were measured.

    locked: every file has its hash in our lists. update_only: the packages stay, only the engine's own code is new.
    obstacles: why it cannot be done so.
    """

    backend: str
    choices: tuple[Choice, ...]
    machine: Machine
    root: Path
    download_bytes: int
    disk_bytes: int
    free_bytes: int
    exact: bool
    needs_network: bool
    source: str
    locked: bool
    update_only: bool = False
    obstacles: tuple[problems.Problem, ...] = ()
    notes: tuple[str, ...] = ()
    bundle: Bundle | None = field(default=None, repr=False)

    @property
    def entry(self) -> Backend:
        return backends(self.machine.platform)[self.backend]


def make_plan(root: Path, backend: str = "auto", source: Path | None = None, machine: Machine | None = None, fresh: bool = True) -> Plan:
    """The plan for a folder. backend: a name, or "auto". source: a folder with wheels. fresh: new packages in any case.

    Raises Problem("bad_machine") where nothing can be installed, ("bad_input") where the folder holds no wheels.
    """
    machine = machine or examine()
    reason = unfit(machine)
    if reason:
        raise problems.Problem("bad_machine", reason, "The engine can run on another machine: set its location to an ssh command.")
    bundle = bundle_in(source)
    if source is not None and bundle is None:
        remedy = "Choose the folder of an offline bundle, the one with the .whl files."
        raise problems.Problem("bad_input", f"There are no wheels in {source}.", remedy)
    offered = choices(machine)
    name = _chosen(backend, offered, bundle)
    entry = backends(machine.platform)[name]
    update_only = not fresh and _same_packages(root, entry)
    download, disk = _needs(root, entry, bundle, update_only)
    free = free_bytes(root)
    return Plan(
        name, offered, machine, root, download, disk, free, not entry.about, download > 0,
        str(bundle.folder) if bundle else "the package index", entry.locked, update_only,
        _obstacles(root, entry, machine, bundle, disk, free), _notes(entry, machine, bundle, offered), bundle,
    )  # fmt: skip


def _chosen(backend: str, offered: tuple[Choice, ...], bundle: Bundle | None) -> str:
    names = [choice.name for choice in offered]
    if backend == "auto":
        best = next(choice.name for choice in offered if choice.recommended)
        backend = bundle.backend if bundle is not None and bundle.backend in names else best
    if backend not in names:
        raise problems.Problem("bad_input", f"There is no backend “{backend}” here.", f"Choose one of: {', '.join(names)}.")
    return backend


def _same_packages(root: Path, entry: Backend) -> bool:
    """Whether the packages in use are those of today's lists, so that only the engine's code is replaced.

    An environment in that place has passed its test once; that it fails it now does not mean that packages are missing.
    """
    environment = Places(root).env
    installed = marker.read(environment)
    if installed is None or marker.damage(environment):
        return False
    return installed.backend == entry.name and installed.lists == marker.lists_digest(entry.list_name)


def _needs(root: Path, entry: Backend, bundle: Bundle | None, update_only: bool) -> tuple[int, int]:
    """(bytes to download, bytes of disk), less what is there already."""
    places = Places(root)
    if update_only:
        return 0, 100 << 20
    unpacked = entry.disk + PYTHON_SIZE * 3
    if bundle is not None:
        return 0, unpacked
    there = sum(path.stat().st_size for path in places.downloads.glob("*") if path.is_file()) if places.downloads.is_dir() else 0
    tools = 0 if places.tools.is_dir() else UV_SIZE
    python = 0 if places.pythons.is_dir() else PYTHON_SIZE
    download = max(entry.download - there, 0) + tools + python
    return max(download, 1), download + unpacked


def _obstacles(root: Path, entry: Backend, machine: Machine, bundle: Bundle | None, disk: int, free: int) -> tuple[problems.Problem, ...]:
    found = [writing_obstacle(root), length_obstacle(root, entry.longest_path, machine.long_paths)]
    if free < disk + _ROOM:
        sentence = f"The engine needs {(disk + _ROOM) / 1e9:.1f} GB of disk; {root} has {free / 1e9:.1f} GB."
        found.append(problems.Problem("disk_full", sentence, "Free some space, or choose a folder on another disk."))
    wanted = f"{machine.platform} {machine.arch} {entry.name}"
    told = f"{bundle.platform} {bundle.arch} {bundle.backend}" if bundle is not None and bundle.platform else wanted
    if told != wanted:
        sentence = f"This offline bundle is for {told}, not for {wanted}."
        found.append(problems.Problem("bad_machine", sentence, "Choose that backend, or take the bundle that fits."))
    return tuple(filter(None, found))


def _notes(entry: Backend, machine: Machine, bundle: Bundle | None, offered: tuple[Choice, ...]) -> tuple[str, ...]:
    notes = []
    chosen = next(choice for choice in offered if choice.name == entry.name)
    if not chosen.possible:
        notes.append(f"Not recommended: {chosen.reason}")
    if not entry.locked:
        notes.append("PyTorch is pinned by its version; its files are checked against the hashes that their index tells.")
    if bundle is not None and bundle.archive is None:
        versions = " or ".join(bundle.pythons)
        notes.append(f"Needs Python {versions} on this machine; this Blender has {sys.version_info[0]}.{sys.version_info[1]}.")
    if 0 < machine.memory < _MEMORY:
        notes.append(f"This machine has {machine.memory / 2**30:.0f} GB of memory: only small models will fit.")
    return tuple(notes)
