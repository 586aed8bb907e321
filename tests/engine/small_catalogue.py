# SPDX-License-Identifier: GPL-3.0-or-later
"""A catalogue of small models for tests of the models' files, in the shape of the real one."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from selfrect.models import catalogue
from selfrect.models.files import fetch_file, progress

REPOSITORY, MIRROR = "org/small", "friends/small"
FILES = {
    "model_index.json": b'{"_class_name": "StableDiffusionPipeline"}',
    "scheduler/scheduler_config.json": b'{"prediction_type": "epsilon"}',
    "unet/config.json": b'{"sample_size": 8}',
    "unet/diffusion_pytorch_model.safetensors": bytes(range(256)) * 300,
    "unet/diffusion_pytorch_model.fp16.safetensors": bytes(range(255, -1, -1)) * 150,
    "vae/diffusion_pytorch_model.safetensors": b"vae" * 1000,
}
NETWORK = "unet/diffusion_pytorch_model.safetensors"
HALF = "unet/diffusion_pytorch_model.fp16.safetensors"
CHECKPOINT = b"\x10\0\0\0\0\0\0\0" + b'{"a checkpoint"}' + b"weights" * 100


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def needed(precision: str = "float32") -> dict[str, bytes]:
    return {path: content for path, content in FILES.items() if path != (HALF if precision == "float32" else NETWORK)}


def use(folder: Path, patch: pytest.MonkeyPatch, endpoint: str = "http://127.0.0.1:1") -> None:
    """Let the catalogue be {mini, small}, folders below `folder`, short patience, no proxy, nothing of this machine's owner."""
    patch.setattr(progress, "_TELL_SECONDS", 0)  # a model so small is done before it is time to tell
    precision = {NETWORK: "float32", HALF: "float16"}
    entry = {
        "title": "Small model",
        "repository": REPOSITORY,
        "mirrors": [MIRROR],
        "licence": "Test licence 1.0",
        "licence_url": "https://example.org/licence",
        "licence_summary": "Do what you like.",
        "files": [
            {"path": path, "size": len(content), "sha256": sha256(content)} | ({"precision": precision[path]} if path in precision else {})
            for path, content in FILES.items()
        ],
        "checkpoints": [{"path": "small.safetensors", "size": len(CHECKPOINT), "sha256": sha256(CHECKPOINT)}],
    }
    mini = {"title": "mini", "repository": "", "licence": "GPL-3.0-or-later", "licence_url": ""}
    (folder / "catalogue.toml").write_text(f"[mini]\n{toml(mini)}\n[small]\n{toml(entry)}\n", "utf-8")
    patch.setattr(catalogue, "FILE", folder / "catalogue.toml")
    patch.delenv("SELFRECT_CATALOGUE", raising=False)
    patch.setattr(fetch_file, "PATIENCE", fetch_file.Patience(stall=0.7, attempts=3, pause=0.01, longest=2.0))
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "HF_TOKEN", "HF_HUB_OFFLINE", "HF_HOME", "HF_HUB_CACHE",
                 "HUGGINGFACE_HUB_CACHE", "SELFRECT_MODEL_FOLDERS", "COMFYUI_PATH", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):  # fmt: skip
        patch.delenv(name, raising=False)
        patch.delenv(name.lower(), raising=False)
    patch.setenv("HOME", str(folder / "home"))
    patch.setenv("XDG_CACHE_HOME", str(folder / "home" / ".cache"))
    patch.setenv("SELFRECT_MODELS", str(folder / "models"))
    patch.setenv("SELFRECT_CACHE", str(folder / "cache"))
    patch.setenv("HF_ENDPOINT", endpoint)


def put(folder: Path, files: dict[str, bytes]) -> Path:
    """Write files by hand."""
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    return folder


def toml(table: dict) -> str:
    """Flat tables whose lists hold strings or flat tables: JSON is nearly TOML."""

    def value(entry: object) -> str:
        if isinstance(entry, dict):
            return "{ " + ", ".join(f"{key} = {value(inner)}" for key, inner in entry.items()) + " }"
        return f"[{', '.join(value(inner) for inner in entry)}]" if isinstance(entry, list) else json.dumps(entry)

    return "\n".join(f"{key} = {value(entry)}" for key, entry in table.items())
