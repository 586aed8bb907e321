# SPDX-License-Identifier: GPL-3.0-or-later
"""A server on loopback that speaks the model hub's protocol, and fails as the hub and networks fail.

    with Hub({"org/name": {"unet/config.json": b"{}"}}) as hub:
        hub.faults["unet/config.json"] = [Status(503), Cut(7)]   # the first two requests for it; then it behaves
        … hub.url …, hub.requests == [("GET", "/org/name/resolve/main/unet/config.json", {headers}), …]
"""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Status:
    """Answer with a status instead of the file."""

    code: int
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Cut:
    """Break the connection after so many bytes of the body. 0: after the headers; -1: before them."""

    after: int


@dataclass
class Stall:
    """Send so many bytes, then nothing for so long."""

    after: int
    seconds: float = 5.0


@dataclass
class Instead:
    """Another content."""

    content: bytes


@dataclass
class Redirect:
    """The file is elsewhere, as large ones of the hub are: `to` is the beginning of the address."""

    to: str
    code: int = 302


class NoRange:
    """The server cannot begin in the middle."""


@dataclass
class Slow:
    """Pauses between blocks of so many bytes."""

    block: int
    seconds: float


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_) -> None:
        pass

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_CONNECT(self) -> None:
        self.server.hub.requests.append(("CONNECT", self.path, dict(self.headers)))
        self.send_error(405)

    def do_GET(self) -> None:
        hub: Hub = self.server.hub
        address = urlsplit(self.path)  # a proxy is asked for whole addresses
        hub.requests.append((self.command, self.path, {name.lower(): value for name, value in self.headers.items()}))
        repository, _, rest = unquote(address.path).lstrip("/").partition("/resolve/")
        path = rest.partition("/")[2]
        fault = hub.next_fault(path)
        if isinstance(fault, Status):
            return self._answer(fault.code, b"{}", fault.headers)
        if isinstance(fault, Redirect):
            return self._answer(fault.code, b"", {"Location": f"{fault.to}{self.path}", "X-Repo-Commit": COMMIT})
        content = hub.repositories.get(repository, {}).get(path)
        if content is None:
            return self._answer(404 if repository in hub.repositories else 401, b"{}", {"X-Error-Code": "EntryNotFound"})
        if isinstance(fault, Instead):
            content = fault.content
        self._send(content, fault)

    def _send(self, content: bytes, fault: object) -> None:
        if isinstance(fault, Cut) and fault.after < 0:
            return self._break()
        start = 0
        if (wanted := self.headers.get("Range")) and not isinstance(fault, NoRange):
            start = int(wanted.removeprefix("bytes=").rstrip("-"))
            if start >= len(content):
                return self._answer(416, b"", {"Content-Range": f"bytes */{len(content)}"})
        body = content[start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body)))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.send_header("X-Repo-Commit", COMMIT)
        self.end_headers()
        if self.command == "HEAD":
            return
        if isinstance(fault, Slow):
            for place in range(0, len(body), fault.block):
                self.wfile.write(body[place : place + fault.block])
                self.wfile.flush()
                time.sleep(fault.seconds)
            return
        whole = body[: fault.after] if isinstance(fault, (Cut, Stall)) else body
        self.wfile.write(whole)
        self.wfile.flush()
        if isinstance(fault, Stall):
            self.server.hub.leaving.wait(fault.seconds)
            self._break()
        elif isinstance(fault, Cut):
            self._break()

    def _answer(self, code: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(code)
        for name, value in ({"Content-Length": str(len(body))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body if self.command != "HEAD" else b"")

    def _break(self) -> None:
        self.close_connection = True
        self.connection.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, address) -> None:
        """A client that left is no reason for a traceback in the tests' output."""


class Hub:
    """repositories: name → path → content. certificate: (file with certificate and key) for https."""

    def __init__(self, repositories: dict[str, dict[str, bytes]], certificate: Path | None = None):
        self.repositories = repositories
        self.faults: dict[str, list | Callable[[], object]] = {}
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self.leaving = threading.Event()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.hub = self
        self.scheme = "http"
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
            self.scheme = "https"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def port(self) -> int:
        return self._server.server_address[1]

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"

    def asked_for(self, path: str) -> list[str]:
        """The Range of each request for a file, "" where there was none."""
        return [headers.get("range", "") for _, address, headers in self.requests if address.endswith(path)]

    def next_fault(self, path: str) -> object:
        faults = self.faults.get(path)
        if callable(faults):
            return faults()
        return faults.pop(0) if faults else None

    def __enter__(self) -> Hub:
        self._thread.start()
        return self

    def __exit__(self, *_) -> None:
        self.leaving.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
