# SPDX-License-Identifier: GPL-3.0-or-later
"""Packs the extension with all wheels of one backend into one zip that installs without a network.

    make offline-bundle PLATFORM=linux BACKEND=cpu [PYTHON_VERSION=3.11] [PYTHON_ARCHIVE=cpython-….tar.gz]

Fills wheels/ with uv's and the packages' wheels, each checked against the lists, and describes them in wheels/bundle.json.
Without an archive of a managed Python (python-build-standalone), the machine needs a Python of that version; Blender's counts.
"""
from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path.insert(0, str(ROOT))

from selfrect_blender.host.install import resolve  # noqa: E402
from selfrect_blender.host.install.backends import backends  # noqa: E402
from selfrect_blender.host.install.control import Control  # noqa: E402
from selfrect_blender.host.install.fetch import fetch_all  # noqa: E402
from selfrect_blender.host.install.places import Places  # noqa: E402
from selfrect_blender.host.install.run import run  # noqa: E402
from selfrect_blender.host.install.settings import pip_environment  # noqa: E402
from selfrect_blender.host.install.uv import Uv, pinned  # noqa: E402

#: Lines of the manifest that keep the bundle's files out of the small zip.
BUNDLED = {'"*.whl",', '"/wheels/bundle.json",', '"/wheels/*.tar.gz",'}
TARGETS = {
    ("linux", "x86_64"): ("x86_64-manylinux_2_28", "manylinux_2_17_x86_64"),
    ("linux", "aarch64"): ("aarch64-manylinux_2_28", "manylinux_2_28_aarch64"),
    ("windows", "x86_64"): ("x86_64-pc-windows-msvc", "win_amd64"),
    ("macos", "aarch64"): ("aarch64-apple-darwin", "macosx_11_0_arm64"),
}


def main() -> None:
    given = arguments()
    arch = given.arch or ("aarch64" if given.platform == "macos" else "x86_64")
    uv_platform, pip_platform = TARGETS[given.platform, arch]
    for old in [*HERE.glob("*.whl"), HERE / "bundle.json", *HERE.glob("*.tar.gz")]:
        old.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory(dir=ROOT / "out") as folder:
        places, control = Places(Path(folder)), Control(Path(folder) / "log")
        uv = Uv(places, control, online=True)
        more = ["--python-version", given.python_version, "--python-platform", uv_platform]
        os.environ.setdefault("MACOSX_DEPLOYMENT_TARGET", "14.0")  # what PyTorch's wheels are for
        backend = backends(given.platform)[given.backend]
        files = resolve.resolve(backend, sys.executable, uv, control, more=more)
        for path in fetch_all(files, places.downloads, control).values():
            shutil.copy2(path, HERE)
        shutil.copy2(uv_wheel(pip_platform, Path(folder), control), HERE)
    described = {
        "platform": given.platform, "arch": arch, "backend": given.backend, "pythons": [given.python_version],
        "archive": given.python_archive.name if given.python_archive else "",
        "files": {file.name: sorted(file.hashes) for file in files},
    }  # fmt: skip
    if given.python_archive:
        shutil.copy2(given.python_archive, HERE)
    (HERE / "bundle.json").write_text(json.dumps(described, indent=1), "utf-8")
    pack(given.packer, given.output or ROOT / "out" / f"selfrect_blender-{given.platform}-{arch}-{given.backend}.zip")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--platform", required=True, choices=["linux", "windows", "macos"])
    parser.add_argument("--arch", choices=["x86_64", "aarch64"], help="x86_64, and aarch64 for macOS")
    parser.add_argument("--backend", required=True, help="a name in backends.toml")
    parser.add_argument("--python-version", default="3.11", help="that the wheels are for; Blender 4.2 to 5.0 bring 3.11")
    parser.add_argument("--python-archive", type=Path, help="a .tar.gz of python-build-standalone (install_only) to pack as well")
    parser.add_argument("--packer", nargs="+", required=True, help="the command that is Blender's blender_ext.py")
    parser.add_argument("--output", type=Path)
    return parser.parse_args()


def uv_wheel(pip_platform: str, folder: Path, control: Control) -> Path:
    """uv for the platform of the bundle, which need not be this one."""
    command = [sys.executable, "-I", "-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "--require-hashes",
               "--platform", pip_platform, "-r", HERE / "uv.txt", "-d", folder / "uv"]  # fmt: skip
    code, _, err = run(command, pip_environment(), control)
    if code != 0:
        sys.exit(err)
    return next((folder / "uv").glob(f"uv-{pinned()[0]}-*.whl"))


def pack(packer: list[str], output: Path) -> None:
    """With the manifest's list of what stays out, but for the wheels; from a copy, as the packer reads the manifest of its folder."""
    with tempfile.TemporaryDirectory(dir=ROOT / "out") as folder:
        tree = Path(folder) / "extension"
        left_out = shutil.ignore_patterns(".*", "__pycache__", "*.pyc", "out", "tests", "build", "*.egg-info")
        shutil.copytree(ROOT, tree, ignore=left_out, copy_function=_link)
        manifest = tree / "blender_manifest.toml"
        lines = manifest.read_text("utf-8").splitlines(True)
        text = "".join(line for line in lines if line.strip() not in BUNDLED)
        manifest.unlink()  # a link: the repository's own must stay as it is
        manifest.write_text(text, "utf-8")
        output.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run([*packer, "build", "--source-dir", tree, "--output-filepath", output], check=True)


def _link(source: str, target: str) -> None:
    try:
        Path(target).hardlink_to(source)
    except OSError:
        shutil.copy2(source, target)


if __name__ == "__main__":
    main()
