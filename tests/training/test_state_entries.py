"""A training state whose entries are not what they should be is refused by name, before anything is put into a run."""

from __future__ import annotations

import copy
import math
import re

import pytest
import torch

from logan.errors import InputError
from logan.training import state
from logan.training.loop import train

from .small import config


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    run = train(config(kimg=1, dynamics="optimistic", latent="none"), outdir=tmp_path_factory.mktemp("run"), quiet=True)
    return run, torch.load(run / state.FILE_NAME, weights_only=True)


def put(*path_and_value):
    """A change of the entry at a path."""
    *path, last, value = path_and_value

    def change(entries):
        for name in path:
            entries = entries[name]
        entries[last] = value(entries[last]) if callable(value) else value

    return change


def drop(*path):
    def change(entries):
        for name in path[:-1]:
            entries = entries[name]
        del entries[path[-1]]

    return change


def numpy(place, value):
    return put("random", "numpy", lambda old: (*old[:place], value, *old[place + 1 :]))


def python(place, value):
    return put(
        "random",
        "python",
        lambda old: (*old[:place], value(old[place]) if callable(value) else value, *old[place + 1 :]),
    )


NAN, HUGE = float("nan"), 10**400
FOR_EVER = [1.0]
for _ in range(100):
    FOR_EVER = [FOR_EVER, FOR_EVER]  # a few hundred bytes, and more numbers than atoms
DUE = dict.fromkeys(("tick", "steps", "kimg", "seconds", "images_per_second", "seconds_left"), 1)
CHANGES = {
    "threads": [put("threads", x) for x in ("1", 0, 1.5, None, HUGE, True)],
    "data": [put("data", x) for x in (7, None, "x" * 10**5)],
    "progress": [
        *[put("progress", x) for x in (7, None, [], "progress", {})],
        *[put("progress", name, x) for name in ("images", "steps", "ticks") for x in (-1, 0.5, "1", None, HUGE, True)],
        *[put("progress", name, x) for name in ("seconds", "probe_seconds") for x in (-1.0, NAN, math.inf, "1", None)],
        *[put("progress", name, x) for name in ("sums", "counts") for x in (7, [], {1: 1.0}, {"d_loss": "1"}, {"x": 1})],
        *[put("progress", "probes", x) for x in (7, {}, [7], None, [{"x": {}}], [{"x": [[1, 2, 3]]}], [{"x": FOR_EVER}])],
        put("progress", "probes", [{"x": [0.5] * 1000}] * 2000),
        put("progress", "due", {**DUE, "probe": [{"x": FOR_EVER}]}),
        *[put("progress", "due", x) for x in (7, [], {"tick": 0}, {})],
        drop("progress", "images"),
        drop("progress", "counts"),
    ],
    "generator": [
        *[put("generator", x) for x in (7, None, [], {})],
        put("generator", lambda old: {**old, "more": torch.zeros(1)}),
        put("generator", lambda old: dict.fromkeys(old, 7)),
        put("generator", lambda old: {name: t.double() for name, t in old.items()}),
        put("generator", lambda old: {name: t[None] for name, t in old.items()}),
        put("generator", lambda old: {name: t.to_sparse() if t.ndim else t for name, t in old.items()}),
    ],
    "average": [put("average", lambda old: dict.fromkeys(old, "x"))],
    "g_optimiser": [
        *[put("g_optimiser", x) for x in (7, None, {}, {"state": {}})],
        *[put("g_optimiser", "state", x) for x in (7, [], {"0": {}}, {0: 7}, {10**6: {}}, {-1: {}})],
        *[put("g_optimiser", "state", 0, name, x)
          for name in ("exp_avg", "exp_avg_sq", "step") for x in ("x", torch.zeros(3, 1, 2), torch.zeros((), dtype=torch.int64))],
        *[put("g_optimiser", "param_groups", x) for x in (7, [], [7], [{}])],
        *[put("g_optimiser", "param_groups", 0, "lr", x) for x in ("x", None, NAN, math.inf, [1])] ,
        *[put("g_optimiser", "param_groups", 0, "betas", x) for x in (0.5, (0.5,), ("a", "b"), None)],
        *[put("g_optimiser", "param_groups", 0, "params", x) for x in (7, [0], ["a"])],
        drop("g_optimiser", "param_groups", 0, "eps"),
    ],
    "memory": [
        *[put("memory", x) for x in (7, None, {"last_step": 7}, {"last_step": [7]}, {"last_step": []}, {1: []})],
        put("memory", "last_step", lambda old: [t[None] for t in old]),
        put("memory", "last_step", lambda old: [t.to(torch.complex64) for t in old]),
    ],
    "random": [
        *[put("random", x) for x in (7, None, {})],
        *[put("random", name, x) for name in ("torch", "latents") for x in (7, torch.zeros(9), torch.zeros(9, dtype=torch.uint8))],
        *[put("random", name, x) for name in ("numpy", "python") for x in (7, (), (1, 2))],
        *[numpy(2, x) for x in (-1, 625, 10**9, 0.5, "1", None)],
        *[numpy(1, x) for x in (7, torch.zeros(623, dtype=torch.int64), torch.full((624,), -1), torch.full((624,), 2**32))],
        *[numpy(0, x) for x in ("PCG64", 7)],
        *[numpy(4, x) for x in (NAN, "x")],
        *[python(0, x) for x in (2, "3")],
        *[python(1, x) for x in (7, (1, 2), lambda old: (*old[:-1], 625), lambda old: (2**32, *old[1:]))],
        python(2, "x"),
    ],
}  # fmt: skip
CASES = [
    pytest.param(change, id=f"{name}-{i}") for name, changes in CHANGES.items() for i, change in enumerate(changes)
]


@pytest.fixture(scope="module")
def refuses(saved, tmp_path_factory):
    """change ↦ the message with which a state that was changed so is refused."""
    from logan.distributed import World
    from logan.training.averaging import AveragedGenerator
    from logan.training.folder import read_options
    from logan.training.setup import build, training_data

    run, good = saved
    settings = read_options(run)
    parts = build(settings, training_data(settings), World())
    average = AveragedGenerator(parts.generator, 1)
    path = tmp_path_factory.mktemp("changed") / state.FILE_NAME

    def refused(change):
        entries = copy.deepcopy(good)
        change(entries)
        torch.save(entries, path)
        before = {k: v.clone() for k, v in parts.generator.state_dict().items()}
        with pytest.raises(InputError) as caught:
            state.load(path, parts, average)
        assert all(torch.equal(before[k], v) for k, v in parts.generator.state_dict().items())
        return path, str(caught.value)

    torch.save(good, path)
    state.load(path, parts, average)
    return refused


@pytest.mark.parametrize("change", CASES)
def test_it_is_refused_in_a_line(refuses, change):
    path, message = refuses(change)
    assert message.startswith(str(path))
    assert re.search("damaged|belongs to other networks", message)
    assert len(message) < 400 + len(str(path))


def test_one_that_reports_numbers_which_are_none_is_gone_on_with(saved):
    """A run that has diverged can be resumed."""
    from logan.training.entries import check_progress

    _, good = saved
    values = good["progress"] | {"sums": {"d_loss": NAN}, "counts": {"d_loss": 3}}
    assert math.isnan(check_progress(values, "a state", "")["sums"]["d_loss"])


@pytest.mark.parametrize("value", [None, "1", 1.0, True, torch.zeros(2), torch.ones(()), [1]])
def test_a_format_that_is_no_number_is_one_that_is_not_known(saved, tmp_path, value):
    _, good = saved
    torch.save({**good, "format": value}, tmp_path / "state.pt")
    with pytest.raises(InputError, match="state.pt is not a training state that this version of logan can read"):
        state._read(tmp_path / "state.pt", set())


def test_one_that_asks_for_code_is_refused_without_advice_to_run_it(tmp_path):
    torch.save({"format": 1, "more": pytest.approx}, tmp_path / "state.pt")
    with pytest.raises(InputError, match="state.pt is damaged; .* asks for more than tensors and numbers") as caught:
        state._read(tmp_path / "state.pt", set())
    assert "weights_only" not in str(caught.value)
