# SPDX-License-Identifier: GPL-3.0-or-later
"""An engine without PyTorch that misbehaves on request: `python fake_engine.py MODE [FILE]`.

It speaks through the engine's own protocol.py. `good` answers with the target after five quick steps; each other mode
of MISDEEDS does one thing wrong. `slow` takes until it is cancelled. FILE: what some modes write to.
"""
from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "server" / "src"))

import numpy as np
from selfrect.problems import Problem
from selfrect.protocol import IN_TURN, PROTOCOL_VERSION, Message, read_message, write_message

OUT = sys.stdout.buffer
HUGE = (
    b'{"jsonrpc":"2.0","id":1,"result":{"record":{}},'
    b'"arrays":[{"name":"image","shape":[1048576,1048576],"dtype":"uint8"}]}'
)
RECORD = {"engine": "fake", "network_calls": 5}


class FakeEngine:
    """The well-behaved part: greeting, heartbeat, reading; `mode` says what goes wrong."""

    def __init__(self, mode: str, file: str | None):
        self.mode, self.file = mode, file
        self.lock, self.cancelled, self.busy = threading.Lock(), set(), set()
        self.beating = True

    def send(self, message: Message) -> None:
        with self.lock:
            write_message(OUT, message)

    def start(self) -> None:
        STARTS.get(self.mode, greet)(self)

    def run(self) -> None:
        self.start()
        threading.Thread(target=self.beat, daemon=True).start()
        requests: list[Message] = []
        arrived = threading.Semaphore(0)
        threading.Thread(target=self.read, args=(requests, arrived), daemon=True).start()
        while True:
            arrived.acquire()
            request = requests.pop(0)
            self.work(MISDEEDS.get(self.mode, answer), request)

    def work(self, act, request: Message) -> None:
        self.busy.add(request.id)
        act(self, request)
        self.busy.discard(request.id)

    def beat(self) -> None:
        while True:
            time.sleep(0.05)
            if self.beating:
                self.send(Message(method="heartbeat", params={"busy": [] if self.mode == "idle" else list(self.busy)}))

    def read(self, requests: list[Message], arrived: threading.Semaphore) -> None:
        while (message := read_message(sys.stdin.buffer)) is not None and message.method != "shutdown":
            if message.method == "cancel":
                self.cancelled.add(message.params["id"])
            elif message.method in IN_TURN:
                requests.append(message)
                arrived.release()
            else:
                threading.Thread(target=self.work, args=(answer_beside, message), daemon=True).start()
        if self.mode == "stubborn":
            time.sleep(60)
        os._exit(0)

    def progress(self, id: int, step: int, steps: int, **changes) -> None:
        place = {"id": id, "stage": "draw", "step": step, "steps": steps, "fraction": step / steps} | changes
        self.send(Message(method="progress", params=place))


def greet(engine: FakeEngine, version: int = PROTOCOL_VERSION, **changes) -> None:
    described = {"engines": [{"name": "self-rectification"}], "models": [{"name": "mini"}]} | changes
    greeting = {"protocol": version, "engine_version": "fake", "pid": os.getpid()} | described
    engine.send(Message(method="greeting", params=greeting))
    engine.send(Message(method="devices", params={"devices": [{"name": "cpu", "title": "CPU", "memory": None}]}))


def answer(engine: FakeEngine, request: Message, steps: int = 5, seconds: float = 0.01, **changes) -> None:
    for step in range(1, steps + 1):
        if request.id in engine.cancelled and engine.mode != "ignores_cancel":
            return engine.send(Message.failure(request.id, Problem("cancelled", "The work was cancelled.", "")))
        engine.progress(request.id, step, steps)
        if step == 2:
            picture = np.full((2, 2, 3), 0.5, np.float32)
            engine.send(Message(method="preview", params={"id": request.id}, arrays={"preview": picture}))
        time.sleep(seconds)
    if request.method != "synthesize":
        return engine.send(Message(id=request.id, result={"method": request.method, "params": request.params}))
    image = request.arrays["target"][..., :3]
    record = RECORD | {"seed": request.params["seed"], "references": sum(name.startswith("reference.") for name in request.arrays)}
    response = {"id": request.id, "result": {"record": record}, "arrays": {"image": image, **maps_of(request)}} | changes
    engine.send(Message(**response))


def maps_of(request: Message) -> dict[str, np.ndarray]:
    """The first reference's maps, repeated or cut to the size that belongs to the target's, and the height where it is to be estimated."""
    arrays, made = request.arrays, {}
    for name in (name for name in arrays if name.startswith("map.") and name.endswith(".0")):
        sizes = zip(*(arrays[each].shape[:2] for each in ("target", name, "reference.0")), strict=True)
        made[name[:-2]] = arrays[name][np.ix_(*(np.arange(target * size // reference) % size for target, size, reference in sizes))]
    if request.params["settings"].get("estimate", "none") != "none":
        made["map.height"] = np.full((*arrays["target"].shape[:2], 1), 0.5, np.float32)
    return made


def answer_beside(engine: FakeEngine, request: Message) -> None:
    """`params` may hold steps, seconds between them, and odd: a result that is none."""
    for step in range(request.params.get("steps", 2)):
        if request.id in engine.cancelled and engine.mode != "ignores_cancel":
            return engine.send(Message.failure(request.id, Problem("cancelled", "The work was cancelled.", "")))
        engine.progress(request.id, step + 1, 10_000, stage="download", speed=2000.0)
        time.sleep(request.params.get("seconds", 0.01))
    if engine.mode == "fails":
        return engine.send(Message.failure(request.id, Problem("out_of_memory", "There was not enough memory.", "Use less.")))
    result = [] if request.params.get("odd") else {"method": request.method, "params": request.params}
    engine.send(Message(id=request.id, result=result))


def slow(engine, request):
    answer(engine, request, steps=10_000, seconds=0.02)


def no_start(engine):
    sys.stderr.write("Traceback (most recent call last):\nImportError: libc10.so: cannot open shared object file\n")
    sys.exit(3)


def no_greeting(engine):
    time.sleep(60)


def banner(engine):
    OUT.write(b"Welcome to gpu-host, last login today\n")
    OUT.flush()
    time.sleep(60)


def dies(engine, request):
    engine.progress(request.id, 1, 5)
    sys.stderr.write("terminate called after throwing an instance of 'c10::Error'\n")
    sys.stderr.flush()
    os._exit(7)


def killed(engine, request):
    engine.progress(request.id, 1, 5)
    os.kill(os.getpid(), signal.SIGKILL)


def dies_in_frame(engine, request):
    engine.lock.acquire()
    OUT.write(b'Content-Length: 500\r\n\r\n{"jsonrpc"')
    OUT.flush()
    os._exit(1)


def leaves(engine, request):
    os._exit(0)


def hangs(engine, request):
    engine.progress(request.id, 1, 5)
    engine.beating = False
    time.sleep(60)


def raw(data: bytes):
    def write(engine, request):
        with engine.lock:
            OUT.write(data)
            OUT.flush()
            time.sleep(60)

    return write


def closes_stdout(engine, request):
    engine.lock.acquire()
    os.close(1)
    time.sleep(60)


def idle(engine, request):
    time.sleep(60)


def fails(engine, request):
    engine.send(Message.failure(request.id, Problem("out_of_memory", "There was not enough memory.", "Use less.")))


def flood(engine, request):
    for _ in range(200):
        sys.stderr.write("x" * 50_000)
    for line in range(1000):
        sys.stderr.write(f"\nwarning {line}")
    sys.stderr.flush()
    answer(engine, request)


def grandchild(engine, request):
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    Path(engine.file).write_text(str(child.pid))
    slow(engine, request)


def changed(**changes):
    return lambda engine, request: answer(engine, request, **changes)


def image(make):
    return lambda engine, request: answer(engine, request, arrays={"image": make(request.arrays["target"][..., :3])})


STARTS = {
    "no_start": no_start,
    "no_greeting": no_greeting,
    "banner": banner,
    "wrong_version": lambda engine: greet(engine, version=99),
    "poor_greeting": lambda engine: greet(engine, engines="many"),
}
MISDEEDS = {
    "slow": slow,
    "ignores_cancel": slow,
    "dies": dies,
    "killed": killed,
    "dies_in_frame": dies_in_frame,
    "leaves": leaves,
    "hangs": hangs,
    "garbage": raw(b"Segmentation fault (core dumped)\n"),
    "half_frame": raw(b'Content-Length: 500\r\n\r\n{"jsonrpc"'),
    "huge_json": raw(b"Content-Length: 1099511627776\r\n\r\n"),
    "huge_array": raw(b"Content-Length: %d\r\n\r\n%s" % (len(HUGE), HUGE)),
    "closes_stdout": closes_stdout,
    "idle": idle,
    "fails": fails,
    "flood": flood,
    "grandchild": grandchild,
    "unknown_id": changed(id=999),
    "no_image": changed(arrays={}),
    "no_record": changed(result={}),
    "odd_progress": lambda engine, request: engine.progress(request.id, -1, 5),
    "nan_image": image(lambda target: target * np.float32(np.nan)),
    "uint8_image": image(lambda target: (target * 255).astype(np.uint8)),
    "grey_image": image(lambda target: np.full_like(target, 0.5)),
    "small_image": image(lambda target: target[::2]),
    "rgba_image": image(lambda target: np.concatenate([target, target[..., :1]], -1)),
}

if __name__ == "__main__":
    FakeEngine(sys.argv[1], *(sys.argv[2:] or [None])).run()
