"""Classes of ``logan sample --labels``, by number or name."""

import pytest

from logan.cli.sample import class_numbers
from logan.errors import InputError

NAMES = ["faces", "flags", "7"]


def test_numbers_and_names():
    assert class_numbers(["1", "faces", "0"], NAMES) == [1, 0, 0]
    assert class_numbers(["7"], NAMES) == [2]  # a name before a number
    assert class_numbers(["-1", "12"], []) == [-1, 12]  # the model says which numbers there are


def test_what_is_neither():
    with pytest.raises(InputError, match=r"'flag' is neither .*did you mean 'flags'.*: faces, flags, 7$"):
        class_numbers(["1", "flag"], NAMES)
    with pytest.raises(InputError, match="it has none"):
        class_numbers(["flag"], [])
