"""``logan interpolate RUN --seeds 1 2 3``: from one sample to the next, as moving pictures or a strip."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from logan.cli.arguments import check_at_least_one, free_folder, free_place
from logan.cli.choosing import choose_for, class_of, say
from logan.cli.command import Command
from logan.cli.parsing import parse
from logan.errors import InputError
from logan.training.watch import Watch

if TYPE_CHECKING:
    from torch import Tensor

    from logan.sampling import Model
    from logan.sampling.interpolation import End

DESCRIPTION = """Go from one sample to the next, through the latents between them.

--out decides the form: NAME.gif, NAME.webp and NAME.mp4 (extra: video) move, NAME.png is a strip, any other name a folder with
a PNG per frame."""

MOST_FRAMES = 10_000
LONGEST = 60
"""Characters of a list of ends in a file's name."""


@dataclass(frozen=True)
class InterpolateArguments:
    """What ``logan interpolate`` takes."""

    run: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
    """A run folder, a network-snapshot-....safetensors, an export, or hub:USER/NAME."""
    snapshot: str = "auto"
    """Of a run folder: best (by the scores of training), latest, a number of kimg, or auto: the best if there is one, else the
    latest."""
    seeds: tuple[int, ...] = ()
    """Go through the samples of these seeds: those of logan sample --n 1 --seed S."""
    between: tuple[str, ...] = ()
    """Go through the latents in these files: .npz of logan project, or any with an array z of shape (d,) or (1, d)."""
    path: Literal["auto", "linear", "spherical"] = "auto"
    """linear: straight; spherical: on the great circle. auto: straight for a uniform prior, else on the circle."""
    frames: int = 24
    """From one end to the next."""
    loop: bool = False
    """Return to the first end."""
    fps: float = 24.0
    """Frames per second."""
    trunc: float = 1.0
    """Truncation of the latents of --seeds."""
    label: str | None = None
    """The class of all frames, by number or name. By default each end has its own (that of its seed, or of its file); between
    two of different classes z goes its way, and the class changes in the middle."""
    batch: int = 64
    """Images per pass."""
    out: str | None = None
    """NAME.gif, NAME.webp, NAME.mp4, NAME.png or a folder; by default a GIF in the run folder."""
    force: bool = False
    """Replace what --out names: a file, or a folder that this command made."""
    device: str = "auto"
    """auto, cpu, cuda ..."""


COMMAND = Command(
    "interpolate",
    InterpolateArguments,
    DESCRIPTION,
    examples=(
        ("interpolate runs/00000-digits-ngd --seeds 1 2 3 --loop", "through three samples and back, as a GIF in the run folder"),
        (
            "interpolate runs/00000-digits-ngd --between found/a.npz found/b.npz --frames 11 --out a-to-b.png",
            "between two photographs that logan project found, as a strip",
        ),
    ),
)  # fmt: skip


def main(args: Sequence[str]) -> int:
    """Run the command."""
    given = parse(COMMAND, args)
    import torch

    from logan.sampling import generate, load
    from logan.sampling.download import is_hub
    from logan.sampling.interpolation import path_through
    from logan.sampling.photos import check_makes_pictures

    _check(given)
    choice = choose_for(given.run, given.snapshot)
    model = load(choice.path, given.device)
    check_makes_pictures(model.info)
    home = Path() if is_hub(given.run) else choice.path.parent
    out = home / default_name(given) if given.out is None else Path(given.out).expanduser()
    write = _writer(out, given)
    notes: list[str] = []
    ends = _ends(given, model, choice.path, notes.append)
    z, labels = path_through(model.info.config, ends, given.frames, path=given.path, loop=given.loop)
    say(choice)
    for note in notes:
        Watch(1).say(note)
    parts = generate(
        model.generator, model.discriminator, z, labels, None, batch=given.batch, seed=0, device=model.device
    )
    images = torch.cat([part.cpu() for part in parts])
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        write(images)
    except OSError as error:
        raise InputError(f"--out {out} cannot be written ({error.strerror or error}); choose another place") from None
    print(out)
    return 0


def default_name(given: InterpolateArguments) -> str:
    """A GIF's, by its ends and what differs from the defaults: ``interpolated-1-2-3-trunc0.5-loop.gif``."""
    ends = [str(seed) for seed in given.seeds] or [Path(name).stem for name in given.between]
    listed, plain = "-".join(ends), InterpolateArguments("")
    if len(listed) > LONGEST:
        listed = f"{len(ends)}-ends"
    parts = [
        f"{word}{getattr(given, word)}" for word in ("trunc", "label") if getattr(given, word) != getattr(plain, word)
    ]
    parts += [given.path] * (given.path != plain.path) + ["loop"] * given.loop
    return "-".join(["interpolated", listed, *parts]) + ".gif"


def _check(given: InterpolateArguments) -> None:
    if given.seeds and given.between:
        raise InputError("--seeds and --between are one or the other")
    if len(given.seeds) + len(given.between) < 2:
        raise InputError("a path needs two ends or more: --seeds 1 2, or --between a.npz b.npz")
    if given.between and given.trunc != 1:
        raise InputError("`trunc` is of the latents of --seeds; those of --between are taken as they are: leave it out")
    check_at_least_one(given, "frames", "batch")
    frames = (len(given.seeds) + len(given.between)) * given.frames
    if frames > MOST_FRAMES:
        raise InputError(f"{frames:,} frames are more than the {MOST_FRAMES:,} of one film; pass fewer `frames`")


def _ends(given: InterpolateArguments, model: Model, snapshot: Path, note: Callable[[str], None]) -> list[End]:
    """Where the path leads through."""
    from logan.sampling import latent_files
    from logan.sampling.interpolation import End, end_of_seed

    label = None if given.label is None else class_of(given.label, model.num_classes, model.info.class_names)
    if given.seeds:
        try:
            ends = [end_of_seed(model, seed, given.trunc, label) for seed in given.seeds]
        except InputError as error:
            raise error.renamed({"seed": "seeds"}) from None
    else:
        ends = []
        here = latent_files.hash_of(snapshot)
        for name in given.between:
            kept = latent_files.read(Path(name).expanduser())
            if kept.snapshot not in ("", here):
                note(
                    f"{name}: its z was found for another snapshot (sha256 {kept.snapshot[:12]}); what this one makes of it differs"
                )
            z = latent_files.fitted(kept, model.info.config, name, note)
            ends.append(End(z, _class(name, kept.label, label, model)))
    classes = sorted({end.label for end in ends if end.label is not None})
    if len(classes) > 1:
        names = model.info.class_names
        listed = ", ".join(names[k] if k < len(names) else str(k) for k in classes)
        note(
            f"the ends are of classes {listed}: between two, the class changes in the middle; `label` keeps one for all"
        )
    return ends


def _class(name: str, own: int | None, label: int | None, model: Model) -> int | None:
    """An end's class: the one that was asked for, else that of its file.

    Raises:
        InputError: if there has to be one, and there is none, or none that the generator has.
    """
    if not model.num_classes:
        return None
    own = label if label is not None else own
    if own is None:
        raise InputError(f"{name} names no class, and this generator needs one; pass `label`")
    if own >= model.num_classes:
        raise InputError(
            f"{name} is of class {own}, and this generator has 0 ... {model.num_classes - 1}; pass `label`"
        )
    return own


def _writer(out: Path, given: InterpolateArguments) -> Callable[[Tensor], None]:
    """What writes frames to ``out``; refuses, before anything is generated, what cannot be written."""
    from logan.report import animation

    if animation.check_form(out, given.fps):
        free_place(str(out), "out", given.force)
        return lambda images: animation.save(out, images, given.fps)
    if out.is_file():
        raise InputError(f"--out {out} is a file; name a folder, or a file that ends in .gif, .webp, .mp4 or .png")
    old = free_folder(out, "logan interpolate", given.force)
    return lambda images: animation.save_frames(out, images, old)
