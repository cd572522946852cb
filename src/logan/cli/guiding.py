"""D's help when sampling, as flags of the commands that draw."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Literal

from logan.errors import InputError

if TYPE_CHECKING:
    from logan.guide import Calibration, Guide
    from logan.sampling import Guidance, Model

GuideName = Literal["latent", "langevin", "flow", "transport", "reject", "metropolis"]
PREFIX = "guide_"
STEPS = "guide_steps"


@dataclass(frozen=True, kw_only=True)
class GuideSettings:
    """The settings of all guides but their steps; each guide takes some, and refuses the others."""

    guide_step_size: float | None = None
    """Of langevin, flow, transport: the size of a step."""
    guide_temperature: float | None = None
    """Of langevin: below 1, D is believed more than it says."""
    guide_noise: float | None = None
    """Of langevin: scales its noise; 1 samples, 0 climbs."""
    guide_metropolis: bool = False
    """Of langevin: accept or refuse each step, so that any step size samples rightly."""
    guide_gamma: float | None = None
    """Of flow: the weight of the entropy. Of reject: below 0, more are accepted, and less exactly."""
    guide_divergence: Literal["kl", "js", "logd"] | None = None
    """Of flow: the divergence whose gradient is followed."""
    guide_lipschitz: float | None = None
    """Of transport: how steep D∘G is; measured by default."""
    guide_percentile: float | None = None
    """Of reject: gamma is this percentile of what it is taken from (Azadi et al.: 80 to 95)."""
    guide_maximum: float | None = None
    """Of reject: the largest logit; measured by default."""
    guide_method: Literal["gd", "ngd"] | None = None
    """Of latent: as --latent of training; the run's own by default."""
    guide_alpha: float | None = None
    """Of latent: as --alpha of training; the run's own by default."""
    guide_beta: float | None = None
    """Of latent: as --beta of training; the run's own by default."""
    guide_portion: float | None = None
    """Of latent: as --portion of training; the run's own by default."""
    calibrate: bool = False
    """Fit a logit to D's score on held-out real images first: for losses whose score is none (hinge, wasserstein)."""


@dataclass(frozen=True, kw_only=True)
class GuideArguments(GuideSettings):
    """What a command takes that draws with one guide."""

    guide: GuideName | None = None
    """Let D help: choose latents for which it says that the images are good (docs: D's help when sampling)."""
    guide_steps: int | None = None
    """Of latent, langevin, flow, transport: steps; metropolis: proposals; reject: draws per image at most."""


def settings_given(given: GuideSettings) -> dict[str, Any]:
    """Those of guides that were typed, by their flags."""
    names = [field.name for field in fields(GuideArguments) if field.name.startswith(PREFIX)]
    found = {name: getattr(given, name) for name in names if isinstance(given, GuideArguments) or name != STEPS}
    return {name: value for name, value in found.items() if value is not None and value is not False}


def check_without_guide(given: GuideSettings) -> None:
    """Refuse settings of guides where there is none (InputError)."""
    stray = [*settings_given(given), *(["calibrate"] if given.calibrate else [])]
    if stray:
        raise InputError(f"`{stray[0]}` is of guides; say which: `guide` langevin, for one")


def flags_of_guide(name: str) -> dict[str, str]:
    """Of the guide of that name: its settings by their flags."""
    from logan.guide import GUIDES

    kind = GUIDES[name]
    names = [field.name for field in fields(kind)]  # type: ignore[arg-type]
    return {STEPS if field == kind.budget else PREFIX + field: field for field in names}


def make(name: str, settings: dict[str, Any], model: Model) -> Guide:
    """The guide of that name with what was typed; the latent step's other settings are the run's own.

    Args:
        name, settings: the guide, and its settings by their flags.
        model: whose latent step ``latent`` repeats.

    Raises:
        InputError: a setting that the guide does not take, or a value that it cannot have.
    """
    from logan.guide import GUIDES
    from logan.sampling.guidance import own_latent

    taken = flags_of_guide(name)
    stray = [flag for flag in settings if flag not in taken]
    if stray:
        others = ", ".join(f"`{flag}`" for flag in taken)
        raise InputError(f"`{stray[0]}` is not a setting of `guide` {name}, which takes {others}")
    plain = own_latent(model.info.config) if name == "latent" else GUIDES[name]()
    try:
        return replace(plain, **{taken[flag]: value for flag, value in settings.items()})  # type: ignore[type-var]
    except InputError as error:
        raise error.renamed({field: flag for flag, field in taken.items()}) from None


def calibration(
    model: Model, given: GuideSettings, data: str | None, batch: int, say: Callable[[str], None]
) -> Calibration | None:
    """What ``--calibrate`` fits, said in a line; None without it."""
    if not given.calibrate:
        return None
    from logan.sampling import calibration_of

    found = calibration_of(model, data, batch=batch, say=say)
    say(f"calibrated: {found}")
    return found


def guidance(
    model: Model,
    given: GuideArguments,
    *,
    data: str | None,
    batch: int,
    say: Callable[[str], None],
    trunc: float = 1.0,
    labels: Sequence[int] | None = None,
    latent_steps: int = 0,
) -> Guidance | None:
    """The guide that was asked for, ready for ``model``; None if none was.

    Raises:
        InputError: for settings without a guide or that it does not take, and as ``Model.guidance``.
    """
    if given.guide is None:
        check_without_guide(given)
        return None
    guide = make(given.guide, settings_given(given), model)
    check_guide(given, guide, model, trunc, latent_steps)
    fitted = calibration(model, given, data, batch, say)
    return model.guidance(guide, fitted, trunc=trunc, labels=labels, batch=batch)


def check_guide(given: GuideSettings, guide: Guide, model: Model, trunc: float = 1.0, latent_steps: int = 0) -> None:
    """Refuse, before data are read, what does not go together (InputError); a calibration is called as the flag is."""
    from logan.sampling.guidance import check

    names = {field: flag for flag, field in flags_of_guide(guide.name).items()}
    try:
        check(guide, model.info.config, given.calibrate, trunc, latent_steps)
    except InputError as error:
        raise error.renamed({"calibration": "calibrate"} | names) from None


def said(guidance: Guidance) -> str:
    """What guiding has cost and brought, in a line."""
    mean = guidance.tally.means()
    kind = "logit" if guidance.calibration else "score"
    accepted = f", {mean['accepted']:.1%} accepted" if mean["accepted"] < 1 else ""
    return (
        f"guide {guidance.guide.name}: {mean['evaluations']:.4g} passes through D(G(z)) and "
        f"{mean['seconds'] * 1000:.3g} ms per image, D's {kind} {mean['before']:.3g} -> {mean['after']:.3g}{accepted}"
    )
