"""The examples in docstrings run, and print what they say."""

import doctest
from importlib import import_module
from pathlib import Path

import pytest
import torch

import logan
from logan import dynamics, networks, sharing
from logan.game import Game
from logan.metrics import distances, manifold

SRC = Path(logan.__file__).parent
WITH_EXAMPLES = sorted(path for path in SRC.rglob("*.py") if ">>> " in path.read_text(encoding="utf-8"))
FIRST = [
    *(logan.LatentStep, Game, logan.load, dynamics.create, networks.create),
    *(distances.fid, manifold.precision_recall, sharing.export),
]
"""What people call first has to have one."""
OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def name_of(path):
    return ".".join(("logan", *path.relative_to(SRC).with_suffix("").parts)).removesuffix(".__init__")


@pytest.mark.parametrize("path", WITH_EXAMPLES, ids=lambda path: path.relative_to(SRC).as_posix())
def test_examples(path):
    torch.manual_seed(0)
    module = import_module(name_of(path))
    said: list[str] = []
    examples = [t for t in doctest.DocTestFinder().find(module) if t.examples]
    failed = [t.name for t in examples if doctest.DocTestRunner(optionflags=OPTIONS).run(t, out=said.append).failed]
    assert failed == [], "".join(said)
    assert examples


@pytest.mark.parametrize("thing", FIRST, ids=lambda thing: thing.__name__)
def test_what_people_call_first_has_one(thing):
    assert ">>> " in thing.__doc__
