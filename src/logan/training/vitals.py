"""What alarms are told beside the log's own numbers. Looking changes nothing: no weight, no statistic, no random number."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from logan.data import Dataset, Mixture
from logan.data.open import open_data
from logan.devices import in_float64
from logan.errors import InputError, first_line
from logan.evaluation.reference import chosen
from logan.side_effects import held, no_side_effects, same_random_numbers_next
from logan.training.setup import Parts, memory_format
from logan.turns import call, in_precision

IMAGES = 500
"""Real images of a kind that are looked at, at a snapshot."""
LEAST = 50
"""Test images, of which fewer would tell nothing."""


def not_finite(optimiser: torch.optim.Optimizer) -> bool:
    """Whether one of the gradients so far was not finite.

    Adam's running means remember: once there is an infinite or undefined number in them, it stays. So nothing has to be done at a
    step, and no gradient kept.
    """
    means = [x for state in optimiser.state.values() for k, x in state.items() if k.startswith("exp_avg")]
    if not means:
        return False
    largest = torch.stack([x.to(torch.float32) for x in torch._foreach_norm(means, math.inf)])
    return not bool(torch.isfinite(largest).all())


@torch.no_grad()
def variance(images: Tensor, labels: Tensor | None = None) -> float:
    """How far images lie from their mean: the trace of their covariance in pixels, half the mean squared distance of two of them.

    Args:
        images: (n, C, H, W) in [−1, 1].
        labels: (n,), to take the mean of each class by itself, pooled; classes of one image say nothing.

    Returns:
        NaN if there are not two images to compare.

    Example:
        >>> variance(torch.tensor([0.0, 2.0]).view(2, 1, 1, 1))  # (1² + 1²)/(2 − 1)
        2.0
    """
    x = in_float64(images.flatten(1))
    groups = [x] if labels is None else [x[(labels == k).to(x.device)] for k in labels.unique()]
    squares = sum((group - group.mean(0)).square().sum().item() for group in groups)
    free = sum(len(group) - 1 for group in groups)
    return squares / free if free else math.nan


def diversity(samples: Tensor, labels: Tensor | None, reals: float) -> float | None:
    """Variance of the samples (within classes, where G has such) over that of the real images; None if there are no two to compare.

    In pixels, for which the samples of the run's pictures are enough. It is 0 for a constant G and about 1 for a good one; a G that
    knows only some of the modes keeps most of it, which is for scores to see.
    """
    found = variance(samples, labels) / reals if reals > 0 else math.nan
    return found if math.isfinite(found) else None


@torch.no_grad()
def overfitting(trained: Tensor, held_out: Tensor, lead: float) -> float | None:
    """The share of D's lead that it owes to knowing its training images.

        r = (mean D(x) − mean D(x_held) − 3 s) / lead

    where s is the standard error of the difference: a small r may be chance. After r_v of Karras et al. (2020, ADA), eq. 1, with
    the lead over the last tick in the denominator.

    Args:
        trained, held_out: scores (n,) of real images that D was trained on and of others.
        lead: mean D(x) − mean D(G(z)).

    Returns:
        None if D is not ahead at all, or the scores are not finite.

    Example:
        >>> ahead, level = torch.tensor([1.0, 1.0]), torch.tensor([0.5, 0.5])
        >>> overfitting(ahead, level, lead=2.0)
        0.25
    """
    a, b = in_float64(trained), in_float64(held_out)
    error = math.sqrt(a.var().item() / len(a) + b.var().item() / len(b)) if min(len(a), len(b)) > 1 else math.nan
    found = ((a.mean() - b.mean()).item() - 3 * error) / lead if lead > 0 else math.nan
    return found if math.isfinite(found) else None


class Vitals:
    """A run's own: its real images, and those that D was not trained on, read when they are first asked for.

    Attributes:
        unwatched: why overfitting is not watched, once it is known; None if it is.
    """

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.unwatched: str | None = None
        self._reals: float | None = None
        self._compared: tuple[tuple[Tensor, Tensor | None], ...] | None = None

    def lost_gradients(self) -> list[str]:
        """The players, D and G, whose gradients were not finite."""
        players = {"D": self.parts.game.d_optimiser, "G": self.parts.game.g_optimiser}
        return [name for name, optimiser in players.items() if not_finite(optimiser)]

    def diversity(self, samples: Tensor, labels: Tensor | None) -> float | None:
        """Of samples (n, C, H, W) of G."""
        if self._reals is None:
            data = self.parts.data
            if isinstance(data, Mixture):
                spread = in_float64(data.centres)
                about = (spread - spread.mean(0)).square().sum(1).mean().item()
                self._reals = about + data.centres.shape[1] * data.std**2
            else:
                self._reals = variance(_some(data)[0])
        return diversity(samples.float().cpu(), None if labels is None else labels.cpu(), self._reals)

    @torch.no_grad()
    def overfitting(self, lead: float | None) -> float | None:
        """Of D now, on test images of the data set, if it has such; None if it has not."""
        if self._compared is None:
            try:
                self._compared = self._open()
            except (InputError, OSError) as error:  # no test images, or damaged ones: no reason to end a run
                self._compared, self.unwatched = (), first_line(error)
        if not self._compared or lead is None:
            return None
        batch = min(self.parts.config.game.batch, *(len(images) for images, _ in self._compared))
        trained, held_out = (self._scores(*kind, batch) for kind in self._compared)
        return overfitting(trained, held_out, lead)

    def _open(self) -> tuple[tuple[Tensor, Tensor | None], ...]:
        data, c = self.parts.data, self.parts.config
        if isinstance(data, Mixture):
            return ()  # never the same point twice
        s = c.data
        test = open_data(
            s.data,
            image_size=s.image_size,
            channels=s.channels,
            pad=s.pad,
            skip_broken=True,
            skip_small=s.skip_small,
            memory_limit=0,
            split="test",
        )
        assert not isinstance(test, Mixture)
        if len(test) < LEAST or (test.channels, test.image_size) != (data.channels, data.image_size):
            self.unwatched = f"{test.name} has fewer than {LEAST} test images, or of another size"
            return ()
        if c.data.conditional and list(test.class_names) != list(data.class_names):
            self.unwatched = f"{test.name} has other classes"
            return ()
        return _some(data), _some(test)

    def _scores(self, images: Tensor, labels: Tensor | None, batch: int) -> Tensor:
        """D's scores as in training: whole batches, batch norm over each; on copies of its state."""
        parts = self.parts
        own: nn.Module = parts.discriminator
        found = []
        with same_random_numbers_next(parts.device), held(own, move=False), no_side_effects():
            for part in torch.arange(len(images) // batch * batch).split(batch):
                x = images[part].to(parts.device).contiguous(memory_format=memory_format(parts.config))
                y = labels[part].to(parts.device) if labels is not None and parts.config.data.conditional else None
                with in_precision(x, parts.game.autocast):
                    found.append(call(own, x, y).float().flatten().cpu())
        return torch.cat(found)


def _some(data: Dataset, count: int = IMAGES) -> tuple[Tensor, Tensor | None]:
    """Real images in [−1, 1] as the networks see them, and labels, on the CPU: the same ones always."""
    parts: Sequence[tuple[Tensor, Tensor | None]] = [data.batch(part) for part in chosen(data, count).split(64)]
    images = torch.cat([images.cpu() for images, _ in parts]).float() / 127.5 - 1
    labels = [y.cpu() for _, y in parts if y is not None]
    return images, torch.cat(labels) if labels else None
