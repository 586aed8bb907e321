# SPDX-License-Identifier: GPL-3.0-or-later
"""A download and the machine it runs on: its network, proxy and certificates, its disk, and others at the same work."""

from __future__ import annotations

import errno
import os
import shutil
import socket
import subprocess
import sys
import threading
import time

import pytest
from hub_server import Hub, Redirect, Slow
from models_world import Report, contents, get, model, refused
from selfrect.models import manage, offline
from selfrect.models.files import fetch_file
from selfrect.problems import Problem, from_exception
from small_catalogue import FILES, NETWORK, REPOSITORY, needed


def test_no_network_is_told_at_once(hub, monkeypatch):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{free.getsockname()[1]}")
        problem = refused(get, "offline", "127.0.0.1 cannot be reached")
    assert "import" in problem.remedy


def test_a_network_that_goes_away_for_a_moment_is_waited_for(hub, folder, monkeypatch):
    gone, connect = [3], socket.create_connection

    def sometimes(*args, **options):
        if gone[0] and (folder / "unet" / "config.json").exists():
            gone[0] -= 1
            raise OSError(errno.ENETUNREACH, "Network is unreachable")
        return connect(*args, **options)

    monkeypatch.setattr(fetch_file, "PATIENCE", fetch_file.Patience(pause=0.01))
    monkeypatch.setattr(socket, "create_connection", sometimes)
    get()
    assert gone == [0]
    assert contents(folder) == needed()


def test_a_name_that_nobody_knows_is_told_at_once(hub, monkeypatch):
    def unknown(*_, **__):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    monkeypatch.setenv("HF_ENDPOINT", "https://hub.invalid")
    refused(get, "offline", "The address of hub.invalid was not found")


def test_offline_by_the_users_own_setting(hub, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    refused(get, "offline", "HF_HUB_OFFLINE")
    assert not hub.requests


def test_our_own_switch_does_not_keep_downloads_away(hub, folder, monkeypatch):
    for name in offline._SWITCHES:
        monkeypatch.setenv(name, "0")
    offline.close()
    assert os.environ["HF_HUB_OFFLINE"] == "1"
    get()
    assert model()["installed"]


def test_a_proxy_is_used(hub, folder, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", hub.url)
    monkeypatch.setenv("HF_ENDPOINT", "http://hub.invalid")
    get()
    assert contents(folder) == needed()
    assert all(address.startswith("http://hub.invalid/") for _, address, _ in hub.requests)


def test_a_proxy_that_lets_nothing_through(hub, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", hub.url)
    monkeypatch.setenv("HF_ENDPOINT", "https://hub.invalid")
    problem = refused(get, "download_failed", "Tunnel connection failed: 405")
    assert "HTTPS_PROXY" in problem.remedy


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    if not shutil.which("openssl"):
        pytest.skip("needs openssl to make a certificate")
    file = tmp_path_factory.mktemp("tls") / "server.pem"
    name = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    keys = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", str(file), "-out", str(file)]
    made = subprocess.run(["openssl", "req", "-x509", "-days", "2", *keys, *name], capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    return file


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"])
def test_a_networks_own_certificate_is_honoured_and_a_strange_one_is_not(hub, folder, monkeypatch, certificate, variable):
    with Hub({REPOSITORY: dict(FILES)}, certificate) as private:
        monkeypatch.setenv("HF_ENDPOINT", private.url)
        problem = refused(get, "download_failed", "127.0.0.1 could not prove who it is")
        assert "SSL_CERT_FILE" in problem.remedy
        monkeypatch.setenv(variable, str(certificate))
        monkeypatch.setenv("HF_TOKEN", "secret")
        private.faults[NETWORK] = lambda: Redirect(f"https://localhost:{private.port}")
        refused(get, "download_failed", "could not prove who it is: Hostname mismatch")
        private.faults[NETWORK] = lambda: Redirect(hub.url)
        refused(get, "download_failed", "sent us on to an address without encryption")
        private.faults.clear()
        private.requests.clear()
        get()
    assert contents(folder) == needed()
    assert {headers["authorization"] for _, _, headers in private.requests} == {"Bearer secret"}


def test_a_full_disk_is_told_before(hub, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: type("Usage", (), {"free": 1000})())
    refused(get, "disk_full", "GB are free")
    assert not hub.requests


@pytest.mark.skipif(sys.platform == "win32", reason="limits of this kind are POSIX")
def test_a_disk_that_fills_up_keeps_what_came(hub, folder):
    import resource
    import signal

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    try:
        with pytest.raises(OSError, match="File too large") as caught:
            get()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    problem = from_exception(caught.value)
    assert (problem.code, str(folder) in problem.sentence) == ("disk_full", True)
    assert (folder / f"{NETWORK}.part").stat().st_size == 20_000
    assert not model()["installed"]
    get()
    assert hub.asked_for(NETWORK)[-1] == "bytes=20000-"
    assert contents(folder) == needed()


def test_a_folder_that_cannot_be_made(hub, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SELFRECT_MODELS", str(tmp_path / "file" / "models"))
    problem = refused(get, "no_permission", "cannot be opened or written")
    assert "SELFRECT_MODELS" in problem.remedy


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_is_only_read(hub, tmp_path):
    (tmp_path / "models").mkdir(mode=0o555)
    refused(get, "no_permission", "cannot be opened or written")


def test_what_is_being_downloaded_is_not_removed(hub, folder):
    hub.faults[NETWORK] = [Slow(20_000, 0.2)]
    download = threading.Thread(target=get)
    download.start()
    while not hub.asked_for(NETWORK):
        time.sleep(0.01)
    with pytest.raises(Problem, match="being downloaded") as caught:
        manage.remove("small")
    assert caught.value.code == "install_busy"
    download.join(20)
    assert contents(folder) == needed()


def test_two_downloads_at_once_fetch_each_file_once(hub, folder):
    hub.faults[NETWORK] = [Slow(20_000, 0.2)]
    reports, ended = [Report(), Report()], []
    threads = [threading.Thread(target=lambda report=report: ended.append(get(report))) for report in reports]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(ended) == 2
    assert hub.asked_for(NETWORK) == [""]
    assert contents(folder) == needed()
    assert any(told[0] == "wait for another download" for report in reports for told in report.told)
