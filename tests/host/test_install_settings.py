# SPDX-License-Identifier: GPL-3.0-or-later
"""The user's settings for pip and uv reach our children; what would send them to other people's packages does not."""
from __future__ import annotations

import os

import pytest

from selfrect_blender.host.engine_source import problems
from selfrect_blender.host.install import settings
from selfrect_blender.host.install.web import Web


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch, tmp_path):
    for name in list(os.environ):
        if name.startswith(("PIP_", "UV_", "PYTHON")) or name.lower().endswith(("_proxy", "cert_file", "ca_bundle")):
            monkeypatch.delenv(name)
    for name in ("HOME", "XDG_CONFIG_HOME", "XDG_CONFIG_DIRS", "APPDATA", "PROGRAMDATA"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    monkeypatch.setattr(settings, "_pip_files", lambda: [tmp_path / "pip.conf"])


def test_python_conda_and_virtual_environments_stay_outside(monkeypatch):
    bad = ("PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "VIRTUAL_ENV", "CONDA_PREFIX", "PIP_TARGET", "PIP_USER", "UV_PYTHON",
           "UV_SYSTEM_PYTHON", "UV_TORCH_BACKEND", "UV_OFFLINE", "__PYVENV_LAUNCHER__")  # fmt: skip
    for name in bad:
        monkeypatch.setenv(name, "/evil")
    for environment in (settings.clean_environment(), settings.uv_environment(), settings.pip_environment()):
        assert not set(bad) & environment.keys()
        assert environment["PYTHONNOUSERSITE"] == "1"
        assert environment["PATH"] == os.environ["PATH"]


def test_pips_file_reaches_uv_and_its_variables_weigh_more(tmp_path, monkeypatch):
    (tmp_path / "pip.conf").write_text(
        "[global]\nindex-url = http://studio/simple\nextra-index-url = http://a/s\n  http://b/s\nfind_links = /wheels\n"
        "proxy = http://proxy:3128\ntrusted-host = studio\n[install]\nno-index = false\n"
    )
    environment = settings.uv_environment()
    assert environment["UV_DEFAULT_INDEX"] == "http://studio/simple"
    assert environment["UV_INDEX"] == "http://a/s http://b/s"
    assert environment["UV_FIND_LINKS"] == "/wheels"
    assert environment["HTTPS_PROXY"] == "http://proxy:3128"
    assert environment["UV_INSECURE_HOST"] == "studio"
    assert "UV_NO_INDEX" not in environment
    monkeypatch.setenv("PIP_INDEX_URL", "http://mine/simple")
    assert settings.uv_environment()["UV_DEFAULT_INDEX"] == "http://mine/simple"
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://uvs/simple")
    assert settings.uv_environment()["UV_DEFAULT_INDEX"] == "http://uvs/simple"
    assert settings.own_sources()


def test_uvs_index_reaches_pip(monkeypatch):
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://studio/simple")
    assert settings.pip_environment()["PIP_INDEX_URL"] == "http://studio/simple"
    monkeypatch.setenv("PIP_INDEX_URL", "http://pips/simple")
    assert settings.pip_environment()["PIP_INDEX_URL"] == "http://pips/simple"


@pytest.mark.parametrize("name", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "PIP_CERT"])
def test_a_studios_certificates_reach_everybody(name, tmp_path, monkeypatch):
    bundle = tmp_path / "studio.pem"
    bundle.touch()
    monkeypatch.setenv(name, str(bundle))
    assert settings.uv_environment()["SSL_CERT_FILE"] == str(bundle)
    assert settings.pip_environment()["PIP_CERT"] == str(bundle)
    assert settings.certificate_file() == str(bundle)
    with pytest.raises(problems.Problem, match=r"certificates in .* cannot be read"):
        Web()


def test_broken_settings_of_pip_do_not_stop_us(tmp_path):
    (tmp_path / "pip.conf").write_text("index-url = where is the section\n")
    assert settings.pip_settings() == {}
    assert not settings.own_sources()


def test_names_of_indexes_are_no_part_of_their_addresses(monkeypatch):
    monkeypatch.setenv("UV_INDEX", "studio=http://a/simple http://b/simple?x=1")
    assert settings.index_addresses() == ["http://a/simple", "http://b/simple?x=1"]
