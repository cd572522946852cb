"""The examples in the docstrings of what people call first run, and print what they say."""

import doctest

import pytest
import torch

import logan
from logan import dynamics, networks, sharing
from logan.game import Game
from logan.losses import Loss
from logan.metrics import distances, manifold, modes, pixels, truncation
from logan.sharing.training_command import training_command

WITH_EXAMPLES = [
    logan.LatentStep,
    Game,
    logan.load,
    dynamics.create,
    networks.create,
    Loss,
    distances.fid,
    distances.kid,
    distances.inception_score,
    manifold.precision_recall,
    manifold.density_coverage,
    modes.score_modes,
    pixels.to_pixels,
    truncation.match,
    sharing.export,
    training_command,
]


@pytest.mark.parametrize("thing", WITH_EXAMPLES, ids=lambda thing: thing.__name__)
def test_examples(thing):
    torch.manual_seed(0)
    module = __import__(thing.__module__, fromlist=["*"])
    (example,) = (t for t in doctest.DocTestFinder(recurse=False).find(thing, globs=dict(vars(module))) if t.examples)
    said: list[str] = []
    result = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(example, out=said.append)
    assert result.attempted > 0
    assert result.failed == 0, "".join(said)
