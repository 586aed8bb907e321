# SPDX-License-Identifier: GPL-3.0-or-later
"""What can go wrong on the network, in words: cause, remedy, and whether it is worth trying again."""

from __future__ import annotations

import errno
import http.client
import re
import socket
import ssl
import urllib.error
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from time import time
from urllib.parse import urlsplit

from ...problems import Problem
from .fetch import Cut, NoEncryption, Stalled, WrongSize

_MIRROR = "Try again later, or another source: --mirror, or HF_ENDPOINT in the environment."
_NETWORK = "Check the network; behind a proxy set HTTPS_PROXY. A model can also be brought on a disk: see “selfrect models import”."
_UNREACHABLE = {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN}


@dataclass(frozen=True)
class Trouble:
    """problem: for the user. again: whether the same may work in a while. wait: seconds that the server asked for."""

    problem: Problem
    again: bool
    wait: float = 0.0


def trouble(error: BaseException, url: str, file: str, size: int) -> Trouble | None:
    """What an exception of `fetch` means; None where it has nothing to do with the network (a full disk, a cancel)."""
    host = urlsplit(url).hostname or url
    if isinstance(error, urllib.error.HTTPError):
        return _http(error, host, file)
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(reason, WrongSize):
        sentence = f"{host} has another “{file}”: {reason.args[0]:,} bytes, expected {size:,}."
        return _told("hash_mismatch", sentence, _MIRROR, error, again=False)
    if isinstance(reason, NoEncryption):
        return _told("download_failed", f"{host} sent us on to an address without encryption.", _MIRROR, error, again=False)
    if isinstance(reason, (Stalled, TimeoutError)):
        return _told("download_failed", f"{host} sent nothing any more while “{file}” was downloaded.", _NETWORK, error, again=True)
    if isinstance(reason, (Cut, http.client.HTTPException, ConnectionResetError, BrokenPipeError, ConnectionAbortedError)):
        return _told("download_failed", f"The connection to {host} broke while “{file}” was downloaded.", _NETWORK, error, again=True)
    if isinstance(reason, ssl.SSLCertVerificationError):
        remedy = "Set SSL_CERT_FILE to the certificates of your network (a company's proxy has its own), and check this computer's clock."
        return _told("download_failed", f"{host} could not prove who it is: {reason.verify_message}.", remedy, error, again=False)
    if isinstance(reason, ssl.SSLError):
        return _told("download_failed", f"The encrypted connection to {host} failed: {reason.reason}.", _NETWORK, error, again=True)
    if isinstance(reason, socket.gaierror):
        again = reason.errno == socket.EAI_AGAIN
        return _told("offline", f"The address of {host} was not found: there seems to be no network.", _NETWORK, error, again)
    if isinstance(reason, ConnectionRefusedError) or getattr(reason, "errno", None) in _UNREACHABLE:
        return _told("offline", f"{host} cannot be reached ({reason.strerror}).", _NETWORK, error, again=False)
    if isinstance(error, urllib.error.URLError) or "unnel connection failed" in str(reason):
        return _told("download_failed", f"There is no way to {host}: {reason}.", _NETWORK, error, again=False)
    return None


def _http(error: urllib.error.HTTPError, host: str, file: str) -> Trouble:
    code, said = error.code, error.headers.get("X-Error-Message") or error.reason
    if code in (401, 403):
        gated = error.headers.get("X-Error-Code") == "GatedRepo"
        why = "asks to be logged in with an account that was granted access" if gated else "does not let us, or it is gone"
        remedy = "Set HF_TOKEN to the token of your account." if gated else _MIRROR
        return _told("download_failed", f"{host} refused “{file}” ({code}): it {why}.", remedy, error, again=False)
    if code in (404, 410):
        return _told("download_failed", f"{host} has no “{file}” any more ({code}).", _MIRROR, error, again=False)
    if code < 400:
        return _told("download_failed", f"{host} sends us around in circles for “{file}” ({code}).", _MIRROR, error, again=False)
    if code == 407:
        remedy = "Put name and password into HTTPS_PROXY: http://name:password@proxy:port."
        return _told("download_failed", f"The proxy asks for a name and a password ({code}).", remedy, error, again=False)
    if code == 429:
        return _told("download_failed", f"{host} was asked too often ({code}).", _MIRROR, error, True, _retry_after(error))
    if code >= 500 or code == 408:
        return _told("download_failed", f"{host} has trouble of its own ({code} {said}).", _MIRROR, error, True, _retry_after(error))
    return _told("download_failed", f"{host} answered {code} {said} to “{file}”.", _MIRROR, error, again=False)


def _retry_after(error: urllib.error.HTTPError) -> float:
    """Seconds, from a number, a date or the hub's own RateLimit; 0 where nothing sensible is said."""
    text = error.headers.get("Retry-After", "")
    if limit := re.search(r";\s*t=(\d+)", error.headers.get("RateLimit", "")):
        text = text or limit[1]
    try:
        return max(float(text), 0.0) if text.strip().isdigit() else max(parsedate_to_datetime(text).timestamp() - time(), 0.0)
    except (TypeError, ValueError):
        return 0.0


def _told(code: str, sentence: str, remedy: str, error: BaseException, again: bool, wait: float = 0.0) -> Trouble:
    return Trouble(Problem(code, sentence, remedy, repr(error)), again, wait)
