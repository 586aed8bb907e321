# SPDX-License-Identifier: GPL-3.0-or-later
"""Loading models: what is taken, what is refused, and the empty prompt that is computed once."""

from __future__ import annotations

import json
import shutil

import pytest
import selfrect
import tiny_models
import torch
from selfrect.engines.self_rectification.kv_injection import KVProcessor, install
from selfrect.models import empty_prompt, store
from selfrect.models.loading import load_model
from selfrect.problems import Problem


@pytest.fixture(autouse=True)
def own_folders(tmp_path, monkeypatch):
    monkeypatch.setenv("SELFRECT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("SELFRECT_MODELS", str(tmp_path / "models"))


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory):
    return tiny_models.make_pipeline(tmp_path_factory.mktemp("models") / "sd1", "sd1")


@pytest.fixture
def copied(pipeline, tmp_path):
    """A copy that a test may damage."""
    return shutil.copytree(pipeline, tmp_path / "model")


def refused(place, code, words, **how):
    with pytest.raises(Problem, match=words) as caught:
        load_model(place, **how)
    assert caught.value.code == code
    assert caught.value.remedy


def test_mini_is_always_there():
    model = load_model("mini", device="cpu")
    assert (model.family, model.codec.factor, model.prediction_type) == ("mini", 4, "v_prediction")
    assert float(model.alphas_cumprod[-1]) > 0


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_number_types(pipeline, dtype):
    model = load_model(pipeline, device="cpu", dtype=dtype)
    assert next(model.unet.parameters()).dtype == model.dtype == getattr(torch, dtype)
    assert next(model.codec.vae.parameters()).dtype == torch.float32


def test_the_empty_prompt_is_computed_once(pipeline, monkeypatch):
    first = load_model(pipeline, device="cpu").condition.embedding

    def never(*_):
        raise AssertionError("the text encoder was loaded again")

    monkeypatch.setattr(empty_prompt, "from_folder", never)
    torch.testing.assert_close(load_model(pipeline, device="cpu").condition.embedding, first)


def test_a_read_only_cache_costs_nothing_but_time(pipeline, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SELFRECT_CACHE", str(tmp_path / "file" / "below"))
    assert load_model(pipeline, device="cpu").hash


def test_the_hash_is_that_of_the_networks_file(pipeline):
    weights = pipeline / "unet" / "diffusion_pytorch_model.safetensors"
    import hashlib

    assert load_model(pipeline, device="cpu").hash == hashlib.sha256(weights.read_bytes()).hexdigest()


def test_fp16_files_are_found(copied):
    for file in copied.rglob("*.safetensors"):
        file.rename(file.with_suffix(".fp16.safetensors"))
    assert load_model(copied, device="cpu", dtype="float32").hash


@pytest.mark.parametrize("ending", [".ckpt", ".pt", ".pth", ".bin"])
def test_a_pickled_checkpoint_is_not_opened(tmp_path, ending):
    file = tmp_path / f"model{ending}"
    file.write_bytes(b"cos\nsystem\n(S'touch ran'\ntR.")
    refused(file, "pickle_refused", "not opened")


@pytest.mark.parametrize("part", ["unet", "vae", "text_encoder"])
def test_a_folder_with_pickled_weights_is_not_opened(copied, part):
    file = next((copied / part).glob("*.safetensors"))
    file.rename(file.with_suffix(".bin"))
    refused(copied, "pickle_refused", "not opened")


def test_an_empty_folder_is_no_model(tmp_path):
    refused(tmp_path, "bad_model", "not a model")


@pytest.mark.parametrize("content", [b"", b"not safetensors at all", b"\xff" * 64])
def test_a_broken_checkpoint_is_no_model(tmp_path, content):
    file = tmp_path / "model.safetensors"
    file.write_bytes(content)
    refused(file, "bad_model", "not a model")


def test_some_other_safetensors_file_is_no_model(tmp_path):
    from safetensors.torch import save_file

    save_file({"lora.weight": torch.zeros(4)}, tmp_path / "lora.safetensors")
    refused(tmp_path / "lora.safetensors", "bad_model", "model.diffusion_model")


def test_broken_weights_in_a_folder(copied):
    weights = copied / "unet" / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    refused(copied, "bad_model", "not a model")


def test_a_broken_configuration(copied):
    (copied / "scheduler" / "scheduler_config.json").write_text("{")
    refused(copied, "bad_model", "not a model")


def test_a_prediction_that_is_neither_epsilon_nor_v(copied):
    file = copied / "scheduler" / "scheduler_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"prediction_type": "sample"}))
    refused(copied, "bad_model", "sample")


def test_a_name_that_is_not_downloaded():
    refused("sd-1.4", "model_missing", "not on this machine")


def test_a_name_that_nobody_knows():
    refused("sd-9", "model_missing", "sd-9")


def test_a_named_model_is_found_in_the_models_folder(pipeline):
    shutil.copytree(pipeline, store.models_folder() / "sd-1.5")
    assert load_model("sd-1.5", device="cpu").name == "sd-1.5"


@pytest.mark.parametrize("device", ["cuda:7", "tpu", "abacus"])
def test_a_device_that_is_not_there(device):
    refused("mini", "bad_input", device, device=device)


def test_a_number_type_that_is_not_there():
    refused("mini", "bad_input", "int4", device="cpu", dtype="int4")


def test_injected_layers_are_the_up_path_at_half_and_full_resolution(pipeline):
    """SD 1.x: layers 10 … 15 of 16 self-attention layers in forward order (paper, section 4)."""
    model = load_model(pipeline, device="cpu")
    expected = [f"up_blocks.{level}.attentions.{k}.transformer_blocks.0.attn1" for level in (2, 3) for k in range(3)]
    assert install(model.unet, 2) == expected
    assert len([n for n in model.unet.attn_processors if n.endswith("attn1.processor")]) == 16
    assert all(isinstance(p, KVProcessor) == (".attn1." in name) for name, p in model.unet.attn_processors.items())


def test_a_network_without_attention_in_its_up_path(pipeline):
    model = load_model(pipeline, device="cpu")
    from diffusers import UNet2DConditionModel

    bare = UNet2DConditionModel.from_config({**model.unet.config, "up_block_types": ["UpBlock2D"] * 4})
    with pytest.raises(Problem, match="no self-attention"):
        install(bare, 2)


def test_lazy_names():
    assert selfrect.load_model is load_model
    with pytest.raises(AttributeError):
        _ = selfrect.nothing_of_that_name
