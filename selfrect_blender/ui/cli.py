# SPDX-License-Identifier: GPL-3.0-or-later
"""`blender -b FILE --command selfrect rectify …`: the main job from a shell, with a JSON report and exit codes.

Scripts that have bpy but not the `blender` program call `main(["rectify", …])` here; it returns the exit code.
Exit codes: 0 done · 2 bad input · 3 model missing · 4 out of memory · 5 cancelled · 1 else.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import bpy

from .. import rectify as job
from .. import setup
from ..host import artist_settings
from ..host.engine_source import problems
from ..host.job import Job
from ..host.job_queue import JobQueue
from ..scene import history, map_files, materials, picture_files
from . import cli_pictures, cli_setup, engine_settings

_command = None


def main(arguments: list[str]) -> int:
    """Run the command on the file that is open. arguments: what follows `selfrect`. Returns the exit code."""
    try:
        options = _parser().parse_args(arguments)
    except SystemExit as stop:  # argparse has printed help or what is wrong
        return int(stop.code or 0)
    report: dict[str, Any] = {"state": "failed", "exit_code": 0, "problem": None}
    try:
        options.run(options, report)
    except Exception as error:  # noqa: BLE001 - whatever it is ends in the report and in the exit code
        problem = problems.from_exception(error)
        report["problem"], report["exit_code"] = problem.as_dict(), problems.exit_code(problem)
        report["state"] = "cancelled" if problem.code == "cancelled" else "failed"
        print(f"selfrect: {problem}", file=sys.stderr)
    return _write_report(options.report, report)


def _rectify(options: argparse.Namespace, report: dict[str, Any]) -> None:
    """The steps in order; each adds to the report what it has done. Raises Problem."""
    scene = bpy.context.scene
    if options.output:
        picture_files.check(options.output)
    chosen = cli_pictures.read(options)
    reference, material = chosen["reference"], _material(options)
    given = {name: value for name in engine_settings.SLIDERS if (value := getattr(options, name)) is not None}
    present = engine_settings.positions(scene.selfrect)
    settings = artist_settings.ordered(engine_settings.values(scene), present, given, options.quality and options.quality.upper())
    settings.update({name: value for name in settings if (value := getattr(options, name)) is not None})
    settings.update({f"tile_{axis}": True for axis in options.tile})
    choices = {name: _first(getattr(options, name), getattr(scene.selfrect, name)) for name in ("model", "device", "dtype", "seed")}
    orders = job.orders(scene, **chosen, settings=settings, **choices)  # one, or one for each group of UDIM tiles
    report.update(reference=reference.name, target=orders[0].target_name)

    queue = JobQueue(lambda: options.engine or setup.engine_location(), environment=setup.engine_environment)
    try:
        for order in orders:
            result, record = job.make(queue, order, _Progress())
    finally:
        queue.close()
    told = record.get("maps", {})
    maps = {name: {**told.get(name, {}), "image": image.name} for name, image in history.maps_of(result).items()}
    report.update(record, result=result.name, maps=maps)
    if options.output:
        report["output"], *report["map_files"] = map_files.write(result, Path(options.output).absolute(), options.bits)
    if material:
        report["material"] = materials.apply(material, result, reference).as_dict()
    if options.save is not None:
        report["blend"] = picture_files.save_blend(options.save)
    report["state"] = "done"
    print(f"selfrect: “{result.name}” is made.", file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="blender -b FILE --command selfrect", description="Self-rectification of textures.")
    commands = parser.add_subparsers(required=True, metavar="rectify|setup")
    cli_setup.add_parser(commands)
    rectify = commands.add_parser(
        "rectify", help="rough target + reference → coherent texture", description="Images are named as in the file, or by path."
    )
    rectify.set_defaults(run=_rectify)
    add = rectify.add_argument
    cli_pictures.add_arguments(rectify)
    add("--output", metavar="PATH", help="also write the result as .png, .tif (16 bit) or .exr (32 bit, linear), its maps beside it")
    add("--bits", type=int, choices=(8, 16, 32), help="bits of each channel of the output; default: see there")
    add("--material", metavar="NAME", help="make the result the base colour of this material, with its maps")
    add("--apply", action="store_true", help="the same for the material of the active object")
    add("--save", nargs="?", const="", metavar="PATH", help="save the .blend, to its own file or as a copy to PATH")
    add("--report", metavar="JSON", help="write a report to this file; - prints it")
    add("--engine", metavar="LOCATION", help="a Python environment or a command; default: the preference, or $SELFRECT_ENGINE")
    add("--model", metavar="NAME|PATH", help="default: the scene's, at first “mini”")
    add("--device", help="default: the scene's, at first “auto”")
    add("--dtype", help="default: the scene's, at first “auto”")
    add("--seed", type=int, help="default: the scene's, at first 0")
    add("--structure", type=_part, metavar="0..1", help="how strictly the target's layout is kept; default: the scene's, at first 0.5")
    add("--detail", type=_part, metavar="0..1", help="how much of the reference comes in; default: the scene's, at first 0.5")
    add("--quality", choices=[key.lower() for key in artist_settings.QUALITIES], help="default: the scene's, at first standard")
    for setting in engine_settings.current():
        _add_setting(rectify, setting)
    return parser


def _part(word: str) -> float:
    value = float(word)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{word} is not within 0 and 1")
    return value


def _add_setting(parser: argparse.ArgumentParser, setting: dict[str, Any]) -> None:
    flag = "--" + setting["name"].replace("_", "-")
    words = setting["description"].replace("%", "%%")
    if setting["kind"] == "bool":
        parser.add_argument(flag, action=argparse.BooleanOptionalAction, default=None, help=words)
    elif setting["kind"] == "enum":
        parser.add_argument(flag, choices=setting["choices"], help=words)
    else:
        parser.add_argument(flag, type={"int": int, "float": float, "numbers": engine_settings.numbers}[setting["kind"]], help=words)


def _material(options: argparse.Namespace) -> bpy.types.Material | None:
    """Looked up first: a wrong name should not cost a rectification."""
    if options.material:
        return materials.by_name(options.material)
    return materials.find_or_make(bpy.context) if options.apply else None


def _first(given: Any, otherwise: Any) -> Any:
    return otherwise if given is None else given


class _Progress:
    """One line on stderr for each stage."""

    def __init__(self) -> None:
        self._stage = ""

    def __call__(self, work: Job) -> None:
        if work.stage != self._stage:
            self._stage = work.stage
            print(f"selfrect: {work.stage} ({work.fraction:.0%})", file=sys.stderr)


def _write_report(where: str | None, report: dict[str, Any]) -> int:
    """Write it if it is wanted; a report that cannot be written is a failure of its own."""
    text = json.dumps(report, indent=2, ensure_ascii=False)
    try:
        if where == "-":
            print(text)
        elif where:
            Path(where).write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        print(f"selfrect: the report could not be written: {error}", file=sys.stderr)
        return report["exit_code"] or problems.exit_code(problems.from_exception(error))
    return report["exit_code"]


def register() -> None:
    """Make `selfrect` a command of Blender's."""
    global _command
    _command = bpy.utils.register_cli_command("selfrect", main)


def unregister() -> None:
    """Take the command back."""
    bpy.utils.unregister_cli_command(_command)
