"""An export: a folder with all that somebody else needs of a trained generator, and nothing that can be run."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch

from logan import __version__
from logan.config import MAX_SEED
from logan.errors import InputError
from logan.files import check_writable, write_lines, write_text
from logan.report.pictures import save_picture
from logan.sampling import Model, choice, download, draw_latents, manifest, snapshot
from logan.sharing import facts as gathering
from logan.sharing import hub, onnx
from logan.sharing.card import Wording, model_card, title_of
from logan.sharing.facts import Facts
from logan.training import folder as run_folder
from logan.unfinished import name_for

SAMPLES = "samples.png"
COLUMNS, ROWS = 8, 8
POINTS = 2000


def export(
    run: str | Path,
    to: str | Path,
    *,
    wording: Wording | None = None,
    with_onnx: bool = False,
    data: str | None = None,
    private: bool = False,
    seed: int = 0,
    snapshot: str | int = choice.AUTO,
    say: Callable[[str], None] = lambda message: None,
) -> str:
    """Write an export of a snapshot into a folder, or upload it.

    The folder appears when it is whole. It holds the snapshot (local paths in its settings shortened to file names), ``README.md``,
    ``samples.png``, the settings, the log and the scores, G and D as ONNX if asked for, and ``manifest.json``.

    Args:
        run: a run folder, a snapshot, an export, or ``hub:user/name``.
        to: a folder that is not there yet or empty, or ``hub:user/name``, which is made if need be (extra: hub).
        wording: title, licence, data set and description for the card.
        with_onnx: G and D as ONNX too (extra: onnx).
        data: where the real images are now, for their number and fingerprint.
        private: a new repository on the Hub can be seen by its owner alone.
        seed: of the samples in the picture.
        snapshot: of a run folder, as :func:`logan.load` takes it: by default the best by the scores of training.
        say: told what takes long.

    Returns:
        The folder, or the address on the Hub.

    Raises:
        InputError: if something is missing, or cannot be written or uploaded.

    Example:
        >>> import tempfile
        >>> from dataclasses import replace
        >>> import logan
        >>> config = logan.presets.get("ring")
        >>> short = replace(config, run=replace(config.run, kimg=1), scores=replace(config.scores, metrics=()))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     run = logan.train(short, outdir=folder, quiet=True)
        ...     shared = export(run, f"{folder}/ring", wording=Wording(title="Eight Gaussians", licence="mit"))
        ...     points = logan.load(shared).sample(3)
        >>> points.shape
        torch.Size([3, 2, 1, 1])
    """
    wording = wording or Wording()
    if not 0 <= seed <= MAX_SEED:
        raise InputError(f"`seed` must be >= 0 and <= {MAX_SEED}, not {seed}")
    write = partial(_write, wording=wording, with_onnx=with_onnx, data=data, seed=seed, say=say)
    if download.is_hub(to):
        name = hub.destination(to)
        source = choice.choose(run, snapshot).path
        with hub.temporary_folder() as folder:
            write(folder, source, hub_name=name)
            say(f"uploading to {name}")
            return hub.upload(folder, name, private)
    if private:
        raise InputError("`private` is for hub:USER/NAME; leave it out")
    path = _free_place(to)
    source = choice.choose(run, snapshot).path
    _appear(path, lambda unfinished: write(unfinished, source, hub_name=None))
    return str(path)


def _free_place(to: str | Path) -> Path:
    path = Path(to).expanduser()
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise InputError(f"`to` {path} is there already, and no empty folder; choose another")
    check_writable(str(path), "to")
    return path


def _appear(path: Path, write: Callable[[Path], None]) -> None:
    """The folder that ``write`` fills, once it is whole; nothing if that fails."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = name_for(path)
    unfinished.mkdir()
    try:
        write(unfinished)
        if path.exists():
            path.rmdir()  # it is empty
        unfinished.replace(path)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _write(
    folder: Path, source: Path, *, wording: Wording, hub_name: str | None, with_onnx: bool, data: str | None, seed: int,
    say: Callable[[str], None],
) -> None:  # fmt: skip
    info, generator, discriminator = snapshot.load_networks(source)
    note = gathering.check_shareable(info, source, with_onnx)
    model = Model(info, generator, discriminator, torch.device("cpu"))
    facts = gathering.collect(source, info, generator, discriminator, data)
    name = snapshot.file_name(info.images)
    snapshot.save(folder / name, facts.info, generator, discriminator)
    files = {
        SAMPLES: f"samples, drawn with seed {seed}",
        name: "the averaged generator and the discriminator, for `logan.load`",
        Path(name).with_suffix(".json").name: "their architecture and settings, as the snapshot has them too",
        run_folder.OPTIONS: "all settings of the run",
    }
    _save_samples(folder / SAMPLES, model, seed)
    run_folder.write_options(folder, facts.info.config)
    if _copy_log(source.parent, folder, info.images):
        files[run_folder.STATS] = "the log of the training"
    gathering.write(folder / gathering.FACTS, facts)
    files[gathering.FACTS] = "what is known of the data, and the scores with how they were measured"
    if with_onnx:
        say("making ONNX of G and D, and comparing it with torch")
        files |= _save_onnx(folder, model, facts, wording, folder / name)
    files[manifest.NAME] = "the sha256 of every file but this card"
    write_text(folder / manifest.CARD, model_card(facts, wording, files, hub_name, note))
    manifest.write(folder, name, __version__)


def _save_samples(path: Path, model: Model, seed: int) -> None:
    """A row per class where there are labels, as training's pictures have it."""
    if model.info.architecture["image_size"] == 1:
        save_picture(path, model.sample(POINTS, seed=seed))
        return
    classes = model.num_classes
    labels = torch.arange(ROWS * COLUMNS) // COLUMNS % classes if classes else None
    save_picture(path, model.sample(ROWS * COLUMNS, seed=seed, labels=labels), columns=COLUMNS)


def _copy_log(run: Path, folder: Path, images: int) -> bool:
    """``stats.jsonl`` up to the snapshot."""
    path = run / run_folder.STATS
    if manifest.is_export(run):  # the Hub client's cache is made of links
        path = path.resolve()
    lines = [line for line in run_folder.ticks_in(path) if line["kimg"] * 1000 <= images]
    if lines:
        write_lines(folder / run_folder.STATS, lines)
    return bool(lines)


def _save_onnx(folder: Path, model: Model, facts: Facts, wording: Wording, weights: Path) -> dict[str, str]:
    """``generator.onnx`` and ``discriminator.onnx``; what they are, for the card."""
    info, n = facts.info, max(onnx.BATCHES)
    config = info.config
    z = draw_latents(config, n, torch.Generator("cpu").manual_seed(0))
    labels = torch.arange(n) % model.num_classes if model.num_classes else None
    given = () if labels is None else (labels,)
    with torch.no_grad():
        images = model.generator(z, *given)
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    known = {
        "title": title_of(facts, wording),
        "licence": wording.licence or "none stated",
        "logan": __version__,
        "snapshot_sha256": digest,
        "architecture": info.architecture["name"],
        "prior": "unit sphere" if config.on_sphere() else config.networks.prior,
        "class_names": json.dumps(info.class_names),
    }
    onnx.save(
        folder / "generator.onnx", model.generator, z, labels, names=("z", "images"),
        metadata=known | {"images": "points" if facts.points else "[-1, 1], (batch, channels, height, width)"},
    )  # fmt: skip
    onnx.save(
        folder / "discriminator.onnx", model.discriminator, images, labels, names=("images", "scores"),
        metadata=known | {"scores": "logits, larger for what looks real"},
    )  # fmt: skip
    text = f"as ONNX, opset {onnx.OPSET}"
    takes = "`z`, `labels`" if labels is not None else "`z`"
    judges = takes.replace("z", "images")
    return {
        "generator.onnx": f"G {text}: {takes} to `images`",
        "discriminator.onnx": f"D {text}: {judges} to `scores`",
    }
