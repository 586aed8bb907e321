# SPDX-License-Identifier: GPL-3.0-or-later
"""The server as a process of its own: its stdout is the wire alone, and it never outlives its host."""
from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from selfrect.protocol import PROTOCOL_VERSION, Message, read_message, write_message

SOURCE = Path(__file__).resolve().parents[2] / "server" / "src"
SERVER = f"""
import sys, time
sys.path.insert(0, {str(SOURCE)!r})
import numpy as np
from selfrect import serve
from selfrect.engine import Result

def noisy(engine, model, device, dtype, request, report):
    print("a library prints")
    sys.stdout.flush()
    import os, subprocess
    os.write(1, b"C code prints\\n")
    subprocess.run([sys.executable, "-c", "import sys; print('a child prints', repr(sys.stdin.read()))"], check=True)
    if request.seed == 1:
        time.sleep(60)  # deaf to everything
    report("draw", 1, 1)
    return Result(request.target, {{}})

serve.table = lambda: {{"synthesize": serve.pictures(noisy)}}
serve._find_devices = lambda: []
serve.main()
"""
unix = pytest.mark.skipif(sys.platform == "win32", reason="signals")


def start(**options) -> subprocess.Popen:
    pipe = subprocess.PIPE
    return subprocess.Popen([sys.executable, "-c", SERVER], stdin=pipe, stdout=pipe, stderr=pipe, **options)


def ask(process: subprocess.Popen, seed: int) -> None:
    arrays = {"reference.0": np.zeros((2, 2, 3), np.float32), "target": np.full((2, 2, 3), 0.25, np.float32)}
    write_message(process.stdin, Message("synthesize", {"seed": seed}, 1, arrays=arrays))


def hear(process: subprocess.Popen, method: str | None) -> Message:
    while (message := read_message(process.stdout)) is not None:
        if message.method == method:
            return message
    pytest.fail(f"the engine ended: {process.stderr.read().decode()}")


def test_what_others_print_stays_off_the_wire():
    with start() as process:
        greeting = hear(process, "greeting")
        assert greeting.params["pid"] == process.pid
        assert [engine["name"] for engine in greeting.params["engines"]] == ["self-rectification"]
        assert [model["installed"] for model in greeting.params["models"] if model["name"] == "mini"]
        ask(process, seed=0)
        assert hear(process, None).arrays["image"].mean() == 0.25
        process.stdin.close()
        assert process.wait(5) == 0
        printed = process.stderr.read().decode()
    for words in ("a library prints", "C code prints", "a child prints ''"):
        assert words in printed


def test_the_greeting_comes_before_pytorch():
    code = SERVER.replace("serve.main()", "sys.modules['torch'] = None\nserve.main()")  # importing it would fail
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", code], stdin=pipe, stdout=pipe, stderr=pipe) as process:
        assert hear(process, "greeting").params["protocol"] == PROTOCOL_VERSION
        process.stdin.close()
        assert process.wait(5) == 0


def test_nonsense_on_stdin_ends_it_with_words():
    with start() as process:
        process.stdin.write(b"hello\r\n")
        process.stdin.flush()
        assert "hello" in hear(process, None).problem.sentence
        assert process.wait(5) == 1


def test_deaf_work_does_not_keep_it_alive():
    with start() as process:
        ask(process, seed=1)
        while hear(process, "heartbeat").params["busy"] == []:
            pass
        process.stdin.close()
        started = time.monotonic()
        assert process.wait(10) == 5
        assert time.monotonic() - started < 5


@unix
@pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_PDEATHSIG")
def test_it_ends_with_its_parent_even_where_stdin_stays_open(tmp_path):
    """The parent is killed; its pipe's other end is held open by us, so only the kernel can tell the engine."""
    reading, writing = os.pipe()
    parent_code = (
        "import subprocess, sys, time\n"
        "engine = subprocess.Popen([sys.executable, '-c', sys.stdin.read()], stdin=int(sys.argv[1]))\n"
        "time.sleep(60)\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", parent_code, str(reading)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, pass_fds=[reading],
    )  # fmt: skip
    with parent, open(writing, "wb"):
        os.close(reading)
        parent.stdin.write(SERVER.encode())
        parent.stdin.close()
        engine = hear(parent, "greeting").params["pid"]
        hear(parent, "heartbeat")
        parent.send_signal(signal.SIGKILL)
        parent.wait(5)
        until = time.monotonic() + 5
        while _runs(engine) and time.monotonic() < until:
            time.sleep(0.02)
        assert not _runs(engine)


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False
