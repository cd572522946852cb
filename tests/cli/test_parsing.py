"""Flags to dataclasses, and tyro's boxes to one line."""

import os
from dataclasses import dataclass

import pytest

from logan.cli.command import Command
from logan.cli.complaints import message
from logan.cli.parsing import parse, parse_known, value_of
from logan.errors import InputError


@dataclass(frozen=True)
class Arguments:
    """For tests."""

    seeds: int = 3
    """How many."""
    names: tuple[str, ...] = ("a",)
    """Which."""


TEST = Command("test", Arguments)


def known(*args):
    return parse_known(TEST, args)


def whole(*args):
    return parse(TEST, args)


def test_what_is_not_known_is_handed_back_in_order():
    given, rest = known("--beta", "5", "--seeds", "2", "--width=9", "--mirror")
    assert given == Arguments(2)
    assert rest == ["--beta", "5", "--width=9", "--mirror"]


def test_an_abbreviation_is_not_known():
    given, rest = known("--seed", "5")
    assert given.seeds == 3
    assert rest == ["--seed", "5"]


def test_a_known_flag_with_a_wrong_value_is_refused():
    with pytest.raises(InputError, match="seeds.*see logan test --help"):
        known("--seeds", "many")


def test_what_is_not_known_is_refused():
    with pytest.raises(InputError, match="unknown flag or word: --sedes.*did you mean '--seeds'"):
        whole("--sedes", "2")
    assert whole("--names", "b", "c") == Arguments(3, ("b", "c"))


@pytest.mark.parametrize("width", [None, "31"])
def test_the_width_of_the_terminal_is_left_alone(monkeypatch, width):
    monkeypatch.delenv("COLUMNS", raising=False)
    if width:
        monkeypatch.setenv("COLUMNS", width)
    whole("--seeds", "2")
    with pytest.raises(InputError):
        whole("--seeds", "x")
    assert os.environ.get("COLUMNS") == width


def test_help_is_no_error(capsys):
    with pytest.raises(SystemExit) as stop:
        known("--help")
    assert not stop.value.code
    assert "--seeds" in capsys.readouterr().out


BOX = """╭─ Parsing error ───────────╮
│ \x1b[31minvalid choice 'x'\x1b[0m       │
│ for argument --y          │
│ ───────────────────────── │
│ For full helptext, run a  │
╰───────────────────────────╯"""


def test_a_box_becomes_its_message():
    assert message(BOX) == "invalid choice 'x' for argument --y"


@pytest.mark.parametrize(
    ("args", "value"),
    [
        (["--a", "1"], "1"),
        (["--a=1"], "1"),
        (["--a", "1", "--b", "2", "--a=3"], "3"),
        (["--a=1", "--a", "3"], "3"),
        (["--a="], ""),
        (["--ab", "1"], None),
        (["--ab=1"], None),
        (["--a"], None),
        ([], None),
    ],
)
def test_the_last_value_of_a_flag(args, value):
    assert value_of("--a", args) == value
