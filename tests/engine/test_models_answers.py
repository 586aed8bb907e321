# SPDX-License-Identifier: GPL-3.0-or-later
"""What a server answers to a download: refusals, other hosts, mirrors, and files that are not the ones asked for."""

from __future__ import annotations

import time

import pytest
from hub_server import Cut, Hub, Instead, Redirect, Status
from models_world import SIZE, contents, get, model, refused
from selfrect.models.files import marker
from small_catalogue import FILES, MIRROR, NETWORK, REPOSITORY, needed, put


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
    problem = refused(get, "download_failed", words)
    assert "127.0.0.1" in problem.sentence or status.code == 407
    assert not model()["installed"]


@pytest.mark.parametrize("status", [Status(500), Status(503), Status(429, {"Retry-After": "1"}), Status(408)], ids=str)
def test_what_passes_is_waited_for(hub, folder, status):
    hub.faults[NETWORK] = [Cut(100), status, status]
    started = time.monotonic()
    get()
    assert contents(folder) == needed()
    assert time.monotonic() - started >= (2 if "Retry-After" in status.headers else 0)


def test_a_beginning_that_the_server_cannot_go_on_from_is_fetched_anew(hub, folder):
    hub.faults[NETWORK] = [Cut(100), Status(416)]
    get()
    assert hub.asked_for(NETWORK) == ["", "bytes=100-", ""]
    assert contents(folder) == needed()


def test_a_file_that_lies_on_another_host(hub, folder, monkeypatch):
    with Hub({REPOSITORY: dict(FILES)}) as content_network:
        hub.faults[NETWORK] = [Redirect(content_network.url), Redirect(content_network.url, 307)]
        content_network.faults[NETWORK] = [Cut(3000)]
        get()
        assert contents(folder) == needed()
        assert content_network.asked_for(NETWORK) == ["", "bytes=3000-"]


def test_a_redirect_without_end(hub):
    hub.faults[NETWORK] = lambda: Redirect(hub.url)
    refused(get, "download_failed", "127.0.0.1 sends us around in circles")


def test_the_mirrors_of_the_catalogue_are_asked_when_the_repository_is_gone(hub, folder):
    hub.repositories[MIRROR] = hub.repositories.pop(REPOSITORY)
    get()
    assert contents(folder) == needed()
    asked = [address.split("/resolve/")[0] for _, address, _ in hub.requests]
    assert asked[0] == f"/{REPOSITORY}"
    assert set(asked[1:]) == {f"/{MIRROR}"}  # once found, the mirror is asked first


def test_another_hub_can_be_named(hub, folder, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")
    get(mirror=hub.url + "/")
    assert contents(folder) == needed()
    for nonsense in ("hf-mirror", "ftp://example.org", "file:///etc", "https://"):
        refused(get, "bad_input", "is not a web address", mirror=nonsense)


# --- wrong files -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [FILES[NETWORK][:-1], FILES[NETWORK] + b"x", b"", b"<html>log in to the hotel's network</html>"],
    ids=["short", "long", "empty", "portal"],
)
def test_a_file_of_another_size_is_refused_before_it_is_fetched(hub, folder, content):
    hub.faults[NETWORK] = lambda: Instead(content)
    problem = refused(get, "hash_mismatch", f"{len(content):,} bytes, expected {SIZE:,}")
    assert NETWORK in problem.sentence
    assert not (folder / NETWORK).exists()
    assert not model()["installed"]


def test_wrong_bytes_are_thrown_away(hub, folder):
    wrong = FILES[NETWORK][:-1] + b"!"
    hub.faults[NETWORK] = lambda: Instead(wrong)
    refused(get, "hash_mismatch", "sent another")
    assert not (folder / NETWORK).exists()
    assert not (folder / f"{NETWORK}.part").exists()
    assert not model()["installed"]
    hub.faults.clear()
    get()
    assert contents(folder) == needed()


def test_a_right_file_of_a_mirror_takes_the_place_of_a_wrong_one(hub, folder):
    hub.repositories[MIRROR] = dict(FILES)
    hub.faults[NETWORK] = [Instead(FILES[NETWORK][:-1] + b"!")]
    get()
    assert contents(folder) == needed()


def test_a_beginning_that_went_bad_on_the_disk_costs_one_more_try(hub, folder):
    put(folder, {f"{NETWORK}.part": b"?" * 1000})
    get()
    assert contents(folder) == needed()
    assert hub.asked_for(NETWORK) == ["bytes=1000-", ""]


@pytest.mark.parametrize("length", [SIZE, SIZE + 5])
def test_a_beginning_that_is_too_long_is_no_beginning(hub, folder, length):
    put(folder, {f"{NETWORK}.part": b"?" * length})
    get()
    assert contents(folder) == needed()


def test_a_whole_part_is_only_checked(hub, folder):
    put(folder, {f"{NETWORK}.part": FILES[NETWORK]})
    get()
    assert hub.asked_for(NETWORK) == []
    assert contents(folder) == needed()


def test_a_folder_put_there_by_hand_is_completed_and_not_ours(hub, folder):
    put(folder, {"unet/config.json": FILES["unet/config.json"], "notes.txt": b"mine", NETWORK: b"not it"})
    get()
    assert contents(folder) == needed() | {"notes.txt": b"mine"}
    assert marker.read(folder)["files"]["unet/config.json"]["ours"] is False
