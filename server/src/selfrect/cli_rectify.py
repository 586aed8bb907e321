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

from . import cli_plan
from .problems import Problem

if TYPE_CHECKING:
    from .engine import Setting
    from .interrupt import Interrupt

ENGINE = "self-rectification"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags. What is not given is left out of the request, so that defaults stand in the engine alone."""
    files = parser.add_argument_group("pictures (PNG, TIFF, EXR; JPEG in only)")
    files.add_argument("--reference", nargs="+", action="extend", required=True, metavar="PICTURE",
                       help="the texture to look like; several may be given")  # fmt: skip
    files.add_argument("--target", required=True, metavar="PICTURE", help="the rough edit; transparent is background")
    files.add_argument("--output", metavar="PICTURE", help="the result: .png, .tif, .tiff or .exr; needed without --plan")
    files.add_argument("--bits", type=int, choices=(8, 16, 32), help="bits a channel of the output (default: PNG 8, "
                       "or 16 if a picture that came in has more than 8; TIFF 16; EXR 32)")  # fmt: skip
    files.add_argument("--force", action="store_true", help="let the output replace one of the pictures that came in")
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
    for setting in _settings():
        settings.add_argument(_flag(setting), dest=setting.name, default=argparse.SUPPRESS, **_options(setting))
    telling = parser.add_argument_group("what is told")
    telling.add_argument("--json", action="store_true", help="print the record, and nothing else, on stdout")
    telling.add_argument("--plan", action="store_true", help="only tell what it would take: network calls, seconds, memory")
    telling.add_argument("--quiet", action="store_true", help="no progress")


def run(given: argparse.Namespace, interrupt: Interrupt) -> None:
    """Check everything that can be checked at once, work, write the picture, tell. Raises Problem."""
    from .console import Console
    from .image import write_image
    from .models import store

    _limit(given)
    bits = None if given.plan else check_output(given)
    given.model = given.model or store.default_model()
    store.find(given.model)  # a missing model is told before PyTorch takes its seconds to load
    request = _request(given)
    if given.plan:
        return cli_plan.tell(given, ENGINE, request)
    console = Console(given.quiet)
    try:
        with contextlib.redirect_stdout(sys.stderr):  # stdout is the record's, whatever the libraries print
            result = _synthesize(given, request, console, interrupt)
    finally:
        console.end()
    interrupt.check()
    write_image(given.output, result.image, bits)
    record = {**result.record, "output": os.path.abspath(given.output)}
    if given.json:
        print(json.dumps(record, indent=2))
    elif not given.quiet:
        print(summary(record))


def check_output(given: argparse.Namespace) -> int | None:
    """See that the result can be written and overwrites nothing that came in; returns its bits a channel, None: default.

    Raises Problem bad_input, for a picture that came in as well when its header cannot be read.
    """
    from . import image

    if given.output is None:
        raise Problem("bad_input", "The command cannot be understood: --output is missing.", "See selfrect rectify --help.")
    file_format = image.check_output(given.output, given.bits)
    came_in = [*given.reference, given.target]
    deepest = max(image.read_info(path).bits for path in came_in)
    for path in came_in:
        if not given.force and os.path.exists(given.output) and os.path.samefile(path, given.output):
            raise Problem(
                "bad_input",
                f"The output “{given.output}” is the same file as the picture “{path}” that comes in.",
                "Give another name, or --force to replace it.",
            )
    return 16 if given.bits is None and file_format == "png" and deepest > 8 else given.bits


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


def _request(given: argparse.Namespace):
    from .engine import Request
    from .image import read_image

    settings = {setting.name: getattr(given, setting.name) for setting in _settings() if hasattr(given, setting.name)}
    return Request([read_image(path) for path in given.reference], read_image(given.target), given.seed, settings)


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
    text = f"{setting.description} [{bounds(setting)}; default {setting.default}]".replace("%", "%%")
    if setting.kind == "bool":
        return {"action": argparse.BooleanOptionalAction, "help": text}
    if setting.kind == "enum":
        return {"choices": setting.choices, "help": text}
    return {"type": _number(setting), "metavar": "N" if setting.kind == "int" else "X", "help": text}


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
