# SPDX-License-Identifier: GPL-3.0-or-later
"""What state an installation is in, as data for the panel: read off the disk, or off the worker while one runs."""
from __future__ import annotations

import enum
import time
from dataclasses import dataclass, fields, replace
from pathlib import Path

from ..engine_source import problems
from . import marker
from .control import Progress
from .lock import Lock
from .marker import Installed
from .places import Places
from .plan import Plan


class State(str, enum.Enum):
    NOT_INSTALLED = "not_installed"
    LOOKING = "looking"
    PLANNED = "planned"
    INSTALLING = "installing"
    TESTING = "testing"
    READY = "ready"
    OUTDATED = "outdated"
    INCOMPLETE = "incomplete"
    BROKEN = "broken"
    FAILED = "failed"
    REMOVING = "removing"


BUSY = {State.LOOKING, State.INSTALLING, State.TESTING, State.REMOVING}
_ACTIONS = {
    State.NOT_INSTALLED: ("look",),
    State.PLANNED: ("install", "look"),
    State.READY: ("test", "repair", "uninstall"),
    State.OUTDATED: ("update", "uninstall"),
    State.INCOMPLETE: ("resume", "look", "uninstall"),
    State.BROKEN: ("repair", "uninstall"),
    State.FAILED: ("retry", "look", "uninstall"),
}


@dataclass(frozen=True)
class Snapshot:
    """Everything that the panel shows. usable: the engine in `folder` may be started. mine: our own worker is at it.

    Bytes and speed (bytes per second) are of the step that runs, fraction of the whole; None and 0 for unknown.
    """

    state: State
    folder: Path
    log: Path
    sentence: str
    remedy: str = ""
    usable: bool = False
    problem: problems.Problem | None = None
    plan: Plan | None = None
    installed: Installed | None = None
    mine: bool = True
    actions: tuple[str, ...] = ()
    step: str = ""
    step_text: str = ""
    fraction: float | None = None
    done_bytes: int = 0
    total_bytes: int = 0
    speed: float = 0.0
    seconds_left: float | None = None

    @property
    def busy(self) -> bool:
        return self.state in BUSY


def on_disk(places: Places, lock: Lock) -> Snapshot:
    """The truth as it lies there, whoever made it. A few looks at the disk."""
    if lock.taken_by_another():
        return _of_another(places, lock)
    installed = marker.read(places.env)
    what = _judge(places, installed)
    usable = what[0] in (State.READY, State.OUTDATED)
    problem = problems.Problem("engine_missing", what[1], what[2]) if what[0] is State.BROKEN else None
    return Snapshot(*(what[0], places.env, places.log, what[1], what[2]), usable, problem, None, installed, actions=_ACTIONS[what[0]])


def of_worker(places: Places, state: State, progress: Progress, plan: Plan | None) -> Snapshot:
    """Our own worker, at work."""
    shown = progress.fraction if state in (State.INSTALLING, State.TESTING) else None
    sentence = "Looking at this machine…" if state is State.LOOKING else f"{progress.step_text or 'Starting'}…"
    snapshot = Snapshot(state, places.env, places.log, sentence, plan=plan, actions=("cancel",) if state is not State.REMOVING else ())
    return replace(snapshot, **{field.name: getattr(progress, field.name) for field in fields(Progress)} | {"fraction": shown})


def planned(places: Places, plan: Plan, disk: Snapshot) -> Snapshot:
    """A plan that waits for the user's consent; an engine that is there stays usable."""
    about = "" if plan.exact else "about "
    fetched = f"{about}{plan.download_bytes / 1e6:.0f} MB to download, " if plan.needs_network else "nothing to download, "
    sentence = f"{plan.entry.title}: {fetched}{about}{plan.disk_bytes / 1e9:.1f} GB of disk in {plan.root}."
    actions = ("install", "look") if not plan.obstacles else ("look",)
    remedy = str(plan.obstacles[0]) if plan.obstacles else ""
    return replace(disk, state=State.PLANNED, sentence=sentence, remedy=remedy, plan=plan, actions=actions)


def failed(places: Places, problem: problems.Problem, plan: Plan | None, disk: Snapshot) -> Snapshot:
    """Our last try failed; an engine from before stays usable."""
    actions = _ACTIONS[State.FAILED] if disk.installed is None else ("retry", "repair", "look", "uninstall")
    said = {"sentence": problem.sentence, "remedy": problem.remedy, "problem": problem}
    return replace(disk, state=State.FAILED, plan=plan, actions=actions, **said)


def _judge(places: Places, installed: Installed | None) -> tuple[State, str, str]:
    if installed is None:
        if places.env.exists() or marker.leftovers(places):
            return State.INCOMPLETE, "The installation was not finished; what was fetched is kept.", "Resume it, or uninstall."
        return State.NOT_INSTALLED, "No engine is installed.", "See what an installation would do."
    damage = marker.damage(places.env)
    if damage:
        return State.BROKEN, f"The installed engine is damaged: {damage}.", "Repair it."
    if not installed.complete:
        return State.INCOMPLETE, "The installed engine has not passed its test.", "Resume, to test it again."
    if installed.version != marker.extension_version():
        told = f"The installed engine is version {installed.version}, this extension brings {marker.extension_version()}."
        return State.OUTDATED, told, "Update the engine."
    if installed.source != marker.source_digest():
        return State.OUTDATED, f"The installed engine {installed.version} is of another build than this extension.", "Update the engine."
    return State.READY, f"Engine {installed.version} on {installed.device_title or installed.device}, PyTorch {installed.torch}.", ""


def _of_another(places: Places, lock: Lock) -> Snapshot:
    """Another Blender is at work here; its progress lies beside the lock."""
    told = marker.read_json(places.progress)
    progress = {field.name: told.get(field.name, field.default) for field in fields(Progress)}
    state = {value.value: value for value in BUSY}.get(told.get("state"), State.INSTALLING)
    who = lock.owner().get("pid", "?")
    sentence = f"{progress['step_text'] or 'Working'}… (in another Blender, process {who})"
    snapshot = Snapshot(state, places.env, places.log, sentence, mine=False, installed=marker.read(places.env))
    return replace(snapshot, **progress)


def tell_others(places: Places, state: State, progress: Progress) -> None:
    """Leave our progress where other Blenders read it. Raises OSError."""
    data = {field.name: getattr(progress, field.name) for field in fields(Progress)}
    marker.write_json(places.progress, data | {"state": state.value, "time": time.time()})
