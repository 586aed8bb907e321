# SPDX-License-Identifier: GPL-3.0-or-later
"""Which builds of PyTorch there are for a machine, which of them it should get, and why."""
from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

import tomllib

from .machine import Gpu, Machine
from .places import LISTS_FOLDER

#: CUDA 13 leaves out the cards before Turing and needs a driver of this line; CUDA 12 needs that one.
CUDA_CAPABILITY, CUDA_DRIVER = (7, 5), 580
LEGACY_CAPABILITIES, LEGACY_DRIVER = ((5, 0), (9, 0)), 525
#: What PyTorch's ROCm builds are compiled for.
ROCM = {"gfx900", "gfx906", "gfx908", "gfx90a", "gfx942", "gfx950", "gfx1030", "gfx1100", "gfx1101", "gfx1102", "gfx1150", "gfx1151",
        "gfx1200", "gfx1201"}  # fmt: skip
OLDEST_MACOS = 14


@dataclass(frozen=True)
class Backend:
    """device: as `selfrect check --device` takes it. torch_backend: uv's name of the variant's index, "" for the general one.

    download, disk: bytes; about: those are estimates. locked: each file of the list has its hash there.
    """

    name: str
    title: str
    device: str
    list_name: str
    torch_backend: str
    download: int
    disk: int
    about: bool
    longest_path: int
    locked: bool


@dataclass(frozen=True)
class Choice:
    """A backend as the user chooses it. reason: why it is recommended, or why it cannot or should not be used."""

    name: str
    title: str
    reason: str
    recommended: bool
    possible: bool


@cache
def backends(platform: str) -> dict[str, Backend]:
    """The backends of a platform by name, in the order in which they are preferred."""
    table = tomllib.loads((LISTS_FOLDER / "backends.toml").read_text("utf-8")).get(platform, {})
    return {name: _backend(platform, name, entry) for name, entry in table.items()}


def choices(machine: Machine) -> tuple[Choice, ...]:
    """Every backend of the platform; exactly one is recommended where any is possible."""
    if unfit(machine):
        return ()
    judged = {name: _JUDGES.get(name.partition("-")[0], _judge_cpu)(name, machine) for name in backends(machine.platform)}
    best = next((name for name, (fits, _) in judged.items() if fits), None)
    titles = backends(machine.platform)
    return tuple(Choice(name, titles[name].title, reason, name == best, fits) for name, (fits, reason) in judged.items())


def unfit(machine: Machine) -> str:
    """Why no engine can be installed on this machine at all; "" where one can."""
    if machine.platform not in ("linux", "windows", "macos"):
        return f"There is no PyTorch for {machine.platform}."
    if machine.platform == "macos" and machine.arch != "aarch64":
        return "PyTorch no longer comes for Macs with Intel processors."
    if machine.platform == "macos" and machine.system and int(machine.system.partition(".")[0]) < OLDEST_MACOS:
        return f"PyTorch needs macOS {OLDEST_MACOS} or newer; this is {machine.system}."
    if machine.platform == "windows" and machine.arch != "x86_64":
        return f"There is no PyTorch for Windows on {machine.arch} here yet."
    if machine.arch not in ("x86_64", "aarch64"):
        return f"There is no PyTorch for processors of the kind {machine.arch}."
    return ""


def _judge_cuda(name: str, machine: Machine) -> tuple[bool, str]:
    cards = [gpu for gpu in machine.gpus if gpu.vendor == "nvidia"]
    if not cards:
        return False, "No NVIDIA card with a working driver was found."
    card = max(cards, key=lambda gpu: capability(gpu))
    able, driver = capability(card), _driver(card)
    told = f"{card.title}, compute capability {card.capability}, driver {card.driver}"
    if name == "cuda":
        if able < CUDA_CAPABILITY:
            return False, f"{told}: the current CUDA is for capability 7.5 and newer."
        return driver >= CUDA_DRIVER, told if driver >= CUDA_DRIVER else f"{told}: needs driver {CUDA_DRIVER} or newer."
    oldest, newest = LEGACY_CAPABILITIES
    if not oldest <= able <= newest:
        return False, f"{told}: the older CUDA is for capabilities 5.0 to 9.0; update the driver."
    return driver >= LEGACY_DRIVER, told if driver >= LEGACY_DRIVER else f"{told}: needs driver {LEGACY_DRIVER} or newer."


def _judge_rocm(name: str, machine: Machine) -> tuple[bool, str]:
    cards = [gpu for gpu in machine.gpus if gpu.vendor == "amd"]
    if not cards:
        return False, "No AMD card was found."
    card = cards[0]
    if machine.arch != "x86_64" or card.capability not in ROCM:
        told = card.capability or "without the kernel's compute driver (amdgpu with /dev/kfd)"
        return False, f"{card.title}: {told}; ROCm does not list it."
    return True, f"{card.title}, {card.capability}"


def _judge_xpu(name: str, machine: Machine) -> tuple[bool, str]:
    cards = [gpu for gpu in machine.gpus if gpu.vendor == "intel" and gpu.capability == "discrete"]
    fits = bool(cards) and machine.arch == "x86_64"
    return fits, cards[0].title if fits else "No Intel Arc or data-centre card was found."


def _judge_mps(name: str, machine: Machine) -> tuple[bool, str]:
    return True, "Apple's own GPU"


def _judge_cpu(name: str, machine: Machine) -> tuple[bool, str]:
    return True, "Works everywhere; slow with large models."


_JUDGES = {"cuda": _judge_cuda, "rocm": _judge_rocm, "xpu": _judge_xpu, "mps": _judge_mps}


def capability(gpu: Gpu) -> tuple[int, int]:
    """(8, 6) of "8.6"; (0, 0) for unknown."""
    told = re.fullmatch(r"(\d+)\.(\d+)", gpu.capability)
    return (int(told[1]), int(told[2])) if told else (0, 0)


def _driver(gpu: Gpu) -> int:
    """The driver's line: 580 of "580.65.06". Of an old one only its CUDA version is known: "CUDA 12"."""
    if gpu.driver.startswith("CUDA"):
        return {13: CUDA_DRIVER, 12: LEGACY_DRIVER}.get(int(gpu.driver.split()[1]), 0)
    first = gpu.driver.partition(".")[0]
    return int(first) if first.isdigit() else 0


def _backend(platform: str, name: str, entry: dict) -> Backend:
    list_name = f"{platform}-{name}.txt"
    return Backend(
        name, entry["title"], entry["device"], list_name, entry.get("torch_backend", ""),
        entry["download"] << 20, entry["disk"] << 20, entry.get("about", False), entry["longest_path"],
        "--hash" in (LISTS_FOLDER / list_name).read_text("utf-8"),
    )  # fmt: skip
