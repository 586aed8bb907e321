# SPDX-License-Identifier: GPL-3.0-or-later
"""Fetch the textures a recipe names, from the Debian packages that ship them.

`textures.csv` is the whole record of the training data, one row per texture:

    file           the name it gets here               source       Debian package==version
    original_path  its path inside the package         licence      as the package's copyright file states it
    width, height  of the original, in pixels          orig_sha256  of the original's bytes

A folder `name.zip.d/` inside `original_path` stands for the archive `name.zip` (also .pk3, .sh3f: all of them zip).
Each package is downloaded once, the named files are read out of it, checked against their SHA-256, scaled and kept as
lossy WebP; the package is deleted again. Nothing that is already there is fetched twice, so a broken run continues.
"""

from __future__ import annotations

import csv
import hashlib
import io
import subprocess
import tarfile
import tempfile
import zipfile
from collections import defaultdict
from pathlib import Path

from PIL import Image

LICENCE_CLASSES = ("ok", "ok-catchall", "attribution", "sharealike-3.0")
SHORT_SIDE = 384  # px; larger originals are scaled down to it, smaller ones are kept as they are
LONG_SIDE = 768  # px; longer textures are cut: more of the same


def read_table(path: Path) -> list[dict[str, str]]:
    """The rows of `textures.csv`; refuses a row whose licence does not go into GPL-3 weights."""
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        if row["licence_class"] not in LICENCE_CLASSES:
            raise ValueError(f"{row['file']}: licence class {row['licence_class']!r} may not be trained on")
    return rows


def stored_path(folder: Path, row: dict[str, str]) -> Path:
    """Where a row's texture is kept."""
    return folder / (Path(row["file"]).stem + ".webp")


def fetch(table: Path, folder: Path, log=print) -> list[str]:
    """Bring every texture of `table` into `folder`. Returns the names that could not be had."""
    folder.mkdir(parents=True, exist_ok=True)
    by_source = defaultdict(list)
    for row in read_table(table):
        if not stored_path(folder, row).exists():
            by_source[row["source"]].append(row)
    missing = []
    for source, rows in by_source.items():
        got = fetch_package(source, rows, folder, log)
        missing += [row["file"] for row in rows if row["file"] not in got]
        log(f"{source}: {len(got)} of {len(rows)} textures")
    return missing


def fetch_package(source: str, rows: list[dict[str, str]], folder: Path, log=print) -> set[str]:
    """Download one package, keep the textures of `rows`, delete the download. Returns the files kept."""
    wanted = {row["original_path"]: row for row in rows}
    kept = set()
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        command = ["apt-get", "download", "-qq", source.replace("==", "=")]
        if subprocess.run(command, cwd=scratch, check=False).returncode != 0:
            log(f"{source}: not in this machine's package lists, left out")
            return kept
        (package,) = Path(scratch).glob("*.deb")
        for path, data in package_files(package, set(wanted)):
            row = wanted[path]
            if hashlib.sha256(data).hexdigest() != row["orig_sha256"]:
                log(f"{row['file']}: the package holds other bytes than the table says, left out")
                continue
            store(data, stored_path(folder, row))
            kept.add(row["file"])
    return kept


def package_files(package: Path, wanted: set[str]):
    """Yield (original_path, bytes) for the wanted files of a Debian package, in the order it holds them."""
    archives = defaultdict(set)
    for path in wanted:
        if ".d/" in path:
            archives[path.split(".d/")[0]].add(path)
    command = ["dpkg-deb", "--fsys-tarfile", package]
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE) as unpack,
        tarfile.open(fileobj=unpack.stdout, mode="r|") as members,
    ):
        for member in members:
            path = member.name.removeprefix("./")
            if path in wanted and member.isfile():
                yield path, members.extractfile(member).read()
            elif path in archives and member.isfile():
                yield from archive_files(members.extractfile(member), path, archives[path])


def archive_files(stream, archive: str, wanted: set[str]):
    """The same for a zip archive inside the package: spooled to disk first, as zip needs to seek."""
    with tempfile.TemporaryFile() as spool:
        while block := stream.read(1 << 20):
            spool.write(block)
        with zipfile.ZipFile(spool) as contents:
            for path in sorted(wanted):
                yield path, contents.read(path.removeprefix(archive + ".d/"))


def store(data: bytes, path: Path) -> None:
    """Decode, drop alpha, scale the short side to at most SHORT_SIDE, write as WebP."""
    image = Image.open(io.BytesIO(data)).convert("RGB")
    scale = min(1.0, SHORT_SIDE / min(image.size))
    if scale < 1.0:
        image = image.resize([max(SHORT_SIDE, round(side * scale)) for side in image.size], Image.Resampling.LANCZOS)
    image = image.crop((0, 0, min(image.width, LONG_SIDE), min(image.height, LONG_SIDE)))
    partial = path.with_suffix(".part")
    image.save(partial, "WEBP", quality=95)
    partial.rename(path)
