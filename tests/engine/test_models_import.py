# SPDX-License-Identifier: GPL-3.0-or-later
"""Models brought in from a disk: folders, checkpoints and the catalogue's own, whole or not at all, and no pickle."""

from __future__ import annotations

import shutil

import pytest
from models_world import Report, checkpoint, model, refused, tree
from selfrect.models import manage, store
from selfrect.models.files import marker
from selfrect.problems import Problem
from small_catalogue import FILES, HALF, NETWORK, needed, put


def bring_in(path, name="", link=False, report=None):
    return manage.bring_in(str(path), name, link, report or Report())


@pytest.fixture
def disk(own):
    """A disk with a model's folder and a checkpoint."""
    extra = {"unet/old.bin": b"\x80", ".git/config": b"x", "README.md": b"about"}
    put(own / "disk" / "mine", FILES | extra)
    put(own / "disk", {"check.safetensors": checkpoint(b"weights")})
    return own / "disk"


def test_a_folder_is_copied_without_pickles(own, disk):
    report = Report()
    done = bring_in(disk / "mine", report=report)
    assert done == {"name": "mine", "path": str(own / "models" / "mine")}
    copied = tree(own / "models" / "mine")
    assert set(copied) == {*FILES, "README.md", marker.NAME}
    assert report.told[0][0] == "copy"
    assert store.find("mine") == own / "models" / "mine"
    assert (model("mine")["source"], model("mine")["removable"]) == ("imported", True)
    assert manage.verify("mine", Report())["good"]
    manage.remove("mine")
    assert not (own / "models" / "mine").exists()
    assert len(tree(disk / "mine")) == len(FILES) + 3


@pytest.mark.parametrize("link", [False, True])
def test_a_checkpoint_under_a_name(own, disk, link):
    done = bring_in(disk / "check.safetensors", "house-style", link)
    expected = disk / "check.safetensors" if link else own / "models" / "house-style" / "check.safetensors"
    assert done == {"name": "house-style", "path": str(expected)}
    assert store.find("house-style") == expected
    assert expected.read_bytes() == checkpoint(b"weights")
    (disk / "check.safetensors").unlink()
    assert (model("house-style") is None) == link
    manage.remove("house-style")
    assert model("house-style") is None


def test_the_catalogues_model_from_a_disk(own, disk):
    assert bring_in(disk / "mine", "small")["name"] == "small"
    assert tree(own / "models" / "small").keys() == {*needed(), marker.NAME}
    assert model()["source"] == "imported"
    manage.remove("small")
    (disk / "mine" / NETWORK).write_bytes(FILES[NETWORK][:-1] + b"!")
    refused(bring_in, "hash_mismatch", f"{NETWORK} has another SHA-256", disk / "mine", "small")
    (disk / "mine" / NETWORK).unlink()
    assert bring_in(disk / "mine", "small")  # half precision is there
    assert HALF in tree(own / "models" / "small")


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
def test_what_is_no_model_is_not_imported(own, content, code, words):
    put(own / "disk", content)
    refused(bring_in, code, words, own / "disk" / next(iter(content)).split("/")[0])
    assert not (own / "models").exists()


def test_a_folder_is_called_as_it_is_and_a_file_without_its_ending(own, disk):
    shutil.copytree(disk / "mine", disk / "mine-1.4")
    assert bring_in(disk / "mine-1.4")["name"] == "mine-1.4"
    assert bring_in(disk / "check.safetensors")["name"] == "check"


@pytest.mark.parametrize("name", ["mini", "a/b", "..", "-x", "ä", "x" * 65])
def test_names_that_cannot_be(disk, name):
    refused(bring_in, "bad_input", "cannot be the name", disk / "mine", name)


def test_a_name_that_is_taken_and_a_path_that_is_not(own, disk):
    bring_in(disk / "mine")
    refused(bring_in, "bad_input", "There is a model “mine” already", disk / "mine")
    refused(bring_in, "bad_input", "There is nothing at", disk / "nix")


def test_an_import_that_is_stopped_leaves_nothing(own, disk):
    with pytest.raises(Problem, match="cancelled"):
        bring_in(disk / "mine", report=Report(lambda stage, step: step > 1000))
    assert list((own / "models").iterdir()) == []


def test_where(own):
    found = manage.where()
    assert (found["folder"], found["writable"], found["searched"]) == (str(own / "models"), True, [])
    assert found["free"] > 0
    assert not (own / "models").exists()


def test_a_full_disk_while_importing_leaves_nothing(own, disk, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device", "x")

    with pytest.raises(OSError, match="No space"):
        bring_in(disk / "mine", report=Report(full))
    assert list((own / "models").iterdir()) == []
