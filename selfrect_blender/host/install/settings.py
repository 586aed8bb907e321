# SPDX-License-Identifier: GPL-3.0-or-later
"""What the user or the studio has told pip and uv about the network: indexes, proxies, certificates. Read, never changed.

In the order of their weight: uv's variables, pip's variables, pip's configuration files. uv reads its own files itself.
The environment of all our children is made here: without what would send a Python to other people's packages.
"""
from __future__ import annotations

import configparser
import importlib.util
import os
import sys
from pathlib import Path

_SCRUBBED = ("PYTHON", "__PYVENV", "VIRTUAL_ENV", "CONDA_", "PIP_", "UV_")
_KEPT = ("UV_DEFAULT_INDEX", "UV_INDEX", "UV_INDEX_", "UV_FIND_LINKS", "UV_NO_INDEX", "UV_HTTP_", "UV_NATIVE_TLS", "UV_SYSTEM_CERTS",
         "UV_INSECURE_HOST", "UV_KEYRING_PROVIDER", "UV_PYTHON_INSTALL_MIRROR", "UV_PYTHON_DOWNLOADS_JSON_URL",
         "UV_ASTRAL_MIRROR_URL", "UV_REQUEST_TIMEOUT", "UV_CREDENTIALS_DIR")  # fmt: skip
_LINUX_BUNDLES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem", "/etc/ssl/cert.pem")


def clean_environment() -> dict[str, str]:
    """Our environment without Blender's and the user's Python settings, and without pip's and uv's."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_SCRUBBED)}
    return kept | {"PYTHONNOUSERSITE": "1", "PYTHONUTF8": "1"}


def pip_settings() -> dict[str, str]:
    """pip's settings by their long names ("index-url", "find-links", …): its files, then its variables over them."""
    found: dict[str, str] = {}
    for path in _pip_files():
        parser = configparser.RawConfigParser()
        try:
            parser.read(path, "utf-8")
        except (configparser.Error, UnicodeDecodeError, OSError):
            continue  # pip itself will complain to its user
        for section in ("global", "install", "download"):
            found |= {name.replace("_", "-"): value for name, value in (parser.items(section) if parser.has_section(section) else [])}
    for name, value in os.environ.items():
        if name.startswith("PIP_") and value:
            found[name[4:].lower().replace("_", "-")] = value
    return found


def uv_environment() -> dict[str, str]:
    """For uv: clean, with its own settings about sources, and pip's where uv has none."""
    environment, pip = clean_environment(), pip_settings()
    environment |= {name: value for name, value in os.environ.items() if name.startswith(_KEPT)}
    if not {"UV_DEFAULT_INDEX", "UV_INDEX_URL"} & environment.keys() and pip.get("index-url"):
        environment["UV_DEFAULT_INDEX"] = pip["index-url"]
    if not {"UV_INDEX", "UV_EXTRA_INDEX_URL"} & environment.keys() and pip.get("extra-index-url"):
        environment["UV_INDEX"] = " ".join(pip["extra-index-url"].split())
    if "UV_FIND_LINKS" not in environment and pip.get("find-links"):
        environment["UV_FIND_LINKS"] = ",".join(pip["find-links"].split())
    if pip.get("trusted-host"):
        environment.setdefault("UV_INSECURE_HOST", " ".join(pip["trusted-host"].split()))
    if pip.get("no-index", "").lower() in ("1", "true", "yes", "on"):
        environment.setdefault("UV_NO_INDEX", "1")
    environment.setdefault("UV_INDEX_STRATEGY", "unsafe-best-match")  # the best of all sources, as pip does; the hashes decide
    return environment | _proxies(pip) | _certificates(pip)


def pip_environment() -> dict[str, str]:
    """For pip: clean, with pip's own settings about sources, and uv's index where pip has none."""
    environment, pip = clean_environment(), pip_settings()
    wanted = ("index-url", "extra-index-url", "find-links", "no-index", "trusted-host", "client-cert", "keyring-provider")
    environment |= {f"PIP_{name.upper().replace('-', '_')}": pip[name] for name in wanted if name in pip}
    uv_index = os.environ.get("UV_DEFAULT_INDEX") or os.environ.get("UV_INDEX_URL")
    if uv_index and "PIP_INDEX_URL" not in environment:
        environment["PIP_INDEX_URL"] = uv_index
    if os.environ.get("UV_FIND_LINKS") and "PIP_FIND_LINKS" not in environment:
        environment["PIP_FIND_LINKS"] = " ".join(os.environ["UV_FIND_LINKS"].split(","))
    certificates = _certificates(pip)
    if "SSL_CERT_FILE" in certificates:
        environment["PIP_CERT"] = certificates["SSL_CERT_FILE"]
    return environment | _proxies(pip) | {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1", "PIP_CONFIG_FILE": os.devnull}


def own_sources() -> bool:
    """Whether the user named sources of packages besides, or instead of, the general index."""
    environment = uv_environment()
    names = ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_INDEX", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS")
    return any(environment.get(name) for name in names)


def certificate_file() -> str:
    """The bundle of certificates to trust besides those of the system's Python; "" where the system is asked alone."""
    return _certificates(pip_settings()).get("SSL_CERT_FILE", "") or _shipped_certificates()


def index_addresses() -> list[str]:
    """All named indexes, for the credentials that stand in their addresses."""
    environment = uv_environment()
    names = ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_INDEX", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS")
    words = [word for name in names for word in environment.get(name, "").replace(",", " ").split()]
    return [word.partition("=")[2] if "=" in word.partition("://")[0] else word for word in words]


def _pip_files() -> list[Path]:
    named = os.environ.get("PIP_CONFIG_FILE")
    if named == os.devnull:
        return []
    home = Path.home()
    if sys.platform == "win32":
        places = [
            Path(os.environ.get("PROGRAMDATA", r"C:\ProgramData")) / "pip" / "pip.ini",
            home / "pip" / "pip.ini",
            Path(os.environ.get("APPDATA", home / "AppData/Roaming")) / "pip" / "pip.ini",
        ]
    else:
        own = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config") / "pip" / "pip.conf"
        if sys.platform == "darwin":
            system, mac = Path("/Library/Application Support/pip/pip.conf"), home / "Library/Application Support/pip/pip.conf"
            places = [system, home / ".pip/pip.conf", mac if mac.parent.is_dir() else own]
        else:
            extra = [Path(folder) / "pip" / "pip.conf" for folder in os.environ.get("XDG_CONFIG_DIRS", "/etc/xdg").split(":") if folder]
            places = [*extra, Path("/etc/pip.conf"), home / ".pip/pip.conf", own]
    return [*places, *([Path(named)] if named else [])]


def _proxies(pip: dict[str, str]) -> dict[str, str]:
    given = any(os.environ.get(name) for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"))
    proxy = pip.get("proxy", "")
    return {"HTTPS_PROXY": proxy, "HTTP_PROXY": proxy, "https_proxy": proxy, "http_proxy": proxy} if proxy and not given else {}


def _certificates(pip: dict[str, str]) -> dict[str, str]:
    named = [os.environ.get(name, "") for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")]
    bundle = next((name for name in [named[0], pip.get("cert", ""), *named[1:]] if name and Path(name).is_file()), "")
    return {"SSL_CERT_FILE": bundle} if bundle else {}


def _shipped_certificates() -> str:
    """Blender's Python on Linux and macOS finds no certificates of the system; the distribution's, or certifi's file, serves."""
    if sys.platform.startswith("linux"):
        found = next((path for path in _LINUX_BUNDLES if Path(path).is_file()), "")
        if found:
            return found
    spec = importlib.util.find_spec("certifi") if sys.platform != "win32" else None
    bundle = Path(spec.origin).with_name("cacert.pem") if spec is not None and spec.origin else None
    return str(bundle) if bundle is not None and bundle.is_file() else ""
