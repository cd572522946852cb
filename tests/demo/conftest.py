"""A model that was trained for a moment, and a browser."""

from dataclasses import replace

import pytest

import logan
from tests.browser import browser

__all__ = ["browser"]


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    config = logan.presets.get("digits")
    config = replace(
        config,
        run=replace(config.run, kimg=2, engine="plain", threads=1),
        scores=replace(config.scores, metrics=()),
        data=replace(config.data, conditional=True),
    )
    return logan.load(
        logan.train(config, outdir=tmp_path_factory.mktemp("demo"), quiet=True, report=False), device="cpu"
    )


@pytest.fixture(scope="session")
def ring(tmp_path_factory):
    config = logan.presets.get("ring")
    config = replace(
        config, run=replace(config.run, kimg=1, engine="plain", threads=1), scores=replace(config.scores, metrics=())
    )
    return logan.load(
        logan.train(config, outdir=tmp_path_factory.mktemp("ring"), quiet=True, report=False), device="cpu"
    )
