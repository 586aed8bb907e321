# SPDX-License-Identifier: GPL-3.0-or-later
"""`make repository` as a studio uses it: a folder on a drive, from which Blender installs, updates and removes.

In each Blender that has its chroot (4.3; with `chroot.sh sid` also the newest LTS), by Blender's own commands.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

HERE = Path(__file__).parent
NEW = "99.0.0"
LOOK = """
import json, sys, bpy
modules = [name for name in bpy.context.preferences.addons.keys() if "selfrect" in name]
facts = {"modules": modules, "panel": hasattr(bpy.types, "SELFRECT_PT_image"), "engine": None}
if modules:
    facts["engine"] = bpy.context.preferences.addons[modules[0]].preferences.engine_location
    if "--set" in sys.argv:
        bpy.context.preferences.addons[modules[0]].preferences.engine_location = "/kept/over/updates"
        bpy.ops.wm.save_userpref()
print("FACTS", json.dumps(facts))
"""


def chroots() -> list[str]:
    places = {suite: _path(suite) for suite in ("trixie", "sid")}
    return [suite for suite, place in places.items() if suite == "trixie" or (place / "usr/bin/blender").exists()]


def _path(suite: str) -> Path:
    return Path(subprocess.check_output([HERE / "chroot.sh", "--path", suite], text=True).strip())


@pytest.fixture(scope="module")
def built(root) -> Path:
    """What make made; never written to."""
    place = root / "out" / "repository"
    assert (place / "index.json").exists(), f"{place} is missing; run the tests with make test-blender."
    return place


class Studio:
    """One Blender with a user folder of its own, and a repository on a drive."""

    def __init__(self, suite: str, folder: Path, built: Path):
        self.suite, self.user, self.drive = suite, folder / "user", folder / "drive"
        self.user.mkdir()
        shutil.copytree(built, self.drive)
        self.script = folder / "look.py"
        self.script.write_text(LOOK)

    def blender(self, *words: str, code: int = 0) -> str:
        """Run it; its output without the hundreds of lines of progress."""
        inside = ["env", f"BLENDER_USER_RESOURCES=/host{self.user}", "blender", *words]
        environment = os.environ | {"SELFRECT_SUITE": self.suite}
        done = subprocess.run([HERE / "in_chroot", *inside], env=environment, capture_output=True, text=True, timeout=300, check=False)
        told = "\n".join(line for line in (done.stdout + done.stderr).splitlines() if not line.startswith("PROGRESS"))
        assert done.returncode == code, told
        return told

    def extension(self, *words: str) -> str:
        return self.blender("--online-mode", "--command", "extension", *words)

    def look(self, *words: str) -> dict:
        told = self.blender("-b", "--python-exit-code", "3", "--python", f"/host{self.script}", "--", *words)
        return json.loads(re.search(r"FACTS (.*)", told)[1])

    @property
    def installed_version(self) -> str:
        manifest = self.user / "extensions" / "studio" / "selfrect_blender" / "blender_manifest.toml"
        return re.search(r'^version = "(.*)"', manifest.read_text(), re.MULTILINE)[1]

    def leftovers(self) -> list[str]:
        """Every file and folder of ours in Blender's user folder."""
        return sorted(str(path.relative_to(self.user)) for path in self.user.rglob("*selfrect*"))

    def publish(self, version: str) -> None:
        """Put a newer release on the drive in the place of the old one, and have Blender write the index."""
        (old,) = self.drive.glob("*.zip")
        with zipfile.ZipFile(old) as before, zipfile.ZipFile(self.drive / f"selfrect_blender-{version}.zip", "w") as after:
            for entry in before.infolist():
                data = before.read(entry)
                if entry.filename == "blender_manifest.toml":
                    data = re.sub(rb'(?m)^version = ".*"', f'version = "{version}"'.encode(), data)
                after.writestr(entry, data)
        old.unlink()
        self.extension("server-generate", "--repo-dir", f"/host{self.drive}", "--html")


@pytest.fixture(params=chroots())
def studio(request, built, tmp_path) -> Studio:
    return Studio(request.param, tmp_path, built)


def test_installs_updates_and_is_removed(studio, built):
    (entry,) = json.loads((built / "index.json").read_text())["data"]
    url = f"file:///host{studio.drive}/index.json"
    studio.extension("repo-add", "--clear-all", "studio", "--name", "Studio", "--url", url)
    studio.extension("install", "--sync", "--enable", "selfrect_blender")
    assert studio.installed_version == entry["version"]
    facts = studio.look("--set")
    assert (facts["modules"], facts["panel"]) == (["bl_ext.studio.selfrect_blender"], True)

    studio.extension("update", "--sync")
    assert studio.installed_version == entry["version"], "nothing newer, nothing done"
    studio.publish(NEW)
    studio.extension("sync")
    assert f"selfrect_blender [outdated: {entry['version']} -> {NEW}]" in studio.extension("list")
    studio.extension("update")
    assert studio.installed_version == NEW
    facts = studio.look()
    assert (facts["modules"], facts["panel"], facts["engine"]) == (["bl_ext.studio.selfrect_blender"], True, "/kept/over/updates")
    assert "--reference" in studio.blender("--command", "selfrect", "rectify", "--help")

    assert "to download" in studio.blender("--command", "selfrect", "setup"), "and it tells what its engine would take"

    studio.extension("remove", "selfrect_blender")
    assert studio.leftovers() == []
    facts = studio.look()
    assert (facts["modules"], facts["panel"]) == ([], False)


def test_page_and_index_name_the_zip(built):
    (entry,) = json.loads((built / "index.json").read_text())["data"]
    archive = built / entry["archive_url"]
    assert archive.stat().st_size == entry["archive_size"]
    page = (built / "index.html").read_text()
    assert f'href="./{archive.name}?repository=.%2Findex.json&blender_version_min={entry["blender_version_min"]}"' in page
    assert "file:///" in page
    assert sorted(path.name for path in built.iterdir()) == ["index.html", "index.json", archive.name]
