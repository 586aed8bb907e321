# SPDX-License-Identifier: GPL-3.0-or-later
"""What this machine has: platform, graphics cards with driver and compute capability, memory. Takes up to a few seconds.

Nothing is loaded into this process where a program can be asked instead: a driver that crashes must not take Blender along.
"""
from __future__ import annotations

import ctypes
import os
import platform
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from .. import child
from .settings import clean_environment

PLATFORMS = {"linux": "linux", "win32": "windows", "darwin": "macos"}
_ARCHITECTURES = {"amd64": "x86_64", "arm64": "aarch64"}
_VENDORS = {"0x10de": "nvidia", "0x1002": "amd", "0x8086": "intel"}
_QUERY = "name,memory.total,driver_version,compute_cap"


@dataclass(frozen=True)
class Gpu:
    """vendor: nvidia, amd, intel or apple. memory in bytes, 0 for unknown. driver: as the vendor writes it.

    capability: NVIDIA's compute capability as "8.6", AMD's architecture as "gfx1100"; "" for unknown.
    """

    vendor: str
    title: str
    memory: int = 0
    driver: str = ""
    capability: str = ""


@dataclass(frozen=True)
class Machine:
    """platform: linux, windows or macos; arch: x86_64 or aarch64; system: its version; memory in bytes, 0 for unknown."""

    platform: str
    arch: str
    system: str
    memory: int
    gpus: tuple[Gpu, ...] = ()
    long_paths: bool = True


def examine() -> Machine:
    """Look at this machine. Never raises: what cannot be found out is left empty."""
    arch = platform.machine().lower()
    name = PLATFORMS.get(sys.platform, sys.platform)
    finders = {"linux": (_nvidia, _linux_cards), "windows": (_nvidia, _windows_cards), "macos": (_apple,)}.get(name, ())
    found: list[Gpu] = []
    for find in finders:
        known = {gpu.vendor for gpu in found}
        found += [gpu for gpu in find() if gpu.vendor not in known]
    system = platform.mac_ver()[0] if name == "macos" else platform.release()
    return Machine(name, _ARCHITECTURES.get(arch, arch), system, _memory(), tuple(found), _long_paths())


def _nvidia() -> list[Gpu]:
    tool = shutil.which("nvidia-smi") or _first_file(r"C:\Program Files\NVIDIA Corporation\NVSMI\nvidia-smi.exe")
    lines = _told_by(tool, f"--query-gpu={_QUERY}", "--format=csv,noheader,nounits") if tool else []
    return nvidia_cards(lines) or _nvidia_by_driver()


def nvidia_cards(lines: list[str]) -> list[Gpu]:
    """The lines of `nvidia-smi --query-gpu=name,memory.total,driver_version,compute_cap --format=csv,noheader,nounits`."""
    found = []
    for line in lines:
        parts = [part.strip() for part in line.split(",")]
        if len(parts) == 4 and re.fullmatch(r"\d+\.\d+", parts[3]):
            memory = int(parts[1]) << 20 if parts[1].isdigit() else 0
            found.append(Gpu("nvidia", parts[0], memory, parts[2], parts[3]))
    return found


def _nvidia_by_driver() -> list[Gpu]:
    """For drivers too old to tell the capability through nvidia-smi: ask the driver's own library, in another process."""
    lines = _told_by(sys.executable, "-I", "-c", _ASK_DRIVER) if _is_python(sys.executable) else []
    found = []
    for line in lines:
        title, _, rest = line.partition("|")
        words = rest.split()
        if len(words) == 4 and all(word.isdigit() for word in words):
            found.append(Gpu("nvidia", title, int(words[2]), f"CUDA {int(words[3]) // 1000}", f"{words[0]}.{words[1]}"))
    return found


_ASK_DRIVER = r"""
import ctypes, sys
c = ctypes.WinDLL("nvcuda.dll") if sys.platform == "win32" else ctypes.CDLL("libcuda.so.1")
n, v = ctypes.c_int(), ctypes.c_int()
if c.cuInit(0) == 0 and c.cuDeviceGetCount(ctypes.byref(n)) == 0:
    c.cuDriverGetVersion(ctypes.byref(v))
    for i in range(n.value):
        d, a, b, m, name = ctypes.c_int(), ctypes.c_int(), ctypes.c_int(), ctypes.c_size_t(), ctypes.create_string_buffer(100)
        c.cuDeviceGet(ctypes.byref(d), i)
        c.cuDeviceGetName(name, 100, d)
        c.cuDeviceGetAttribute(ctypes.byref(a), 75, d)
        c.cuDeviceGetAttribute(ctypes.byref(b), 76, d)
        c.cuDeviceTotalMem_v2(ctypes.byref(m), d)
        print(f"{name.value.decode()}|{a.value} {b.value} {m.value} {v.value}")
"""


def _linux_cards() -> list[Gpu]:
    """AMD and Intel, from the kernel's files. An Intel processor's own graphics count, too; `backends` tells them apart."""
    found = []
    for card in sorted(Path("/sys/class/drm").glob("card?/device")):
        vendor = _VENDORS.get(_text(card / "vendor"), "")
        if vendor in ("amd", "intel"):
            memory = _text(card / "mem_info_vram_total")
            title = f"{vendor.upper() if vendor == 'amd' else 'Intel'} graphics ({_text(card / 'device')})"
            local = "discrete" if vendor == "intel" and (card / "lmem_total_bytes").exists() else ""
            found.append(Gpu(vendor, title, int(memory) if memory.isdigit() else 0, "", _amd_architecture() if vendor == "amd" else local))
    return found


def _amd_architecture() -> str:
    """gfx1100 of the 110000 that the kernel's compute driver tells; "" without that driver."""
    for node in sorted(Path("/sys/class/kfd/kfd/topology/nodes").glob("*/properties")):
        told = re.search(r"^gfx_target_version (\d+)$", _text(node), re.MULTILINE)
        version = int(told[1]) if told else 0
        if version:
            return f"gfx{version // 10000}{version // 100 % 100:x}{version % 100:x}"
    return ""


def _windows_cards() -> list[Gpu]:
    """By the names of the display adapters."""

    class Device(ctypes.Structure):
        _fields_ = [
            ("size", ctypes.c_uint32),
            ("name", ctypes.c_wchar * 32),
            ("title", ctypes.c_wchar * 128),
            ("flags", ctypes.c_uint32),
            ("identity", ctypes.c_wchar * 128),
            ("key", ctypes.c_wchar * 128),
        ]

    titles, device, number = [], Device(), 0
    device.size = ctypes.sizeof(Device)
    while ctypes.WinDLL("user32").EnumDisplayDevicesW(None, number, ctypes.byref(device), 0):
        titles += [device.title] if device.title not in titles else []
        number += 1
    vendors = {"amd": ("amd", "radeon"), "intel": ("intel",)}
    return [
        Gpu(vendor, title, 0, "", "discrete" if "arc" in title.lower().split() or "arc(tm)" in title.lower() else "")
        for title in titles
        for vendor, words in vendors.items()
        if any(word in title.lower() for word in words)
    ]


def _apple() -> list[Gpu]:
    return [Gpu("apple", "Apple GPU", _memory())] if platform.machine() == "arm64" else []


def _memory() -> int:
    if sys.platform == "win32":

        class Status(ctypes.Structure):
            _fields_ = [("size", ctypes.c_uint32), ("load", ctypes.c_uint32), ("total", ctypes.c_uint64), ("rest", ctypes.c_uint64 * 6)]

        status = Status(size=ctypes.sizeof(Status))
        return status.total if ctypes.WinDLL("kernel32").GlobalMemoryStatusEx(ctypes.byref(status)) else 0
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (OSError, ValueError):
        return 0


def _long_paths() -> bool:
    """Whether paths of more than 259 letters are possible."""
    if sys.platform != "win32":
        return True
    import winreg

    try:
        with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, r"SYSTEM\CurrentControlSet\Control\FileSystem") as key:
            return winreg.QueryValueEx(key, "LongPathsEnabled")[0] == 1
    except OSError:
        return False


def _told_by(program: str, *arguments: str) -> list[str]:
    try:
        told = child.start(
            child.tied([program, *arguments]), clean_environment(),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip
    except OSError:
        return []
    try:
        out, _ = told.communicate(timeout=15)
    except subprocess.TimeoutExpired:  # a driver that hangs
        child.kill(told)
        told.communicate()
        return []
    return out.decode("utf-8", "replace").splitlines() if told.returncode == 0 else []


def _is_python(executable: str) -> bool:
    return Path(executable).name.lower().startswith("python")


def _first_file(*paths: str) -> str:
    return next((path for path in paths if Path(path).is_file()), "")


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace").strip()
    except OSError:
        return ""
