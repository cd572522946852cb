"""What the detector efficientnet-lite0 says of images that people have an opinion on, and of this project's snapshots.

    python benchmarks/detector.py --data cifar10 emoji128.zip --out docs/results/detector
    python benchmarks/detector.py --runs runs/0000* --kimg 8 24 40 --out docs/results/detector
    python benchmarks/detector.py --time --out docs/results/detector              # on a machine that does nothing else

``--data``: the Fréchet distance (FD) and kernel distance of held-out images from training images, as they are, blurred, with noise,
and without some of their classes. Held out are the test images, or half of a set that has none. ``--runs``: the FD of snapshots by
this detector and by the classifier of the set, from the same images, and how alike the two rank them. Writes a .json for every set
and run as it goes, from which the same command goes on, and from all that are there table.md, detector.png and ranks.png. Two sets
of 2,000 images take some ten minutes of a core, a snapshot half a minute.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from logan.data import Dataset, Mixture, open_data
from logan.data.open import open_configured
from logan.errors import InputError
from logan.evaluation import detectors
from logan.files import read_json, write_json, write_text
from logan.metrics.detector import Detector, Features, extract
from logan.metrics.distances import FrechetStatistics, fid, kid
from logan.metrics.efficientnet_lite0 import EfficientNetLite0Detector
from logan.metrics.pixels import to_pixels
from logan.report.canvas import new_figure, save_figure
from logan.report.tables import markdown
from logan.sampling import load

BATCH = 100
BLUR = (1 / 64, 1 / 32, 1 / 16)
"""Standard deviations of the Gaussian, in sides of the image."""
NOISE = (5.0, 10.0, 20.0)
"""Standard deviations, in levels of 255."""
DROPPED = (0.2, 0.4, 0.5)
"""Shares of the classes that are left out."""


def blurred(images: Tensor, strength: float) -> Tensor:
    """uint8 (B, C, S, S), convolved with a Gaussian of so many pixels, the border repeated."""
    reach = max(1, round(3 * strength))
    kernel = torch.exp(-torch.arange(-reach, reach + 1.0).square() / (2 * strength**2))
    kernel = (kernel / kernel.sum()).view(1, 1, -1, 1)
    x = F.pad(images.float(), (reach,) * 4, mode="replicate")
    flat = x.flatten(0, 1)[:, None]
    x = F.conv2d(F.conv2d(flat, kernel), kernel.mT).view(images.shape)
    return x.round().clamp(0, 255).to(torch.uint8)


def noisy(images: Tensor, strength: float) -> Tensor:
    """uint8 (B, C, S, S), with Gaussian noise of so many levels, the same every time."""
    noise = torch.randn(images.shape, generator=torch.Generator().manual_seed(0)) * strength
    return (images + noise).round().clamp(0, 255).to(torch.uint8)


def drawn(data: Dataset, n: int, seed: int = 0) -> Tensor:
    """Indices of n images, in random order."""
    return torch.randperm(len(data), generator=torch.Generator().manual_seed(seed))[:n]


def read(data: Dataset, indices: Tensor) -> Iterator[tuple[Tensor, Tensor | None]]:
    """The images and labels of these indices, batch by batch."""
    return (data.batch(part) for part in indices.split(BATCH))


def features(
    detector: Detector, data: Dataset, indices: Tensor, change: Callable[[Tensor], Tensor] = lambda x: x
) -> Tensor:
    """(n, F)"""
    return extract(detector, (change(images) for images, _ in read(data, indices))).features


def opened(path: str) -> Dataset:
    """A set of images.

    Raises:
        InputError: for points.
    """
    data = open_data(path)
    if isinstance(data, Mixture):
        raise InputError(f"{path} is a mixture, not a set of images")
    return data


def measure_data(path: str, n: int, detector: Detector, target: Path) -> None:
    """FD and KID of held-out images, changed in the ways above, from training images; ``target`` gets each as it is found."""
    train = opened(path)
    try:
        held: Any = open_data(path, split="test")
        a, pool = drawn(train, n), drawn(held, 2 * n)
    except InputError:  # no test images
        held, both = train, drawn(train, 2 * n)
        a, pool = both[: len(both) // 2], both[len(both) // 2 :]
    b = pool[:n]
    yardstick = {"data": Path(path).name, "detector": detector.name, "sha256": detector.sha256, "n_real": len(a)}
    found = begun(target, yardstick | {"image_size": train.image_size, "blur": [], "noise": []})
    real = features(detector, train, a)
    statistics = FrechetStatistics.of(real)

    def distance(fake: Tensor) -> dict[str, Any]:
        return {"n": len(fake), "fd": fid(statistics, FrechetStatistics.of(fake)), "kid": kid(real, fake)[0]}

    if "held_out" not in found:
        of_pool = features(detector, held, pool)
        found["held_out"] = distance(of_pool[: len(b)])
        if held.num_classes > 1:
            labels = torch.cat([k for _, k in read(held, pool) if k is not None])
            found["dropped"] = without_classes(of_pool, labels, distance)
        write_json(target, found, indent=1)
    for kind, change, levels, unit in (("blur", blurred, BLUR, train.image_size), ("noise", noisy, NOISE, 1)):
        for level in levels[len(found[kind]) :]:
            changed = features(detector, held, b, partial(change, strength=level * unit))
            found[kind].append({"level": level} | distance(changed))
            write_json(target, found, indent=1)


def begun(target: Path, start: dict[str, Any]) -> dict[str, Any]:
    """What an earlier call that was stopped has found, or ``start``.

    Raises:
        InputError: that call measured by something else.
    """
    if not target.exists():
        return start
    found = read_json(target, "remove it")
    fixed = [name for name, value in start.items() if not isinstance(value, list) or name == "detectors"]
    if [found.get(name) for name in fixed] != [start[name] for name in fixed]:
        raise InputError(f"{target} was measured by something else, or with another --n; remove it")
    return found


def without_classes(
    found: Tensor, labels: Tensor, distance: Callable[[Tensor], dict[str, Any]]
) -> list[dict[str, Any]]:
    """The distances of as many images each time, from all classes, and with more and more of the largest left out."""
    sizes = torch.bincount(labels)
    by_size = sizes.argsort(descending=True, stable=True)
    counts = [0, *(round(share * len(sizes)) for share in DROPPED)]
    kept = [~torch.isin(labels, by_size[:k]) for k in counts]
    n = min(int(mask.sum()) for mask in kept)
    return [{"level": k / len(sizes)} | distance(found[mask][:n]) for k, mask in zip(counts, kept, strict=True)]


def measure_run(run: Path, kimg: list[int], n: int, detector: EfficientNetLite0Detector, target: Path) -> None:
    """FD of a run's snapshots by the classifier of its set, and by ``detector``, from the same n images each."""
    paths = sorted(run.glob("network-snapshot-*.safetensors"))
    paths = [p for p in paths if not kimg or kimg_of(p) in kimg]
    if not paths:
        raise InputError(f"{run} has none of these snapshots")
    train: Any = open_configured(load(paths[0], "cpu").info.config.data)
    both: list[Detector] = [detector, detectors.get("classifier", None, train, say=print)]
    indices = drawn(train, n)
    yardstick = {"run": run.name.split("-", 1)[-1], "n": n, "n_real": len(indices), "points": []}
    found = begun(target, yardstick | {"detectors": [{"name": d.name, "sha256": d.sha256} for d in both]})
    real = [FrechetStatistics.of(features(d, train, indices)) for d in both]
    for path in paths:
        if kimg_of(path) in [p["kimg"] for p in found["points"]]:
            continue
        images = torch.cat(
            [to_pixels(x, from_generator=True) for x in load(path, "cpu").batches(n, seed=0, batch=BATCH)]
        )
        own: list[Features] = [extract(d, images.split(BATCH)) for d in both]
        fd = [fid(r, FrechetStatistics.of(f.features)) for r, f in zip(real, own, strict=True)]
        found["points"].append({"kimg": kimg_of(path), "fd": fd[0], "fd_classifier": fd[1]})
        found["points"].sort(key=lambda p: p["kimg"])
        write_json(target, found, indent=1)


def kimg_of(path: Path) -> int:
    """Of a snapshot, by its name."""
    return int(path.stem.rsplit("-", 1)[1])


def spearman(x: list[float], y: list[float]) -> float:
    """The correlation of ranks; values are not expected to be equal."""
    ranks = torch.stack([torch.tensor(v, dtype=torch.float64).argsort().argsort().double() for v in (x, y)])
    return torch.corrcoef(ranks)[0, 1].item()


def measure_speed(detector: EfficientNetLite0Detector) -> dict[str, Any]:
    """Images per second on one thread, the best of five times 40 images."""
    torch.set_num_threads(1)
    found = {}
    for size in (32, 128, 256):
        images = torch.randint(256, (40, 3, size, size), dtype=torch.uint8)
        seconds = []
        for _ in range(5):
            started = time.perf_counter()
            extract(detector, [images])
            seconds.append(time.perf_counter() - started)
        found[str(size)] = round(len(images) / min(seconds), 1)
    return {"torch": torch.__version__, "threads": 1, "images_per_second": found}


def written(out: Path, prefix: str) -> list[dict[str, Any]]:
    """What earlier calls left there."""
    found = [read_json(path, "remove it") for path in sorted(out.glob(f"{prefix}-*.json"))]
    return [f for f in found if "held_out" in f or f.get("points")]


KINDS = (
    ("blur", "σ of the blur, in sides"),
    ("noise", "σ of the noise, in levels"),
    ("dropped", "share of the classes left out"),
)


def report(out: Path) -> str:
    """Tables and pictures of all that is there."""
    text, sets, runs = "", written(out, "data"), written(out, "run")
    rows: list[list[object]] = []
    for found in sets:
        rows.append([found["data"], "held out", "", found["held_out"]["n"], *_scores(found["held_out"])])
        for kind, _ in KINDS:
            rows += [[found["data"], kind, f"{p['level']:.3g}", p["n"], *_scores(p)] for p in found.get(kind, [])]
    if sets:
        text += f"FD and KID by {sets[0]['detector']} ({sets[0]['sha256'][:12]}), from "
        text += ", ".join(f"{f['n_real']:,} training images of {f['data']}" for f in sets) + ".\n\n"
        text += markdown(["set", "held-out images", "level", "n", "FD", "1000 KID"], rows) + "\n"
        save_changes(out / "detector.png", sets)
    if runs:
        text += "FD of snapshots by efficientnet-lite0 and by each set's classifier, "
        text += f"{runs[0]['n']:,} generated images and at most as many real.\n\n"
        head = ["run", "kimg", "FD, efficientnet-lite0", "FD, classifier"]
        text += markdown(
            head,
            ([r["run"], p["kimg"], f"{p['fd']:.1f}", f"{p['fd_classifier']:.2f}"] for r in runs for p in r["points"]),
        )
        text += "\n" + markdown(["snapshots of", "n", "Spearman's ρ"], ranks(runs))
        save_ranks(out / "ranks.png", runs)
    if (out / "speed.json").exists():
        speed = read_json(out / "speed.json", "remove it")["images_per_second"]
        text += "\nOn one thread: " + ", ".join(f"{v:g} images/s of {k} pixels" for k, v in speed.items()) + ".\n"
    return text


def _scores(point: dict[str, Any]) -> list[str]:
    return [f"{point['fd']:.1f}", f"{1000 * point['kid']:.3g}"]


def ranks(runs: list[dict[str, Any]]) -> list[list[object]]:
    """Spearman's ρ of the two detectors over each run, and over all runs that one classifier scored."""
    groups = {r["run"]: [r] for r in runs}
    for r in runs:
        groups.setdefault(f"all by classifier {r['detectors'][1]['sha256'][:12]}", []).append(r)
    points = {name: [p for r in group for p in r["points"]] for name, group in groups.items()}
    return [
        [name, len(ps), f"{spearman([p['fd'] for p in ps], [p['fd_classifier'] for p in ps]):.2f}"]
        for name, ps in points.items()
    ]


def save_changes(path: Path, sets: list[dict[str, Any]]) -> None:
    """FD against the strength of each change; a line per set."""
    figure = new_figure(10, 3.2)
    for axes, (kind, label) in zip(figure.subplots(1, 3), KINDS, strict=True):
        for found in sets:
            points = found.get(kind, [])
            if kind != "dropped":
                points = [{"level": 0.0} | found["held_out"], *points]
            axes.plot([p["level"] for p in points], [p["fd"] for p in points], marker="o", label=found["data"])
        axes.set(xlabel=label, ylabel=f"FD by {sets[0]['detector']}", ylim=(0, None))
        axes.grid(alpha=0.25)
        axes.legend(fontsize=8)
    save_figure(path, figure)


def save_ranks(path: Path, runs: list[dict[str, Any]]) -> None:
    """One detector's FD against the other's, a mark per snapshot."""
    figure = new_figure(5.5, 4)
    axes = figure.subplots()
    for r, marker in zip(runs, "osD^vP*X" * len(runs), strict=False):
        x, y = ([p[name] for p in r["points"]] for name in ("fd_classifier", "fd"))
        axes.plot(x, y, marker=marker, linewidth=0.7, alpha=0.8, label=r["run"])
    axes.set(xscale="log", yscale="log", xlabel="FD by the set's classifier", ylabel="FD by efficientnet-lite0")
    axes.grid(alpha=0.25, which="both")
    axes.legend(fontsize=8)
    save_figure(path, figure)


@torch.no_grad()
def main() -> None:
    """Run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="*", default=[])
    parser.add_argument("--runs", nargs="*", type=Path, default=[])
    parser.add_argument("--kimg", nargs="*", type=int, default=[], help="of the snapshots; all by default")
    parser.add_argument("--n", type=int, default=2000, help="images in a set")
    parser.add_argument("--time", action="store_true")
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    detector = EfficientNetLite0Detector()
    for path in given.data:
        measure_data(path, given.n, detector, given.out / f"data-{Path(path).stem}.json")
    for run in given.runs:
        measure_run(run, given.kimg, given.n, detector, given.out / f"run-{run.name.split('-', 1)[-1]}.json")
    if given.time:
        write_json(given.out / "speed.json", measure_speed(detector), indent=1)
    text = report(given.out)
    write_text(given.out / "table.md", text)
    print(text)


if __name__ == "__main__":
    main()
