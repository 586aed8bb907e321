# SPDX-License-Identifier: GPL-3.0-or-later
"""Models that are here: found, verified, repaired, imported, removed, and other tools' folders used in place, never written to."""

from __future__ import annotations

import json
import os
import shutil
import struct
import sys

import pytest
import small_catalogue as small
from hub_server import Hub
from selfrect.models import cache, catalogue, manage, offline, store
from selfrect.models.files import foreign, marker
from selfrect.problems import Problem
from small_catalogue import CHECKPOINT, FILES, HALF, NETWORK, REPOSITORY
from test_models_download import Report


@pytest.fixture
def place(tmp_path, monkeypatch):
    """Folders of the test's own; no server to be reached."""
    small.use(tmp_path, monkeypatch)
    monkeypatch.setattr(offline, "_users_own", None)
    monkeypatch.setattr(foreign, "SMALLEST_CHECKPOINT", 100)
    return tmp_path


@pytest.fixture
def downloaded(place, monkeypatch):
    """The small model, downloaded."""
    with Hub({REPOSITORY: dict(FILES)}) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        manage.download("small", Report(), True, precision="float32")
        yield place / "models" / "small"


def model(name="small"):
    return next((model for model in store.models() if model["name"] == name), None)


def refused(code, words, act, *arguments):
    with pytest.raises(Problem) as caught:
        act(*arguments)
    problem = caught.value
    assert (problem.code, words in problem.sentence, bool(problem.remedy)) == (code, True, True), problem
    return problem


def checkpoint(content=b""):
    """A file that looks like a Stable Diffusion checkpoint by its header."""
    header = json.dumps({"model.diffusion_model.input_blocks.0.0.weight": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}})
    return struct.pack("<Q", len(header)) + header.encode() + b"\0\0\0\0" + content.ljust(200, b"\0")


def tree(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# --- the real catalogue ----------------------------------------------------------------------------------------------


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


def test_a_catalogue_of_the_house_adds_to_ours(place, monkeypatch):
    (place / "house.toml").write_text("[house]\ntitle = 'House'\nrepository = 'a/b'\nlicence = 'L'\nlicence_url = 'https://a.b'\n")
    monkeypatch.setenv("SELFRECT_CATALOGUE", str(place / "house.toml"))
    assert [found["name"] for found in store.models()] == ["mini", "small", "house"]
    for text in ("[x", "[house]\nfiles = 5", "house = 5"):
        (place / "bad.toml").write_text(text)
        catalogue._read.cache_clear()
        monkeypatch.setenv("SELFRECT_CATALOGUE", str(place / "bad.toml"))
        refused("bad_input", "bad.toml is not a catalogue", store.models)


# --- what is here ----------------------------------------------------------------------------------------------------


def test_nothing_is_here_but_the_embedded_model(place):
    assert [(found["name"], found["installed"]) for found in store.models()] == [("mini", True), ("small", False)]
    assert model("mini")["default"]
    assert model()["downloads"] == {p: sum(map(len, small.needed(p).values())) for p in ("float32", "float16")}
    refused("model_missing", "The model “small” is not on this machine", store.find, "small")
    refused("model_missing", "neither a model's name nor a path", store.find, "nix")


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
    assert cache.known_hash(file) != small.sha256(FILES[NETWORK])  # so that a download fetches it


def test_verify_can_be_stopped_and_needs_something_to_compare_with(downloaded, place):
    with pytest.raises(Problem, match="cancelled"):
        manage.verify("small", Report(lambda stage, step: True))
    refused("bad_input", "part of the engine", manage.verify, "mini", Report())
    refused("model_missing", "nix", manage.verify, "nix", Report())
    small.put(place / "models" / "mine", FILES)
    refused("bad_input", "Nobody has told", manage.verify, "mine", Report())


# --- removed ---------------------------------------------------------------------------------------------------------


def test_removed_leaves_nothing(downloaded):
    assert manage.remove("small") == {"freed": sum(map(len, small.needed().values()))}
    assert not downloaded.exists()
    assert not model()["installed"]


def test_a_download_that_was_cut_can_be_removed(downloaded):
    manage.remove("small")
    with pytest.raises(Problem, match="cancelled"):
        manage.download("small", Report(lambda stage, step: step > 1000), True, precision="float32")
    assert model()["removable"]
    assert manage.remove("small")["freed"] > 0
    assert not downloaded.exists()


def test_what_is_not_ours_stays(downloaded, place):
    small.put(downloaded, {"mine.txt": b"mine", "unet/mine.safetensors": b"mine"})
    manage.remove("small")
    assert tree(downloaded) == {"mine.txt": b"mine", "unet/mine.safetensors": b"mine"}
    by_hand = small.put(place / "models" / "mine", FILES)
    refused("bad_input", "was not put there by selfrect", manage.remove, "mine")
    assert tree(by_hand) == FILES


@pytest.mark.parametrize("name", ["mini", "nix", "", ".", "..", "../models/small", "/"])
def test_names_that_are_not_removed(downloaded, name):
    before = tree(downloaded)
    with pytest.raises(Problem) as caught:
        manage.remove(name)
    assert caught.value.code == "bad_input"
    assert tree(downloaded) == before


# --- other tools' folders --------------------------------------------------------------------------------------------


def hub_cache(home, files, links=True):
    """As huggingface_hub lays it out: blobs by hash, snapshots of links to them."""
    repository = home / "models--org--small"
    for path, content in files.items():
        blob, link = repository / "blobs" / small.sha256(content), repository / "snapshots" / "0123abc" / path
        for folder in (blob.parent, link.parent):
            folder.mkdir(parents=True, exist_ok=True)
        if links:
            blob.write_bytes(content)
            link.symlink_to(os.path.relpath(blob, link.parent))
        else:
            link.write_bytes(content)
    return repository / "snapshots" / "0123abc"


@pytest.mark.parametrize("variable", ["", "HF_HOME", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "SELFRECT_MODEL_FOLDERS"])
@pytest.mark.parametrize("links", [True, False])
def test_the_hugging_face_cache_is_used_in_place(place, monkeypatch, variable, links):
    home = place / "home" / ".cache" / "huggingface" if not variable else place / "elsewhere"
    folder = home if variable not in ("", "HF_HOME") else home / "hub"
    if variable:
        monkeypatch.setenv(variable, str(home))
    snapshot = hub_cache(folder, small.needed("float16"), links)
    before = tree(folder)
    found = model()
    assert (found["installed"], found["source"], found["tool"], found["removable"]) == (True, "found", "Hugging Face", False)
    assert store.find("small") == snapshot
    assert manage.verify("small", Report())["good"]
    refused("bad_input", "belongs to Hugging Face", manage.remove, "small")
    assert tree(folder) == before


def test_a_cache_that_is_not_whole_or_not_right_is_not_used(place, monkeypatch):
    folder = place / "home" / ".cache" / "huggingface" / "hub"
    snapshot = hub_cache(folder, {path: content for path, content in small.needed().items() if path != NETWORK}, links=False)
    assert not model()["installed"]
    small.put(snapshot, {NETWORK: FILES[NETWORK][:-1] + b"!"})
    assert model()["installed"]  # by its size, as far as a list looks
    refused("model_missing", "not on this machine", store.find, "small")
    small.put(snapshot, {NETWORK: FILES[NETWORK] + b"!"})
    assert not model()["installed"]


TOOLS = {
    "ComfyUI": ("ComfyUI/models/checkpoints", "ComfyUI"),
    "web UI": ("stable-diffusion-webui/models/Stable-diffusion", "Stable Diffusion web UI"),
    "Stability Matrix": ("StabilityMatrix/Data/Models/StableDiffusion", "Stability Matrix"),
}


@pytest.mark.parametrize("tool", TOOLS)
def test_checkpoints_of_other_tools(place, tool):
    below, title = TOOLS[tool]
    files = {
        "renamed.safetensors": CHECKPOINT,
        "sub/other.safetensors": checkpoint(),
        "lora.safetensors": struct.pack("<Q", 2) + b"{}" + b"x" * 300,
        "small.safetensors": b"small",
        "old.ckpt": b"\x80\x04" * 200,
        "broken.safetensors": b"\xff" * 300,
    }
    folder = small.put(place / "home" / below, files)
    listed = {found["name"]: found for found in store.models() if found["tool"]}
    other = str(folder / "sub/other.safetensors")
    assert {name: found["tool"] for name, found in listed.items()} == {"small": title, other: title}
    assert store.find("small") == folder / "renamed.safetensors"
    assert store.find(other) == folder / "sub/other.safetensors"
    assert manage.verify("small", Report())["files"] == [{"file": "renamed.safetensors", "state": "good"}]
    refused("bad_input", f"belongs to {title}", manage.remove, other)
    refused("pickle_refused", "old.ckpt", store.find, str(folder / "old.ckpt"))
    assert tree(folder) == files


def test_the_folders_that_comfyui_is_told_of(place):
    small.put(place / "home" / "ComfyUI" / "models" / "checkpoints", {"put_checkpoints_here": b""})
    small.put(place / "disk" / "sd", {"a.safetensors": CHECKPOINT})
    small.put(place / "disk" / "more", {"b.safetensors": checkpoint()})
    text = f"a111:\n    base_path: {place / 'disk'}\n    checkpoints: |\n        sd\n        more\n    vae: vae\nother: 5\n"
    (place / "home" / "ComfyUI" / "extra_model_paths.yaml").write_text(text)
    assert {found["name"] for found in store.models() if found["tool"] == "ComfyUI"} == {"small", str(place / "disk/more/b.safetensors")}
    (place / "home" / "ComfyUI" / "extra_model_paths.yaml").write_text("[not: yaml")
    assert not [found for found in store.models() if found["tool"]]


def test_a_shared_folder_that_is_only_read(downloaded, place, monkeypatch):
    """A studio's drive: filled once by `selfrect models download`, then read by all; each machine has its own cache."""
    monkeypatch.setenv("SELFRECT_MODELS", str(place / "own"))
    monkeypatch.setenv("SELFRECT_MODEL_FOLDERS", os.pathsep.join([str(place / "nowhere"), str(place / "models")]))
    small.put(place / "models" / "house", {"unet/config.json": b"{}", "x.json": b""})
    for path in (place / "models").rglob("*"):
        path.chmod(0o555 if path.is_dir() else 0o444)
    before = tree(place / "models")
    assert (model()["source"], model()["tool"]) == ("found", "folder")
    assert store.find("small") == place / "models" / "small"
    assert manage.verify("small", Report())["good"]
    assert model(str(place / "models" / "house"))["installed"]
    assert {"tool": "folder", "folder": str(place / "models")} in manage.where()["searched"]
    assert tree(place / "models") == before
    monkeypatch.setenv("SELFRECT_MODELS", str(place / "models"))  # or as the models folder itself
    assert store.find("small") == place / "models" / "small"
    for path in (place / "models").rglob("*"):
        path.chmod(0o755)


def test_a_shared_folder_in_which_a_model_is_damaged_says_so_by_not_being_used(downloaded, place, monkeypatch):
    monkeypatch.setenv("SELFRECT_MODELS", str(place / "own"))
    monkeypatch.setenv("SELFRECT_MODEL_FOLDERS", str(place / "models"))
    (downloaded / NETWORK).write_bytes(FILES[NETWORK][:-1] + b"!")
    refused("model_missing", "small", store.find, "small")


def test_listing_reads_no_large_file(downloaded, place, monkeypatch):
    hub_cache(place / "home" / ".cache" / "huggingface" / "hub", small.needed(), links=False)
    monkeypatch.setattr(foreign, "file_hash", lambda *_: pytest.fail("a file was read to list it"))
    assert model()["installed"]


# --- imported --------------------------------------------------------------------------------------------------------


def bring_in(path, name="", link=False, report=None):
    return manage.bring_in(str(path), name, link, report or Report())


@pytest.fixture
def disk(place):
    """A disk with a model's folder and a checkpoint."""
    extra = {"unet/old.bin": b"\x80", ".git/config": b"x", "README.md": b"about"}
    small.put(place / "disk" / "mine", FILES | extra)
    small.put(place / "disk", {"check.safetensors": checkpoint(b"weights")})
    return place / "disk"


def test_a_folder_is_copied_without_pickles(place, disk):
    report = Report()
    done = bring_in(disk / "mine", report=report)
    assert done == {"name": "mine", "path": str(place / "models" / "mine")}
    copied = tree(place / "models" / "mine")
    assert set(copied) == {*FILES, "README.md", marker.NAME}
    assert report.told[0][0] == "copy"
    assert store.find("mine") == place / "models" / "mine"
    assert (model("mine")["source"], model("mine")["removable"]) == ("imported", True)
    assert manage.verify("mine", Report())["good"]
    manage.remove("mine")
    assert not (place / "models" / "mine").exists()
    assert len(tree(disk / "mine")) == len(FILES) + 3


@pytest.mark.parametrize("link", [False, True])
def test_a_checkpoint_under_a_name(place, disk, link):
    done = bring_in(disk / "check.safetensors", "house-style", link)
    expected = disk / "check.safetensors" if link else place / "models" / "house-style" / "check.safetensors"
    assert done == {"name": "house-style", "path": str(expected)}
    assert store.find("house-style") == expected
    assert expected.read_bytes() == checkpoint(b"weights")
    (disk / "check.safetensors").unlink()
    assert (model("house-style") is None) == link
    manage.remove("house-style")
    assert model("house-style") is None


def test_the_catalogues_model_from_a_disk(place, disk):
    assert bring_in(disk / "mine", "small")["name"] == "small"
    assert tree(place / "models" / "small").keys() == {*small.needed(), marker.NAME}
    assert model()["source"] == "imported"
    manage.remove("small")
    (disk / "mine" / NETWORK).write_bytes(FILES[NETWORK][:-1] + b"!")
    refused("hash_mismatch", f"{NETWORK} has another SHA-256", bring_in, disk / "mine", "small")
    (disk / "mine" / NETWORK).unlink()
    assert bring_in(disk / "mine", "small")  # half precision is there
    assert HALF in tree(place / "models" / "small")


@pytest.mark.parametrize(
    ("content", "code", "words"),
    [
        ({"a.ckpt": b"\x80"}, "pickle_refused", "a.ckpt"),
        ({"a.safetensors": b"nothing"}, "bad_model", "no network"),
        ({"a/unet/config.json": b"{}"}, "bad_model", "scheduler_config.json is missing"),
        ({"a/unet/config.json": b"{", "a/scheduler/scheduler_config.json": b"{}"}, "bad_model", "config.json is missing or broken"),
        (
            {"a/unet/config.json": b"{}", "a/scheduler/scheduler_config.json": b"{}", "a/unet/diffusion_pytorch_model.bin": b"\x80"},
            "pickle_refused",
            "diffusion_pytorch_model.bin",
        ),
        ({"a/unet/config.json": b"{}", "a/scheduler/scheduler_config.json": b"{}"}, "bad_model", "no .safetensors file"),
    ],
    ids=["ckpt", "no checkpoint", "no scheduler", "broken", "pickles", "no weights"],
)
def test_what_is_no_model_is_not_imported(place, content, code, words):
    small.put(place / "disk", content)
    refused(code, words, bring_in, place / "disk" / next(iter(content)).split("/")[0])
    assert not (place / "models").exists()


def test_a_folder_is_called_as_it_is_and_a_file_without_its_ending(place, disk):
    shutil.copytree(disk / "mine", disk / "mine-1.4")
    assert bring_in(disk / "mine-1.4")["name"] == "mine-1.4"
    assert bring_in(disk / "check.safetensors")["name"] == "check"


@pytest.mark.parametrize("name", ["mini", "a/b", "..", "-x", "ä", "x" * 65])
def test_names_that_cannot_be(disk, name):
    refused("bad_input", "cannot be the name", bring_in, disk / "mine", name)


def test_a_name_that_is_taken_and_a_path_that_is_not(place, disk):
    bring_in(disk / "mine")
    refused("bad_input", "There is a model “mine” already", bring_in, disk / "mine")
    refused("bad_input", "There is nothing at", bring_in, disk / "nix")


def test_an_import_that_is_stopped_leaves_nothing(place, disk):
    with pytest.raises(Problem, match="cancelled"):
        bring_in(disk / "mine", report=Report(lambda stage, step: step > 1000))
    assert list((place / "models").iterdir()) == []


def test_where(place):
    found = manage.where()
    assert (found["folder"], found["writable"], found["searched"]) == (str(place / "models"), True, [])
    assert found["free"] > 0
    assert not (place / "models").exists()


# --- nothing goes online by itself -----------------------------------------------------------------------------------


def test_loading_models_makes_no_request(place, monkeypatch):
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
    folder = tiny_models.make_pipeline(place / "sd", "sd1_single")
    load_model(folder, device="cpu")
    load_model(tiny_checkpoint.write_checkpoint(folder, place / "one.safetensors"), device="cpu")
    load_model("mini", device="cpu")
    assert not asked


def test_a_process_of_ours_is_offline_before_any_library_is_imported(place):
    import subprocess

    code = "import sys; from selfrect.cli import main; main(['models', 'list', '--json']); loaded = 'huggingface_hub' in sys.modules\n"
    code += "from huggingface_hub import constants; print(loaded, constants.HF_HUB_OFFLINE)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False True"


def test_a_full_disk_while_importing_leaves_nothing(place, disk, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device", "x")

    with pytest.raises(OSError, match="No space"):
        bring_in(disk / "mine", report=Report(full))
    assert list((place / "models").iterdir()) == []
