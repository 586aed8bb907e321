# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine's models as Blender knows them: the list, and what is being done to one of them.

All of it is asked of the engine (`models.…` in PROTOCOL.md), which keeps the files; so it also works for an engine on
another machine. Nothing here waits; main_thread's timer brings the answers, in background mode `wait` does.
"""

from __future__ import annotations

from typing import Any

from . import main_thread, setup
from .host.engine_source import problems
from .host.job import Job

_listed: list[dict[str, Any]] | None = None  # the last answer to models.list; newer than the greeting's
_place: dict[str, Any] | None = None  # the last answer to models.where
_jobs: dict[str, Job] = {}  # what was asked last about a model, by its name; "" for the list itself
_outcome: dict[str, str] = {}  # model → sentence about what came of it
_asked: list[Job] = []  # models.list, models.where


def entries() -> list[dict[str, Any]]:
    """Every model that the engine knows: {name, title, licence, installed, …}; empty before the first engine greeted."""
    if _listed is not None:
        return _listed
    greeting = main_thread.queue().greeting
    return greeting["models"] if greeting else []


def entry(name: str) -> dict[str, Any]:
    """One of them. Raises Problem model_missing."""
    for model in entries():
        if model["name"] == name:
            return model
    raise problems.Problem("model_missing", f"The engine knows no model “{name}”.", "Refresh the list, or import the model first.")


def place() -> dict[str, Any] | None:
    """Where models are kept: {folder, writable, free, searched}; None until it was asked."""
    return _place


def job(name: str) -> Job | None:
    """What is being done to this model now, or what failed last."""
    return _jobs.get(name)


def outcome(name: str) -> str:
    """What came of the last thing done to this model; empty where nothing is to be told."""
    return _outcome.get(name, "")


def refresh() -> list[Job]:
    """Ask for the list and the place; starts the engine where it does not run."""
    _asked[:] = [main_thread.queue().ask("models.list"), main_thread.queue().ask("models.where")]
    main_thread.wake()
    return _asked


def download(name: str, accepted_licence: bool) -> Job:
    """Start a download. Raises Problem where the licence was not accepted or Blender may not use the network."""
    model = entry(name)
    if not accepted_licence:
        sentence = f"“{name}” stands under the licence {model.get('licence', '')}, which was not accepted."
        raise problems.Problem("licence_not_accepted", sentence, "Read it, and press Accept and Download.")
    if not setup.online():
        sentence = "Blender may not use the network."
        raise problems.Problem("offline", sentence, "Allow it in Preferences › System › Network, or import the model from a folder.")
    return _start(name, "models.download", {"name": name, "accepted_licence": True})


def verify(name: str) -> Job:
    """Start to compare every file with its hash."""
    entry(name)
    return _start(name, "models.verify", {"name": name})


def remove(name: str) -> Job:
    """Start to delete it."""
    entry(name)
    return _start(name, "models.remove", {"name": name})


def bring_in(path: str, name: str = "", link: bool = False) -> Job:
    """Start to import a diffusers folder or a .safetensors file; link: use it where it lies."""
    return _start("", "models.import", {"path": path, "link": link} | ({"name": name} if name else {}))


def cancel(name: str) -> None:
    """Stop what is being done to this model; what was downloaded is kept."""
    if name in _jobs:
        main_thread.queue().cancel(_jobs[name])


def wait(job: Job) -> dict[str, Any]:
    """Block until it is done, then learn the new list. Raises Problem."""
    main_thread.queue().wait(job)
    advance()
    for asked in refresh():
        main_thread.queue().wait(asked)
    advance()
    if job.problem:
        raise job.problem
    if job.result is None:
        raise problems.Problem("cancelled", "It was cancelled.", "Start it again when you like.")
    return job.result


def advance() -> None:
    """Take in what has been answered. Called at every turn of main_thread's timer."""
    global _listed, _place
    for asked in [asked for asked in _asked if asked.finished]:
        _asked.remove(asked)
        if asked.request.method == "models.list" and asked.result:
            _listed = asked.result.get("models", [])
        elif asked.request.method == "models.where":
            _place = asked.result
    if _asked or any(not job.finished for job in _jobs.values()):
        setup.redraw()
    for name, done in [(name, done) for name, done in _jobs.items() if done.finished and done.problem is None]:
        del _jobs[name]
        if done.result is not None:
            _outcome[name] = _sentence(done)
            refresh()


def _start(name: str, method: str, params: dict[str, Any]) -> Job:
    running = _jobs.get(name)
    if running is not None and not running.finished:
        raise problems.Problem("bad_input", f"Something is being done to “{name}” already.", "Wait for it, or cancel it.")
    _outcome.pop(name, None)
    _jobs[name] = main_thread.queue().ask(method, params)
    main_thread.wake()
    return _jobs[name]


def _sentence(done: Job) -> str:
    if done.request.method != "models.verify":
        return ""
    bad = [file for file in done.result.get("files", []) if file.get("state") != "good"]
    if not bad:
        return "Every file is as it should be."
    return f"{len(bad)} files are not: {bad[0].get('file')} is {bad[0].get('state')}. Download it again."


def _forget(_greeting: dict[str, Any]) -> None:
    """A fresh engine has told its own list."""
    global _listed
    _listed = None


def register() -> None:
    """Listen to main_thread."""
    main_thread.on_tick.append(advance)
    main_thread.on_greeting.append(_forget)


def unregister() -> None:
    """Forget everything."""
    global _listed, _place
    main_thread.on_greeting.remove(_forget)
    main_thread.on_tick.remove(advance)
    _listed = _place = None
    for kept in (_jobs, _outcome, _asked):
        kept.clear()
