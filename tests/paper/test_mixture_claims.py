"""The sentences of ``logan reproduce mixtures`` follow from the numbers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from logan.compare.runs import Entry, Result
from logan.config import presets
from logan.paper.mixture_claims import verdict


def result(label: str, seed: int, modes: float, quality: float | None) -> Result:
    config = presets.get("ring")
    entry = Entry(label, replace(config, run=replace(config.run, seed=seed)))
    scores = {"modes10k": modes, "quality10k": quality, "reverse_kl10k": 0.1}
    return Result(entry, Path("."), [{"images": 1, "steps": 1, "seconds": 1.0, "scores": scores}])


@pytest.mark.parametrize(
    ("none", "said"),
    [
        ([(2, 0.5), (3, 0.9), (1, 0.5)], "holds in every seed"),
        ([(8, 0.9), (8, 0.95), (8, 0.99)], "is contradicted in every seed"),
        ([(2, 0.5), (8, 0.9), (2, 0.5)], "is not decided by these seeds"),
        ([(2, 0.5), (3, 0.9)], "is not decided: fewer than 3 seeds"),
    ],
)
def test_a_claim_holds_only_if_the_groups_do_not_overlap(none, said):
    runs = [result("none", i, *scores) for i, scores in enumerate(none)]
    runs += [result("ngd", i, *scores) for i, scores in enumerate([(8, 0.5), (7, 0.8), (8, 0.6)])]
    text = verdict(runs)
    assert said in text
    assert text.count("\n- ") == 1  # methods that were not run have no line


def test_equal_groups_decide_nothing():
    runs = [result(label, i, 8, 0.5) for i in range(2) for label in ("ngd", "none")]
    assert "is not decided" in verdict(runs)


def test_modes_count_with_their_quality():
    text = verdict([result("none", 0, 8, 0.25), result("ngd", 0, 6, 0.5)])
    assert "ngd 3.00" in text
    assert "none 2.00" in text


def test_a_diverged_run_counts_as_nothing():
    text = verdict([result("none", 0, 0, None), result("ngd", 0, 6, 0.5)])
    assert "none 0.00" in text


def test_every_ablation_has_its_line():
    labels = ["ngd", *(f"ngd:stop-gradient={p}" for p in ("generator", "discriminator", "both"))]
    assert verdict([result(label, 0, 8, 0.5) for label in labels]).count("the second-order terms matter") == 3


def test_a_shortened_run_says_so():
    short = result("ngd", 0, 8, 0.5)
    config = replace(short.entry.config, run=replace(short.entry.config.run, kimg=16))
    text = verdict([replace(short, entry=replace(short.entry, config=config))])
    assert "16 kimg. **Shortened** from 1,536: this says nothing" in text
    assert "Shortened" not in verdict([short])


def test_one_method_alone_makes_no_claim():
    assert "No two methods" in verdict([result("none", 0, 8, 0.5)])
