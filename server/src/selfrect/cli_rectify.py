# SPDX-License-Identifier: GPL-3.0-or-later
"""`selfrect rectify`: its flags, made from the engine's declared settings, and what it does with them."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import cli_pictures, cli_plan

if TYPE_CHECKING:
    from .engine import Setting
    from .interrupt import Interrupt

ENGINE = "self-rectification"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags. What is not given is left out of the request, so that defaults stand in the engine alone."""
    cli_pictures.add_arguments(parser)
    work = parser.add_argument_group("work")
    work.add_argument("--model", default="", metavar="NAME|PATH", help="a name of `selfrect models`, a diffusers "
                      "folder or a .safetensors file (default sd-1.4 where it is there, else mini)")  # fmt: skip
    work.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, mps (default auto)")
    work.add_argument("--dtype", default="auto", choices=("auto", "float32", "bfloat16", "float16"))
    work.add_argument("--memory", metavar="3G", help="the most that may be held, in the GPU's memory or else in the machine's "
                      "(default: what is free)")  # fmt: skip
    work.add_argument("--compile", action="store_true", help="compile the network first: minutes once, then a little faster")
    work.add_argument("--seed", type=int, default=0, help="same request, same seed, same device: same picture (default 0)")
    settings = parser.add_argument_group("settings of the engine")
    settings.add_argument("--tile", type=_axes, metavar="x|y|xy", help="the edges that are to meet; as --tile-x, --tile-y")
    for setting in _settings():
        settings.add_argument(_flag(setting), dest=setting.name, default=argparse.SUPPRESS, **_options(setting))
    telling = parser.add_argument_group("what is told")
    telling.add_argument("--json", action="store_true", help="print the record, and nothing else, on stdout")
    telling.add_argument("--plan", action="store_true", help="only tell what it would take: network calls, seconds, memory")
    telling.add_argument("--quiet", action="store_true", help="no progress")


def run(given: argparse.Namespace, interrupt: Interrupt) -> None:
    """Check everything that can be checked at once, work, write the picture, tell. Raises Problem."""
    from .console import Console
    from .models import store

    _limit(given)
    bits = None if given.plan else cli_pictures.check_output(given)
    given.model = given.model or store.default_model()
    store.find(given.model)  # a missing model is told before PyTorch takes its seconds to load
    request = cli_pictures.read(given, _given(given))
    if given.plan:
        return cli_plan.tell(given, ENGINE, request)
    console = Console(given.quiet)
    try:
        with contextlib.redirect_stdout(sys.stderr):  # stdout is the record's, whatever the libraries print
            result = _synthesize(given, request, console, interrupt)
    finally:
        console.end()
    interrupt.check()
    record = result.record | cli_pictures.write(given, result, bits)
    remark = cli_pictures.cut_light(given, result, bits)
    if remark and not given.quiet:
        print("selfrect:", remark, file=sys.stderr)
    if given.json:
        print(json.dumps(record, indent=2))
    elif not given.quiet:
        print(summary(record))


def summary(record: dict[str, Any]) -> str:
    """One line for a person: `result.png: 512 x 512 pixels, 395 network calls, 83 s`"""
    width, height = record["size"]
    calls, seconds = record["network_calls"], record["seconds"]["total"]
    return f"{Path(record['output']).name}: {width} x {height} pixels, {calls} network calls, {seconds:.0f} s"


def bounds(setting: Setting) -> str:
    """What values a setting takes: `2 to 250`, `current, recorded`, `true, false`"""
    if setting.kind == "bool":
        return "true, false"
    return ", ".join(setting.choices) if setting.choices else f"{setting.minimum:g} to {setting.maximum:g}"


def _given(given: argparse.Namespace) -> dict[str, Any]:
    """The settings that were given, by name."""
    settings = {setting.name: getattr(given, setting.name) for setting in _settings() if hasattr(given, setting.name)}
    return {f"tile_{axis}": True for axis in given.tile or ()} | settings


def _limit(given: argparse.Namespace) -> None:
    """What holds for the whole process."""
    from . import memory

    if given.memory:
        memory.set_limit(given.memory)
    memory.limit()  # a variable that is no size is told now
    if given.compile:
        os.environ["SELFRECT_COMPILE"] = "1"


def _synthesize(given: argparse.Namespace, request, console, interrupt: Interrupt):
    from . import registry

    def report(stage: str, step: int, steps: int, preview=None, fraction: float = 0.0) -> None:
        interrupt.check()
        console.progress(stage, step, steps, fraction)

    return registry.synthesize(ENGINE, given.model, given.device, given.dtype, request, report)


def _settings() -> tuple[Setting, ...]:
    from . import registry

    return next(engine.settings for engine in registry.engines() if engine.name == ENGINE)


def _flag(setting: Setting) -> str:
    return "--" + setting.name.replace("_", "-")


def _options(setting: Setting) -> dict[str, Any]:
    """The keyword arguments of add_argument for one setting."""
    words = f"{setting.description} [{bounds(setting)}; default {text(setting.default)}]".replace("%", "%%")
    if setting.kind == "bool":
        return {"action": argparse.BooleanOptionalAction, "help": words}
    if setting.kind == "enum":
        return {"choices": setting.choices, "help": words}
    if setting.kind == "numbers":
        return {"type": _numbers(setting), "metavar": "X,X", "help": words}
    return {"type": _number(setting), "metavar": "N" if setting.kind == "int" else "X", "help": words}


def text(default: Any) -> str:
    """A default as it would be given."""
    return (",".join(f"{number:g}" for number in default) or "none") if isinstance(default, tuple) else str(default)


def _axes(text: str) -> str:
    axes = "".join(sorted(text.lower()))
    if axes not in ("x", "y", "xy"):
        raise argparse.ArgumentTypeError(f"expected x, y or xy, got “{text}”")
    return axes


def _numbers(setting: Setting) -> Callable[[str], tuple[float, ...]]:
    """A parser of numbers between commas. One that begins with a minus is given as --name=-15,30."""

    def parse(text: str) -> tuple[float, ...]:
        return tuple(map(_number(setting), text.split(","))) if text.strip() else ()

    return parse


def _number(setting: Setting) -> Callable[[str], float]:
    """A parser of one number that keeps the setting's bounds; every number has them."""

    def parse(text: str) -> float:
        kind = "a whole number" if setting.kind == "int" else "a number"
        try:
            value = int(text) if setting.kind == "int" else float(text)
        except ValueError:
            value = None
        if value is None or not setting.minimum <= value <= setting.maximum:
            raise argparse.ArgumentTypeError(f"expected {kind} from {bounds(setting)}, got “{text}”")
        return value

    return parse
