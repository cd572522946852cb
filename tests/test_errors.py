"""Mistakes: which setting they name, and that only the command line calls a setting a flag."""

import ast
import re
from dataclasses import replace
from pathlib import Path

import pytest

import logan
from logan.cli.main import in_flags, main
from logan.config import presets
from logan.errors import InputError, first_line
from logan.training.watch import Watch

NOT_OURS = {"--no-deps", "--nproc-per-node"}
"""Of pip and torchrun."""
COMMANDS = {"page.py", "repeat_command.py", "card.py", "training_command.py"}
"""What writes lines to be typed, into reports and model cards."""


def test_a_mistake_names_its_setting():
    assert InputError("`d_steps` 2 needs `update` alternating").field == "d_steps"
    assert InputError("there is nothing at /data").field is None
    assert InputError("no network 'x'", "network").field == "network"


def test_a_setting_may_have_another_name_elsewhere():
    error = InputError("`steps` must be >= 1, not 0; see `batch`").renamed({"steps": "latent_steps"})
    assert str(error) == "`latent_steps` must be >= 1, not 0; see `batch`"
    assert error.field == "latent_steps"
    assert InputError("bad", "rate").renamed({"rate": "strength"}).field == "strength"


def test_what_was_typed_in_backquotes_is_no_setting():
    assert InputError("no data called '`rm -rf`'").field is None
    assert in_flags("no data called '`rm -rf`'; `image_size` 8") == "no data called '`rm -rf`'; --image-size 8"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"latent": {"latent_steps": 0}}, "latent_steps"),
        ({"latent": {"latent": "cs", "latent_steps": 0}}, "latent_steps"),
        ({"latent": {"latent_steps": 10**7}}, "latent_steps"),
        ({"latent": {"latent_every": 0}}, "latent_every"),
        ({"game": {"d_steps": 2}}, "d_steps"),
        ({"game": {"batch_gpu": 0}}, "batch_gpu"),
        ({"game": {"batch_gpu": 7}}, "batch_gpu"),
        ({"game": {"dynamics": "sga", "dynamics_strength": -1.0}}, "dynamics_strength"),
        ({"game": {"dynamics": "unrolled", "dynamics_strength": -1.0}}, "dynamics_strength"),
        ({"game": {"dynamics": "unrolled", "unroll": -1}}, "unroll"),
        ({"game": {"dynamics": "unrolled", "unroll_g": -1}}, "unroll_g"),
    ],
)
def test_what_an_object_refuses_names_the_setting_that_it_was_made_of(changes, field):
    config = presets.get("digits")
    groups = {group: replace(getattr(config, group), **values) for group, values in changes.items()}
    with pytest.raises(InputError, match=f"^`{field}` ") as error:
        replace(config, **groups).check()
    assert error.value.field == field


def test_the_same_words_with_flags_on_the_command_line(tmp_path, capsys):
    assert main(["train", "--d-steps", "2", "--outdir", str(tmp_path)]) == 2
    config = presets.get("digits")
    config = replace(config, game=replace(config.game, d_steps=2))
    with pytest.raises(InputError, match="^`d_steps` 2 needs `update` alternating: ") as error:
        logan.train(config, outdir=tmp_path)
    assert capsys.readouterr().err == f"logan: error: {in_flags(str(error.value))}\n"
    assert in_flags(str(error.value)).startswith("--d-steps 2 needs --update alternating: ")


def test_warnings_are_flags_on_the_command_line_and_nowhere_else(tmp_path, capsys):
    flags = "--latent gd --beta 7 --kimg 1 --tick 1 --snap 1 --width 8 --metrics none".split()
    assert main(["train", *flags, "--outdir", str(tmp_path)]) == 0
    assert "warning: without effect, because of --latent gd: --beta" in capsys.readouterr().err
    Watch(1).say("without effect: `beta`")
    assert capsys.readouterr().err == "without effect: `beta`\n"


def test_no_message_of_the_library_speaks_of_flags():
    root = Path(logan.__file__).parent
    found = []
    for path in sorted(p for p in root.rglob("*.py") if p.relative_to(root).parts[0] != "cli"):
        if path.name in COMMANDS:
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        documentation = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documentation:
                flags = set(re.findall(r"(?<!-)--(?:[a-z][\w-]*|$)", node.value)) - NOT_OURS
                found += [f"{path.name}:{node.lineno}: {flag}" for flag in flags if node.value != "--"]  # a dashed line
    assert found == []


def test_the_first_line_of_an_error():
    assert first_line(RuntimeError("")) == "RuntimeError"
    assert first_line(RuntimeError("\n a wire \nis loose")) == "a wire"
    assert first_line(RuntimeError("Error(s) in loading:\n\tweight is missing")) == "weight is missing"
    assert first_line(RuntimeError("x" * 500), 20) == "x" * 20
