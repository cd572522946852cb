"""Classes by number or name: ``logan sample --labels``, ``project`` and ``interpolate --label``."""

import pytest

from logan.cli.choosing import class_of
from logan.errors import InputError

NAMES = ["faces", "flags", "7"]


def test_numbers_and_names():
    assert [class_of(word, 3, NAMES) for word in ("1", "faces", "0")] == [1, 0, 0]
    assert class_of("7", 3, NAMES) == 2  # a name before a number
    assert class_of("12", 13, []) == 12


@pytest.mark.parametrize("word", ["flag", "3", "-1", "1.0", ""])
def test_what_is_neither(word):
    with pytest.raises(InputError, match=rf"`labels` '{word}' is neither a number in 0 ... 2 nor .*: faces, flags, 7$"):
        class_of(word, 3, NAMES, "labels")


def test_the_nearest_name_is_asked_for():
    with pytest.raises(InputError, match="did you mean 'flags'"):
        class_of("flag", 3, NAMES)


def test_a_generator_without_classes():
    with pytest.raises(InputError, match="`label` needs a class-conditional generator"):
        class_of("0", 0, [])
