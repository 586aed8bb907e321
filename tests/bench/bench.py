# SPDX-License-Identifier: GPL-3.0-or-later
"""`make bench`: the plain way against ours, in one run on one machine. Prints tables and writes out/bench.json.

Calls are counted exactly, by running the real engine with nothing in the network's place (`counting`). Seconds of a run
are the counted calls of each kind × the measured seconds of one call of that kind (`measuring`, each way in a process of
its own, in turns, the quickest counts); T = 50 with the published settings. Two things are run whole: `mini` at 256²,
which shows how far the sums are from the truth, and both models with few steps, for the difference of the picture.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import counting
import pictures
import selfrect
import subjects
import torch
from selfrect.models import probe

GIB = 2**30
HERE = Path(__file__).parent
KEPT_STEPS = 44  # of a reference, at the published settings
KINDS = ["plain", "keys", "inject 1"]
MODELS = {"mini": "mini", "sd": "SD 1.4’s shape"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="mini alone, 512² alone, no whole runs: a few minutes")
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--repeat", type=int, default=2, help="measurements of each kind, of which the quickest counts")
    given = parser.parse_args()
    started = time.perf_counter()
    bench = Bench(["mini"] if given.quick else given.models, [512] if given.quick else [512, 1024, 2048], given.repeat)
    bench.run()
    if not given.quick:
        bench.pictures = pictures.differences(given.models)
    bench.tell()
    print(f"\n{(time.perf_counter() - started) / 60:.0f} minutes; all of it in {bench.write()}")


class Bench:
    def __init__(self, models: list[str], sides: list[int], repeat: int):
        self.models, self.sides, self.repeat = models, sides, repeat
        self.measured: dict[str, dict[str, Any]] = {}
        self.rows: list[dict[str, Any]] = []
        self.pictures: list[dict[str, Any]] = []

    def run(self) -> None:
        for model in self.models:
            self.measured[model] = self._measure(model)
            for side in self.sides:
                for n in (1, 4) if side == 512 else (1,):
                    self.rows += self._rows(model, side, n)

    def _measure(self, model: str) -> dict[str, Any]:
        """{"ours", "plain"}: ours before and after the plain way, the quicker of both; its memory with all that a run holds."""
        ask = {"model": model, "side": 512, "repeat": self.repeat}
        ours = child(way="ours", **ask, kinds=[*KINDS, "encode", "decode"], kept_steps=KEPT_STEPS)
        plain = child(way="plain", **ask, kinds=["batch 1", "batch 2", "batch 2 inject", "encode", "decode"])
        plain4 = child(way="plain", **ask | {"repeat": 1}, kinds=["batch 5", "batch 5 inject"])
        again = child(way="ours", **ask, kinds=[*KINDS, "inject 4", "encode", "decode"])
        seconds = {kind: min(s, ours["seconds"].get(kind, s)) for kind, s in again["seconds"].items()}
        return {
            "ours": ours | {"seconds": seconds},
            "plain": plain | {"seconds": plain["seconds"] | plain4["seconds"], "peak 4": plain4["peak"]},
        }

    def _rows(self, model: str, side: int, n: int) -> list[dict[str, Any]]:
        """First run and repeated reference."""
        measured = self.measured[model]
        with tempfile.TemporaryDirectory() as folder:
            loaded = selfrect.load_model(subjects.tiny(model, Path(folder)), device="cpu", dtype="float32")
            references = [subjects.picture(512, seed) for seed in range(n)]
            counts = counting.ours(loaded, references, [subjects.picture(side, 8), subjects.picture(side, 9)])
        plain, fits = counting.plain(n), side == 512
        each = measured["plain"]["seconds"]
        plain_seconds = _seconds(plain, each) + _codec_seconds(each, side, n) if fits else None
        rows = []
        for name, count in zip(("first", "repeat"), counts, strict=True):
            ours = _seconds(count, measured["ours"]["seconds"])
            rows.append({
                "model": model, "side": side, "references": n, "run": name,
                "ratio": plain_seconds / ours if fits else None,
                "plain": {"calls": counting.evals(plain), "seconds": plain_seconds, "peak": self._plain_peak(model, side, n)},
                "ours": {"calls": counting.evals(count), "seconds": ours, "peak": measured["ours"]["peak"] if fits and n == 1 else None},
                "kinds": dict(count),
            })  # fmt: skip
        return rows

    def _plain_peak(self, model: str, side: int, n: int) -> int:
        """Measured at 512²; beyond, two copies of the scores of the batch's widest layer alone, which is more than the rest."""
        plain = self.measured[model]["plain"]
        if side == 512:
            return plain["peak"] if n == 1 else plain["peak 4"]
        tokens = (side // 8) ** 2
        heads = 4 if model == "mini" else 8
        return 2 * heads * tokens**2 * 4 * 2

    def ratios(self) -> dict[str, float]:
        """Of the heaviest model measured, at 512²."""
        model = "sd" if "sd" in self.models else self.models[0]
        found = {
            f"n{row['references']}_{row['run']}": round(row["ratio"], 2)
            for row in self.rows
            if row["model"] == model and row["side"] == 512
        }
        measured = self.measured[model]
        return found | {"memory": round(measured["ours"]["peak"] / measured["plain"]["peak"], 3)}

    def tell(self) -> None:
        print(f"\n{machine()}\n")
        print(f"{'faster':>8}  {'model':<15} {'size':>6} {'N':>2} {'run':<7} {'calls':>11}  {'seconds':>15}  {'peak memory, GiB':>17}")
        for row in self.rows:
            plain, ours = row["plain"], row["ours"]
            print(
                f"{_number(row['ratio'], '.1f', '×'):>8}  {MODELS[row['model']]:<15} "
                f"{row['side']:>5}² {row['references']:>2} {row['run']:<7} "
                f"{plain['calls']:>4} → {ours['calls']:>4}  {_number(plain['seconds'], '.0f'):>6} → {ours['seconds']:>6.0f}  "
                f"{_number(plain['peak'], '.1f', scale=GIB):>7} → {_number(ours['peak'], '.1f', scale=GIB):>7}"
            )
        print("\nseconds of one call, at 512²")
        for model, both in self.measured.items():
            for way, found in both.items():
                kinds = ", ".join(f"{kind} {s:.2f}" for kind, s in found["seconds"].items())
                print(f"  {MODELS[model]:<15} {way:<6} {found['dtype']:<9} {kinds}")
        for entry in self.pictures:
            print(f"  {entry['what']}: {entry['text']}")
        print("\nratios", json.dumps(self.ratios()))

    def write(self) -> Path:
        out = subjects.ROOT / "out" / "bench.json"
        out.parent.mkdir(exist_ok=True)
        content = {"ratios": self.ratios(), "machine": machine(), "rows": self.rows, "measured": self.measured, "pictures": self.pictures}
        out.write_text(json.dumps(content, indent=2) + "\n", "utf-8")
        return out


def child(**ask: Any) -> dict[str, Any]:
    """What one measurement in a process of its own finds."""
    print(f"measuring {ask['model']}, {ask['way']}: {', '.join(ask['kinds'])}", file=sys.stderr, flush=True)
    command = [sys.executable, "-W", "ignore", str(HERE / "measuring.py"), json.dumps(ask)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\n{done.stderr[-3000:]}")
    print(" ", done.stdout.splitlines()[-1], file=sys.stderr, flush=True)  # so that a run that is cut off has not been for nothing
    return json.loads(done.stdout.splitlines()[-1])


def machine() -> str:
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else f"{probe._name()}, {torch.get_num_threads()} threads"
    return f"{device}; PyTorch {torch.__version__}; {platform.system()}"


def _seconds(count: Counter[str], each: dict[str, float]) -> float:
    """encode and decode are counted in pixels and measured at 512²."""
    return sum(n * each[kind] / (512 * 512 if kind in ("encode", "decode") else 1) for kind, n in count.items())


def _codec_seconds(each: dict[str, float], side: int, references: int) -> float:
    """Of the plain way: every reference, the target, and the picture between the rounds; two pictures come out."""
    area = (side / 512) ** 2
    return each["encode"] * (references + 2 * area) + each["decode"] * 2 * area


def _number(value: float | None, form: str, unit: str = "", scale: float = 1) -> str:
    return "—" if value is None else f"{value / scale:{form}}{unit}"


if __name__ == "__main__":
    main()
