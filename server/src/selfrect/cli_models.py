# SPDX-License-Identifier: GPL-3.0-or-later
"""`selfrect models list | download | verify | import | remove | where`: its flags, its words, its data."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .problems import Problem

if TYPE_CHECKING:
    from .interrupt import Interrupt


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags; without an action the models are listed."""
    parser.add_argument("--json", action="store_true", help="print as data")
    parser.set_defaults(act=list_models)
    actions = parser.add_subparsers(title="actions", metavar="ACTION")
    for name, (summary, add, act) in ACTIONS.items():
        action = actions.add_parser(name, help=summary, description=summary, allow_abbrev=False)
        action.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="print as data")
        action.set_defaults(act=act)
        add(action)


def run(given: argparse.Namespace, interrupt: Interrupt) -> None:
    """Do what is asked. Raises Problem."""
    given.act(given, interrupt)


def list_models(given: argparse.Namespace, interrupt: Interrupt) -> None:
    from .models import manage

    found = manage.models()
    if given.json:
        return print(json.dumps(found, indent=2))
    width = max(len(model["name"]) for model in found if not model["tool"] or model["downloads"])
    for model in found:
        print(f"{model['name']:<{width}}  {_state(model):<34} {_about(model)}".rstrip())


def download(given: argparse.Namespace, interrupt: Interrupt) -> None:
    from .models import manage
    from .models.catalogue import entry

    wanted = entry(given.name)
    accepted = given.accept_licence or manage.licence_accepted(given.name)
    if not accepted and not given.json and sys.stdin.isatty() and sys.stderr.isatty():
        terms = f"{wanted.title} is under the licence {wanted.licence}.\n{wanted.licence_summary}\n{wanted.licence_url}"
        accepted = _ask(f"{terms}\nDo you accept it? [y/N] ")
    done = _with_progress(given, interrupt, lambda report: manage.download(given.name, report, accepted, given.mirror, given.precision))
    _tell(given, done, f"{wanted.title} is in {done['path']}.")


def verify(given: argparse.Namespace, interrupt: Interrupt) -> None:
    from .models import manage

    done = _with_progress(given, interrupt, lambda report: manage.verify(given.name, report))
    bad = [f"{file['file']} ({file['state']})" for file in done["files"] if file["state"] != "good"]
    if bad:
        remedy = f"Repair it: selfrect models download {given.name}. Only what is wrong is fetched."
        raise Problem("hash_mismatch", f"The model “{given.name}” in {done['path']} is damaged: {', '.join(bad)}.", remedy)
    _tell(given, done, f"{given.name}: {len(done['files'])} files in {done['path']} are as they should be.")


def bring_in(given: argparse.Namespace, interrupt: Interrupt) -> None:
    from .models import manage

    done = _with_progress(given, interrupt, lambda report: manage.bring_in(given.path, given.name, given.link, report))
    _tell(given, done, f"It can be asked for as --model {done['name']}.")


def remove(given: argparse.Namespace, interrupt: Interrupt) -> None:
    from .models import manage

    done = manage.remove(given.name)
    _tell(given, done, f"{given.name} is removed, {size(done['freed'])} are free again.")


def where(given: argparse.Namespace, interrupt: Interrupt) -> None:
    from .models import manage

    found = manage.where()
    if given.json:
        return print(json.dumps(found, indent=2))
    free = f", {size(found['free'])} free" if found["free"] is not None else ""
    print(f"models  {found['folder']}{'' if found['writable'] else ' (read only)'}{free}\ncache   {found['cache']}")
    for shelf in found["searched"]:
        print(f"also    {shelf['folder']} ({shelf['tool']})")


def size(count: int) -> str:
    """`4.3 GB`, `12 MB`, `541 bytes`"""
    if count >= 1e9:
        return f"{count / 1e9:.1f} GB"
    return f"{count / 1e6:.0f} MB" if count >= 1e6 else f"{count} bytes"


def _state(model: dict[str, Any]) -> str:
    if model["tool"]:
        return f"found ({model['tool']})"
    if model["installed"]:
        return "installed"
    sizes = dict.fromkeys(size(count) for count in model["downloads"].values())
    return f"not here ({' or '.join(sizes)})"


def _about(model: dict[str, Any]) -> str:
    return f"{model['title']} ({model['licence']})" if model["licence"] else ""


def _with_progress(given: argparse.Namespace, interrupt: Interrupt, act: Callable[[Callable[..., None]], dict[str, Any]]) -> dict[str, Any]:
    from .console import Console

    console = Console(given.quiet)

    def report(stage: str, step: int, steps: int, fraction: float = 0.0, speed: float | None = None, file: str = "") -> None:
        interrupt.check()
        amount = f"{size(step)} of {size(steps)}" + (f", {size(round(speed))}/s" if speed else "")
        console.progress(f"{stage} {file}  {amount}" if console.is_terminal else stage, 1, 1, fraction)

    try:
        return act(report)
    finally:
        console.end()


def _ask(question: str) -> bool:
    print(question, end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _tell(given: argparse.Namespace, data: dict[str, Any], words: str) -> None:
    print(json.dumps(data, indent=2) if given.json else words)


def _add_name(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="a name of `selfrect models list`")


def _add_quiet(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--quiet", action="store_true", help="no progress")


def _add_download(parser: argparse.ArgumentParser) -> None:
    _add_name(parser)
    _add_quiet(parser)
    parser.add_argument("--accept-licence", action="store_true", help="you have read the model's licence and accept it")
    parser.add_argument("--precision", choices=("auto", "float32", "float16"), default="auto",
                        help="float16 is half the size (default auto: what the device works in)")  # fmt: skip
    parser.add_argument("--mirror", default="", metavar="URL", help="a hub to take it from (default HF_ENDPOINT or https://huggingface.co)")


def _add_verify(parser: argparse.ArgumentParser) -> None:
    _add_name(parser)
    _add_quiet(parser)


def _add_import(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("path", metavar="PATH", help="a diffusers folder or a .safetensors checkpoint")
    parser.add_argument("--name", default="", help="what to call it (default: as the file or folder)")
    parser.add_argument("--link", action="store_true", help="use it where it lies, without copying")
    _add_quiet(parser)


def _add_nothing(parser: argparse.ArgumentParser) -> None:
    """For actions without flags of their own."""


# name: (summary, what adds its flags, what runs it)
ACTIONS = {
    "list": ("list the models: those in the catalogue, imported ones, and those found in other tools' folders", _add_nothing, list_models),
    "download": ("download a model, or what is missing or damaged of it", _add_download, download),
    "verify": ("read every file of a model again and compare it with what it should be", _add_verify, verify),
    "import": ("take a model from a disk into the models folder", _add_import, bring_in),
    "remove": ("delete what was downloaded or imported under a name", _add_name, remove),
    "where": ("tell the folders", _add_nothing, where),
}
