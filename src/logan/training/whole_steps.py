"""Whole training steps from one CUDA graph: latents, choice of images, both players and optimisers, average of G, sums for the log.

A step asks the host for nothing but a launch. What it would compute there is laid out before (:mod:`.script`); what it counts there
is counted here. The first steps of each kind are played one by one, by the very operations that are captured then, and a graph is
believed once it has done to the run what the single steps did.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from logan.analysis.probe import Probe
from logan.dynamics import UpdateRule
from logan.errors import first_line
from logan.fast import cuda_graph
from logan.fast.gears import INSIDE
from logan.side_effects.places import Values
from logan.training import random_states
from logan.training.begin import Run
from logan.training.pace import Pace
from logan.training.script import Script
from logan.training.single_steps import SingleSteps, Steps, images_per_step
from logan.training.trust import difference, moved_by_a_step

WARM = 2
"""Steps of a kind that are played singly before it is captured: recordings are made, libraries choose kernels."""
CHECKED = {2**i for i in range(11)}
"""The steps from graphs, counted from 1, at which graph and single steps are compared; and at every snapshot."""


@dataclass
class Captured:
    """A graph of some steps, and how often it was played."""

    graph: cuda_graph.Graph
    plays: int = 0


class WholeSteps:
    """The steps of a run from graphs; singly where a graph turns out not to work.

    The numbers are those of single steps: the order of the data, the latents and all other random numbers go on as if each step
    had been played by itself. ``game.step`` is captured with its turns inside, so the game's engine is the one below capturing.

    Args:
        run: from where it is on.
        probe: looks at steps, which are then played singly.
    """

    def __init__(self, run: Run, probe: Probe) -> None:
        self.run, self.probe, self.game = run, probe, run.parts.game
        self.images = images_per_step(run)
        self._engine = self.game.engine
        self.game.play_by(INSIDE[self._engine])
        for optimiser in (self.game.d_optimiser, self.game.g_optimiser):
            for group in optimiser.param_groups:
                group["capturable"] = True  # its count of steps is on the device, not in the graph
            optimiser._warned_capturable_if_run_uncaptured = True  # single steps are meant
        self._script = Script(run.parts, run.average, run.progress.images, self.images)
        self._graphs: dict[tuple[int, bool], Captured] = {}
        self._names: dict[bool, list[str]] = {}
        self._warm: Counter[bool] = Counter()
        self._pace = Pace(run.parts.device)
        self._played = 0
        self._check = False
        self._said = False
        self._instead: SingleSteps | None = None

    def play(self, at_most: int) -> int:
        """As many steps as one launch plays; one where none can."""
        if self._instead is not None:
            return self._instead.play(at_most)
        done, every = self.game.steps_played, self.probe.every
        looked_at = every > 0 and done % every == 0
        if looked_at or self._warm[self._is_latent(done)] < WARM:
            self._singly(self.probe.step if looked_at else self.game.step)
            return 1
        steps = self._how_many(min(at_most, every - done % every) if every else at_most)
        failed = self._launch(steps)
        if failed is None:
            return steps
        self.game.announce(f"playing step by step, same results, slower: no graph of the whole step ({failed})")
        self._graphs.clear()
        self.game.play_by(self._engine)
        self._instead = SingleSteps(self.run, self.probe)
        return self._instead.play(at_most)

    def check_next(self) -> None:
        """Compare the next launch with single steps, and those with the plain code."""
        self._check = True
        if self._instead is not None:
            self._instead.check_next()

    def _is_latent(self, step: int) -> bool:
        return step % self.game.latent_every == 0

    def _how_many(self, at_most: int) -> int:
        """Whole periods of ``latent_every``, from the first step of one on, and of those a power of two; else one step."""
        period = self.game.latent_every
        limit = min(at_most, self._pace.per_launch, self._script.length)
        both_warm = all(self._warm[i == 0] >= WARM for i in range(min(period, 2)))
        if self.game.steps_played % period or limit < period or not both_warm:
            return 1
        return period << ((limit // period).bit_length() - 1)

    def _singly(self, play: Callable[..., Any]) -> None:
        latent = self._is_latent(self.game.steps_played)
        self._script.have(1)
        self._names[latent] = self._step(play)
        self._warm[latent] += 1
        self._script.passed(1)
        self.run.sums.count(self._names[latent])

    def _step(self, play: Callable[..., Any]) -> list[str]:
        """One step, for the device to do or a graph to note; returns what it reported."""
        weight, batches = self._script.read()
        reals = iter(batches)
        turn = play(lambda: self._script.batch(next(reals)), self.run.parts.latents)
        self.run.average.move(self.run.parts.generator, weight)
        names = self.run.sums.add(turn)
        self._script.advance()
        return names

    def _launch(self, steps: int) -> str | None:
        """Play so many steps from a graph; what is wrong with it otherwise, and the run is where it was."""
        self._script.have(steps)
        first = self.game.steps_played
        key = steps, self._is_latent(first)
        if not self.game.is_recorded:
            return "its turns cannot be recorded"
        try:
            if key not in self._graphs:
                self._graphs[key] = Captured(self._capture(steps))
            captured = self._graphs[key]
            early = not CHECKED.isdisjoint(range(self._played + 1, self._played + steps + 1))
            if early or self._check or captured.plays < 2:
                self._check = False
                wrong = self._play_and_compare(captured.graph, steps)
                if wrong is not None:
                    return wrong
            else:
                captured.graph.replay()
        except Exception as error:  # drivers raise what they like
            self.game.steps_played = first
            return f"{type(error).__name__}: {first_line(error)}"
        captured.plays += 1
        self._played += steps
        self.game.steps_played = first + steps
        self._script.passed(steps)
        self._count(first, steps)
        self._pace.launched(steps)
        return None

    def _count(self, first: int, steps: int) -> None:
        latent = sum(map(self._is_latent, range(first, first + steps)))
        for kind, times in ((True, latent), (False, steps - latent)):
            if times:
                self.run.sums.count(self._names[kind], times)

    def _capture(self, steps: int) -> cuda_graph.Graph:
        first = self.game.steps_played
        beside = next((c.graph for c in self._graphs.values()), None)
        graph = cuda_graph.new_graph(self.run.parts.device, [self.run.parts.random], beside)
        try:
            cuda_graph.capture(graph, lambda: [self._step(self.game.step) for _ in range(steps)])
        finally:
            self.game.steps_played = first
        return graph

    def _play_and_compare(self, graph: cuda_graph.Graph, steps: int) -> str | None:
        """Single steps, then the graph from the same state: it is the graph's that the run goes on with."""
        parts, first = self.run.parts, self.game.steps_played
        moved = moved_by_a_step(self.run) | {"counter": self._script.counter}
        before, numbers = Values(moved.values()), random_states.take(parts.device, parts.random)
        trusted = False

        def as_before() -> None:
            before.put_back()
            random_states.put(numbers, parts.device, parts.random)
            self.game.steps_played = first

        try:
            singly = self._played_singly(steps, moved.values())
            as_before()
            graph.replay()
            if singly is None:
                trusted = True
                return None
            drawn = random_states.take(parts.device, parts.random)
            wrong = difference(list(moved), before, singly[0])
            if wrong is not None:  # do single steps do the same twice?
                after = Values(moved.values())
                as_before()
                again = self._played_singly(steps, moved.values())
                after.put_back()
                random_states.put(drawn, parts.device, parts.random)
                self.game.steps_played = first
                wrong = difference(list(moved), before, singly[0], None if again is None else again[0])
            if not random_states.same(singly[1], drawn):
                wrong = "it draws other random numbers"
            trusted = wrong is None
            return wrong
        finally:
            if not trusted:
                as_before()

    def _played_singly(self, steps: int, moved: Iterable[Tensor]) -> tuple[Values, random_states.States] | None:
        """What single steps leave behind; None where there is no room for them beside a graph, which is said."""
        parts = self.run.parts
        try:
            self.game.check_next()
            for _ in range(steps):
                self._step(self.game.step)
            return Values(moved), random_states.take(parts.device, parts.random)
        except torch.OutOfMemoryError:
            if not self._said:
                self._said = True
                self.game.announce("playing whole steps from a graph that is not compared: no memory for single steps")
            return None


def choose_steps(run: Run, probe: Probe) -> Steps:
    """Whole steps from a graph for the engines that capture, where that can be; else one by one."""
    game = run.parts.game
    if game.engine not in INSIDE or not cuda_graph.can_capture(run.parts.device) or run.world.size > 1:
        return SingleSteps(run, probe)
    config, reason = run.config, None
    if isinstance(game.dynamics, UpdateRule):
        reason = f"`dynamics` {config.game.dynamics} keeps tensors of its own"
    elif game.micro_batch is not None and config.latent.latent != "none" and config.latent.subset == "random":
        reason = "`batch_gpu` with `subset` random sets random numbers back from part to part"
    if reason is None:
        return WholeSteps(run, probe)
    game.announce(f"playing step by step, same results, slower: {reason}")
    return SingleSteps(run, probe)
