"""What most tests of runs do without, since it takes longer than the runs: curves, and recordings that nobody asked for."""

from typing import Any

import pytest

from logan.training import begin, loop, setup


def without_curves(patch: pytest.MonkeyPatch) -> None:
    """There is an empty file in their place; tests/report/test_pictures.py has a run that draws them."""
    patch.setattr(loop, "save_curves", lambda path, stats: path.write_bytes(b""))


def plain_unless_named(patch: pytest.MonkeyPatch) -> None:
    """The engine that is chosen for a run with ``auto`` is the plain one; tests/cli/test_cli.py has runs without this."""
    choose = setup.choose_engine

    def build(*args: Any) -> setup.Parts:
        with pytest.MonkeyPatch.context() as inside:
            inside.setattr(setup, "choose_engine", lambda name, *of: choose("plain" if name == "auto" else name, *of))
            return setup.build(*args)

    patch.setattr(begin, "build", build)
