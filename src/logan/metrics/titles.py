"""What scores are called where a person reads them: never without the detector in whose features they were taken.

An FID of one detector says nothing beside an FID of another; of a detector that is neither Inception nor a classifier of the data
it is not even that, but a Fréchet distance.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

KINDS = {
    "fid": ("FID", "lower is better"),
    "kid": ("KID", "lower is better"),
    "is": ("Inception Score", "higher is better"),
    "precision": ("Precision", "share of samples that look real, higher is better"),
    "recall": ("Recall", "share of real images that G reaches, higher is better"),
    "density": ("Density", "higher is better"),
    "coverage": ("Coverage", "higher is better"),
    "modes": ("Modes found", "of the mixture, higher is better"),
    "quality": ("Quality", "share of points near a mode, higher is better"),
    "reverse_kl": ("Reverse KL", "of the modes' shares, lower is better"),
}
"""By the beginnings of their names; and which way is better."""
OF_POINTS = ("modes", "quality", "reverse_kl")
"""Taken of the points themselves, without a detector."""
WITHOUT_INCEPTION = {"fid": "FD", "kid": "KD"}
"""What is named after Inception, and is only called so where the features are those of a network that knows the data's classes."""
OF_CLASSES = ("inception", "classifier")
DETECTORS = {"inception": "Inception", "efficientnet-lite0": "EfficientNet-Lite0", "classifier": "classifier"}
UNKNOWN = "detector not recorded"


def title(score: str, detectors: str | Sequence[str] | None = None) -> str:
    """The name of a score for people.

    Args:
        score: as in the log: ``fid10k``.
        detectors: whose features, as records have them; several, if they have changed during the run; None if that is not known.

    Example:
        >>> print(title("fid10k", "classifier"), title("fid10k", "efficientnet-lite0"), title("modes10k"), sep=", ")
        FID (classifier), FD (EfficientNet-Lite0), Modes found
        >>> print(title("kid5k", "dinov2-vits14-reg4"), title("fid10k"), title("my_score"), sep=", ")
        KD (DINOv2 ViT-S/14 with registers), FID (detector not recorded), my_score
    """
    kind = kind_of(score)
    if kind is None:
        return score
    if kind in OF_POINTS:
        return KINDS[kind][0]
    names = [detectors] if isinstance(detectors, str) else list(detectors or ())
    by = ", then ".join(map(detector_title, names)) or UNKNOWN
    own = all(name in OF_CLASSES for name in names)
    deviation = ", standard deviation" if score.endswith("_std") else ""
    return f"{KINDS[kind][0] if own else WITHOUT_INCEPTION.get(kind, KINDS[kind][0])} ({by}{deviation})"


def detector_title(name: str) -> str:
    """A detector's name for people.

    Example:
        >>> detector_title("dinov2-vitl14"), detector_title("inception"), detector_title("mine")
        ('DINOv2 ViT-L/14', 'Inception', 'mine')
    """
    if match := re.fullmatch(r"dinov2-vit([sblg])(\d+)(-reg\d*)?", name):
        return f"DINOv2 ViT-{match[1].upper()}/{match[2]}{' with registers' if match[3] else ''}"
    return DETECTORS.get(name, name)


def better(score: str) -> str:
    """Which way is better; that it is the run's own if its name is none of ours."""
    kind = kind_of(score)
    return "a score of this run's own" if kind is None else KINDS[kind][1]


def count(score: str) -> str:
    """How many samples it takes, as its name has it: ``10k`` of ``fid10k``; empty if it does not say.

    Example:
        >>> count("fid10k"), count("kid50k_std"), count("my_score")
        ('10k', '50k', '')
    """
    kind = kind_of(score)
    return "" if kind is None else score.removeprefix(kind).removesuffix("_std")


def kind_of(score: str) -> str | None:
    """The first part of a score's name: ``fid`` of ``fid10k``; None for a name that is none of ours."""
    found = re.fullmatch(r"([a-z_]+?)(\d+k?(_std)?)?", score)
    return found[1] if found and found[1] in KINDS else None
