"""What is known beforehand of a preset: where the settings of its source have failed in this project, in a line said at the start.

A preset keeps its source's settings all the same, so that what is published can be tried as it was published.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from logan.config.settings import Config


@dataclass(frozen=True)
class Known:
    """One finding.

    Attributes:
        preset: of which.
        applies: whether settings are still those that failed.
        what: the line.
        device: the type of device on which; None for any.
    """

    preset: str
    applies: Callable[[Config], bool]
    what: str
    device: str | None = None


def _damped(beta: float) -> Callable[[Config], bool]:
    return lambda c: c.latent.latent == "ngd" and c.latent.beta == beta


KNOWN = (
    Known(
        "cifar10",
        lambda c: _damped(0.1)(c) and (c.networks.width or 64) <= 32,
        "at width 16 and 32 these settings of the latent step (the paper's) ended in one texture for all samples, in every seed "
        "tried, where `latent` none did not: start with that",
    ),
    Known(
        "cifar10",
        lambda c: _damped(0.1)(c) and (c.networks.width or 64) > 32,
        "with these settings of the latent step (the paper's) FID after 42,400 steps was 4.5, and 2.7 with `latent` none (by a "
        "classifier, one seed): run both",
    ),
    Known(
        "emoji128",
        _damped(5.0),
        "`beta` 5 (the paper's) switches the latent step off in effect: ‖g‖² is 1e-4 in these networks, and z moves by 0.0005 of "
        "its length. `beta` 0.05 moves it; `latent` none costs less",
    ),
    Known(
        "dcgan64",
        lambda c: c.networks.network == "dcgan" and c.networks.width is None,
        "the published width of DCGAN is made for a GPU: on a CPU `preset` images64 has pictures within the hour",
        device="cpu",
    ),
)
"""All of them. Figures: docs/results/images64, docs/results/README.md."""


FEW = 1000
"""Images, of which fewer are soon known by heart."""
TINY = 16
"""Pixels of a side, up to which a multi-layer perceptron makes images."""


def of_images(config: Config, count: int, size: int) -> list[str]:
    """What is to be said of a training set for these settings.

    Args:
        config: of the run.
        count: images.
        size: pixels of a side.
    """
    found = []
    if config.networks.network == "mlp" and size > TINY:
        found.append(
            f"the networks of `preset` {config.preset} (mlp) are for points and for images of 8x8 pixels, and these are of "
            f"{size}x{size}: `preset` images64 fits photographs"
        )
    if count < FEW:
        found.append(
            f"{count:,} images are few for a GAN: D soon knows them by heart (the watch tells when, if some are kept back in a "
            f"folder test beside train). What helps: {_help_for_few(config)}"
        )
    return found


def _help_for_few(config: Config) -> str:
    """What has not been done yet, of docs/guides/small-data.md."""
    helps = [] if config.data.mirror else ["`mirror`, which doubles them"]
    if config.preset != "images64":
        helps.append("`preset` images64, which is small")
    elif (config.networks.width or 64) > 16:
        helps.append("`width` 16")
    helps.append("more images" if config.run.on_alarm != "warn" else "`on_alarm` back")
    return ", ".join(helps)


def known(config: Config, device: str) -> list[str]:
    """What is to be said of these settings on a device of that type (``cpu``, ``cuda`` …)."""
    here = [k for k in KNOWN if k.preset == config.preset and k.device in (None, device)]
    return [k.what for k in here if k.applies(config)]
