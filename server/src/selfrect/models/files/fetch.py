# SPDX-License-Identifier: GPL-3.0-or-later
"""The bytes of one file from a web address, from any byte on. No PyTorch.

Why not through huggingface_hub: it is switched off in our processes (HF_HUB_OFFLINE), so that no library goes online by
itself; its unfinished files die with the attempt, it tells progress and hears a cancel every 10 MB, and it asks for
headers that plain mirrors do not send; hf-xet brings a cache and threads of its own, and no cancel. As the catalogue
knows each file's size and SHA-256, what is left is one GET.

All that can block, the search for the address included, happens in a thread of its own, which is left to itself when it
is too slow; so a cancel is heard within a fifth of a second, whatever the network does.
"""

from __future__ import annotations

import os
import queue
import ssl
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

from ... import __version__

BLOCK = 1 << 18  # bytes read at most at a time
TICK = 0.2  # seconds between two looks at whether it was cancelled


class Stalled(Exception):
    """Nothing came for the seconds given."""


class Cut(Exception):
    """The connection ended before the file did."""


class NoEncryption(Exception):
    """A server with encryption sent us on to one without."""


class WrongSize(Exception):
    """The server's file has another size: `args[0]` bytes."""


def fetch(url: str, start: int, size: int, tick: Callable[[], None], stall: float) -> Iterator[tuple[int, bytes]]:
    """(offset, bytes) from `start` on, in order; offset 0 again where the server cannot begin in the middle.

    tick: called every TICK seconds at least; what it raises ends the download. stall: seconds without a byte.
    Raises Stalled, Cut, WrongSize, and what urllib raises: HTTPError, URLError, OSError.
    """
    pieces: queue.Queue[tuple[int, bytes] | BaseException | None] = queue.Queue(maxsize=8)
    left = threading.Event()
    threading.Thread(target=_read, args=(url, start, size, stall, pieces, left), name="selfrect fetch", daemon=True).start()
    waited = 0.0
    try:
        while True:
            try:
                piece = pieces.get(timeout=TICK)
            except queue.Empty:
                tick()
                waited += TICK
                if waited > stall:
                    raise Stalled(stall) from None
                continue
            waited = 0.0
            tick()
            if piece is None:
                return
            if isinstance(piece, BaseException):
                raise piece
            yield piece
    finally:
        left.set()


def _read(url: str, start: int, size: int, stall: float, pieces: queue.Queue, left: threading.Event) -> None:
    def hand_over(piece: tuple[int, bytes] | BaseException | None) -> None:
        while not left.is_set():
            try:
                return pieces.put(piece, timeout=TICK)
            except queue.Full:
                continue

    try:
        with _opener().open(_request(url, start), timeout=stall) as response:
            offset = _offset(response, start, size)
            while not left.is_set() and (block := response.read1(BLOCK)):
                hand_over((offset, block))
                offset += len(block)
        hand_over(Cut(offset) if offset < size else None)
    except Exception as error:  # noqa: BLE001 - raised again in the thread that asked
        hand_over(error)


def _offset(response, start: int, size: int) -> int:
    """Where the answer begins in the file. Raises WrongSize."""
    partial = response.status == 206
    total = response.headers.get("Content-Range", "").rpartition("/")[2] if partial else response.headers.get("Content-Length", "")
    if total.isdigit() and int(total) != size:
        raise WrongSize(int(total))
    return start if partial else 0


def _request(url: str, start: int) -> urllib.request.Request:
    request = urllib.request.Request(url, headers={"User-Agent": f"selfrect/{__version__}", "Accept-Encoding": "identity"})
    if start:
        request.add_header("Range", f"bytes={start}-")
    if (token := _token()) and urlsplit(url).scheme == "https":
        request.add_unredirected_header("Authorization", f"Bearer {token}")  # not for the servers it sends us on to
    return request


def _opener() -> urllib.request.OpenerDirector:
    """Proxies are those of the environment (HTTPS_PROXY, NO_PROXY) or of the system's settings."""
    return urllib.request.build_opener(_Redirects, urllib.request.HTTPSHandler(context=_certificates()))


class _Redirects(urllib.request.HTTPRedirectHandler):
    def http_error_308(self, *args):  # Python 3.10 does not know it
        return self.http_error_302(*args)

    def redirect_request(self, request, fp, code, message, headers, url):
        if request.type == "https" and urlsplit(url).scheme != "https":
            raise NoEncryption(url)
        return super().redirect_request(request, fp, 302 if code == 308 else code, message, headers, url)


def _certificates() -> ssl.SSLContext:
    """Whom to trust: the file that the environment names, else the system's list with that of certifi, if it is there."""
    named = next((value for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE") if (value := os.environ.get(name))), None)
    if named:
        return ssl.create_default_context(**({"capath": named} if Path(named).is_dir() else {"cafile": named}))
    if sys.platform == "darwin":  # Python does not look into the keychain by itself
        try:
            import truststore

            return truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        except ImportError:
            pass
    context = ssl.create_default_context()
    try:
        import certifi

        context.load_verify_locations(certifi.where())
    except (ImportError, OSError):
        pass  # the system's list has to do
    return context


def _token() -> str:
    """The user's Hugging Face token, if there is one: no model of the catalogue needs it."""
    if token := os.environ.get("HF_TOKEN", "").strip():
        return token
    home = Path(os.environ.get("HF_HOME") or Path.home() / ".cache" / "huggingface")
    try:
        return Path(os.environ.get("HF_TOKEN_PATH") or home / "token").read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""
