"""The short form of the full disks: see docs/trust.md for the long one."""

import os
import shutil

import pytest

from . import disks

pytestmark = pytest.mark.skipif(os.name != "posix", reason="limits files")


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return disks.World(tmp_path_factory.mktemp("work"))


def test_files_that_may_not_be_large(world):
    found = disks.limits(world, 0, sizes=(300, 20_000))
    assert found["wrong"] == [], found["wrong"]
    assert found["statuses"] == {"2": 2}


@pytest.mark.skipif(os.name != "posix" or not shutil.which("mount") or os.geteuid() != 0, reason="mounts disks")
def test_disks_of_a_few_sizes(world):
    if not disks.can_mount():
        pytest.skip("mounts disks")
    found = disks.grow(world, "train", (6, 25))
    assert found["wrong"] == [], found["wrong"]
    assert found["statuses"] == {"2": 2}
    for kind in ("a zip", "an array"):
        found = disks.grow(world, f"data prepare, {kind}, {disks.TOLD}", (20,))
        assert found["wrong"] == [], found["wrong"]
        assert found["statuses"] == {"2": 1}
