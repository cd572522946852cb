"""When a graph is believed to have done what single steps do."""

import torch

from logan.side_effects.places import Values
from logan.training.trust import difference


def play(tensor, numbers):
    tensor.copy_(numbers)
    return Values([tensor])


def test_the_size_of_the_change_is_the_measure():
    tensor = torch.zeros(100)
    before = Values([tensor])
    singly = play(tensor, torch.ones(100))
    for off, wrong in ((0.05, False), (0.2, True)):
        tensor.copy_(torch.full((100,), 1 + off))
        assert (difference(["weight"], before, singly) is not None) is wrong


def test_what_single_steps_do_differently_each_time_is_no_measure():
    """Adam's step from a gradient of roundings: of full size, in any direction."""
    source = torch.Generator().manual_seed(0)

    def step():
        return 1e-3 * (torch.randint(0, 2, (100,), generator=source) * 2.0 - 1)

    tensor = torch.zeros(100)
    before = Values([tensor])
    singly = play(tensor, step())
    again = play(tensor, step())
    tensor.copy_(step())
    assert difference(["bias"], before, singly) == "after it bias is not what it should be"
    assert difference(["bias"], before, singly, again) is None
    tensor.copy_(torch.full((100,), 1e-2))
    assert difference(["bias"], before, singly, again) is not None
