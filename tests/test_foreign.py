"""Structure from strangers: read as asked for, or refused in a line."""

from __future__ import annotations

import os
import time

import pytest

from logan.errors import InputError
from logan.files import read_json, read_lines
from logan.foreign import DEPTH, Fields, load_group, load_json

GOOD = b'{"a": [1, -2.5, true, null, "\\u00e9"], "b": {"c": 18446744073709551615}}'
BAD = {
    "not UTF-8": b'{"a": "\xff"}',
    "cut short": b'{"a": [1, 2',
    "empty": b"",
    "nested lists": b"[" * 100_000,
    "nested groups, closed": b'{"a":' * 5000 + b"1" + b"}" * 5000,
    "a little too deep": b"[" * (DEPTH + 1) + b"]" * (DEPTH + 1),
    "NaN": b'{"a": NaN}',
    "Infinity": b'{"a": [-Infinity]}',
    "a float beyond all": b'{"a": 1e999}',
    "an integer of 5,000 digits": b'{"a": ' + b"9" * 5000 + b"}",
    "a float of 5,000 digits": b'{"a": ' + b"9" * 5000 + b".0}",
    "a name twice": b'{"a": 1, "a": 2}',
    "text behind it": b"{} {}",
}


def test_what_is_whole_is_read(tmp_path):
    path = tmp_path / "a.json"
    path.write_bytes(GOOD)
    value = {"a": [1, -2.5, True, None, "é"], "b": {"c": 2**64 - 1}}
    assert load_json(path) == load_json(GOOD) == load_json(GOOD.decode()) == load_group(path) == value
    assert load_json("[" * DEPTH + "]" * DEPTH)[0]


@pytest.mark.parametrize("text", BAD.values(), ids=BAD)
def test_what_is_not_is_refused_by_name(tmp_path, text):
    path = tmp_path / "a.json"
    path.write_bytes(text)
    for read in (lambda: load_json(path, advice="write it anew"), lambda: read_json(path, "write it anew")):
        with pytest.raises(InputError) as caught:
            read()
        message = str(caught.value)
        assert message.startswith(f"{path} is damaged (")
        assert message.endswith("); write it anew")
        assert len(message) < 300 + len(str(path))
    with pytest.raises(InputError, match="^the header is damaged"):
        load_json(text, "the header")


def test_lines_that_are_not_are_left_out(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"n": 1}\n' + b"\n".join(BAD.values()) + b'\n[2]\n{"n": 3}\n')
    assert read_lines(path)[0] == {"n": 1}
    assert read_lines(path)[-1] == {"n": 3}
    assert len(read_lines(path)) == 2


def test_what_is_no_file_is_not_waited_for(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        load_json(tmp_path / "nowhere")
    with pytest.raises(InputError, match="is not a file"):
        load_json(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="is not a file"):
        load_json(tmp_path / "pipe")


@pytest.mark.parametrize("at", [0, 50_000, 99_999])
def test_a_name_twice_among_many_is_found_at_once(at):
    names = [f"k{i}" for i in range(100_000)]
    text = "{" + ",".join(f'"{name}":1' for name in [*names, names[at]]) + "}"
    before = time.process_time()
    with pytest.raises(InputError, match=f"'k{at}' stands twice"):
        load_json(text, "the labels")
    assert time.process_time() - before < 3  # 4 minutes where every name is compared with every other


VALUES = {"n": 7, "x": 0.5, "w": "word", "t": True, "l": ["a", "b"], "g": {"fid": 3.0, "lost": None}, "nothing": None}


def test_fields_of_the_kind_asked_for():
    f = Fields(VALUES, "a file")
    assert f.integer("n", least=0, most=7) == 7
    assert f.number("x") == 0.5
    assert isinstance(f.number("n"), float)
    assert f.word("w", choices=("word", "other")) == "word"
    assert f.truth("t") is True
    assert f.words("l") == f.items("l", most=2) == ["a", "b"]
    assert f.numbers("g") == {"fid": 3.0, "lost": None}
    assert f.group("g").number("fid") == 3.0
    assert f.integer("none", default=4) == 4
    assert f.integer("nothing", default=None) is None


@pytest.mark.parametrize(
    "ask",
    [
        lambda f: f.integer("gone"),
        lambda f: f.integer("x"),
        lambda f: f.integer("t"),
        lambda f: f.integer("w"),
        lambda f: f.integer("n", most=6),
        lambda f: f.integer("n", least=8),
        lambda f: f.integer("nothing"),
        lambda f: f.number("t"),
        lambda f: f.number("w"),
        lambda f: f.number("x", least=1),
        lambda f: f.word("n"),
        lambda f: f.word("w", most=3),
        lambda f: f.word("w", choices=("other",)),
        lambda f: f.truth("n"),
        lambda f: f.words("g"),
        lambda f: f.words("l", most=1),
        lambda f: f.items("w"),
        lambda f: f.numbers("l"),
        lambda f: f.group("n"),
        lambda f: f.group("g").number("lost"),
    ],
)
def test_fields_of_another_kind_are_refused_by_name(ask):
    with pytest.raises(
        InputError, match=r"^a file(: g)? is damaged \((gone|x|t|w|n|l|g|nothing|lost) is .*\); do this"
    ):
        ask(Fields(VALUES, "a file", "do this"))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 10**400, "7", [7], None])
def test_numbers_that_are_none(value):
    with pytest.raises(InputError, match="x is"):
        Fields({"x": value}, "a file").number("x")


@pytest.mark.parametrize("values", [[], 7, None, "{}", {1: 2}])
def test_a_group_is_one(values):
    with pytest.raises(InputError, match="a group of fields should be"):
        Fields(values, "a file")
