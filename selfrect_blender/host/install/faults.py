# SPDX-License-Identifier: GPL-3.0-or-later
"""What systems, servers, pip, uv and PyTorch say when they fail → a code, a sentence and a remedy of ours."""
from __future__ import annotations

import errno
import re
import socket
import ssl
import urllib.error
import urllib.parse

from ..engine_source import problems

Problem = problems.Problem
_BUNDLE = "or install from an offline bundle"
_CONNECTION = f"Check the connection, then resume; behind a proxy set HTTPS_PROXY before Blender starts, {_BUNDLE}."
_DISK = "Free some space, or choose another folder for the engine, then resume."


class Passing(Problem):
    """A Problem that another try may get past. wait: the seconds that the server asked for, or None."""

    def __init__(self, code: str, sentence: str, remedy: str, detail: str = "", wait: float | None = None):
        super().__init__(code, sentence, remedy, detail)
        self.wait = wait


def of_status(status: int, url: str, retry_after: str | None = None) -> Problem:
    """An answer that is no file."""
    host = _host(url)
    told = f"{host} answered {status}"
    if status in (401, 407):
        who = "The proxy" if status == 407 else host
        sentence = f"{who} wants a name and a password ({status})."
        return Problem("download_failed", sentence, "Put them into the address of the index or the proxy, or into .netrc.", url)
    if status == 403:
        remedy = f"Ask whoever runs it, name a mirror in pip's settings, {_BUNDLE}."
        return Problem("download_failed", f"{told}: it refuses this file.", remedy, url)
    if status in (404, 410):
        name = urllib.parse.unquote(url.rpartition("/")[2])
        remedy = f"Update the extension, name another index in pip's settings, {_BUNDLE}."
        return Problem("download_failed", f"{told}: {name} is not there.", remedy, url)
    if status == 429:
        wait = float(retry_after) if retry_after and retry_after.isdigit() else None
        return Passing("download_failed", f"{told}: too many requests.", "Wait some minutes, then resume.", url, wait)
    if status >= 500:
        return Passing("download_failed", f"{told}: the server has trouble.", "Try again later; what was fetched is kept.", url)
    remedy = f"Try again later, name a mirror in pip's settings, {_BUNDLE}."
    return Problem("download_failed", f"{told}, which was not expected.", remedy, url)


def of_network(error: BaseException, url: str) -> Problem:
    """A connection that did not come about, or broke."""
    reason = error.reason if isinstance(error, urllib.error.URLError) and isinstance(error.reason, BaseException) else error
    host, detail = _host(url), f"{url}: {error!r}"
    if isinstance(reason, ssl.SSLCertVerificationError):
        return Problem(
            "download_failed",
            f"The certificate of {host} is not trusted ({reason.verify_message}).",
            "Behind a proxy that opens connections, name its certificate in SSL_CERT_FILE before Blender starts; check the clock.",
            detail,
        )
    if isinstance(reason, socket.gaierror):
        return Passing("offline", f"{host} is not known: there is no network, or no name service.", _CONNECTION, detail)
    if isinstance(reason, TimeoutError):
        return Passing("download_failed", f"{host} sends nothing any more.", _CONNECTION, detail)
    if isinstance(reason, ConnectionRefusedError):
        return Passing("download_failed", f"{host} refuses the connection.", _CONNECTION, detail)
    if getattr(reason, "winerror", None) == 10013:
        remedy = f"Allow Blender's Python in the firewall, {_BUNDLE}."
        return Problem("download_failed", f"A firewall does not let Blender reach {host}.", remedy, detail)
    if isinstance(reason, PermissionError):
        return of_file(reason)
    if isinstance(reason, OSError) and reason.errno in (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN):
        return Passing("offline", f"{host} cannot be reached: there is no network.", _CONNECTION, detail)
    return Passing("download_failed", f"The connection to {host} broke off.", _CONNECTION, detail)


def of_file(error: OSError) -> Problem:
    """A file or folder that could not be read or written."""
    place = f" {error.filename}" if error.filename else ""
    windows = getattr(error, "winerror", None)
    if error.errno in (errno.ENOSPC, errno.EDQUOT if hasattr(errno, "EDQUOT") else errno.ENOSPC, errno.EFBIG) or windows in (39, 112):
        return Problem("disk_full", f"The disk is full{' while writing' + place if place else ''}.", _DISK, repr(error))
    if windows in (225, 226):
        return _scanner(place, repr(error))
    if windows == 206 or error.errno == errno.ENAMETOOLONG:
        return Problem("path_too_long", f"The path{place} is too long.", "Choose a folder with a shorter path for the engine.", repr(error))
    if windows in (32, 33):
        remedy = "Close other Blenders that use the engine, then try again."
        return Problem("install_busy", f"Another program uses{place}.", remedy, repr(error))
    if isinstance(error, PermissionError) or error.errno == errno.EROFS:
        remedy = "Choose a folder that you may write to; a virus scanner may also have to be told to allow it."
        return Problem("no_permission", f"There is no permission for{place or ' a file'}.", remedy, repr(error))
    return Problem("install_failed", f"The disk failed{' at' + place if place else ''}: {error.strerror or error}.", _DISK, repr(error))


def of_output(output: str, doing: str) -> Problem:
    """The last words of pip or uv while `doing` something ("fetching uv")."""
    text = output.lower()
    url = (re.findall(r"https?://[^\s`'\"<>)]+", output) or [""])[0].rstrip(".,")
    for words, make in _WORDS:
        if re.search(words, text):
            problem = make(url, output)
            return type(problem)(problem.code, problem.sentence, problem.remedy, output)
    return Problem("install_failed", f"{doing} failed: {_last_line(output)}", "See the log; try again, or report it with the log.", output)


def _status_in(url: str, output: str) -> Problem:
    """For "status client error (403 forbidden)" of uv and "403 client error" or "http error 403" of pip."""
    found = re.search(r"\((\d{3}) |\b(\d{3}) (?:client|server) error|http error (\d{3})", output.lower())
    return of_status(int(next(filter(None, found.groups()))) if found else 500, url)


def _hash(url: str, output: str) -> Problem:
    return hash_mismatch("a package")


def hash_mismatch(name: str, detail: str = "") -> Problem:
    return Problem(
        "hash_mismatch",
        f"The server sent another file than the one that was asked for: {name} does not have the right SHA-256.",
        "Try again; if it stays so, a proxy or mirror changes files: name another one, or install from an offline bundle.",
        detail,
    )


_WORDS = (
    (r"no space left|os error 28\b|os error 112\b|disk quota|errno 28|file too large|os error 27\b",
     lambda url, output: of_file(OSError(errno.ENOSPC, "full"))),
    (r"os error 225\b|winerror 225|contains a virus", lambda url, output: _scanner()),
    (r"hash mismatch|do not match the hash|hashes are required", _hash),
    (r"status (client|server) error|\d{3} (client|server) error|http error \d", _status_in),
    (r"certificate|unknownissuer|invalid peer|ssl: ", lambda url, output: of_network(_certificate(), url)),
    (r"dns error|name resolution|getaddrinfo|name or service not known|nodename nor servname|no such host",
     lambda url, output: of_network(socket.gaierror(), url)),
    (r"network is unreachable|os error 101\b|errno 101", lambda url, output: of_network(OSError(errno.ENETUNREACH, ""), url)),
    (r"timed out|timeout", lambda url, output: of_network(TimeoutError(), url)),
    (r"connection refused|os error 111\b|errno 111|10061", lambda url, output: of_network(ConnectionRefusedError(), url)),
    (r"10013\b", lambda url, output: of_network(_firewall(), url)),
    (r"permission denied|os error 13\b|access is denied|os error 5\b|read-only file system|errno 13|errno 30",
     lambda url, output: of_file(PermissionError(errno.EACCES, "denied"))),
    (r"connection reset|connection aborted|broken pipe|incomplete message|unexpected eof|error sending request",
     lambda url, output: of_network(ConnectionResetError(), url)),
    (r"no wheels with a matching|no matching distribution|no version of|not found in the package registry|no solution found|has no wheels",
     lambda url, output: not_offered(output)),
)  # fmt: skip


def not_offered(output: str) -> Problem:
    words = r"because ([\w.-]+) was not found|no version of ([^\s,]+)|distribution found for ([^\s(]+)|`([a-z0-9-]+)` \(v[^)]+\)"
    found = re.search(words, output.lower())
    name = next(filter(None, found.groups())) if found else "a package"
    return Problem(
        "install_failed",
        f"Your package index does not have {name} for this Python and system.",
        "Name another index in pip's settings (with name and password, if it asks for them), or install from an offline bundle.",
        output,
    )


def of_check(output: str, backend: str) -> Problem:
    """An environment whose test ended without a Problem of its own: the loader's and PyTorch's words."""
    text = output.lower()
    for words, sentence, remedy in _CHECK_WORDS:
        if re.search(words, text):
            return Problem("check_failed", sentence, remedy, output)
    remedy = f"Repair the engine, or choose another backend than “{backend}”."
    return Problem("check_failed", f"The engine's test failed: {_last_line(output)}", remedy, output)


_CHECK_WORDS = (
    (r"winerror 126|winerror 1114|vcruntime|msvcp140|dll load failed|dll initialization",
     "PyTorch's libraries cannot be loaded: Microsoft's Visual C++ runtime is missing or too old.",
     "Install “Microsoft Visual C++ Redistributable 2015–2022 (x64)” from Microsoft, then test again."),
    (r"no kernel image|sm_\d+ is not compatible|not compatible with the current pytorch",
     "This build of PyTorch has no code for this graphics card.",
     "Choose the other CUDA backend (older cards: “older card or driver”), or the processor."),
    (r"driver (version )?is (insufficient|too old)|forward compatibility|cuda driver version",
     "The graphics driver is too old for this build of PyTorch.",
     "Update the driver, or choose “NVIDIA GPU, older card or driver”."),
    (r"there is no device|no cuda-capable|torch not compiled with cuda|found no nvidia|no hip gpus|xpu.*not available",
     "PyTorch does not find the device that was chosen.",
     "Update the graphics driver, or choose another backend."),
    (r"libcu\w+\.so|libnv\w+\.so|libze_|libhip|librocm|libamd|libsycl|cannot open shared object|image not found|library not loaded",
     "A library of the graphics driver or of PyTorch cannot be loaded.",
     "Repair the engine; if that does not help, update the graphics driver or choose another backend."),
    (r"illegal instruction|sigill|exit code -4\b|3221225501",
     "This processor is too old for PyTorch (it lacks AVX2).",
     "Use another machine: the engine can also run elsewhere, over ssh."),
    (r"killed|exit code -9\b|memoryerror|out of memory",
     "The test ran out of memory.",
     "Close other programs and test again."),
    (r"glibc|version `glibc",
     "This system is too old for PyTorch (its C library).",
     "Use a newer distribution: glibc 2.28 or newer is needed."),
)  # fmt: skip


def _scanner(place: str = " a file", detail: str = "") -> Problem:
    remedy = "Allow the engine's folder in the scanner, then resume."
    return Problem("no_permission", f"The virus scanner has blocked{place}.", remedy, detail)


def _certificate() -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError()
    error.verify_message = "unknown issuer"
    return error


def _firewall() -> OSError:
    error = OSError(errno.EACCES, "")
    error.winerror = 10013
    return error


def _host(url: str) -> str:
    return urllib.parse.urlsplit(url).hostname or "The server"


def _last_line(output: str) -> str:
    """The line that says most: uv's first "error:" or "cause:", else the last one."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    told = [line.partition(":")[2].strip() for line in lines if re.match(r"(error|cause|×)\b", line, re.IGNORECASE)]
    return ((told[-1:] or lines[-1:] or ["nothing was said"])[0])[:300]
