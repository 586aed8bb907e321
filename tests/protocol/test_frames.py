# SPDX-License-Identifier: GPL-3.0-or-later
"""What is written is what is read, whatever the message, and however the bytes are cut on the way."""
from __future__ import annotations

import io
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of
from selfrect.problems import EXIT_CODES, Problem
from selfrect.protocol import DTYPES, Message, read_message, write_message

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
json_values = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8)
params = st.dictionaries(st.text(), json_values, max_size=4)
ids = st.integers() | st.text()
array = st.sampled_from(sorted(DTYPES)).flatmap(
    lambda dtype: arrays_of.arrays(dtype, arrays_of.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5))
)
messages = st.one_of(
    st.builds(Message, method=st.text(), params=params, id=st.none() | ids),
    st.builds(Message, id=ids, result=json_values),
    st.builds(lambda id, words: Message.failure(id, Problem(*words)), st.none() | ids, st.tuples(
        st.sampled_from(sorted(EXIT_CODES)), st.text(min_size=1), st.text(), st.text())),
).flatmap(lambda message: st.dictionaries(st.text(), array, max_size=3).map(
    lambda found: Message(message.method, message.params, message.id, message.result, message.error, found)))


class Dribble(io.RawIOBase):
    """A stream that hands out its bytes in pieces of the given sizes, as pipes do."""

    def __init__(self, data: bytes, sizes: list[int]):
        self._data, self._sizes, self._turn = io.BytesIO(data), sizes, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        self._turn += 1
        return self._data.readinto(memoryview(buffer)[: self._sizes[self._turn % len(self._sizes)]])


def written(*several: Message) -> bytes:
    stream = io.BytesIO()
    for message in several:
        write_message(stream, message)
    return stream.getvalue()


def assert_same(got: Message | None, sent: Message) -> None:
    assert got is not None
    assert (got.method, got.params, got.id, got.error) == (sent.method, sent.params, sent.id, sent.error)
    assert got.result == sent.result
    assert list(got.arrays) == list(sent.arrays)
    for name, expected in sent.arrays.items():
        assert got.arrays[name].dtype == expected.dtype
        assert got.arrays[name].dtype.isnative
        assert got.arrays[name].shape == expected.shape
        np.testing.assert_array_equal(got.arrays[name], expected)  # NaN equals NaN here


@given(st.lists(messages, max_size=4), st.lists(st.integers(1, 4000), min_size=1, max_size=5))
def test_several_messages_survive_any_cutting(several, sizes):
    stream = io.BufferedReader(Dribble(written(*several), sizes), 64)
    for sent in several:
        assert_same(read_message(stream), sent)
    assert read_message(stream) is None


@given(messages)
def test_written_twice_is_the_same_bytes(message):
    assert written(message) == written(message)


def test_the_bytes_are_as_the_document_says():
    array = np.arange(6, dtype=">u2").reshape(2, 3)  # big endian here, little endian on the wire
    body = (
        b'{"jsonrpc":"2.0","method":"preview","params":{"id":1},'
        b'"arrays":[{"name":"a","shape":[2,3],"dtype":"uint16"}]}'
    )
    message = Message(method="preview", params={"id": 1}, arrays={"a": array})
    assert written(message) == b"Content-Length: %d\r\n\r\n" % len(body) + body + array.astype("<u2").tobytes()


@given(st.integers(0, 2), st.integers(0, 2), st.integers(0, 2))
def test_views_that_are_not_contiguous_arrive_in_their_own_order(start, step_back, channel):
    whole = np.arange(4 * 5 * 3, dtype=np.float32).reshape(4, 5, 3)
    view = whole[start:, ::-1][..., channel].T[:: step_back + 1]
    got = read_message(io.BytesIO(written(Message(method="m", arrays={"a": view}))))
    np.testing.assert_array_equal(got.arrays["a"], view)
    assert got.arrays["a"].flags.writeable


def test_a_picture_of_4096_pixels_a_side_arrives():
    picture = np.random.default_rng(0).random((4096, 4096, 1), np.float32).astype(np.float16)
    got = read_message(io.BytesIO(written(Message(id=1, result={}, arrays={"image": picture}))))
    assert got.arrays["image"].tobytes() == picture.tobytes()


@pytest.mark.parametrize("dtype", ["float64", "int32", "bool", "complex64", "object", "U3"])
def test_a_dtype_that_the_wire_does_not_carry_is_refused_before_the_first_byte(dtype):
    stream = io.BytesIO()
    with pytest.raises(TypeError, match=r"dtype .* the wire carries float32, float16, uint8, uint16"):
        write_message(stream, Message(method="m", arrays={"a": np.zeros(3, dtype)}))
    assert stream.getvalue() == b""


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_not_json_is_refused_before_the_first_byte(value):
    stream = io.BytesIO()
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_message(stream, Message(id=1, result={"seconds": value}))
    assert stream.getvalue() == b""


def test_json_over_the_limit_is_refused_before_the_first_byte():
    stream = io.BytesIO()
    with pytest.raises(ValueError, match="limit 4194304"):
        write_message(stream, Message(method="log", params={"text": "x" * 2**22}))
    assert stream.getvalue() == b""


def test_a_problem_travels_whole():
    sent = Problem("disk_full", "The disk is full.", "Free some space.", "line 1\nline 2")
    got = read_message(io.BytesIO(written(Message.failure(7, sent)))).problem
    assert got.as_dict() == sent.as_dict()
    assert Message(id=1, result={}).problem is None
