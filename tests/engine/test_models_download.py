# SPDX-License-Identifier: GPL-3.0-or-later
"""Downloads from a hub on loopback: whatever the network, the server or the disk does, a wrong file is never installed."""

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
import small_catalogue as small
from hub_server import Cut, Hub, Instead, NoRange, Redirect, Slow, Stall, Status
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from selfrect.models import catalogue, manage, offline, store
from selfrect.models.files import fetch_file, marker
from selfrect.problems import Problem, from_exception
from small_catalogue import FILES, HALF, MIRROR, NETWORK, REPOSITORY

SIZE = len(FILES[NETWORK])


class Report:
    """Keeps what is told; `stop` raises at the step of that number, as a cancel does."""

    def __init__(self, stop=lambda stage, step: False):
        self.told, self.stop = [], stop

    def __call__(self, stage, step, steps, fraction=0.0, speed=None, file=""):
        self.told.append((stage, step, steps, fraction, speed, file))
        if self.stop(stage, step):
            raise Problem("cancelled", "The work was cancelled.", "Start it again.")


@pytest.fixture
def hub(tmp_path, monkeypatch):
    with Hub({REPOSITORY: dict(FILES)}) as hub:
        small.use(tmp_path, monkeypatch, hub.url)
        monkeypatch.setattr(offline, "_users_own", None)
        yield hub


@pytest.fixture
def folder(hub, tmp_path):
    return tmp_path / "models" / "small"


def get(report=None, **options):
    return manage.download("small", report or Report(), **({"accepted": True, "precision": "float32"} | options))


def refused(code, words, **options):
    with pytest.raises(Problem) as caught:
        get(**options)
    problem = caught.value
    assert (problem.code, words in problem.sentence, bool(problem.remedy)) == (code, True, True), problem
    return problem


def contents(folder):
    paths = [path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("selfrect-model.")]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def installed():
    return next(model["installed"] for model in store.models() if model["name"] == "small")


# --- the way it should go --------------------------------------------------------------------------------------------


def test_a_model_is_downloaded_checked_and_found(hub, folder):
    assert not installed()
    report = Report()
    assert get(report) == {"path": str(folder)}
    assert contents(folder) == small.needed()
    assert installed()
    assert store.find("small") == folder
    assert report.told[-1][0] == "download"
    steps = [told[1] for told in report.told]
    assert steps == sorted(steps)
    assert report.told[0][2] == sum(map(len, small.needed().values()))
    assert all(0 <= told[3] <= 1 for told in report.told)
    assert {headers["accept-encoding"] for _, _, headers in hub.requests} == {"identity"}


@pytest.mark.parametrize("precision", ["float32", "float16"])
def test_only_the_files_of_one_precision_are_fetched(hub, folder, precision):
    get(precision=precision)
    assert contents(folder) == small.needed(precision)
    assert len(hub.requests) == len(small.needed(precision))


def test_auto_takes_what_the_device_works_in(hub, folder, monkeypatch):
    import torch
    from selfrect import device

    monkeypatch.setattr(device, "choose_dtype", lambda *_: torch.float16)
    get(precision="auto")
    assert HALF in contents(folder)


def test_a_second_download_asks_for_nothing(hub):
    get()
    hub.requests.clear()
    get()
    assert not hub.requests


def test_a_second_precision_leaves_the_first_usable_while_it_comes(hub, folder):
    get()
    hub.faults[HALF] = [Cut(10)] * 9
    with pytest.raises(Problem):
        get(Report(lambda stage, step: stage == "wait for the server"), precision="float16")
    assert store.find("small") == folder
    hub.faults.clear()
    get(precision="float16")
    assert set(contents(folder)) == set(FILES)


def test_the_licence_is_shown_and_must_be_accepted_once(hub, folder):
    problem = refused("licence_not_accepted", "Test licence 1.0 (https://example.org/licence)", accepted=False)
    assert "--accept-licence" in problem.remedy
    assert not hub.requests
    assert not folder.exists()
    get(accepted=True)
    assert marker.read(folder)["licence_accepted"]
    get(accepted=False)


def test_no_token_is_needed_and_none_is_sent_without_encryption(hub, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "secret")
    get()
    assert not any("authorization" in headers for _, _, headers in hub.requests)


@pytest.mark.parametrize("name", ["mini", "big", "../small", ""])
def test_what_is_not_in_the_catalogue_is_not_downloaded(hub, name):
    with pytest.raises(Problem, match="These can be downloaded: small"):
        manage.download(name, Report(), True)


# --- cut, slow, stalled ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("after", [-1, 0, 1, SIZE // 2, SIZE - 1])
def test_a_cut_at_any_byte_is_resumed_there(hub, folder, after):
    hub.faults[NETWORK] = [Cut(after)]
    get()
    assert contents(folder) == small.needed()
    assert hub.asked_for(NETWORK) == ["", f"bytes={after}-" if after > 0 else ""]


@given(st.lists(st.integers(-1, SIZE), max_size=4))
@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_cuts_at_any_bytes_in_any_number_of_runs(hub, folder, cuts):
    """Each run is ended by the first cut, as a crash or a pulled plug would; what came is kept, and only the rest is asked for."""
    shutil.rmtree(folder, ignore_errors=True)
    hub.requests.clear()
    have = 0
    for after in cuts:
        hub.faults[NETWORK] = [Cut(after)]
        try:
            get(Report(lambda stage, step: stage == "wait for the server"))
        except Problem as problem:
            assert problem.code == "cancelled"  # noqa: PT017
            assert not installed()
            have += max(after, 0)
            assert fetch_file.size_of(folder / f"{NETWORK}.part") == min(have, SIZE)
    hub.faults.clear()
    get()
    assert contents(folder) == small.needed()
    assert installed()


def test_a_process_killed_in_the_middle_is_gone_on_with(hub, folder, tmp_path):
    hub.faults[NETWORK] = [Slow(1000, 0.01)]
    command = [sys.executable, "-m", "selfrect", "models", "download", "small", "--accept-licence", "--precision", "float32"]
    with subprocess.Popen(command, env=os.environ | {"SELFRECT_CATALOGUE": str(catalogue.FILE)}) as process:
        part = folder / f"{NETWORK}.part"
        until = time.monotonic() + 30
        while (not part.exists() or part.stat().st_size < 5000) and time.monotonic() < until:
            time.sleep(0.02)
        process.kill()
    kept = part.stat().st_size
    assert 5000 <= kept < SIZE
    assert not installed()
    get()
    assert contents(folder) == small.needed()
    assert hub.asked_for(NETWORK)[-1] == f"bytes={kept}-"


def test_a_server_that_knows_no_ranges_starts_over(hub, folder):
    hub.faults[NETWORK] = [Cut(5000), NoRange()]
    get()
    assert contents(folder) == small.needed()


def test_a_connection_that_breaks_for_ever_is_given_up_with_words(hub, folder):
    hub.faults[NETWORK] = lambda: Cut(0)
    problem = refused("download_failed", "The connection to 127.0.0.1 broke while")
    assert NETWORK in problem.sentence
    assert len(hub.asked_for(NETWORK)) == 2 * 0 + 3 + 1  # three attempts, and one at the mirror, which refuses
    assert not installed()


def test_progress_makes_patience_begin_anew(hub, folder):
    hub.faults[NETWORK] = [Cut(10)] * 20
    get()
    assert contents(folder) == small.needed()


def test_a_stall_is_noticed_and_resumed(hub, folder):
    hub.faults[NETWORK] = [Stall(1234)]
    started = time.monotonic()
    get()
    assert 0.5 < time.monotonic() - started < 3
    assert hub.asked_for(NETWORK) == ["", "bytes=1234-"]
    assert contents(folder) == small.needed()


def test_a_stall_for_ever_is_told(hub):
    hub.faults[NETWORK] = lambda: Stall(0)
    refused("download_failed", "127.0.0.1 sent nothing any more")


def test_a_slow_server_is_no_stalled_one(hub, folder):
    hub.faults[NETWORK] = [Slow(20_000, 0.3)]  # in all longer than the patience
    report = Report()
    get(report)
    assert contents(folder) == small.needed()
    assert any(speed for *_, speed, _ in report.told)


@pytest.mark.parametrize("fault", [Stall(1000, 30), Slow(10, 0.05), Stall(0, 30)])
def test_a_cancel_is_heard_within_a_second(hub, folder, monkeypatch, fault):
    monkeypatch.setattr(fetch_file, "PATIENCE", fetch_file.Patience(stall=30))
    hub.faults[NETWORK] = [fault]
    pressed = threading.Event()
    threading.Timer(0.5, pressed.set).start()
    started = time.monotonic()
    with pytest.raises(Problem, match="cancelled"):
        get(Report(lambda stage, step: pressed.is_set()))
    assert time.monotonic() - started < 1.5
    assert not installed()
    get()
    assert contents(folder) == small.needed()


def test_a_cancel_while_the_server_asks_to_wait(hub):
    hub.faults[NETWORK] = lambda: Status(429, {"Retry-After": "2"})
    with pytest.raises(Problem, match="cancelled"):
        get(Report(lambda stage, step: stage == "wait for the server"))


# --- what a server answers -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (Status(401), "refused"),
        (Status(403), "refused"),
        (Status(403, {"X-Error-Code": "GatedRepo"}), "an account that was granted access"),
        (Status(404, {"X-Error-Code": "EntryNotFound"}), "any more (404)"),
        (Status(410), "any more (410)"),
        (Status(429), "asked too often (429)"),
        (Status(429, {"Retry-After": "3600"}), "asked too often (429)"),
        (Status(429, {"RateLimit": '"resolvers";r=0;t=300'}), "asked too often (429)"),
        (Status(500), "trouble of its own (500"),
        (Status(502), "trouble of its own (502"),
        (Status(503, {"Retry-After": "Wed, 21 Oct 2099 07:28:00 GMT"}), "trouble of its own (503"),
        (Status(407), "The proxy asks"),
        (Status(418), "answered 418"),
    ],
    ids=lambda value: str(getattr(value, "code", "")) + str(getattr(value, "headers", "")),
)
def test_a_refusal_is_told_in_words(hub, status, words):
    hub.faults[NETWORK] = lambda: status
    problem = refused("download_failed", words)
    assert "127.0.0.1" in problem.sentence or status.code == 407
    assert not installed()


@pytest.mark.parametrize("status", [Status(500), Status(503), Status(429, {"Retry-After": "1"}), Status(408)], ids=str)
def test_what_passes_is_waited_for(hub, folder, status):
    hub.faults[NETWORK] = [Cut(100), status, status]
    started = time.monotonic()
    get()
    assert contents(folder) == small.needed()
    assert time.monotonic() - started >= (2 if "Retry-After" in status.headers else 0)


def test_a_beginning_that_the_server_cannot_go_on_from_is_fetched_anew(hub, folder):
    hub.faults[NETWORK] = [Cut(100), Status(416)]
    get()
    assert hub.asked_for(NETWORK) == ["", "bytes=100-", ""]
    assert contents(folder) == small.needed()


def test_a_file_that_lies_on_another_host(hub, folder, monkeypatch):
    with Hub({REPOSITORY: dict(FILES)}) as content_network:
        hub.faults[NETWORK] = [Redirect(content_network.url), Redirect(content_network.url, 307)]
        content_network.faults[NETWORK] = [Cut(3000)]
        get()
        assert contents(folder) == small.needed()
        assert content_network.asked_for(NETWORK) == ["", "bytes=3000-"]


def test_a_redirect_without_end(hub):
    hub.faults[NETWORK] = lambda: Redirect(hub.url)
    refused("download_failed", "127.0.0.1 sends us around in circles")


def test_the_mirrors_of_the_catalogue_are_asked_when_the_repository_is_gone(hub, folder):
    hub.repositories[MIRROR] = hub.repositories.pop(REPOSITORY)
    get()
    assert contents(folder) == small.needed()
    asked = [address.split("/resolve/")[0] for _, address, _ in hub.requests]
    assert asked[0] == f"/{REPOSITORY}"
    assert set(asked[1:]) == {f"/{MIRROR}"}  # once found, the mirror is asked first


def test_another_hub_can_be_named(hub, folder, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")
    get(mirror=hub.url + "/")
    assert contents(folder) == small.needed()
    for nonsense in ("hf-mirror", "ftp://example.org", "file:///etc", "https://"):
        refused("bad_input", "is not a web address", mirror=nonsense)


# --- wrong files -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [FILES[NETWORK][:-1], FILES[NETWORK] + b"x", b"", b"<html>log in to the hotel's network</html>"],
    ids=["short", "long", "empty", "portal"],
)
def test_a_file_of_another_size_is_refused_before_it_is_fetched(hub, folder, content):
    hub.faults[NETWORK] = lambda: Instead(content)
    problem = refused("hash_mismatch", f"{len(content):,} bytes, expected {SIZE:,}")
    assert NETWORK in problem.sentence
    assert not (folder / NETWORK).exists()
    assert not installed()


def test_wrong_bytes_are_thrown_away(hub, folder):
    wrong = FILES[NETWORK][:-1] + b"!"
    hub.faults[NETWORK] = lambda: Instead(wrong)
    refused("hash_mismatch", "sent another")
    assert not (folder / NETWORK).exists()
    assert not (folder / f"{NETWORK}.part").exists()
    assert not installed()
    hub.faults.clear()
    get()
    assert contents(folder) == small.needed()


def test_a_right_file_of_a_mirror_takes_the_place_of_a_wrong_one(hub, folder):
    hub.repositories[MIRROR] = dict(FILES)
    hub.faults[NETWORK] = [Instead(FILES[NETWORK][:-1] + b"!")]
    get()
    assert contents(folder) == small.needed()


def test_a_beginning_that_went_bad_on_the_disk_costs_one_more_try(hub, folder):
    small.put(folder, {f"{NETWORK}.part": b"?" * 1000})
    get()
    assert contents(folder) == small.needed()
    assert hub.asked_for(NETWORK) == ["bytes=1000-", ""]


@pytest.mark.parametrize("length", [SIZE, SIZE + 5])
def test_a_beginning_that_is_too_long_is_no_beginning(hub, folder, length):
    small.put(folder, {f"{NETWORK}.part": b"?" * length})
    get()
    assert contents(folder) == small.needed()


def test_a_whole_part_is_only_checked(hub, folder):
    small.put(folder, {f"{NETWORK}.part": FILES[NETWORK]})
    get()
    assert hub.asked_for(NETWORK) == []
    assert contents(folder) == small.needed()


def test_a_folder_put_there_by_hand_is_completed_and_not_ours(hub, folder):
    small.put(folder, {"unet/config.json": FILES["unet/config.json"], "notes.txt": b"mine", NETWORK: b"not it"})
    get()
    assert contents(folder) == small.needed() | {"notes.txt": b"mine"}
    assert marker.read(folder)["files"]["unet/config.json"]["ours"] is False


# --- the machine -----------------------------------------------------------------------------------------------------


def test_no_network_is_told_at_once(hub, monkeypatch):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{free.getsockname()[1]}")
        problem = refused("offline", "127.0.0.1 cannot be reached")
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
    assert contents(folder) == small.needed()


def test_a_name_that_nobody_knows_is_told_at_once(hub, monkeypatch):
    def unknown(*_, **__):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    monkeypatch.setenv("HF_ENDPOINT", "https://hub.invalid")
    refused("offline", "The address of hub.invalid was not found")


def test_offline_by_the_users_own_setting(hub, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    refused("offline", "HF_HUB_OFFLINE")
    assert not hub.requests


def test_our_own_switch_does_not_keep_downloads_away(hub, folder, monkeypatch):
    for name in offline._SWITCHES:
        monkeypatch.setenv(name, "0")
    offline.close()
    assert os.environ["HF_HUB_OFFLINE"] == "1"
    get()
    assert installed()


def test_a_proxy_is_used(hub, folder, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", hub.url)
    monkeypatch.setenv("HF_ENDPOINT", "http://hub.invalid")
    get()
    assert contents(folder) == small.needed()
    assert all(address.startswith("http://hub.invalid/") for _, address, _ in hub.requests)


def test_a_proxy_that_lets_nothing_through(hub, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", hub.url)
    monkeypatch.setenv("HF_ENDPOINT", "https://hub.invalid")
    problem = refused("download_failed", "Tunnel connection failed: 405")
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
        problem = refused("download_failed", "127.0.0.1 could not prove who it is")
        assert "SSL_CERT_FILE" in problem.remedy
        monkeypatch.setenv(variable, str(certificate))
        monkeypatch.setenv("HF_TOKEN", "secret")
        private.faults[NETWORK] = lambda: Redirect(f"https://localhost:{private.port}")
        refused("download_failed", "could not prove who it is: Hostname mismatch")
        private.faults[NETWORK] = lambda: Redirect(hub.url)
        refused("download_failed", "sent us on to an address without encryption")
        private.faults.clear()
        private.requests.clear()
        get()
    assert contents(folder) == small.needed()
    assert {headers["authorization"] for _, _, headers in private.requests} == {"Bearer secret"}


def test_a_full_disk_is_told_before(hub, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: type("Usage", (), {"free": 1000})())
    refused("disk_full", "GB are free")
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
    assert not installed()
    get()
    assert hub.asked_for(NETWORK)[-1] == "bytes=20000-"
    assert contents(folder) == small.needed()


def test_a_folder_that_cannot_be_made(hub, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SELFRECT_MODELS", str(tmp_path / "file" / "models"))
    problem = refused("no_permission", "cannot be opened or written")
    assert "SELFRECT_MODELS" in problem.remedy


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_is_only_read(hub, tmp_path):
    (tmp_path / "models").mkdir(mode=0o555)
    refused("no_permission", "cannot be opened or written")


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
    assert contents(folder) == small.needed()


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
    assert contents(folder) == small.needed()
    assert any(told[0] == "wait for another download" for report in reports for told in report.told)
