"""Help: an example first, what most people use on a screen, the rest on demand; on every terminal."""

import io
import shlex
import sys
from dataclasses import fields

import pytest

from logan.cli import help as helping
from logan.cli.flags import explanations, flags_of
from logan.cli.front import COMMANDS, EVERYDAY, load_commands
from logan.cli.main import main
from logan.cli.train import TrainArguments
from logan.config import groups, presets
from logan.errors import InputError

ALL = [command for several in load_commands().values() for command in several]
SCREEN = 50


def shown(monkeypatch, capsys, *args, columns=80):
    monkeypatch.setenv("COLUMNS", str(columns))
    try:
        assert main(list(args)) == 0
    except SystemExit as stop:
        assert not stop.code  # noqa: PT017
    return capsys.readouterr().out.splitlines()


@pytest.mark.parametrize("command", ALL, ids=lambda c: c.name)
@pytest.mark.parametrize("columns", [60, 80])
def test_help_begins_with_an_example_and_fits(command, columns, monkeypatch, capsys):
    lines = shown(monkeypatch, capsys, *command.name.split(), "--help", columns=columns)
    assert lines[0].startswith(f"  {command.prog}")
    assert max(map(len, lines)) <= columns
    assert len(lines) <= SCREEN * 80 / columns
    everything = shown(monkeypatch, capsys, *command.name.split(), "--help-all", columns=columns)
    assert everything[0] == lines[0]
    assert max(map(len, everything)) <= columns
    text = " ".join(everything)
    for flag in command.flags():
        assert flag.typed.split()[0] in text
        assert flag.about, flag.name
    if len(everything) > len(lines):
        assert any("--help-all" in line for line in lines)


@pytest.mark.parametrize("command", ALL, ids=lambda c: c.name)
def test_examples_are_of_flags_and_choices_that_there_are(command):
    by_name = {
        flag.name: flag for flag in [*command.flags(), *(f for c in ALL if c.prog == command.prog for f in c.flags())]
    }
    assert command.examples
    for line, does in command.examples:
        words = shlex.split(line.partition(">")[0])
        assert words[: len(command.name.split())] == command.name.split()
        assert does
        for i, word in enumerate(words):
            if word.startswith("--"):
                name = {"device": "device-name"}.get(word[2:], word[2:]) if command.name == "plan" else word[2:]
                assert name in by_name, line
                value = words[i + 1 : i + 2]
                if by_name[name].words and not by_name[name].is_path and by_name[name].takes:
                    assert value[0].partition(":")[0] in by_name[name].words, line


def test_logan_alone_shows_the_five_things_one_does(monkeypatch, capsys):
    for columns in (60, 80):
        lines = shown(monkeypatch, capsys, columns=columns)
        assert max(map(len, lines)) <= columns
        assert len(EVERYDAY) == 5
        for name, example in EVERYDAY.items():
            at = next(i for i, line in enumerate(lines) if line.startswith(f"{name}: "))
            assert any(example in line for line in lines[at : at + 3])
        for name in COMMANDS:
            assert any(line.strip().startswith(name) for line in lines)
        assert len(lines) <= SCREEN
    assert lines == shown(monkeypatch, capsys, "--help") == shown(monkeypatch, capsys, "help")


def test_help_of_a_command_by_its_name(monkeypatch, capsys):
    assert shown(monkeypatch, capsys, "help", "train") == shown(monkeypatch, capsys, "train", "--help")
    assert shown(monkeypatch, capsys, "data")[0].startswith("  logan data prepare")


def test_the_defaults_that_are_shown_are_the_presets(monkeypatch, capsys):
    text = " ".join(shown(monkeypatch, capsys, "train", "--preset", "ring", "--latent", "gd", "--help-all"))
    text = text.partition("flags, with")[2]
    ring = presets.get("ring", "gd")
    for name, value in (("alpha", ring.latent.alpha), ("kimg", ring.run.kimg), ("preset", "ring"), ("latent", "gd")):
        assert f"[{value}]" in text.partition(f"  --{name} ")[2].partition("  --")[0]


def test_flags_are_those_that_tyro_parses():
    """Tyro is asked with every flag that is listed, and knows it; and lists none that is not."""
    from logan.cli import train

    base = presets.get("digits")
    listed = flags_of(TrainArguments, TrainArguments(base))
    args = []
    for flag in listed:
        value = {"seed": "7", "adam-betas": "0.5 0.9", "spectral-norm": "True"}.get(flag.name, flag.default or "1")
        if flag.name in ("resume", "preset", "latent", "network"):
            continue
        args += (
            [f"--{flag.name}"]
            if flag.switch
            else [f"--{flag.name}", *(flag.words[:1] if "|" in flag.takes else value.split(" "))]
        )
    given = train.read_arguments(args)
    assert given.config.run.seed == 7
    names = {flag.name.replace("-", "_") for flag in listed}
    for group in ("Data", "Network", "Latent", "Game", "Run", "Score"):
        assert {f.name for f in fields(getattr(groups, f"{group}Config"))} <= names


def test_explanations_of_inherited_attributes():
    from logan.cli.evaluate import EvaluateArguments

    about = explanations(EvaluateArguments)
    assert about["batch"] == "Images per pass."  # of the arguments that it inherits
    assert about["image_size"].startswith("Of two folders")


def test_on_a_terminal_of_ascii_and_into_a_pipe(monkeypatch):
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    monkeypatch.setattr(sys, "stdout", stream)
    with pytest.raises(SystemExit):
        main(["train", "--help-all"])
    stream.flush()
    assert b"--latent none|cs|gd|ngd" in raw.getvalue()
    assert b"\x1b" not in raw.getvalue()


def test_sentences_end_where_they_end():
    assert (
        helping.in_short("none: plain (eq. 4); gd: other (eq. 12). More.") == "none: plain (eq. 4); gd: other (eq. 12)."
    )
    assert helping.in_short("Damping; it should be small. More.") == "Damping."
    assert helping.in_short("One") == "One"


def test_help_is_asked_for_and_not_an_error():
    with pytest.raises(SystemExit) as stop:
        main(["sample", "--help"])
    assert not stop.value.code
    from logan.cli.parsing import parse

    with pytest.raises(InputError):
        parse(ALL[0], ["--helpp"])
