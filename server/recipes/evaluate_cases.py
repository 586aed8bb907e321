# SPDX-License-Identifier: GPL-3.0-or-later
"""Run and measure a folder of cases (see `selfrect.evaluation.cases`):

python server/recipes/evaluate_cases.py FOLDER --size 256 --output DIR [--network [STEPS]] [--compare] [--only 12-1,4-1] [--model mini]
    [--set p1=30]

--network also runs the model without patches, and without patches and keys and values, which is slow; less so in fewer STEPS than 50,
with P and S in proportion. --compare adds the raw
target and a plain patch synthesis (`patch_baseline`). Writes one sheet for each case, one of all, and measures.json.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
from patch_baseline import baseline
from selfrect import registry
from selfrect.engine import Request
from selfrect.evaluation.cases import Case, cases, means, measure, stacked
from selfrect.image import write_image


def maker(model: str, device: str, settings: dict, seconds: list[float]):
    """Case → the engine's picture; the processor seconds it took are added to the list."""

    def make(case: Case) -> np.ndarray:
        began = time.process_time()
        made = registry.synthesize("self-rectification", model, device, "auto", Request([case.reference], case.target, 0, settings))
        seconds.append(round(time.process_time() - began, 1))
        print(f"  {case.name}: {seconds[-1]} s of processor time", made.record["patches"], flush=True)
        return made.image

    return make


def network_makers(given: argparse.Namespace, settings: dict) -> dict:
    """The network alone; and the same asked for no structure and never for the reference's detail: what keys and values are worth."""
    steps, many, few = given.network, round(given.network * 0.4), round(given.network * 0.1)
    alone = {"patches": "off", "steps": steps, "p1": many, "s1": many, "p2": few, "s2": few, **settings}
    without = alone | {"p1": 0, "p2": 0, "s1": steps, "s2": steps}
    named = {"network alone": alone, "no injection": without}
    return {name: maker(given.model, given.device, chosen, []) for name, chosen in named.items()}


def value_of(text: str) -> bool | float | str:
    return json.loads(text) if text in ("true", "false") or text[0] in "-.0123456789" else text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--network", type=int, nargs="?", const=50, default=0, metavar="STEPS")
    parser.add_argument("--compare", action="store_true")
    parser.add_argument("--only", default="")
    parser.add_argument("--model", default="mini")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    given = parser.parse_args()
    settings = {name: value_of(text) for name, text in (pair.split("=") for pair in given.set)}
    seconds: list[float] = []
    makers = {"result": maker(given.model, given.device, settings, seconds)}
    if given.network:
        makers |= network_makers(given, settings)
    if given.compare:
        makers["raw target"] = lambda case: case.target[..., :3]
        makers["plain patches"] = lambda case: baseline(case.reference, case.target)
    given.output.mkdir(parents=True, exist_ok=True)
    found, sheets = {}, []
    for case in cases(given.folder, given.size):
        if given.only and case.name not in given.only.split(","):
            continue
        found[case.name], drawn = measure(case, makers)
        sheets.append(drawn)
        write_image(given.output / f"{case.name}-{given.size}.png", drawn)
        print(case.name, {name: (round(m["texture"]["ratio"], 3), m["structure"]) for name, m in found[case.name].items()}, flush=True)
        told = {"cases": found, "mean": means(list(found.values())), "processor_seconds": seconds}
        (given.output / f"measures-{given.size}.json").write_text(json.dumps(told, indent=2), "utf-8")
        write_image(given.output / f"all-{given.size}.png", stacked(sheets))
    print(json.dumps(told["mean"], indent=2))


if __name__ == "__main__":
    main()
