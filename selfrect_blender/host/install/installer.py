# SPDX-License-Identifier: GPL-3.0-or-later
"""The one door to the installation: look, install, cancel, test, uninstall, and a snapshot for the panel at any time.

    installer = Installer(user_folder / "engine")
    installer.look()                              # → planned: what would happen
    installer.install(consent=True, online=True)  # → installing … testing … ready
    installer.snapshot()                          # never blocks

All methods are called from one thread and return at once; the work is done in one worker thread.
"""
from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from ..engine_source import problems
from . import marker, state, story
from .backends import backends
from .control import Cancelled, Control
from .faults import of_file
from .lock import Lock
from .machine import Machine, examine
from .places import Places
from .plan import Plan, make_plan
from .state import Snapshot, State

_LOOK_SECONDS = 1.0  # how old what we know of the disk may get
_TELL_SECONDS = 0.5


class Installer:
    """root: a folder that is ours alone (`places.root_in`). machine: handed in by tests."""

    def __init__(self, root: Path, machine: Machine | None = None):
        self.places = Places(Path(root))
        self._machine = machine
        self._lock = Lock(self.places.lock)
        self._control = Control()
        self._worker: threading.Thread | None = None
        self._state: State | None = None  # of the worker
        self._plan: Plan | None = None
        self._problem: problems.Problem | None = None
        self._seen: tuple[float, Snapshot] | None = None

    def snapshot(self) -> Snapshot:
        """What to show. Never blocks, never raises."""
        busy = self._state
        if busy is not None:
            return state.of_worker(self.places, busy, self._control.progress, self._plan)
        disk = self._disk()
        if self._problem is not None and disk.mine:
            return state.failed(self.places, self._problem, self._plan, disk)
        if self._plan is not None and disk.mine:
            return state.planned(self.places, self._plan, disk)
        return disk

    def look(self, backend: str = "auto", source: Path | None = None) -> None:
        """Examine the machine and make a plan."""
        self._start(State.LOOKING, lambda: self._make_plan(backend, source), locked=False)

    def install(self, consent: bool, online: bool) -> None:
        """Carry out the plan. consent: the user saw it and said yes. online: the network may be used."""
        plan = self._plan
        if plan is None:
            self._fail(problems.Problem("consent_missing", "There is no plan yet.", "Look first at what an installation would do."))
        elif self._permitted(plan, consent, online):
            self._start(State.INSTALLING, lambda: self._install(plan, online))

    def resume(self, consent: bool, online: bool) -> None:
        """Go on, with the backend and source of the last time. Packages that are whole and stay the same are not fetched again."""
        self._again(consent, online, fresh=False)

    retry = update = resume

    def repair(self, consent: bool, online: bool) -> None:
        """As resume, but with all packages anew."""
        self._again(consent, online, fresh=True)

    def test(self) -> None:
        """The smoke test once more."""
        self._start(State.TESTING, self._test)

    def uninstall(self) -> None:
        """Delete everything that is ours below the root; the root as well where nothing else is in it."""
        self._start(State.REMOVING, lambda: story.uninstall(self.places, self._control))

    def cancel(self) -> None:
        """Stop what runs: within a second it is as before, with what was fetched kept. A removal is not stopped."""
        if self._state is not State.REMOVING:
            self._control.cancelled.set()

    def wait(self, timeout: float | None = None) -> Snapshot:
        """Block until the worker is done; for background mode and tests."""
        worker = self._worker
        if worker is not None:
            worker.join(timeout)
        return self.snapshot()

    def close(self) -> None:
        """For the end of Blender: cancel, and wait a second at most."""
        self.cancel()
        self.wait(1.0)

    def _again(self, consent: bool, online: bool, fresh: bool) -> None:
        def work() -> None:
            story.mend(self.places)
            order, installed = marker.read_json(self.places.order), marker.read(self.places.env)
            backend = order.get("backend") or (installed.backend if installed else "auto")
            source = Path(order["source"]) if order.get("source") else None
            if self._plan is None or not self._plan.bundle:
                self._make_plan(backend, source if source is None or source.is_dir() else None, fresh)
            plan = self._plan
            if self._permitted(plan, consent, online):
                self._state = State.INSTALLING
                self._install(plan, online)

        if not consent:
            return self._permitted(None, consent, online) and None
        self._start(State.INSTALLING, work)

    def _permitted(self, plan: Plan | None, consent: bool, online: bool) -> bool:
        """Whether it may begin; where it may not, why."""
        if not consent:
            problem = problems.Problem("consent_missing", "Nothing is installed without your consent.", "Press the button under the plan.")
        elif plan.obstacles:
            problem = plan.obstacles[0]
        elif plan.needs_network and not online:
            problem = problems.Problem(
                "offline",
                "The installation needs the network, and Blender is set to stay offline.",
                "Allow online access in Blender's preferences (System > Network), or install from an offline bundle.",
            )
        else:
            return True
        self._fail(problem)
        return False

    def _make_plan(self, backend: str, source: Path | None, fresh: bool = True) -> None:
        self._machine = self._machine or examine()
        self._plan = make_plan(self.places.root, backend, source, self._machine, fresh)

    def _install(self, plan: Plan, online: bool) -> None:
        order = {"backend": plan.backend, "source": str(plan.bundle.folder) if plan.bundle else ""}
        marker.write_json(self.places.order, order)
        story.install(plan, self.places, self._control, online)
        self._plan = None

    def _test(self) -> None:
        installed = marker.read(self.places.env)
        backend = backends(self._platform()).get(installed.backend) if installed else None
        story.test(self.places.env, backend.device if backend else "cpu", self._control)

    def _platform(self) -> str:
        self._machine = self._machine or examine()
        return self._machine.platform

    def _start(self, first: State, work: Callable[[], None], locked: bool = True) -> None:
        """Run work in the worker thread. While one runs, nothing happens."""
        if self._state is not None:
            return
        self._problem, self._state = None, first
        self._control = Control(self.places.log if locked else None)
        self._worker = threading.Thread(target=self._run, args=(work, locked), name="selfrect install", daemon=True)
        self._worker.start()

    def _run(self, work: Callable[[], None], locked: bool) -> None:
        stop = threading.Event()
        try:
            if locked:
                self._take_lock()
                threading.Thread(target=self._tell, args=(stop,), name="selfrect install progress", daemon=True).start()
            work()
        except Cancelled:
            self._control.say("Cancelled.")
            self._plan = None  # its numbers are of before
        except OSError as error:
            self._fail(of_file(error))
        except Exception as error:  # noqa: BLE001 - told in the panel, whatever it is
            self._fail(problems.from_exception(error))
        finally:
            stop.set()
            self._release(removed=self._state is State.REMOVING)
            self._seen = None
            self._state = None

    def _take_lock(self) -> None:
        self.places.root.mkdir(parents=True, exist_ok=True)
        if not self._lock.take():
            who = self._lock.owner().get("pid", "?")
            sentence = f"Another Blender (process {who}) is installing here."
            raise problems.Problem("install_busy", sentence, "Wait until it is done; both share the engine.")

    def _release(self, removed: bool) -> None:
        with contextlib.suppress(OSError):
            self.places.progress.unlink(missing_ok=True)
        self._lock.release(delete=removed)
        if removed:
            with contextlib.suppress(OSError):
                self.places.root.rmdir()  # where somebody else's files are in it, it stays
            self._plan = None

    def _tell(self, stop: threading.Event) -> None:
        """Let other Blenders see how far it is."""
        while not stop.wait(_TELL_SECONDS):
            current = self._state
            if self._control.progress.step == "test" and current is State.INSTALLING:
                self._state = current = State.TESTING
            if current is not None and current is not State.REMOVING:
                with contextlib.suppress(OSError):
                    state.tell_others(self.places, current, self._control.progress)

    def _fail(self, problem: problems.Problem) -> None:
        self._control.say(f"{problem.code}: {problem}\n{problem.detail}")
        self._problem = problem

    def _disk(self) -> Snapshot:
        now = time.monotonic()
        if self._seen is None or now - self._seen[0] > _LOOK_SECONDS:
            self._seen = (now, self._look_at_disk())
        return self._seen[1]

    def _look_at_disk(self) -> Snapshot:
        try:
            return state.on_disk(self.places, self._lock)
        except OSError as error:  # a drive that is gone
            problem = of_file(error)
            gone = Snapshot(State.BROKEN, self.places.env, self.places.log, problem.sentence, problem.remedy, problem=problem)
            return replace(gone, actions=("look",))
