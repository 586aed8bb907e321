# SPDX-License-Identifier: GPL-3.0-or-later
"""One HTTP request at a time, with the user's proxies, certificates and credentials. Every failure becomes a Problem."""
from __future__ import annotations

import base64
import http.client
import netrc
import ssl
import urllib.error
import urllib.parse
import urllib.request

from ..engine_source import problems
from .faults import of_network, of_status
from .settings import certificate_file, index_addresses, uv_environment

CONNECT_SECONDS = 20.0
_AGENT = "selfrect-blender"


class Web:
    """seconds: how long a server may say nothing."""

    def __init__(self, seconds: float = CONNECT_SECONDS):
        self.seconds = seconds
        environment = uv_environment()
        proxies = urllib.request.getproxies()
        proxies |= {"https": environment["HTTPS_PROXY"]} if environment.get("HTTPS_PROXY") else {}
        proxies |= {"http": environment["HTTP_PROXY"]} if environment.get("HTTP_PROXY") else {}
        handlers = [urllib.request.ProxyHandler(proxies), urllib.request.HTTPSHandler(context=_context())]
        self._opener = urllib.request.build_opener(*handlers)
        self._credentials = dict(filter(None, map(_credentials, index_addresses())))

    def open(self, url: str, start: int = 0) -> http.client.HTTPResponse:
        """The response of a GET from byte `start` on. Raises Problem; its `again` tells whether another try may help."""
        host = urllib.parse.urlsplit(url).hostname or ""
        headers = {"User-Agent": _AGENT, "Accept-Encoding": "identity"}
        headers |= {"Range": f"bytes={start}-"} if start else {}
        clean, own = _without_credentials(url), _credentials(url)
        told = (own and own[1]) or self._credentials.get(host) or _from_netrc(host)
        headers |= {"Authorization": told} if told else {}
        try:
            return self._opener.open(urllib.request.Request(clean, headers=headers), timeout=self.seconds)
        except urllib.error.HTTPError as error:
            with error:
                raise of_status(error.code, clean, error.headers.get("Retry-After")) from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise of_network(error, clean) from error


def _context() -> ssl.SSLContext:
    context = ssl.create_default_context()
    bundle = certificate_file()
    if bundle:
        try:
            context.load_verify_locations(bundle)
        except (OSError, ssl.SSLError) as error:
            raise problems.Problem(
                "download_failed",
                f"The certificates in {bundle} cannot be read: {error}.",
                "Correct SSL_CERT_FILE, REQUESTS_CA_BUNDLE or pip's `cert` setting, and start Blender again.",
            ) from error
    return context


def _credentials(url: str) -> tuple[str, str] | None:
    """(host, what to send) of an address with a name and a password in it."""
    try:
        parts = urllib.parse.urlsplit(url)
        host, user, password = parts.hostname, parts.username, parts.password
    except ValueError:
        return None
    return (host or "", _basic(urllib.parse.unquote(user), urllib.parse.unquote(password or ""))) if user else None


def _basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode("ascii")


def _without_credentials(url: str) -> str:
    parts = urllib.parse.urlsplit(url)
    return urllib.parse.urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _from_netrc(host: str) -> str:
    try:
        found = netrc.netrc().authenticators(host)
    except (OSError, netrc.NetrcParseError):
        return ""
    return _basic(found[0], found[2] or "") if found else ""
