# SPDX-License-Identifier: GPL-3.0-or-later
"""Models that are here: listed, verified, repaired, removed; and nothing goes online by itself."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from hub_server import Hub
from models_world import Report, model, refused, tree
from selfrect.models import cache, catalogue, manage, store
from selfrect.problems import Problem
from small_catalogue import FILES, NETWORK, REPOSITORY, needed, put, sha256


def test_the_real_catalogue():
    entries = catalogue.catalogue()
    assert list(entries) == ["mini", "sd-1.4", "sd-1.5", "sd-2.1-base", "sdxl-base"]
    for entry in entries.values():
        assert entry.licence_url.startswith("https://")
        for file in (*entry.files, *entry.checkpoints):
            assert len(file.sha256) == 64
            assert file.size > 0
            assert file.path.endswith((".safetensors", ".json", ".txt"))
        for precision in catalogue.PRECISIONS if entry.files else ():
            paths = [file.path for file in entry.needed(precision)]
            assert len(set(paths)) == len(paths)
            for part in ("unet", "vae", "text_encoder"):
                assert sum(path.startswith(f"{part}/") and path.endswith(".safetensors") for path in paths) == 1
    assert sum(file.size for file in entries["sd-1.4"].needed("float32")) == 4_266_665_566


def test_a_catalogue_of_the_house_adds_to_ours(own, monkeypatch):
    (own / "house.toml").write_text("[house]\ntitle = 'House'\nrepository = 'a/b'\nlicence = 'L'\nlicence_url = 'https://a.b'\n")
    monkeypatch.setenv("SELFRECT_CATALOGUE", str(own / "house.toml"))
    assert [found["name"] for found in store.models()] == ["mini", "small", "house"]
    for text in ("[x", "[house]\nfiles = 5", "house = 5"):
        (own / "bad.toml").write_text(text)
        catalogue._read.cache_clear()
        monkeypatch.setenv("SELFRECT_CATALOGUE", str(own / "bad.toml"))
        refused(store.models, "bad_input", "bad.toml is not a catalogue")


# --- what is here ----------------------------------------------------------------------------------------------------


def test_nothing_is_here_but_the_embedded_model(own):
    assert [(found["name"], found["installed"]) for found in store.models()] == [("mini", True), ("small", False)]
    assert model("mini")["default"]
    assert model()["downloads"] == {p: sum(map(len, needed(p).values())) for p in ("float32", "float16")}
    refused(store.find, "model_missing", "The model “small” is not on this machine", "small")
    refused(store.find, "model_missing", "neither a model's name nor a path", "nix")


def test_the_papers_model_is_the_default_when_it_is_here(downloaded, monkeypatch):
    assert store.default_model() == "mini"
    monkeypatch.setattr(store, "PAPERS_MODEL", "small")
    assert store.default_model() == "small"
    assert (model()["default"], model("mini")["default"]) == (True, False)


@pytest.mark.parametrize("damage", ["missing", "wrong size", "wrong content"])
def test_damage_is_found_and_only_that_is_repaired(downloaded, monkeypatch, damage):
    assert manage.verify("small", Report())["good"]
    file = downloaded / NETWORK
    if damage == "missing":
        file.unlink()
    else:
        file.write_bytes(FILES[NETWORK][:-1] + (b"!" if damage == "wrong content" else b""))
        os.utime(file, (1, 1))
    report = Report()
    found = manage.verify("small", report)
    assert (found["good"], [entry for entry in found["files"] if entry["state"] != "good"]) == (False, [{"file": NETWORK, "state": damage}])
    assert report.told[0][0] == "verify"
    assert (model()["installed"], damage) in ((False, "missing"), (False, "wrong size"), (True, "wrong content"))
    with Hub({REPOSITORY: dict(FILES)}) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        manage.download("small", Report(), precision="float32")
        assert [address.partition("/main/")[2] for _, address, _ in hub.requests] == [NETWORK]
    assert manage.verify("small", Report())["good"]


def test_damage_that_leaves_size_and_time_alone_is_found(downloaded):
    file = downloaded / NETWORK
    before = file.stat()
    file.write_bytes(FILES[NETWORK][:-1] + b"!")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert not manage.verify("small", Report())["good"]
    assert cache.known_hash(file) != sha256(FILES[NETWORK])  # so that a download fetches it


def test_verify_can_be_stopped_and_needs_something_to_compare_with(downloaded, own):
    with pytest.raises(Problem, match="cancelled"):
        manage.verify("small", Report(lambda stage, step: True))
    refused(manage.verify, "bad_input", "part of the engine", "mini", Report())
    refused(manage.verify, "model_missing", "nix", "nix", Report())
    put(own / "models" / "mine", FILES)
    refused(manage.verify, "bad_input", "Nobody has told", "mine", Report())


# --- removed ---------------------------------------------------------------------------------------------------------


def test_removed_leaves_nothing(downloaded):
    assert manage.remove("small") == {"freed": sum(map(len, needed().values()))}
    assert not downloaded.exists()
    assert not model()["installed"]


def test_a_download_that_was_cut_can_be_removed(downloaded):
    manage.remove("small")
    with pytest.raises(Problem, match="cancelled"):
        manage.download("small", Report(lambda stage, step: step > 1000), True, precision="float32")
    assert model()["removable"]
    assert manage.remove("small")["freed"] > 0
    assert not downloaded.exists()


def test_what_is_not_ours_stays(downloaded, own):
    put(downloaded, {"mine.txt": b"mine", "unet/mine.safetensors": b"mine"})
    manage.remove("small")
    assert tree(downloaded) == {"mine.txt": b"mine", "unet/mine.safetensors": b"mine"}
    by_hand = put(own / "models" / "mine", FILES)
    refused(manage.remove, "bad_input", "was not put there by selfrect", "mine")
    assert tree(by_hand) == FILES


@pytest.mark.parametrize("name", ["mini", "nix", "", ".", "..", "../models/small", "/"])
def test_names_that_are_not_removed(downloaded, name):
    before = tree(downloaded)
    with pytest.raises(Problem) as caught:
        manage.remove(name)
    assert caught.value.code == "bad_input"
    assert tree(downloaded) == before


# --- nothing goes online by itself -----------------------------------------------------------------------------------


def test_loading_models_makes_no_request(own, monkeypatch):
    """A folder, a checkpoint and mini, with a network that fails the test when it is looked at."""
    import socket

    import tiny_checkpoint
    import tiny_models
    from selfrect.models.loading import load_model

    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    asked = []
    monkeypatch.setattr(socket.socket, "connect", lambda self, address: asked.append(address))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **options: asked.append(args) or [])
    folder = tiny_models.make_pipeline(own / "sd", "sd1_single")
    load_model(folder, device="cpu")
    load_model(tiny_checkpoint.write_checkpoint(folder, own / "one.safetensors"), device="cpu")
    load_model("mini", device="cpu")
    assert not asked


def test_a_process_of_ours_is_offline_before_any_library_is_imported(own):
    code = "import sys; from selfrect.cli import main; main(['models', 'list', '--json']); loaded = 'huggingface_hub' in sys.modules\n"
    code += "from huggingface_hub import constants; print(loaded, constants.HF_HUB_OFFLINE)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False True"
