"""Play a function of tensors from recordings that prove themselves against it."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from logan.devices import without_tf32
from logan.distributed import World
from logan.errors import first_line
from logan.fast import EngineName
from logan.fast.cuda_graph import capturing
from logan.fast.gears import improve
from logan.fast.kept import Kept
from logan.fast.known import Known
from logan.fast.proof import Outcome, first_difference, noise_of
from logan.fast.recording import CannotRecordError, NotYetError, Recording
from logan.fast.trial import Before, copies_of, copy_of, on_trial

LAST_CHECK = 1024
"""Plays 1, 2, 4, … up to this one are played by the function too; after it, every ``EVERY``-th and those that are asked for."""
EVERY = 4096
FEW = 8
"""Samples of a play in the wide type."""
PLAINLY = "playing without the fast path: "
PATIENCE = 3
"""How often a recording is put off because a step as it is written should come first."""


@dataclass
class Entry:
    """A recording in use; none where the function is played as it is written."""

    recording: Recording | None
    plays: int = 0
    check_next: bool = False

    def is_due(self) -> bool:
        """Count a play, and say whether it is to be checked."""
        self.plays += 1
        early = self.plays <= LAST_CHECK and self.plays & (self.plays - 1) == 0
        due = self.check_next or early or self.plays % EVERY == 0
        self.check_next = False
        return due


class Recorded:
    """A function of tensors, played from recordings of it; made by :func:`record`.

    Args:
        function: what is played, and what a recording is compared with.
        networks: the modules (and other objects) whose state it reads or moves, by the names that messages call them.
        announce: called with one sentence when something is played as it is written.
        kind: what is done with a recording; see :class:`logan.game.Game`.
        rearranged: the same function in an order that records better.
        random_operations: how many operations that draw random numbers a recording may have.
        world: the ranks that play together; what one of them cannot play from its recording, none does.
        wide: makes the same without autocast. Where a recording computes in a type narrower than float32, TF32 included, its
            roundings would hide an error of tens of percents, so what is recorded must be right in the wide type too.
        proving: this is such a one: it is shortened as ``kind`` is, in all types as in narrow ones, and played as it is.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        networks: Mapping[str, Any],
        *,
        announce: Callable[[str], None] = warnings.warn,
        kind: EngineName = "recorded",
        rearranged: Callable[..., Any] | None = None,
        random_operations: int = 0,
        world: World | None = None,
        wide: Callable[[], Recorded] | None = None,
        proving: bool = False,
    ) -> None:
        self.function, self.announce, self.kind = function, announce, kind
        self.checking = True
        """Whether plays are compared; what measures a play switches it off."""
        self.networks = dict(networks)
        self._rearranged = function if rearranged is None else rearranged
        self._random_operations = random_operations
        self._world = World() if world is None else world
        self._wide, self._proving = wide, proving
        self.plays = 0
        self._entries: Kept[Entry] = Kept()
        self._said: set[str] = set()
        self._to_say: str | None = None
        self._given_up = False
        self._not_yet = 0
        self._newest: Any = None
        self._known = Known(self.networks)

    def __call__(self, *inputs: Tensor | None) -> Any:
        """What ``function(*inputs)`` returns, up to rounding; tensors that require no gradient where it is recorded."""
        self.plays += 1
        entry = None if self._given_up else self.entry(*inputs)
        if entry is None or entry.recording is None:
            return self._play_plainly(inputs)
        if capturing():  # a comparison would read from the device, and nothing is played
            return entry.recording(self._known.attributes, *inputs)
        if entry.is_due() and self.checking and not self._known.planned:
            result = self._prove(entry, inputs)
        else:
            result = entry.recording(self._known.attributes, *inputs)
        if entry.recording is not None and entry.recording.assigned:
            self._known.assigned()
        return result

    def give_up(self, reason: str) -> None:
        """Play the function as it is written from now on, and announce why."""
        self._given_up, self._to_say = True, reason

    def check_next(self) -> None:
        """Compare every recording with the function when it is next played."""
        for entry in self._entries.entries.values():
            entry.check_next = True

    @property
    def recordings(self) -> list[Recording | None]:
        """All that there are; None for what is played as it is written."""
        if self._given_up:
            return [None]
        return [entry.recording for entry in self._entries.entries.values()]

    def entry(self, *inputs: Tensor | None) -> Entry | None:
        """What there is for these inputs and what networks keep now, made if it is time; None where it is not."""
        if not torch.is_grad_enabled():  # the function may need gradients, and must find out
            return None
        if not all(x is None or isinstance(x, Tensor) for x in inputs):
            self._to_say = "not all of its inputs are tensors"
            return None
        if any(map(torch.is_autocast_enabled, ("cpu", "cuda", "mps"))):
            self._to_say = "it is called inside torch.autocast, which a recording would enter twice"
            return None
        try:
            key = self._known.key(inputs)
            entry = self._entries.get(key)
            if entry is None and self._entries.wants(key) and (entry := self._new(inputs)) is not None:
                self._entries.add(key, entry)
                self._newest = key
        except Exception as error:  # networks keep things that nobody has thought of
            self.give_up(f"what the networks keep cannot be looked at ({type(error).__name__}: {first_line(error)})")
            return None
        if entry is None and self._entries.waited == 3:
            self._to_say = f"{self._known.changed or 'what it is given'} changes too often for a recording"
        return entry

    def _new(self, inputs: Sequence[Tensor | None]) -> Entry | None:
        """A new recording. What is wrong with the function itself is raised when it is played as it is written."""
        onednn, error = not self.kind.startswith("compiled"), None
        try:
            recording = Recording(
                self._rearranged, inputs, self._known.attributes, self._random_operations, onednn, self._proving
            )
        except CannotRecordError as refusal:
            error = refusal
        failed = error is not None
        if failed if self._known.planned else self._world.any_rank(failed):  # ranks that are only planned are not there
            self._not_yet += isinstance(error, NotYetError)
            if isinstance(error, NotYetError) and self._not_yet <= PATIENCE:
                return None
            self._to_say = str(error or "it cannot be recorded on another rank")
            return Entry(None)
        trouble = self._trouble_in_wide_type(recording, inputs)
        if trouble is not None:
            self._to_say = trouble
            return Entry(None)
        if not self._proving:
            improve(recording, inputs, self.kind, self.announce)
        return Entry(recording)

    def _trouble_in_wide_type(self, recording: Recording, inputs: Sequence[Tensor | None]) -> str | None:
        """What is wrong with a recording in the wide type, of few samples: time goes into recording, not into them."""
        if self._wide is None or not _is_narrow(recording) or not self.checking or self._known.planned:
            return None
        for few in (FEW, None):  # all, where so few are not what the networks take
            wide, said = self._wide(), list[str]()
            wide.announce = said.append
            try:
                with on_trial(self._known.attributes), without_tf32():
                    wide(*[None if x is None else copy_of(x[:few]) for x in inputs])
                    still_narrow = any(r is not None and _is_narrow(r) for r in wide.recordings)
            except Exception:
                continue
            if still_narrow:
                break
            return next((t.removeprefix(PLAINLY) for t in said if t.startswith(PLAINLY)), None)
        self._announce(
            "playing from a recording that is proved in its narrow type alone: it cannot be played in a wide one"
        )
        return None

    def _prove(self, entry: Entry, inputs: Sequence[Tensor | None]) -> Any:
        """Play from the recording, and compare with the function, played from the same state and random numbers before it."""
        before = None
        try:
            before = Before(self._known.attributes, inputs)
            return self._compared(entry, inputs, before)
        except torch.OutOfMemoryError:
            if self._world.size > 1 or entry.recording is None:  # the others wait for what this rank would have sent
                raise
            if before is not None:
                before.put_back()
        self._announce("playing from a recording that is not proved: there is no memory for the plain code beside it")
        return entry.recording(self._known.attributes, *inputs)

    def _compared(self, entry: Entry, inputs: Sequence[Tensor | None], before: Before) -> Any:
        attributes, recording = self._known.attributes, entry.recording
        assert recording is not None
        plain = self._outcome_of_function(inputs, before)
        fast: Any = None
        try:
            fast = Outcome(partial(recording, attributes), inputs, attributes)
            trouble = first_difference(fast, plain, recording.precision)
        except torch.OutOfMemoryError:
            raise
        except Exception as error:  # kernels raise what they like
            trouble = f"{type(error).__name__}: {first_line(error)}"
        if not self._world.any_rank(trouble is not None):
            return fast.result
        if not self._world.any_rank(fast is None):  # a difference: is it more than roundings?
            noise = noise_of(self.function, inputs, before, plain, recording.precision, twice=entry.plays == 1)
            if noise is not None:
                trouble = first_difference(fast, plain, recording.precision, noise)
            if not self._world.any_rank(trouble is not None):
                return recording(attributes, *inputs)
            found = "it differs from the plain code in" if noise is not None else "played twice, it is not the same in"
            trouble = f"{found} {trouble or 'what another rank has'}"
        before.put_back()
        return self._without(entry, trouble or "it fails on another rank", inputs)

    def _outcome_of_function(self, inputs: Sequence[Tensor | None], before: Before) -> Outcome:
        """What the function does, without a trace."""
        try:
            outcome = Outcome(self.function, copies_of(inputs), self._known.attributes)
        finally:
            before.put_back()
        outcome.result = None  # its copies are enough
        return outcome

    def _without(self, entry: Entry, trouble: str, inputs: Sequence[Tensor | None]) -> Any:
        """A gear lower, and checked again; or the function, from now on."""
        recording = entry.recording
        if recording is not None and recording.run is not recording.module:
            recording.run = recording.module
            self._announce(f"playing from the recording as it is: {self.kind} does not work here ({trouble})")
            return self._prove(entry, inputs)
        entry.recording, self._to_say = None, trouble
        return self._play_plainly(inputs)

    def _play_plainly(self, inputs: Sequence[Tensor | None]) -> Any:
        """Errors of the function itself come before what is said of it, and say nothing of other inputs."""
        said, self._to_say = self._to_say, None
        try:
            result = self.function(*inputs)
        except Exception:
            if said is not None:
                self._entries.drop(self._newest)
            raise
        if said is not None:
            self._announce(PLAINLY + said)
        return result

    def _announce(self, text: str) -> None:
        if text not in self._said:
            self._said.add(text)
            self.announce(text)


def _is_narrow(recording: Recording) -> bool:
    return torch.finfo(recording.precision).eps > torch.finfo(torch.float32).eps


def record(
    function: Callable[..., Any],
    inputs: Sequence[Tensor | None],
    networks: Sequence[nn.Module] = (),
    *,
    announce: Callable[[str], None] = warnings.warn,
) -> Recorded:
    """A function of tensors, derivatives of any order inside it included, played from a recording that proves itself.

    The function is run once under torch's tracer. What is played from then on is a flat list of the operations that reached
    kernels, those of backward and double backward passes among them, without autograd or modules in between; convolutions,
    rectifiers and batch norm have second derivatives that run in the kernels written for the first (docs/second-order.md).

    Plays 1, 2, 4, … 1,024 and every 4,096th are also played by the function, from the same state and random numbers, and
    everything is compared: what is returned, what networks keep, and the random state. If anything differs by more than
    roundings, or a recording cannot be made, ``announce`` is told so in one sentence and the function is called as it is. For
    other shapes, types, modes or attributes of the networks another recording is made.

    Args:
        function: of tensors (or None), to a pytree of tensors. It may call ``networks``, move their buffers, and take
            ``torch.autograd.grad`` with ``create_graph``; it must not call ``backward``, which writes into ``.grad``.
        inputs: examples of the tensors that will be passed: a recording is made for them at once.
        networks: all modules that the function reads or moves.
        announce: called with a sentence where the fast path is left; a warning by default.

    Returns:
        A function of the same arguments. What it returns requires no gradient.

    Example:
        The squared norm of an input gradient, and its derivatives by the weights:

        >>> net = torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.Softplus(), torch.nn.Linear(8, 1))
        >>> def penalty(x):
        ...     x = x.detach().requires_grad_()
        ...     (g,) = torch.autograd.grad(net(x).sum(), x, create_graph=True)
        ...     value = g.square().sum(1).mean()
        ...     return value, torch.autograd.grad(value, list(net.parameters())[:3])
        >>> x = torch.randn(5, 3)
        >>> fast = record(penalty, [x], [net])
        >>> torch.testing.assert_close(fast(x)[0], penalty(x)[0].detach())
    """
    names = [type(n).__name__ for n in networks]
    numbered = [f"{name} {i}" if names.count(name) > 1 else name for i, name in enumerate(names)]
    roots = dict(zip(numbered, networks, strict=True)) | {"function": function}
    recorded = Recorded(function, roots, announce=announce, wide=lambda: Recorded(function, roots, proving=True))
    recorded.entry(*inputs)
    return recorded
