# SPDX-License-Identifier: GPL-3.0-or-later
"""An engine that knows nothing but models, as a table: `python models_engine.py`. Speaks through the engine's own protocol.py."""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "server" / "src"))

from selfrect.problems import Problem
from selfrect.protocol import PROTOCOL_VERSION, Message, read_message, write_message

BYTES = 4_300_000_000
MODELS = [
    {"name": "mini", "title": "Small One", "installed": True, "source": "embedded", "removable": False},
    {"name": "big", "title": "Paper's Model", "installed": False, "source": "", "removable": False, "licence": "OpenRAIL",
     "licence_url": "https://licence", "licence_summary": "not for harm", "downloads": {"float16": 2_100_000_000, "float32": BYTES}},
    {"name": "old", "title": "Old One", "installed": True, "source": "downloaded", "removable": True},
    {"name": "/comfy/wood.safetensors", "title": "wood.safetensors", "installed": True, "source": "found", "tool": "ComfyUI"},
]  # fmt: skip
CANCELLED: set = set()
LOCK = threading.Lock()


def send(**parts) -> None:
    with LOCK:
        write_message(sys.stdout.buffer, Message(**parts))


def answer(message: Message) -> None:
    try:
        send(id=message.id, result=ANSWERS[message.method](message))
    except Problem as problem:
        with LOCK:
            write_message(sys.stdout.buffer, Message.failure(message.id, problem))


def download(message: Message) -> dict:
    for step in range(0, BYTES, BYTES // 40):
        if message.id in CANCELLED:
            raise Problem("cancelled", "The work was cancelled.", "")
        place = {"id": message.id, "stage": "download", "step": step, "steps": BYTES, "fraction": step / BYTES, "speed": 5e8}
        send(method="progress", params=place)
        time.sleep(0.02)
    MODELS[1]["installed"] = True
    return {"path": "/where/models/big"}


def remove(_: Message) -> dict:
    raise Problem("download_failed", "The hub answered 401.", "Try a mirror.")


def bring_in(message: Message) -> dict:
    path = f"{message.params['path']} {message.params['link']}"
    MODELS.append({"name": message.params["name"], "title": "Mine", "installed": True, "path": path})
    return {"name": message.params["name"], "path": path}


FILES = [{"file": "unet/x.safetensors", "state": "wrong content"}, {"file": "model_index.json", "state": "good"}]
ANSWERS = {
    "models.list": lambda _: {"models": MODELS},
    "models.where": lambda _: {"folder": os.environ.get("SELFRECT_MODELS", "/where/models"), "writable": True, "free": 10**12},
    "models.download": download,
    "models.verify": lambda _: {"path": "/where/models/old", "files": FILES},
    "models.remove": remove,
    "models.import": bring_in,
}


def beat() -> None:
    while True:
        send(method="heartbeat", params={"busy": list(range(1000))})  # whatever is asked, it is worked on
        time.sleep(0.5)


send(method="greeting", params={"protocol": PROTOCOL_VERSION, "pid": os.getpid(), "engines": [], "models": MODELS})
send(method="devices", params={"devices": []})
threading.Thread(target=beat, daemon=True).start()
while (message := read_message(sys.stdin.buffer)) is not None and message.method != "shutdown":
    if message.method == "cancel":
        CANCELLED.add(message.params["id"])
    else:
        threading.Thread(target=answer, args=(message,), daemon=True).start()
os._exit(0)
