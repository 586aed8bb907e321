# SPDX-License-Identifier: GPL-3.0-or-later
"""Models in other tools' folders and on shared drives: used in place, never written to."""

from __future__ import annotations

import os
import struct

import pytest
from models_world import Report, checkpoint, model, refused, tree
from selfrect.models import manage, store
from selfrect.models.files import foreign
from small_catalogue import CHECKPOINT, FILES, NETWORK, needed, put, sha256


def hub_cache(home, files, links=True):
    """As huggingface_hub lays it out: blobs by hash, snapshots of links to them."""
    repository = home / "models--org--small"
    for path, content in files.items():
        blob, link = repository / "blobs" / sha256(content), repository / "snapshots" / "0123abc" / path
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
def test_the_hugging_face_cache_is_used_in_place(own, monkeypatch, variable, links):
    home = own / "home" / ".cache" / "huggingface" if not variable else own / "elsewhere"
    folder = home if variable not in ("", "HF_HOME") else home / "hub"
    if variable:
        monkeypatch.setenv(variable, str(home))
    snapshot = hub_cache(folder, needed("float16"), links)
    before = tree(folder)
    found = model()
    assert (found["installed"], found["source"], found["tool"], found["removable"]) == (True, "found", "Hugging Face", False)
    assert store.find("small") == snapshot
    assert manage.verify("small", Report())["good"]
    refused(manage.remove, "bad_input", "belongs to Hugging Face", "small")
    assert tree(folder) == before


def test_a_cache_that_is_not_whole_or_not_right_is_not_used(own, monkeypatch):
    folder = own / "home" / ".cache" / "huggingface" / "hub"
    snapshot = hub_cache(folder, {path: content for path, content in needed().items() if path != NETWORK}, links=False)
    assert not model()["installed"]
    put(snapshot, {NETWORK: FILES[NETWORK][:-1] + b"!"})
    assert model()["installed"]  # by its size, as far as a list looks
    refused(store.find, "model_missing", "not on this machine", "small")
    put(snapshot, {NETWORK: FILES[NETWORK] + b"!"})
    assert not model()["installed"]


TOOLS = {
    "ComfyUI": ("ComfyUI/models/checkpoints", "ComfyUI"),
    "web UI": ("stable-diffusion-webui/models/Stable-diffusion", "Stable Diffusion web UI"),
    "Stability Matrix": ("StabilityMatrix/Data/Models/StableDiffusion", "Stability Matrix"),
}


@pytest.mark.parametrize("tool", TOOLS)
def test_checkpoints_of_other_tools(own, tool):
    below, title = TOOLS[tool]
    files = {
        "renamed.safetensors": CHECKPOINT,
        "sub/other.safetensors": checkpoint(),
        "lora.safetensors": struct.pack("<Q", 2) + b"{}" + b"x" * 300,
        "small.safetensors": b"small",
        "old.ckpt": b"\x80\x04" * 200,
        "broken.safetensors": b"\xff" * 300,
    }
    folder = put(own / "home" / below, files)
    listed = {found["name"]: found for found in store.models() if found["tool"]}
    other = str(folder / "sub/other.safetensors")
    assert {name: found["tool"] for name, found in listed.items()} == {"small": title, other: title}
    assert store.find("small") == folder / "renamed.safetensors"
    assert store.find(other) == folder / "sub/other.safetensors"
    assert manage.verify("small", Report())["files"] == [{"file": "renamed.safetensors", "state": "good"}]
    refused(manage.remove, "bad_input", f"belongs to {title}", other)
    refused(store.find, "pickle_refused", "old.ckpt", str(folder / "old.ckpt"))
    assert tree(folder) == files


def test_the_folders_that_comfyui_is_told_of(own):
    put(own / "home" / "ComfyUI" / "models" / "checkpoints", {"put_checkpoints_here": b""})
    put(own / "disk" / "sd", {"a.safetensors": CHECKPOINT})
    put(own / "disk" / "more", {"b.safetensors": checkpoint()})
    text = f"a111:\n    base_path: {own / 'disk'}\n    checkpoints: |\n        sd\n        more\n    vae: vae\nother: 5\n"
    (own / "home" / "ComfyUI" / "extra_model_paths.yaml").write_text(text)
    assert {found["name"] for found in store.models() if found["tool"] == "ComfyUI"} == {"small", str(own / "disk/more/b.safetensors")}
    (own / "home" / "ComfyUI" / "extra_model_paths.yaml").write_text("[not: yaml")
    assert not [found for found in store.models() if found["tool"]]


def test_a_shared_folder_that_is_only_read(downloaded, own, monkeypatch):
    """A studio's drive: filled once by `selfrect models download`, then read by all; each machine has its own cache."""
    monkeypatch.setenv("SELFRECT_MODELS", str(own / "local"))
    monkeypatch.setenv("SELFRECT_MODEL_FOLDERS", os.pathsep.join([str(own / "nowhere"), str(own / "models")]))
    put(own / "models" / "house", {"unet/config.json": b"{}", "x.json": b""})
    for path in (own / "models").rglob("*"):
        path.chmod(0o555 if path.is_dir() else 0o444)
    before = tree(own / "models")
    assert (model()["source"], model()["tool"]) == ("found", "folder")
    assert store.find("small") == own / "models" / "small"
    assert manage.verify("small", Report())["good"]
    assert model(str(own / "models" / "house"))["installed"]
    assert {"tool": "folder", "folder": str(own / "models")} in manage.where()["searched"]
    assert tree(own / "models") == before
    monkeypatch.setenv("SELFRECT_MODELS", str(own / "models"))  # or as the models folder itself
    assert store.find("small") == own / "models" / "small"
    for path in (own / "models").rglob("*"):
        path.chmod(0o755)


def test_a_shared_folder_in_which_a_model_is_damaged_says_so_by_not_being_used(downloaded, own, monkeypatch):
    monkeypatch.setenv("SELFRECT_MODELS", str(own / "local"))
    monkeypatch.setenv("SELFRECT_MODEL_FOLDERS", str(own / "models"))
    (downloaded / NETWORK).write_bytes(FILES[NETWORK][:-1] + b"!")
    refused(store.find, "model_missing", "small", "small")


def test_listing_reads_no_large_file(downloaded, own, monkeypatch):
    hub_cache(own / "home" / ".cache" / "huggingface" / "hub", needed(), links=False)
    monkeypatch.setattr(foreign, "file_hash", lambda *_: pytest.fail("a file was read to list it"))
    assert model()["installed"]
