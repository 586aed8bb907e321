# SPDX-License-Identifier: GPL-3.0-or-later
"""Bytes that are not the protocol: always a Problem with words, never another exception, never a large allocation."""
from __future__ import annotations

import contextlib
import io
import json
import tracemalloc

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from selfrect.problems import Problem
from selfrect.protocol import Message, TruncatedFrame, read_message, write_message


def framed(body: object, rest: bytes = b"") -> bytes:
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    return b"Content-Length: %d\r\n\r\n" % len(text) + text + rest


def claiming(*entries: object) -> bytes:
    return framed({"jsonrpc": "2.0", "method": "m", "params": {}, "arrays": list(entries)})


def refusal(data: bytes) -> Problem:
    """The Problem with which `data` is refused, having allocated next to nothing."""
    tracemalloc.start()
    try:
        with pytest.raises(Problem) as caught:
            read_message(io.BytesIO(data))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2**20 + 16 * len(data)
    assert caught.value.code == "bad_answer"
    assert caught.value.sentence
    assert caught.value.remedy
    return caught.value


@given(st.binary(min_size=1))
@example(b"Content-Length: 5\r\n\r\n12345")
@example(b"Content-Length: 99999999999999999999\r\n\r\n")
def test_random_bytes_never_raise_anything_but_a_problem(data):
    refusal(data)


@given(st.data())
def test_a_frame_with_changed_bytes_is_a_message_or_a_problem(data):
    stream = io.BytesIO()
    write_message(stream, Message(id=3, result={"record": {}}, arrays={"image": np.ones((2, 2, 3), np.float32)}))
    raw = bytearray(stream.getvalue())
    for place in data.draw(st.lists(st.integers(0, len(raw) - 1), min_size=1, max_size=4)):
        raw[place] = data.draw(st.integers(0, 255))
    with contextlib.suppress(Problem):  # and nothing else
        assert isinstance(read_message(io.BytesIO(bytes(raw))), Message)


def test_every_way_to_break_off_is_a_truncated_frame():
    stream = io.BytesIO()
    write_message(stream, Message(method="m", arrays={"a": np.arange(4, dtype=np.uint8)}))
    whole = stream.getvalue()
    for length in range(1, len(whole)):
        with pytest.raises(TruncatedFrame, match="broke off"):
            read_message(io.BytesIO(whole[:length]))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"Welcome to gpu-host!\n", "Welcome to gpu-host!"),
        (b"Traceback (most recent call last):\n", "'Content-Length' header was expected"),
        (b"Content-Length: -1\r\n\r\n", "header was expected"),
        (b"Content-Length: 0x10\r\n\r\n", "header was expected"),
        (b"Content-Length: 5\n\n12345", "header was expected"),
        (b"Content-Length: 5\r\nX: y\r\n\r\n12345", "empty line was expected"),
        (b"A" * 100_000, "header was expected"),
        (b"Content-Length: 1099511627776\r\n\r\n", "announces 1099511627776 bytes of JSON, the limit is 4194304"),
        (framed(b"{"), "is not JSON"),
        (framed(b"\xff\xfe"), "is not JSON"),
        (framed(b'{"jsonrpc":"2.0","id":1,"result":NaN}'), "NaN is not JSON"),
        (framed(b"[" * 100_000), "is not JSON"),
        (framed(b'{"jsonrpc":"2.0","id":1,"result":' + b"9" * 10_000 + b"}"), "is not JSON"),
        (framed([1, 2]), "not a JSON-RPC 2.0 object"),
        (framed({"method": "m"}), "not a JSON-RPC 2.0 object"),
        (framed({"jsonrpc": "2.0"}), "neither request"),
        (framed({"jsonrpc": "2.0", "method": 5}), "neither request"),
        (framed({"jsonrpc": "2.0", "method": "m", "params": []}), "neither request"),
        (framed({"jsonrpc": "2.0", "method": "m", "id": [1]}), "neither request"),
        (framed({"jsonrpc": "2.0", "method": "m", "id": True}), "neither request"),
        (framed({"jsonrpc": "2.0", "result": {}}), "neither request"),
        (framed({"jsonrpc": "2.0", "id": 1, "result": {}, "error": {}}), "neither request"),
        (framed({"jsonrpc": "2.0", "id": 1, "error": "no"}), "neither request"),
    ],
    ids=lambda value: str(value)[:40],
)  # fmt: skip
def test_nonsense_is_named(data, words):
    assert words in refusal(data).sentence


GOOD = {"name": "a", "shape": [2], "dtype": "uint8"}


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ([GOOD | {"shape": [2**20, 2**20], "dtype": "float32"}], "announces 4398046511104 bytes of arrays"),
        ([GOOD | {"shape": [2**39, 2**39, 2**39]}], "announces"),
        ([GOOD | {"shape": [2**40]}], "sizes from 0"),
        ([GOOD | {"name": str(n), "shape": [2**31]} for n in range(3)], "announces 6442450944 bytes of arrays"),
        ([GOOD | {"name": str(n)} for n in range(257)], "at most 256"),
        ([GOOD | {"shape": [-1]}], "sizes from 0"),
        ([GOOD | {"shape": [True]}], "sizes from 0"),
        ([GOOD | {"shape": [1.5]}], "sizes from 0"),
        ([GOOD | {"shape": [1] * 9}], "at most 8 sizes"),
        ([GOOD | {"shape": 4}], "at most 8 sizes"),
        ([GOOD | {"name": 4}], "needs a name"),
        (["a"], "needs a name"),
        ([GOOD, GOOD], "named twice"),
        ([GOOD | {"dtype": "float64"}], "dtype 'float64', expected one of float32, float16, uint8, uint16"),
        ([GOOD | {"dtype": "object"}], "dtype 'object'"),
        ([GOOD | {"dtype": "O"}], "dtype 'O'"),
        ([GOOD | {"dtype": ["f4"]}], "dtype"),
        ([GOOD | {"dtype": None}], "dtype"),
    ],
    ids=lambda value: str(value)[:50],
)  # fmt: skip
def test_claims_about_arrays_are_checked_before_anything_is_allocated(entries, words):
    assert words in refusal(claiming(*entries)).sentence


def test_arrays_must_be_a_list():
    assert "must be a list" in refusal(framed({"jsonrpc": "2.0", "method": "m", "arrays": {"a": 1}})).sentence


def test_after_nonsense_the_bytes_before_it_were_still_understood():
    stream = io.BytesIO()
    write_message(stream, Message(method="log", params={"text": "fine"}))
    data = io.BytesIO(stream.getvalue() + b"bash: selfrect: command not found\n")
    assert read_message(data).params == {"text": "fine"}
    with pytest.raises(Problem, match="command not found"):
        read_message(data)
