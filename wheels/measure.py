# SPDX-License-Identifier: GPL-3.0-or-later
"""Measures what an installation of a list downloads and unpacks: python wheels/measure.py LIST… (uv on the PATH).

Reads only the directory at the end of each wheel, by HTTP ranges. Prints the lines for backends.toml.
"""
from __future__ import annotations

import subprocess
import sys
import tempfile
import urllib.request
import zipfile
from pathlib import Path

import tomllib

HERE = Path(__file__).resolve().parent
TARGETS = {"linux": "x86_64-manylinux_2_28", "windows": "x86_64-pc-windows-msvc", "macos": "aarch64-apple-darwin"}


class Remote:
    """A file on a server, as zipfile reads it: block by block, each fetched once."""

    BLOCK = 1 << 18

    def __init__(self, url: str):
        self.url, self.at, self.blocks = url, 0, {}
        request = urllib.request.Request(url, method="HEAD")
        self.size = int(urllib.request.urlopen(request).headers["Content-Length"]) if url.startswith("http") else 0
        if not self.size:
            self.local = urllib.request.urlopen(url).read()
            self.size = len(self.local)

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.at

    def seek(self, offset: int, whence: int = 0) -> int:
        self.at = offset + (0, self.at, self.size)[whence]
        return self.at

    def read(self, count: int = -1) -> bytes:
        end = self.size if count < 0 else min(self.at + count, self.size)
        data = b"".join(self._block(i) for i in range(self.at // self.BLOCK, max(end - 1, 0) // self.BLOCK + 1))
        start = self.at % self.BLOCK
        data, self.at = data[start : start + end - self.at], end
        return data

    def _block(self, i: int) -> bytes:
        if not self.url.startswith("http"):
            return self.local[i * self.BLOCK : (i + 1) * self.BLOCK]
        if i not in self.blocks:
            last = min((i + 1) * self.BLOCK, self.size) - 1
            request = urllib.request.Request(self.url, headers={"Range": f"bytes={i * self.BLOCK}-{last}"})
            self.blocks[i] = urllib.request.urlopen(request).read()
        return self.blocks[i]


def wheels_of(list_name: str) -> list[str]:
    target = TARGETS[list_name.partition("-")[0]]
    python = sys.argv[1]
    with tempfile.TemporaryDirectory() as folder:
        lock = Path(folder) / "pylock.toml"
        command = ["uv", "pip", "compile", "--quiet", "--format", "pylock.toml", "--python-platform", target, "--python-version", python]
        subprocess.run([*command, HERE / "engine.txt", HERE / f"{list_name}.txt", "-o", lock], check=True)
        return [package["wheels"][0]["url"] for package in tomllib.loads(lock.read_text())["packages"]]


def main() -> None:
    for list_name in sys.argv[2:]:
        packed = unpacked = longest = 0
        for url in wheels_of(list_name):
            file = Remote(url)
            with zipfile.ZipFile(file) as wheel:
                entries = wheel.infolist()
            packed += file.size
            unpacked += sum(entry.file_size for entry in entries)
            longest = max([longest, *(len(entry.filename) for entry in entries)])
        prefix = len("Lib/site-packages/")
        print(f"[{list_name.replace('-', '.', 1)}]\ndownload = {packed >> 20}\ndisk = {unpacked >> 20}")
        print(f"longest_path = {longest + prefix}\n")


if __name__ == "__main__":
    main()
