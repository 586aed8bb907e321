# SPDX-License-Identifier: GPL-3.0-or-later
"""The wire: frames of JSON-RPC 2.0 with raw arrays behind them. Both sides use this one file; PROTOCOL.md explains it.

    Content-Length: <bytes of JSON>\\r\\n\\r\\n<JSON><raw bytes of array 1><raw bytes of array 2>…

The JSON names its arrays in `"arrays": [{"name", "shape", "dtype"}, …]`; their bytes follow in that order, C order,
little endian. Every size that the other side claims is checked before anything is allocated, and nothing is ever
unpickled. Standard library and numpy only.
"""
from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import numpy as np

from .problems import Problem

PROTOCOL_VERSION = 3
#: Requests that use the loaded model: worked on one after the other. All others are worked on beside them, at once.
IN_TURN = ("synthesize", "load", "release", "cache.clear")
MAX_HEADER = 256  # bytes, both line ends included
MAX_JSON = 4 * 2**20  # bytes
MAX_ARRAYS = 4 * 2**30  # bytes of all arrays of one message
MAX_ARRAY_COUNT = 256
MAX_DIMENSIONS = 8
DTYPES = {name: np.dtype(name).newbyteorder("<") for name in ("float32", "float16", "uint8", "uint16")}

_HEADER = re.compile(rb"Content-Length: ([0-9]{1,20})\r\n")
_UPDATE = "Update the extension and the engine so that both are of one release."
_GARBAGE = "Check the engine's location: the command must print nothing but the engine's own messages."


class TruncatedFrame(Problem):
    """The stream ended inside a frame: its writer died, rather than spoke nonsense."""


@dataclass
class Message:
    """One JSON-RPC 2.0 message. `method` set: a request (with `id`) or a notification (without); else a response.

    arrays: name -> numpy array; dtype one of DTYPES. A response carries `result`, or `error` with code, message, data.
    """

    method: str | None = None
    params: dict[str, Any] = field(default_factory=dict)
    id: int | str | None = None
    result: Any = None
    error: dict[str, Any] | None = None
    arrays: dict[str, np.ndarray] = field(default_factory=dict)

    @classmethod
    def failure(cls, id: int | str | None, problem: Problem) -> Message:
        """The error response that carries a Problem."""
        return cls(id=id, error={"code": -32000, "message": str(problem), "data": problem.as_dict()})

    @property
    def problem(self) -> Problem | None:
        """The Problem of an error response, None for every other message."""
        if self.error is None:
            return None
        data = self.error.get("data")
        return Problem.from_dict(data if isinstance(data, dict) else {"sentence": self.error.get("message")})


def write_message(stream: BinaryIO, message: Message) -> None:
    """Write one frame and flush. `stream`: buffered binary. The caller serialises writers.

    Raises TypeError/ValueError before the first byte for what the wire does not carry (dtype, NaN in JSON, sizes),
    OSError when the other side is gone.
    """
    arrays = {name: _as_wire(name, array) for name, array in message.arrays.items()}
    total = sum(array.nbytes for array in arrays.values())
    if total > MAX_ARRAYS or len(arrays) > MAX_ARRAY_COUNT:
        raise ValueError(f"{len(arrays)} arrays of {total} bytes; limit {MAX_ARRAY_COUNT} arrays, {MAX_ARRAYS} bytes")
    text = json.dumps(_body(message, arrays), allow_nan=False, separators=(",", ":"))
    body = text.encode("ascii")
    if len(body) > MAX_JSON:
        raise ValueError(f"a message of {len(body)} bytes of JSON; limit {MAX_JSON}")
    stream.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
    for array in arrays.values():
        if array.nbytes:
            stream.write(memoryview(array.reshape(-1).view(np.uint8)))
    stream.flush()


def read_message(stream: BinaryIO) -> Message | None:
    """The next message of a buffered binary stream; None when it ended cleanly between two frames.

    Raises Problem("bad_answer") for anything that is not the protocol (TruncatedFrame where the stream ended inside a
    frame), Problem("out_of_memory") where the arrays do not fit.
    """
    length = _read_header(stream)
    if length is None:
        return None
    message, claims = _parse(bytes(_read_exactly(stream, bytearray(length))))
    for name, (shape, dtype) in claims.items():
        message.arrays[name] = _read_array(stream, shape, dtype)
    return message


def _as_wire(name: str, array: np.ndarray) -> np.ndarray:
    array = np.asarray(array)
    if array.dtype.name not in DTYPES:
        raise TypeError(f"array {name!r} has dtype {array.dtype}, the wire carries {', '.join(DTYPES)}")
    if array.ndim > MAX_DIMENSIONS:
        raise ValueError(f"array {name!r} has {array.ndim} dimensions, the wire carries {MAX_DIMENSIONS}")
    return np.asarray(array, dtype=DTYPES[array.dtype.name], order="C")


def _body(message: Message, arrays: Mapping[str, np.ndarray]) -> dict[str, Any]:
    body: dict[str, Any] = {"jsonrpc": "2.0"}
    if message.method is not None:
        body |= {"method": message.method, "params": message.params}
        if message.id is not None:
            body["id"] = message.id
    else:
        body["id"] = message.id
        body |= {"error": message.error} if message.error is not None else {"result": message.result}
    if arrays:
        body["arrays"] = [{"name": n, "shape": list(a.shape), "dtype": a.dtype.name} for n, a in arrays.items()]
    return body


def _read_header(stream: BinaryIO) -> int | None:
    """Length of the JSON that follows, None at a clean end of the stream."""
    line = stream.readline(MAX_HEADER)
    if not line:
        return None
    match = _HEADER.fullmatch(line)
    if match is None:
        if b"Content-Length: ".startswith(line[:16]) and not line.endswith(b"\n") and len(line) < MAX_HEADER:
            raise _truncated("in its header")
        raise _bad(f"the line {line[:80]!r} came where a 'Content-Length' header was expected", _GARBAGE)
    end = stream.readline(3)
    if end in (b"", b"\r"):
        raise _truncated("in its header")
    if end != b"\r\n":
        raise _bad(f"{end!r} came where an empty line was expected after the header", _GARBAGE)
    length = int(match[1])
    if length > MAX_JSON:
        raise _bad(f"a message announces {length} bytes of JSON, the limit is {MAX_JSON}", _UPDATE)
    return length


def _read_exactly(stream: BinaryIO, buffer):
    """Fill a writable buffer from the stream and return it."""
    view = memoryview(buffer)
    filled = 0
    while filled < len(view):
        count = stream.readinto(view[filled:])
        if not count:
            raise _truncated(f"after {filled} of {len(view)} bytes")
        filled += count
    return buffer


def _parse(raw: bytes) -> tuple[Message, dict[str, tuple[tuple[int, ...], np.dtype]]]:
    """JSON -> the message without its arrays, and what it claims about them: name -> (shape, dtype)."""
    try:
        body = json.loads(raw.decode("utf-8"), parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError and JSONDecodeError are ValueErrors
        raise _bad(f"a message is not JSON ({error}): {raw[:80]!r}", _UPDATE) from error
    if not isinstance(body, dict) or body.get("jsonrpc") != "2.0":
        raise _bad(f"a message is not a JSON-RPC 2.0 object: {raw[:80]!r}", _UPDATE)
    return _message(body, raw), _claims(body.get("arrays", []))


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _message(body: dict[str, Any], raw: bytes) -> Message:
    id = body.get("id")
    sound = id is None or (isinstance(id, (int, str)) and not isinstance(id, bool))
    if "method" in body:
        params = body.get("params", {})
        if sound and isinstance(body["method"], str) and isinstance(params, dict):
            return Message(method=body["method"], params=params, id=id)
    elif "error" in body and "result" not in body:
        if sound and isinstance(body["error"], dict):
            return Message(id=id, error=body["error"])
    elif "result" in body and "error" not in body and sound and id is not None:
        return Message(id=id, result=body["result"])
    raise _bad(f"a message is neither request, notification nor response: {raw[:80]!r}", _UPDATE)


def _claims(entries: Any) -> dict[str, tuple[tuple[int, ...], np.dtype]]:
    if not isinstance(entries, list) or len(entries) > MAX_ARRAY_COUNT:
        raise _bad(f"'arrays' must be a list of at most {MAX_ARRAY_COUNT} entries", _UPDATE)
    claims: dict[str, tuple[tuple[int, ...], np.dtype]] = {}
    total = 0
    for entry in entries:
        name, shape, dtype = _claim(entry)
        if name in claims:
            raise _bad(f"the array {name!r} is named twice in one message", _UPDATE)
        claims[name] = shape, dtype
        total += math.prod(shape) * dtype.itemsize
    if total > MAX_ARRAYS:
        raise _bad(f"a message announces {total} bytes of arrays, the limit is {MAX_ARRAYS}", _UPDATE)
    return claims


def _claim(entry: Any) -> tuple[str, tuple[int, ...], np.dtype]:
    """One entry of `arrays`, checked. Python integers do not overflow, so a product of huge sizes stays exact."""
    fields = entry if isinstance(entry, dict) else {}
    name, shape, dtype = fields.get("name"), fields.get("shape"), fields.get("dtype")
    sizes = isinstance(shape, list) and len(shape) <= MAX_DIMENSIONS
    if not isinstance(name, str) or not sizes or not all(type(n) is int and 0 <= n < 2**40 for n in shape):
        raise _bad(f"an array needs a name and at most {MAX_DIMENSIONS} sizes from 0, got {str(entry)[:80]}", _UPDATE)
    if not isinstance(dtype, str) or dtype not in DTYPES:
        raise _bad(f"the array {name!r} has dtype {dtype!r}, expected one of {', '.join(DTYPES)}", _UPDATE)
    return name, tuple(shape), DTYPES[dtype]


def _read_array(stream: BinaryIO, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    try:
        array = np.empty(shape, dtype)
    except (MemoryError, ValueError) as error:  # numpy: ValueError where a size does not fit its index type
        sentence = f"There was not enough memory to receive an array of shape {shape}, {dtype.name}."
        raise Problem("out_of_memory", sentence, "Use a smaller picture.") from error
    if array.nbytes:
        _read_exactly(stream, array.reshape(-1).view(np.uint8))
    return array.astype(dtype.newbyteorder("="), copy=False)


def _bad(what: str, remedy: str) -> Problem:
    return Problem("bad_answer", f"What arrived is not the protocol of the engine: {what}.", remedy)


def _truncated(where: str) -> TruncatedFrame:
    return TruncatedFrame("bad_answer", f"A message broke off {where}.", "See the engine's log for why it ended.")
