# SPDX-License-Identifier: GPL-3.0-or-later
"""What pip, uv, systems and PyTorch really say becomes a code, a sentence without their jargon, and a remedy."""
from __future__ import annotations

import errno

import pytest

from selfrect_blender.host.install.faults import of_check, of_file, of_output

UV = "error: Failed to fetch: `http://h/simple/torch/`\n  cause: "


@pytest.mark.parametrize(
    ("said", "code", "words"),
    [
        (UV + "HTTP status client error (403 Forbidden) for url (http://h/simple/torch/)", "download_failed", "h answered 403"),
        (UV + "HTTP status server error (502 Bad Gateway) for url (http://h/s/)", "download_failed", "h answered 502"),
        ("ERROR: HTTP error 404 while getting http://h/uv.whl", "download_failed", "uv.whl is not there"),
        ("requests.exceptions.HTTPError: 401 Client Error: Unauthorized for url: http://h/x", "download_failed", "name and a password"),
        (UV + "client error (Connect)\n  cause: dns error\n  cause: failed to lookup address information", "offline", "h is not known"),
        ("NewConnectionError: Failed to establish a connection: [Errno -3] Temporary failure in name resolution", "offline", "not known"),
        (UV + "invalid peer certificate: UnknownIssuer", "download_failed", "not trusted"),
        (UV + "operation timed out", "download_failed", "sends nothing"),
        (UV + "tcp connect error: Connection refused (os error 111)", "download_failed", "refuses the connection"),
        ("error: Failed to write\n  cause: No space left on device (os error 28)", "disk_full", "disk is full"),
        ("error: failed to write to file\n  cause: There is not enough space on the disk. (os error 112)", "disk_full", "disk is full"),
        ("error: failed to open file\n  cause: Access is denied. (os error 5)", "no_permission", "no permission"),
        ("OSError: [WinError 225] the file contains a virus", "no_permission", "virus scanner"),
        ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.", "hash_mismatch", "SHA-256"),
        ("[WinError 10013] An attempt was made to access a socket", "download_failed", "firewall"),
        ("  cause: Because torch was not found in the package registry and you require torch==2.13.0", "install_failed", "have torch"),
        ("  cause: Because there is no version of torch==2.13.0+cpu and you", "install_failed", "have torch==2.13.0"),
        ("error: something new\n  cause: that nobody knows", "install_failed", "that nobody knows"),
        ("", "install_failed", "nothing was said"),
    ],
)
def test_the_last_words_of_pip_and_uv(said, code, words):
    problem = of_output(said, "Looking up")
    assert (problem.code, words in problem.sentence) == (code, True), problem.sentence
    assert problem.remedy
    assert problem.detail == said


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ('OSError: [WinError 126] The specified module could not be found. Error loading "c10.dll"', "Visual C++"),
        ("OSError: [WinError 1114] A dynamic link library (DLL) initialization routine failed", "Visual C++"),
        ("RuntimeError: CUDA error: no kernel image is available for execution on the device", "no code for this graphics card"),
        ("NVIDIA RTX 5090 with CUDA capability sm_120 is not compatible with the current PyTorch", "no code for this graphics card"),
        ("CUDA driver version is insufficient for CUDA runtime version", "driver is too old"),
        ("There is no device “cuda” here.", "does not find the device"),
        ("ImportError: libcudart.so.13: cannot open shared object file", "cannot be loaded"),
        ("exit code -4", "too old for PyTorch"),
        ("exit code -9", "out of memory"),
        ("ImportError: /lib/x86_64-linux-gnu/libc.so.6: version `GLIBC_2.28' not found", "system is too old"),
        ("ValueError: nothing known", "nothing known"),
    ],
)
def test_the_last_words_of_a_test_that_failed(said, words):
    problem = of_check(said, "cuda")
    assert problem.code == "check_failed"
    assert words in problem.sentence
    assert problem.remedy


@pytest.mark.parametrize(
    ("number", "windows", "code"),
    [(errno.ENOSPC, None, "disk_full"), (errno.EFBIG, None, "disk_full"), (errno.EACCES, None, "no_permission"),
     (errno.EROFS, None, "no_permission"), (errno.ENAMETOOLONG, None, "path_too_long"), (errno.EIO, None, "install_failed"),
     (0, 112, "disk_full"), (0, 225, "no_permission"), (0, 206, "path_too_long"), (0, 32, "install_busy")],
)  # fmt: skip
def test_errors_of_the_disk(number, windows, code):
    error = OSError(number, "words", "/a/file")
    if windows:
        error.winerror = windows
    problem = of_file(error)
    assert problem.code == code
    assert "/a/file" in problem.sentence
