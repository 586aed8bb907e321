# SPDX-License-Identifier: GPL-3.0-or-later
"""`selfrect check`: does this environment really work on a device? Versions, one tensor operation, one call of `mini`.

A build of PyTorch can import well and still have no code for the card that is there, so numbers are computed on the device
and compared with those of the processor.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from typing import TYPE_CHECKING, Any

from . import __version__
from .problems import Problem, from_exception

if TYPE_CHECKING:
    import torch

    from .interrupt import Interrupt

#: Half precision inside a card (TF32) is allowed for; a wrong kernel is off by orders more.
TOLERANCE = 2e-2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:N, mps or xpu")
    parser.add_argument("--json", action="store_true", help="print as data")


def run(given: argparse.Namespace, interrupt: Interrupt) -> None:
    """Test this environment: versions, a tensor operation on the device, one call of the embedded model."""
    told = check(given.device)
    if given.json:
        return print(json.dumps(told, indent=2))
    for name, value in told.items():
        print(f"{name:<13} {value}")


def check(device: str = "auto") -> dict[str, Any]:
    """{selfrect, python, torch, diffusers, numpy, device, device_title, difference, seconds}.

    difference: of the tensor operation between device and processor, relative. seconds: of one call of `mini`.
    Raises Problem: check_failed for wrong numbers, engine_start for what cannot be loaded, bad_input for no such device.
    """
    try:
        import diffusers
        import numpy
        import torch
    except (ImportError, OSError) as error:  # Windows says OSError (WinError 126, 1114) where a library of PyTorch is missing
        raise Problem(
            "engine_start",
            f"A package of the engine could not be loaded: {type(error).__name__}: {error}.",
            "Install the engine again; on Windows, install Microsoft's Visual C++ runtime as well.",
            from_exception(error).detail,
        ) from error
    from .device import choose_device

    chosen = choose_device(device)
    difference = compare(chosen)
    return {
        "selfrect": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "diffusers": diffusers.__version__,
        "numpy": numpy.__version__,
        "device": str(chosen),
        "device_title": title(chosen),
        "difference": difference,
        "seconds": call_mini(str(chosen)),
    }


def compare(device: torch.device) -> float:
    """A matrix product and a convolution on the device and on the processor; how far they are apart, relative to their size."""
    import torch

    random = torch.Generator().manual_seed(0)
    matrix = torch.randn(64, 64, generator=random)
    picture, kernel = torch.randn(1, 4, 32, 32, generator=random), torch.randn(8, 4, 3, 3, generator=random)

    def work(place: torch.device) -> torch.Tensor:
        product = (matrix.to(place) @ matrix.to(place)).flatten()
        filtered = torch.nn.functional.conv2d(picture.to(place), kernel.to(place), padding=1).flatten()
        return torch.cat([product, filtered]).float().cpu()

    expected, came = work(torch.device("cpu")), work(device)
    difference = float((came - expected).abs().max() / expected.abs().max())
    if not difference <= TOLERANCE:  # also where it is not a number
        raise Problem(
            "check_failed",
            f"{device} computes wrong numbers: off by {difference:.2g}, where {TOLERANCE:g} is allowed.",
            "Update the graphics driver, or install for another backend.",
        )
    return difference


def call_mini(device: str) -> float:
    """Seconds of one call of the embedded model's network. Raises Problem check_failed where its answer is not finite."""
    import torch

    from .models.loading import load_model

    model = load_model("mini", device, "float32")
    z = torch.randn(1, model.unet.config.in_channels, 16, 16, generator=torch.Generator().manual_seed(0)).to(model.device)
    with torch.inference_mode():
        model.unet(z, 500, encoder_hidden_states=model.condition.embedding)  # the first call of a process also builds kernels
        start = time.perf_counter()
        noise = model.unet(z, 500, encoder_hidden_states=model.condition.embedding).sample.cpu()
    seconds = time.perf_counter() - start
    if not torch.isfinite(noise).all():
        raise Problem("check_failed", f"“mini” gave no numbers on {device}.", "Update the graphics driver, or install for another backend.")
    return round(seconds, 3)


def title(device: torch.device) -> str:
    """The device's name for people."""
    import torch

    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    if device.type == "xpu":
        return torch.xpu.get_device_name(device)
    return {"mps": "Apple GPU", "cpu": platform.processor() or "CPU"}.get(device.type, str(device))
