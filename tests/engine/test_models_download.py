# SPDX-License-Identifier: GPL-3.0-or-later
"""Downloads from a hub on loopback: as they should go, cut, slow, stalled; a wrong file is never installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time

import pytest
from hub_server import Cut, NoRange, Slow, Stall, Status
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from models_world import SIZE, Report, contents, get, model, refused
from selfrect.models import catalogue, manage, store
from selfrect.models.files import fetch_file, marker
from selfrect.problems import Problem
from small_catalogue import FILES, HALF, NETWORK, needed


def test_a_model_is_downloaded_checked_and_found(hub, folder):
    assert not model()["installed"]
    report = Report()
    assert get(report) == {"path": str(folder)}
    assert contents(folder) == needed()
    assert model()["installed"]
    assert store.find("small") == folder
    assert report.told[-1][0] == "download"
    steps = [told[1] for told in report.told]
    assert steps == sorted(steps)
    assert report.told[0][2] == sum(map(len, needed().values()))
    assert all(0 <= told[3] <= 1 for told in report.told)
    assert {headers["accept-encoding"] for _, _, headers in hub.requests} == {"identity"}


@pytest.mark.parametrize("precision", ["float32", "float16"])
def test_only_the_files_of_one_precision_are_fetched(hub, folder, precision):
    get(precision=precision)
    assert contents(folder) == needed(precision)
    assert len(hub.requests) == len(needed(precision))


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
    problem = refused(get, "licence_not_accepted", "Test licence 1.0 (https://example.org/licence)", accepted=False)
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
    assert contents(folder) == needed()
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
            assert not model()["installed"]
            have += max(after, 0)
            assert fetch_file.size_of(folder / f"{NETWORK}.part") == min(have, SIZE)
    hub.faults.clear()
    get()
    assert contents(folder) == needed()
    assert model()["installed"]


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
    assert not model()["installed"]
    get()
    assert contents(folder) == needed()
    assert hub.asked_for(NETWORK)[-1] == f"bytes={kept}-"


def test_a_server_that_knows_no_ranges_starts_over(hub, folder):
    hub.faults[NETWORK] = [Cut(5000), NoRange()]
    get()
    assert contents(folder) == needed()


def test_a_connection_that_breaks_for_ever_is_given_up_with_words(hub, folder):
    hub.faults[NETWORK] = lambda: Cut(0)
    problem = refused(get, "download_failed", "The connection to 127.0.0.1 broke while")
    assert NETWORK in problem.sentence
    assert len(hub.asked_for(NETWORK)) == 3 + 1  # three attempts, and one at the mirror, which refuses
    assert not model()["installed"]


def test_progress_makes_patience_begin_anew(hub, folder):
    hub.faults[NETWORK] = [Cut(10)] * 20
    get()
    assert contents(folder) == needed()


def test_a_stall_is_noticed_and_resumed(hub, folder):
    hub.faults[NETWORK] = [Stall(1234)]
    started = time.monotonic()
    get()
    assert 0.5 < time.monotonic() - started < 3
    assert hub.asked_for(NETWORK) == ["", "bytes=1234-"]
    assert contents(folder) == needed()


def test_a_stall_for_ever_is_told(hub):
    hub.faults[NETWORK] = lambda: Stall(0)
    refused(get, "download_failed", "127.0.0.1 sent nothing any more")


def test_a_slow_server_is_no_stalled_one(hub, folder):
    hub.faults[NETWORK] = [Slow(20_000, 0.3)]  # in all longer than the patience
    report = Report()
    get(report)
    assert contents(folder) == needed()
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
    assert not model()["installed"]
    get()
    assert contents(folder) == needed()


def test_a_cancel_while_the_server_asks_to_wait(hub):
    hub.faults[NETWORK] = lambda: Status(429, {"Retry-After": "2"})
    with pytest.raises(Problem, match="cancelled"):
        get(Report(lambda stage, step: stage == "wait for the server"))
