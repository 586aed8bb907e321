# SPDX-License-Identifier: GPL-3.0-or-later
"""The installation, step by step. Each step can be repeated; killed at any moment, the next run goes on from what is there.

The environment in use is not touched before the new one has passed its test: the new one grows beside it, then they change
places by renaming, and the old one comes back if that fails.
"""
from __future__ import annotations

import contextlib
import os
import shutil
import sys
from dataclasses import replace
from pathlib import Path

from ..engine_source import problems
from . import marker, resolve
from .check import check
from .control import Control
from .engine_wheel import make_wheel
from .faults import of_file
from .fetch import File, fetch_all
from .places import Places, move, python_of, remove, site_packages
from .plan import Plan
from .pythons import ORDER, candidates, none_fits
from .uv import Uv


def install(plan: Plan, places: Places, control: Control, online: bool) -> marker.Installed:
    """Carry out a plan. Raises Problem or Cancelled; the environment that was in use then still is."""
    try:
        mend(places)
        remove(places.new)
        if plan.update_only:
            _copy_packages(places, control)
            uv = Uv(places, control, online, plan.bundle.folder if plan.bundle else None)
        else:
            uv = _fresh_packages(plan, places, control, online)
        _install_engine(plan, places, uv, control)
        installed = test(places.new, plan.entry.device, control)
        _swap(places)
        _tidy(places)
        return installed
    except OSError as error:
        raise of_file(error) from error


def mend(places: Places) -> None:
    """After a kill between the two renames of a swap: the old environment comes back."""
    if places.old.exists() and not places.env.exists():
        move(places.old, places.env)
    remove(places.old)


def test(environment: Path, device: str, control: Control) -> marker.Installed:
    """The smoke test; the marker says "complete" only after it. Raises Problem or Cancelled."""
    control.step("test")
    installed = marker.read(environment)
    if installed is None:
        raise problems.Problem("engine_missing", f"There is no engine in {environment}.", "Install it.")
    marker.write(environment, replace(installed, complete=False))
    told = check(environment, device, installed.backend, control)
    installed = replace(
        installed, complete=True, torch=told["torch"], python=told["python"], device=told["device"],
        device_title=told["device_title"], seconds=float(told["seconds"]),
    )  # fmt: skip
    marker.write(environment, installed)
    return installed


def uninstall(places: Places, control: Control) -> None:
    """Delete all that is ours, the environment first, so that a half deleted one cannot be mistaken for a whole."""
    control.step("remove")
    trash = places.root / "trash"
    try:
        for folder in (places.env, places.new, places.old):
            if folder.exists():
                remove(trash)
                move(folder, trash)
                remove(trash)
        for path in [trash, *places.everything()]:
            remove(path)
    except OSError as error:
        raise of_file(error) from error


def _fresh_packages(plan: Plan, places: Places, control: Control, online: bool) -> Uv:
    """A new environment with all packages. The downloads are kept until it has passed its test."""
    bundle = plan.bundle
    source = bundle.folder if bundle else None
    control.step("uv")
    uv = Uv(places, control, online and bundle is None, source)
    control.step("python")
    wanted = tuple(version for version in ORDER if bundle is None or version in bundle.pythons)
    failure = None
    for python in candidates(uv, control, wanted, bundle.archive if bundle else None):
        control.step("resolve")
        try:
            files = resolve.resolve(plan.entry, python, uv, control, source)
        except problems.Problem as problem:
            if problem.code != "install_failed":
                raise
            failure = problem  # the packages do not come for this Python; perhaps they do for another
            continue
        control.step("download")
        paths = fetch_all(files, places.downloads, control)
        _unpack(files, paths, python, places, uv, control)
        marker.write(places.new, _described(plan))
        return uv
    raise failure or none_fits(wanted)


def _unpack(files: list[File], paths: dict[str, Path], python: str, places: Places, uv: Uv, control: Control) -> None:
    """Make the environment and put the packages in, all from this disk, each by its hash once more."""
    control.step("unpack")
    uv("venv", "--no-project", "--relocatable", "--python", python, places.new, doing="Making the environment", online=False)
    lock = places.temp / "lock.txt"
    lock.write_text(resolve.requirements(files, paths), "utf-8")
    uv("pip", "install", "--python", python_of(places.new), "--no-index", "--no-deps", "--no-build", "--require-hashes", "-r", lock,
       doing="Unpacking the packages", online=False, watch=lambda: control.part(_unpacked(places) / (2 * len(files))))  # fmt: skip


def _unpacked(places: Places) -> int:
    """How many packages are in uv's cache, and how many in the environment."""
    packages = site_packages(places.new)
    in_cache = sum(1 for _ in (places.cache / "archive-v0").glob("*"))
    return in_cache + (sum(1 for _ in packages.glob("*.dist-info")) if packages else 0)


def _copy_packages(places: Places, control: Control) -> None:
    """The environment in use once more, by hard links where the disk knows them: for an engine whose packages stay the same."""
    control.step("unpack")

    def link(source: str, target: str) -> None:
        control.check()
        try:
            os.link(source, target, follow_symlinks=False)
        except OSError:
            shutil.copy2(source, target, follow_symlinks=False)

    shutil.copytree(places.env, places.new, symlinks=True, copy_function=link)
    remove(places.new / marker.NAME)  # a link to the marker in use must not be written to
    installed = marker.read(places.env)
    if installed is not None:
        marker.write(places.new, replace(installed, complete=False))


def _install_engine(plan: Plan, places: Places, uv: Uv, control: Control) -> None:
    control.step("engine")
    places.temp.mkdir(parents=True, exist_ok=True)
    wheel = make_wheel(places.temp)
    uv("pip", "install", "--python", python_of(places.new), "--no-index", "--no-deps", "--reinstall", "--no-cache", wheel,
       doing="Installing the engine", online=False)  # fmt: skip
    marker.write(places.new, replace(_described(plan), locked=plan.locked))


def _described(plan: Plan) -> marker.Installed:
    lists = marker.lists_digest(plan.entry.list_name)
    return marker.Installed(marker.extension_version(), marker.source_digest(), lists, plan.backend, "", "", plan.locked)


def _swap(places: Places) -> None:
    """The new environment takes the place of the old one, or the old one stays."""
    if places.env.exists():
        move(places.env, places.old)
    try:
        move(places.new, places.env)
    except OSError:
        if places.old.exists():
            move(places.old, places.env)
        raise


def _tidy(places: Places) -> None:
    """Once it works, what it was made from is not needed any more. What cannot be deleted now is deleted another time."""
    for path in (places.old, places.downloads, places.cache, places.temp, places.order):
        with contextlib.suppress(OSError):
            remove(path)
    if sys.platform == "darwin":  # Finder's droppings keep a folder from being empty
        (places.root / ".DS_Store").unlink(missing_ok=True)
