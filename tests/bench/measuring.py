# SPDX-License-Identifier: GPL-3.0-or-later
"""Seconds per network call of each kind and the most memory held, measured in a process of its own.

    python tests/bench/measuring.py '{"way": "ours", "model": "sd", "side": 512, "kinds": ["plain", "keys"], "repeat": 3}'

The answer is one line of JSON: {seconds: {kind: s}, peak, loaded: bytes, dtype, device, first: seconds from the start of the
process to the end of the first call}.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path

STARTED = time.perf_counter()

import plain_way  # noqa: E402
import subjects  # noqa: E402
import torch  # noqa: E402
from selfrect import device as devices  # noqa: E402
from selfrect import kept  # noqa: E402
from selfrect.engines.self_rectification.keeping import Keeping  # noqa: E402
from selfrect.engines.self_rectification.kv_injection import KeyValues, Offered  # noqa: E402
from selfrect.engines.self_rectification.network import Network  # noqa: E402
from selfrect.engines.self_rectification.room import Room  # noqa: E402
from selfrect.engines.self_rectification.settings import Settings  # noqa: E402
from selfrect.models.loading import load_model  # noqa: E402
from selfrect.models.model import Model  # noqa: E402
from selfrect.progress import Progress  # noqa: E402


def main() -> None:
    asked = json.loads(sys.argv[1])
    with torch.inference_mode(), tempfile.TemporaryDirectory() as folder:
        kept.use(Path(folder))
        print(json.dumps({"plain": of_plain, "ours": of_ours}[asked["way"]](**{k: v for k, v in asked.items() if k != "way"})))


def of_plain(model: str, side: int, kinds: list[str], repeat: int = 2, device: str = "auto") -> dict:
    """kinds: “batch B”, “batch B inject”, “encode”, “decode”."""
    place = devices.choose_device(device)
    alphas, prediction = _around(model)
    unet = subjects.unet_in_float32(model).to(place)
    text = torch.zeros(1, 1 if model == "mini" else 77, unet.config.cross_attention_dim, device=place)
    network = plain_way.network_of(unet, text, alphas, prediction)
    z = torch.randn(8, unet.config.in_channels, *_latent(model, side), device=place)
    codec = subjects.codec_in_float32(model, place)

    def call(kind: str):
        if kind == "encode":
            return lambda: codec.encode(torch.zeros(1, 3, side, side))
        if kind == "decode":
            return lambda: codec.decode(z[:1])
        return lambda: network(z[: int(kind.split()[1])], 500, kind.endswith("inject"))

    return _measure({kind: call(kind) for kind in kinds}, repeat, place, "float32")


def of_ours(
    model: str, side: int, kinds: list[str], repeat: int = 3, device: str = "auto", dtype: str = "auto", kept_steps: int = 0
) -> dict:
    """kinds: “plain”, “keys”, “inject N”, “encode”, “decode”. kept_steps: so many steps' keys and values are held, as in a run."""
    loaded = load_model(subjects.folder(model), device=device, dtype=dtype)
    network = Network(loaded, 50, 2, Progress(lambda *_, **__: None, 1))
    z = torch.randn(1, loaded.unet.config.in_channels, *_latent(model, side), device=loaded.device)
    own, held = network.key_values(z, 25), Held(loaded, _latent(model, side), kept_steps)
    held.fill(own)

    def call(kind: str):
        if kind == "plain":
            return lambda: network.eps(z, 25)
        if kind == "keys":
            return lambda: network.key_values(z, 25)
        if kind == "encode":
            return lambda: loaded.codec.encode(torch.zeros(1, 3, side, side))
        if kind == "decode":
            return lambda: loaded.codec.decode(z)
        count = int(kind.split()[1])
        return lambda: network.eps(z, 25, Offered.joined(held.some(count) or [own] * count))

    result = _measure({kind: call(kind) for kind in kinds}, repeat, loaded.device, str(loaded.dtype).removeprefix("torch."))
    return result | {"held": len(held.waiting)}


class Held:
    """Keys and values of so many steps, where a run of these settings has them wait."""

    def __init__(self, model: Model, size: tuple[int, int], steps: int):
        room, self.steps = Room(model, Settings()), steps
        rung, _ = room.choose(size, [size])
        self.keeping, self.waiting = Keeping(model, Settings(), rung, room.on_disk()), []

    def fill(self, own: KeyValues) -> None:
        self.waiting = [self.keeping.keep_key_values("", (n, n), own.moved(torch.clone)) for n in range(self.steps)]

    def some(self, count: int) -> list[KeyValues]:
        return [self.keeping.bring(waiting)() for waiting in self.waiting[:count]]


def _measure(calls: dict, repeat: int, device: torch.device, dtype: str) -> dict:
    """Every call once to warm up; then all in turn, `repeat` times, the quickest of each: others on the machine only add to it."""
    loaded = devices.peak_memory(device)
    _reset_peak(device)
    first = None
    for call in calls.values():
        call()
        _wait(device)
        first = first or time.perf_counter() - STARTED
    seconds: dict[str, float] = {}
    for _ in range(repeat):
        for kind, call in calls.items():
            start = time.perf_counter()
            call()
            _wait(device)
            seconds[kind] = min(seconds.get(kind, 1e9), time.perf_counter() - start)
    return {"seconds": seconds, "peak": _peak(device), "loaded": loaded, "dtype": dtype, "device": str(device), "first": first}


def _latent(model: str, side: int) -> tuple[int, int]:
    factor = 4 if model == "mini" else 8
    return side // factor, side // factor


def _around(model: str) -> tuple[torch.Tensor, str]:
    """Schedule and prediction of the plain network: read from the files, so that nothing of ours stays in memory."""
    if model == "mini":
        config = json.loads((subjects.MINI / "scheduler" / "scheduler_config.json").read_text("utf-8"))
        return torch.cumprod(1 - torch.tensor(config["trained_betas"], dtype=torch.float64), 0), "v_prediction"
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2
    return torch.cumprod(1 - betas, 0), "epsilon"


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _reset_peak(device: torch.device) -> None:
    """So that what loading took does not count: Linux begins the count anew where it is allowed."""
    devices.reset_peak_memory(device)
    try:
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")
    except OSError:
        pass


def _peak(device: torch.device) -> int:
    if device.type != "cuda":
        try:
            with open("/proc/self/status") as file:
                return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM"))
        except OSError:
            pass
    return devices.peak_memory(device)


if __name__ == "__main__":
    main()
