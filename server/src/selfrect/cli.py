# SPDX-License-Identifier: GPL-3.0-or-later
"""The command `selfrect`. Nothing heavy is imported before it is needed: `--help` answers at once.

Exit codes: 0 done, 2 bad input or usage, 3 model missing, 4 out of memory, 5 cancelled, 1 anything else. Each failure is
one sentence and a remedy on stderr, and with --json also {"error": {code, sentence, remedy, detail}} on stdout.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from . import __version__, check, cli_cache, cli_evaluate, cli_models, cli_problems, cli_rectify
from .interrupt import Interrupt
from .models import offline
from .problems import EXIT_CODES, Problem, exit_code, from_exception


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code and prints no traceback, whatever happens."""
    arguments = sys.argv[1:] if argv is None else list(argv)
    offline.close()
    # Before PyTorch is loaded: threads that wait for each other let others have the processor meanwhile. Spinning, two of them beside a
    # busy Blender took up to ten times as long.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # a console that lacks a letter is no reason to fail
    with Interrupt() as interrupt:
        try:
            if arguments[:1] == ["train"]:
                train(arguments[1:])
            else:
                given = build_parser(arguments).parse_args(arguments)
                given.run(given, interrupt)
        except SystemExit as end:  # argparse, after --help and --version
            return end.code if isinstance(end.code, int) else 0
        except BaseException as error:  # noqa: BLE001 (the one place where every failure becomes a sentence)
            problem = from_exception(KeyboardInterrupt() if interrupt.came else error)
            tell(problem, "--json" in arguments)
            return exit_code(problem)
    return 0


def tell(problem: Problem, as_json: bool) -> None:
    """The sentence and the remedy on one line of stderr; with --json the whole problem on stdout too."""
    if as_json:
        print(json.dumps({"error": problem.as_dict()}, indent=2))
    elif problem.code == "internal":
        problem.remedy += " The same command with --json shows the details."
    print("selfrect:", " ".join(str(problem).split()), file=sys.stderr)


class Parser(argparse.ArgumentParser):
    """Usage errors are Problems like all others."""

    def error(self, message: str) -> NoReturn:
        raise Problem("bad_input", f"The command cannot be understood: {message}.", f"See {self.prog} --help.")


def build_parser(arguments: Sequence[str]) -> argparse.ArgumentParser:
    """The parser for `arguments`: only the command that is called gets its flags, for describing engines costs time."""
    parser = Parser(prog="selfrect", description="Rough target + reference texture -> one coherent texture.", allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"selfrect {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    called = next((argument for argument in arguments if not argument.startswith("-")), "")
    for name, (summary, add_arguments, run) in COMMANDS.items():
        command = commands.add_parser(name, help=summary, description=summary, allow_abbrev=False)
        command.set_defaults(run=run)
        if name == called:
            add_arguments(command)
    return parser


def add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print as data")


def add_nothing(parser: argparse.ArgumentParser) -> None:
    """For commands without flags, and for `train`, which has a parser of its own."""


def list_engines(given: argparse.Namespace, interrupt: Interrupt) -> None:
    """The engines and their settings."""
    from .registry import engines

    if given.json:
        return print(json.dumps([engine.as_dict() for engine in engines()], indent=2))
    for engine in engines():
        print(f"{engine.name}: {engine.title}\n  {engine.paper}")
        for setting in engine.settings:
            print(f"  {setting.name} = {cli_rectify.text(setting.default)}  {setting.description} [{cli_rectify.bounds(setting)}]")


def serve(given: argparse.Namespace, interrupt: Interrupt) -> None:
    """Be the process that Blender talks to, until its end of the line closes."""
    from .serve import main as serve_main

    cli_cache.use_budgets(given)
    interrupt.close()  # a kill ends this process; it must not become the cancelling of one request
    try:
        serve_main()
    except KeyboardInterrupt:
        os._exit(EXIT_CODES["cancelled"])  # a thread may be importing PyTorch: an orderly end would wait for it


def train(arguments: Sequence[str]) -> None:
    """`selfrect train …` is `python -m selfrect.training …`, with its own flags."""
    from .training.__main__ import main as train_main

    train_main(arguments, "selfrect train")


# name: (summary, what adds its flags, what runs it)
COMMANDS = {
    "rectify": ("make one picture", cli_rectify.add_arguments, cli_rectify.run),
    "serve": ("be the process that Blender talks to, over stdin and stdout", cli_cache.add_budgets, serve),
    "check": ("test this environment on a device", check.add_arguments, check.run),
    "engines": ("list the engines and their settings", add_json, list_engines),
    "models": ("list, download, verify, import and remove models", cli_models.add_arguments, cli_models.run),
    "problems": ("explain every problem's code", cli_problems.add_arguments, cli_problems.run),
    "cache": ("show or clear what is kept of earlier runs", cli_cache.add_arguments, cli_cache.run),
    "evaluate": ("measure a result against its reference and target", cli_evaluate.add_arguments, cli_evaluate.run),
    "train": ("train a model as a recipe says", add_nothing, train),
}
