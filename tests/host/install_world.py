# SPDX-License-Identifier: GPL-3.0-or-later
"""A world to install in: an index on the loopback with tiny packages and faults on order, lists that lock them, a small engine.

uv and pip are the real ones; PyTorch, diffusers and selfrect are a few lines each.
"""
from __future__ import annotations

import base64
import hashlib
import http.server
import os
import random
import threading
import time
import urllib.parse
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

UV_VERSION = "0.13.9"
_CHECK = """
import json, os, sys, time
from pathlib import Path
if sys.argv[1:2] == ["check"]:
    order = Path(__file__).with_name("order.txt").read_text()
    if order.startswith("slow"):
        time.sleep(60)
    if order.startswith("says "):
        sys.exit(order[5:])
    if order.startswith("told "):
        print(json.dumps({"error": {"code": order.split()[1], "sentence": "It said so.", "remedy": "Do it.", "detail": ""}}))
        sys.exit(1)
    leaked = [name for name in os.environ if name.startswith("PYTHON") and name not in ("PYTHONNOUSERSITE", "PYTHONUTF8")]
    print(json.dumps({"torch": "1.0", "python": "3", "device": sys.argv[3], "device_title": "Fake " + ",".join(leaked), "seconds": 0.5}))
"""


@dataclass
class Faults:
    """What the server does to requests whose path contains `on`. cuts: after how many bytes of a body to hang up, one per request.

    status: answered `times` times. stall: seconds of silence in the middle of a body. ranges: whether it knows Range.
    """

    on: str = ".whl"
    cuts: list[int] = field(default_factory=list)
    status: int = 0
    times: int = 10**6
    stall: float = 0.0
    ranges: bool = True
    wrong: bool = False
    password: str = ""


class Index:
    """A package index (PEP 503) over a folder of wheels. `asked`: (path, first byte) of every request so far."""

    def __init__(self, folder: Path):
        self.folder, self.faults, self.asked = folder, Faults(), []
        handler = type("Handler", (_Handler,), {"index": self})
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def wheels_asked(self) -> list[str]:
        return [path.rpartition("/")[2] for path, _ in self.asked if path.endswith(".whl")]


class _Handler(http.server.BaseHTTPRequestHandler):
    index: Index
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self.do_GET(body=False)

    def do_GET(self, body: bool = True) -> None:
        path = urllib.parse.unquote(urllib.parse.urlsplit(self.path).path)
        faults = self.index.faults
        told = self.headers.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")
        start = int(told[0] or 0) if faults.ranges else 0
        if body:
            self.index.asked.append((path, start))
        if faults.password:
            expected = "Basic " + base64.b64encode(faults.password.encode()).decode()
            if self.headers.get("Authorization") != expected:
                return self._answer(401, b"who are you?")
        if faults.status and faults.on in path and faults.times > 0:
            faults.times -= 1
            return self._answer(faults.status, b"no")
        if path.startswith("/simple/"):
            return self._page(path.removeprefix("/simple/").strip("/"))
        file = self.index.folder / path.removeprefix("/files/")
        if not path.startswith("/files/") or not file.is_file():
            return self._answer(404, b"nothing here")
        self._file(file, start, told[2], faults, body)

    def _page(self, package: str) -> None:
        name = package.replace("-", "_")
        links = [
            f'<a href="/files/{urllib.parse.quote(wheel.name)}#sha256={sha256(wheel)}">{wheel.name}</a>'
            for wheel in sorted(self.index.folder.glob(f"{name}-*.whl"))
        ]
        self._answer(200 if links else 404, f"<!DOCTYPE html><html><body>{'<br>'.join(links)}</body></html>".encode(), "text/html")

    def _answer(self, status: int, body: bytes, kind: str = "text/plain") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _file(self, file: Path, start: int, end: str, faults: Faults, body: bool) -> None:
        whole = file.read_bytes()
        mine = faults.on in file.name
        if faults.wrong and mine:
            whole = whole[:-4] + b"evil"
        if start >= len(whole):
            return self._answer(416, b"")
        data = whole[start : int(end) + 1 if end and faults.ranges else None]
        partial = faults.ranges and "Range" in self.headers
        self.send_response(206 if partial else 200)
        if partial:
            self.send_header("Content-Range", f"bytes {start}-{start + len(data) - 1}/{len(whole)}")
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Accept-Ranges", "bytes")
        self.end_headers()
        if not body:
            return
        if mine and faults.stall:
            self.wfile.write(data[: len(data) // 2])
            self.wfile.flush()
            time.sleep(faults.stall)
            self.close_connection = True
            return
        if mine and faults.cuts:
            self.wfile.write(data[: faults.cuts.pop(0)])
            self.wfile.flush()
            self.close_connection = True
            return
        self.wfile.write(data)


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def make_wheel(folder: Path, name: str, version: str, files: dict[str, bytes], tag: str = "py3-none-any", scripts: str = "") -> Path:
    wheel = folder / f"{name}-{version}-{tag}.whl"
    info = f"{name}-{version}.dist-info"
    described = {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode(),
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: {tag}\n".encode(),
    }
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, data in (files | described).items():
            archive.writestr(path, data)
        listed = "".join(f"{path},,\n" for path in [*files, *described, f"{info}/RECORD"])
        archive.writestr(f"{info}/RECORD", listed)
    return wheel


def uv_wheel(folder: Path, program: Path) -> Path:
    """uv as its own wheel has it, of the program that is installed for the tests."""
    data = f"uv-{UV_VERSION}.data/scripts/uv"
    return make_wheel(folder, "uv", UV_VERSION, {data: program.read_bytes()}, "py3-none-manylinux_2_17_x86_64.manylinux2014_x86_64")


def packages(folder: Path) -> list[Path]:
    """torch with 400 kB to cut, and diffusers."""
    noise = random.Random(0).randbytes(400_000)
    return [
        make_wheel(folder, "torch", "1.0", {"torch/__init__.py": b"", "torch/noise.bin": noise}),
        make_wheel(folder, "diffusers", "2.0", {"diffusers/__init__.py": b""}),
    ]


def write_lists(folder: Path, wheels: list[Path], uv: Path) -> None:
    """engine.txt, linux-cpu.txt, linux-cuda.txt, uv.txt and backends.toml, as wheels/ has them."""

    def entry(wheel: Path) -> str:
        name, version = wheel.name.split("-")[:2]
        return f"{name}=={version} \\\n    --hash=sha256:{sha256(wheel)}\n"

    torch, diffusers = wheels
    (folder / "engine.txt").write_text(entry(diffusers))
    for name in ("linux-cpu", "linux-cuda"):
        (folder / f"{name}.txt").write_text(entry(torch))
    (folder / "uv.txt").write_text(entry(uv))
    table = 'title = "{0}"\ndevice = "{1}"\ndownload = 1\ndisk = 2\nlongest_path = 60\n'
    entries = {"cuda": table.format("NVIDIA", "cuda"), "cpu": table.format("Processor", "cpu")}
    (folder / "backends.toml").write_text("".join(f"[linux.{name}]\n{entry}\n" for name, entry in entries.items()))


def write_engine(server: Path, version: str = "0.1.0", order: str = "well") -> None:
    """A server folder as the extension carries it: pyproject.toml and a package that can be `check`ed."""
    package = server / "src" / "selfrect"
    package.mkdir(parents=True, exist_ok=True)
    (package / "__init__.py").write_text(f'__version__ = "{version}"\n')
    (package / "__main__.py").write_text(_CHECK)
    (package / "order.txt").write_text(order)
    (package / "cli.py").write_text("def main(): print('selfrect')\n")
    (server / "pyproject.toml").write_text(
        '[project]\nname = "selfrect"\nversion = "0"\ndescription = "d"\nrequires-python = ">=3.10"\nlicense = "L"\n'
        'dependencies = ["torch"]\n[project.scripts]\nselfrect = "selfrect.cli:main"\n'
    )


def make_shop(folder: Path, program: Path) -> Path:
    """All wheels there are, for `furnish`. program: the real uv."""
    uv_wheel(folder, program)
    packages(folder)
    return folder


def furnish(base: Path, shop: Path) -> Path:
    """index/, wheels/ and server/ in `base`: the shop's wheels, the lists that lock them, a small engine."""
    for name in ("index", "wheels"):
        (base / name).mkdir()
    for wheel in shop.glob("*.whl"):
        os.link(wheel, base / "index" / wheel.name)
    torch, diffusers = sorted(shop.glob("torch*")) + sorted(shop.glob("diffusers*"))
    write_lists(base / "wheels", [torch, diffusers], next(shop.glob("uv-*")))
    write_engine(base / "server")
    return base


def settle(monkeypatch, base: Path, index: Index | None) -> None:
    """Point the installer at the lists and the engine below `base`, and pip and uv at the index alone."""
    from selfrect_blender.host.install import backends, bundle, engine_wheel, marker, resolve, uv

    for module in (backends, bundle, marker, resolve, uv):
        monkeypatch.setattr(module, "LISTS_FOLDER", base / "wheels")
    monkeypatch.setattr(marker, "ENGINE_SOURCE", base / "server/src/selfrect")
    monkeypatch.setattr(engine_wheel, "ENGINE_SOURCE", base / "server/src/selfrect")
    monkeypatch.setattr(engine_wheel, "SERVER_FOLDER", base / "server")
    forget()
    for name in list(os.environ):
        if name.startswith(("PIP_", "UV_")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")  # with their pauses they take ten seconds
    if index is not None:
        monkeypatch.setenv("PIP_INDEX_URL", f"{index.url}/simple/")
        monkeypatch.setenv("UV_PYTHON_INSTALL_MIRROR", f"{index.url}/python")  # which it does not have


def forget() -> None:
    """What is read once per process has to be read again."""
    from selfrect_blender.host.install import backends, marker

    for function in (backends.backends, marker.extension_version, marker.source_digest, marker.lists_digest):
        function.cache_clear()
