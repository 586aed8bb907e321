# SPDX-License-Identifier: GPL-3.0-or-later
"""What the engine does when it is asked: a table of methods. PROTOCOL.md says what goes in and comes out.

Each function takes the message and a report, which tells progress and raises Problem cancelled, and returns the result
with its arrays. What is heavy is imported when it is first asked for.
"""
from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from .engine import Request, Result
from .problems import Problem
from .protocol import Message

Answer = tuple[dict[str, Any], dict[str, np.ndarray]]
Answerer = Callable[[Message, Callable[..., None]], Answer]

#: Not set while a thread imports, ahead of need, what the registry's functions will import (`serve`).
imported = threading.Event()
imported.set()

#: Of those that are not worked on in turn (`protocol.IN_TURN`), what waits until PyTorch is imported.
NEED_PYTORCH = ("plan", "models.download")  # the second asks which precision the device wants
_UPDATE = "Update the extension and the engine so that both are of one release."


def pictures(synthesize: Callable[..., Result]) -> Answerer:
    """The answerer of `synthesize`. synthesize: as `registry.synthesize`."""

    def answer(message: Message, report: Callable[..., None]) -> Answer:
        names = (message.params.get(name, "auto") for name in ("engine", "model", "device", "dtype"))
        result = synthesize(*names, _request(message), report)
        maps = {f"map.{name}": np.asarray(array, np.float32) for name, array in result.maps.items()}
        return {"record": result.record}, {"image": np.asarray(result.image, np.float32), **maps}

    return answer


def table() -> dict[str, Answerer]:
    """Method → what answers it."""
    return {
        "synthesize": pictures(_registry("synthesize")),
        "load": _work(_load),
        "release": _work(lambda params: _registry("release")()),
        "cache.clear": _work(lambda params: _registry("clear_kept")()),
        "plan": _work(_plan),
        "models.list": _files(lambda store, params, report: {"models": store.models()}),
        "models.where": _files(lambda store, params, report: store.where()),
        "models.download": _files(_download),
        "models.verify": _files(lambda store, params, report: store.verify(*_texts(params, "name"), report)),
        "models.remove": _files(lambda store, params, report: store.remove(*_texts(params, "name"))),
        "models.import": _files(_import),
    }


def _request(message: Message) -> Request:
    count = sum(name.startswith("reference.") for name in message.arrays)
    names = [f"reference.{index}" for index in range(count)]
    missing = [name for name in names if name not in message.arrays]
    seed, settings, preview = (message.params.get(*pair) for pair in (("seed", 0), ("settings", {}), ("preview", True)))
    if missing or not isinstance(seed, int) or not isinstance(settings, dict) or not isinstance(preview, bool):
        given = f"seed {seed!r}, preview {preview!r} and settings {str(settings)[:80]}"
        raise Problem("bad_input", f"The request has {f'no array {missing[0]}' if missing else given}; see PROTOCOL.md.", _UPDATE)
    if strangers := _strangers(message, count):
        raise Problem("bad_input", f"The array “{strangers[0]}” belongs to none of the {count} references; see PROTOCOL.md.", _UPDATE)
    return Request(
        [message.arrays[name] for name in names], message.arrays.get("target"), seed, settings, preview,
        message.arrays.get("mask"), message.params.get("weights"), _regions(message, count), _maps(message, count),
    )  # fmt: skip


def _strangers(message: Message, count: int) -> list[str]:
    """Regions and maps of references that are not there."""
    numbers = {str(index) for index in range(count)}
    return [name for name in message.arrays if name.startswith(("region.", "map.")) and name.rpartition(".")[2] not in numbers]


def _regions(message: Message, count: int) -> list[np.ndarray | None] | None:
    regions = [message.arrays.get(f"region.{index}") for index in range(count)]
    return None if all(region is None for region in regions) else regions


def _maps(message: Message, count: int) -> dict[str, list[np.ndarray]]:
    """`map.<name>.<k>` → name → of each reference. What is missing is missing in the list, which is refused with the other pictures."""
    names = [name.split(".") for name in message.arrays if name.startswith("map.")]
    return {
        name: [message.arrays[key] for index in range(count) if (key := f"map.{name}.{index}") in message.arrays]
        for name in dict.fromkeys(".".join(parts[1:-1]) for parts in names)
    }


def _work(act: Callable[[dict[str, Any]], dict[str, Any] | None]) -> Answerer:
    return lambda message, report: (act(message.params) or {}, {})


def _files(act: Callable[[Any, dict[str, Any], Callable[..., None]], dict[str, Any] | None]) -> Answerer:
    """Of what is done with models' files, without PyTorch."""

    def answer(message: Message, report: Callable[..., None]) -> Answer:
        from .models import manage

        return act(manage, message.params, report) or {}, {}

    return answer


def _load(params: dict[str, Any]) -> None:
    _registry("load")(*_texts(params, "model", "device", "dtype"))


def _plan(params: dict[str, Any]) -> dict[str, Any]:
    sizes, settings = params.get("sizes"), params.get("settings", {})
    if not isinstance(sizes, dict) or not isinstance(settings, dict):
        raise Problem("bad_input", f"A plan needs sizes and settings, got {str(params)[:120]}; see PROTOCOL.md.", _UPDATE)
    return _registry("plan")(*_texts(params, "engine", "model", "device", "dtype"), sizes, settings)


def _download(manage: Any, params: dict[str, Any], report: Callable[..., None]) -> dict[str, Any]:
    mirror, precision = str(params.get("mirror") or ""), str(params.get("precision") or "auto")
    return manage.download(*_texts(params, "name"), report, params.get("accepted_licence") is True, mirror, precision)


def _import(manage: Any, params: dict[str, Any], report: Callable[..., None]) -> dict[str, Any]:
    name, link = params.get("name") or "", params.get("link") is True
    return manage.bring_in(*_texts(params, "path"), str(name), link, report)


def _texts(params: dict[str, Any], *names: str) -> list[str]:
    """The params of these names; “auto” where device or dtype is not given."""
    texts = [params.get(name, "auto" if name in ("device", "dtype") else None) for name in names]
    for name, text in zip(names, texts, strict=True):
        if not isinstance(text, str) or not text:
            raise Problem("bad_input", f"The request needs “{name}” as text, got {text!r}; see PROTOCOL.md.", _UPDATE)
    return texts


def _registry(name: str) -> Callable[..., Any]:
    """A function of the registry, which is imported when it is called."""

    def call(*args: Any) -> Any:
        imported.wait()  # one import of PyTorch and diffusers at a time
        from . import registry

        function = getattr(registry, name, None)
        if function is None:
            raise Problem("bad_input", f"This engine knows no “{name}”.", "Update the engine.")
        return function(*args)

    return call
