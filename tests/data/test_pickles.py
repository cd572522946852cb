"""What a pickle may not make happen: nothing of numpy or Python runs on its say."""

from __future__ import annotations

import pickle
import pickletools
import time
import tracemalloc
from itertools import product
from types import SimpleNamespace

import numpy as np
import pytest

from logan.data import pickles
from logan.data.pickles import read_arrays
from logan.errors import InputError

IMAGES = np.arange(24, dtype=np.uint8).reshape(2, 12)
DTYPE = b"cnumpy\ndtype\nX\x02\0\0\0u1\x89\x88\x87R"
STATE = b"(K\x03X\x01\0\0\0|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb"
"""Version, order of bytes, subarray, names, fields, size, alignment, flags."""
ARRAY = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\0\x85C\x01b\x87R"


def array(
    dtype: bytes = DTYPE + STATE, shape: bytes = b"K\x02K\x03\x86", data: bytes = b"abcdef", order=b"\x89"
) -> bytes:
    """A dictionary with an array under 'data', put together by hand."""
    state = b"(K\x01" + shape + dtype + order + b"C" + bytes([len(data)]) + data + b"tb"
    return b"\x80\x03}C\x04data" + ARRAY + state + b"s."


def refused(data: bytes, message: str = "") -> None:
    start = time.monotonic()
    with pytest.raises(InputError, match=f"^x: (refused|damaged|holds|an array|no array).*{message}") as caught:
        read_arrays(data, "x")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300
    assert time.monotonic() - start < 5


@pytest.mark.parametrize("protocol", [2, 3, 4])
@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_of_every_binary_protocol(protocol, order):
    content = {b"data": np.array(IMAGES, order=order), b"fine_labels": [1, 300, 70_000], b"filenames": [b"a.png", "b"]}
    got = read_arrays(pickle.dumps(content | {b"more": [True, None, 0.5, (1, 2), -1]}, protocol), "x")
    assert (got[b"data"] == IMAGES).all()
    assert got[b"data"].dtype == np.uint8
    assert got[b"fine_labels"] == content[b"fine_labels"]
    assert got[b"filenames"] == [b"a.png", "b"]
    assert got[b"more"] == [True, None, 0.5, (1, 2), -1]


def test_the_array_put_together_by_hand_is_one():
    assert read_arrays(array(), "x")[b"data"].tolist() == [[97, 98, 99], [100, 101, 102]]
    assert pickle.loads(array())[b"data"].tolist() == [[97, 98, 99], [100, 101, 102]]


@pytest.mark.parametrize(
    ("flags", "kind"), [(0, b"O8"), (0, b"f8"), *product((1, 4, 63, 255), (b"u1", b"O8", b"V8", b"f8", b"M8"))]
)
def test_forged_flags_and_kinds_of_objects_are_refused(flags, kind):
    """Flags 63 make numpy take the bytes of an array for addresses, and follow them."""
    state = STATE.replace(b"K\0tb", b"K" + bytes([flags]) + b"tb")
    refused(array(dtype=DTYPE.replace(b"u1", kind) + state))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"K\x03X", b"K\x04X"),  # a version
        (b"X\x01\0\0\0|", b"X\x01\0\0\0>"),
        (b"NNN", b"K\x05NN"),  # a subarray
        (b"NNN", b"NNK\x05"),  # fields
        (b"J\xff\xff\xff\xffK", b"J\xff\xff\xff\x7fK"),  # an alignment
        (b"J\xff\xff\xff\xffJ", b"J\xff\xff\xff\x7fJ"),  # a size
    ],
)
def test_other_parts_of_a_kind_are_refused(old, new):
    assert STATE.count(old) >= 1
    refused(array(dtype=DTYPE + STATE.replace(old, new, 1)))


@pytest.mark.parametrize(
    "shape",
    [
        b"K\x02K\x04\x86",  # more than there are bytes
        b"K\x02\x85",  # fewer
        b"J\xff\xff\xff\xffJ\xfa\xff\xff\xff\x86",  # −1 × −6
        b"J\xff\xff\xff\x7fJ\xff\xff\xff\x7f\x86",
        b"\x8a\x09\0\0\0\0\0\0\0\0\x01K\0\x86",  # 2⁶⁴ × 0
        b"K\x06" + b"K\x01" * 39 + b"t",
        b"G\x40\x18\0\0\0\0\0\0\x85",  # 6.0
        b"K\x06",
        b"N",
    ],
)
def test_shapes_that_do_not_fit_are_refused(shape):
    refused(array(shape=b"(" + shape if shape.endswith(b"t") else shape))


def test_states_for_other_things_are_refused():
    refused(b"\x80\x02}K\x01\x85b.")  # of a dictionary
    refused(b"\x80\x02cnumpy\nndarray\nK\x01\x85b.")
    refused(b"\x80\x02cnumpy\nndarray\nK\x01\x85R.")  # ndarray called by itself
    refused(b"\x80\x02cnumpy\ndtype\ncnumpy\ndtype\n\x85R.")
    refused(b"\x80\x02}C\x04data" + ARRAY + b"s.", "without contents")


@pytest.mark.parametrize(
    "instruction",
    [c.encode("latin-1") for c in "iobRQPV" + "\x81\x82\x90\x91\x92\x94\x95\x96\x97\x98"],
    ids=lambda c: pickletools.code2op[c.decode("latin-1")].name,
)
def test_other_instructions_are_refused(instruction):
    refused(b"\x80\x02}(K\x01K\x02" + instruction + b"os\nsystem\n" + b"\0" * 20 + b".")


@pytest.mark.parametrize(
    "data",
    [
        b"}" + b"K\1\x85" + b"2\x86" * 40 + b"K\1s.",
        b"K\1\x85" + b"q\0h\0\x86" * 60 + b"q\0}h\0K\1s.",  # a key of 2⁶⁰ parts
        b"K\1\x85" + b"q\0h\0\x86" * 60 + b"q\0cnumpy\ndtype\nh\0\x85R.",  # a kind of 2⁶⁰ parts
        b"K\1\x85" + b"q\0h\0\x86" * 60 + b"h\0\x93.",  # a name of 2⁶⁰ parts
        b"(" * 100_000 + b"t" * 100_000 + b".",
        b"]q\0h\0a.",  # a list in itself
        b"K\1" * 50_000 + b"(t0" * 1000,
        b"T\xff\xff\xff\x7fabc.",
        b"\x8e\xff\xff\xff\xff\xff\xff\xff\x7fabc.",
        b"\x8b\xff\xff\xff\x7fabc.",
    ],
)
def test_nothing_takes_for_ever(data):
    refused(b"\x80\x02" + data)


@pytest.mark.parametrize("protocol", [2, 4])
def test_no_flipped_bit_makes_anything_else_of_it(protocol):
    """It reads, to something that numpy's reader agrees with in kind, or is refused in one line."""
    whole = pickle.dumps({b"data": IMAGES, b"labels": [3, 4]}, protocol)
    refusals = 0
    for at, bit in product(range(len(whole)), range(8)):
        data = bytearray(whole)
        data[at] ^= 1 << bit
        try:
            content = read_arrays(bytes(data), "x")
        except InputError:
            refusals += 1
            continue
        assert all(type(key) in (str, bytes) for key in content)
    assert refusals > 4 * len(whole)


def test_nothing_of_numpy_or_of_python_s_reader_is_asked(monkeypatch):
    def asked(*_):
        raise AssertionError("asked")

    for name in ("Unpickler", "_Unpickler", "load", "loads"):
        monkeypatch.setattr(pickle, name, asked)
    few = SimpleNamespace(uint8=np.uint8, frombuffer=np.frombuffer)
    monkeypatch.setattr(pickles, "np", few)
    assert read_arrays(array(), "x")[b"data"].tolist() == [[97, 98, 99], [100, 101, 102]]


def test_every_name_stands_for_something_written_here():
    for name in pickles.NAMES.values():
        assert name.makes is None or name.makes.__module__ == "logan.data.pickles"


def test_a_text_that_is_encoded_again_and_again_is_made_once():
    """A memoised text of a megabyte, encoded a thousand times, would be a gigabyte."""
    text = b"X" + (2**20).to_bytes(4, "little") + b"a" * 2**20 + b"q\x00"
    once = b"c_codecs\nencode\nh\x00X\x06\0\0\0latin1\x86R"
    data = b"\x80\x02}(C\x01b" + text + b"C\x01a](" + 1000 * once + b"eu."
    tracemalloc.start()
    try:
        got = read_arrays(data, "x")[b"a"]
        assert tracemalloc.get_traced_memory()[1] < 20 * 2**20
    finally:
        tracemalloc.stop()
    assert len(got) == 1000
    assert got[7] == b"a" * 2**20


@pytest.mark.parametrize("codec", [b"X\x05\0\0\0bz2_x", b"X\x04\0\0\0zlib", b"N"])
def test_another_codec_is_refused_of_a_text_that_is_known(codec):
    known = b"c_codecs\nencode\nX\x01\0\0\0aX\x06\0\0\0latin1\x86R"
    refused(b"\x80\x02}C\x01a](" + known + b"c_codecs\nencode\nX\x01\0\0\0a" + codec + b"\x86Res.", "codec")


def test_a_text_that_is_none_is_no_key_either():
    """Pairs of pairs of pairs, which take for ever to hash."""
    deep = b"N" + 60 * b"2\x86"
    refused(b"\x80\x02}C\x01ac_codecs\nencode\n" + deep + b"X\x06\0\0\0latin1\x86Rs.")
