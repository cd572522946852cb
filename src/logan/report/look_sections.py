"""The sections of a page for what the networks showed; where there is nothing to show, the reason."""

from __future__ import annotations

from torch import Tensor

from logan.report import strips, svg_curves, ticks
from logan.report.looks import LatentPath, Looks
from logan.report.markup import Markup, join, tag, void
from logan.report.neighbours import Nearest
from logan.report.svg_curves import Chart, Line

ROWS_OF_NEIGHBOURS = 6


def is_points(images: Tensor) -> bool:
    return images.shape[-3:] == (2, 1, 1)


def absent(reason: object) -> Markup:
    return tag("p", "Not shown: ", str(reason), ".", class_="absent")


def latent_step(looks: Looks, key: str) -> tuple[Markup, dict[str, object]]:
    """The same latents before and after steps, D's score of each, and its path; and what the page's script needs of the chart."""
    seen = looks.latent_path
    if not isinstance(seen, LatentPath):
        return absent(seen), {}
    chart = Chart(
        key, "D’s score along the path",
        "Mean over the samples after each step.",
        [Line("D(G(z))", [(float(k), s.double().mean().item()) for k, s in enumerate(seen.scores)])],
        x_label="steps",
    )  # fmt: skip
    data: dict[str, object] = {}
    drawn = None
    if any(bool(s.isfinite().all()) for s in seen.scores):
        drawn, data = svg_curves.draw(chart)
    moved = tag(
        "p", f"After {len(seen.moved) - 1} steps z has moved by ‖z′ − z‖ = {ticks.number(seen.moved[-1])} on average."
    )
    first = next(iter(seen.images.values()))
    rows = (
        _moves(seen)
        if is_points(first)
        else tag("div", *(_step_row(seen, k, looks) for k in seen.images), class_="strips")
    )
    beside = tag("div", tag("div", rows, moved), drawn, class_="beside")
    return beside, ({key: data} if data else {})


def _step_row(seen: LatentPath, step: int, looks: Looks) -> Markup:
    images, scores = seen.images[step], seen.scores[step]
    before = seen.scores[0]
    mean = scores.mean().item()
    words = "before" if step == 0 else f"{step} step{'s' * (step > 1)}"
    change = mean - before.mean().item()
    gained = "" if step == 0 else f", {'+' if change >= 0 else '−'}{ticks.number(abs(change), 2)}"
    when = "before the latent step" if step == 0 else f"from the same latents after {words}"
    alt = f"{len(images)} samples {when}; mean score {ticks.number(mean)}"
    each = [tag("li", ticks.number(s, 2)) for s in scores.tolist()]
    return tag(
        "figure",
        tag("figcaption", tag("b", words), tag("span", f" D {ticks.number(mean)}{gained}")),
        tag(
            "div",
            strips.picture(strips.strip(images), alt),
            tag("ol", *each, class_="scores", aria_label="D’s scores"),
        ),
    )


def _moves(seen: LatentPath) -> Markup:
    """Of a mixture: an arrow from where each point was to where it came."""
    last = max(seen.images)
    start, end = seen.images[0].flatten(1), seen.images[last].flatten(1)
    alt = f"{len(start)} points before and after {last} latent steps, joined by lines"
    return tag(
        "figure", strips.scatter(start, strips.reach_of(start, end), alt, ends=end),
        tag("figcaption", f"From each sample (grey) to where {last} latent steps bring it (coloured)."), class_="one",
    )  # fmt: skip


def truncation(looks: Looks) -> Markup:
    """The same latents by truncation, one row each."""
    seen = looks.truncation
    if not isinstance(seen, dict):
        return absent(seen)
    first = next(iter(seen.values()))
    if is_points(first):
        reach = strips.reach_of(*(images.flatten(1) for images in seen.values()))
        drawn = [
            tag("figure", tag("figcaption", f"s = {s:g}"),
                strips.scatter(images.flatten(1), reach, f"{len(images)} samples with truncation {s:g}"))
            for s, images in seen.items()
        ]  # fmt: skip
        return tag("div", *drawn, class_="small-multiples")
    rows = [
        _row(f"s = {s:g}", images, f"The same {len(images)} samples with truncation {s:g}")
        for s, images in seen.items()
    ]
    return tag("div", *rows, class_="strips")


def _row(name: str, images: Tensor, alt: str) -> Markup:
    shown = strips.picture(strips.strip(images), alt)
    return tag("figure", tag("figcaption", tag("b", name)), tag("div", shown))


def interpolation(looks: Looks) -> Markup:
    """From one sample to another, a row each."""
    seen = looks.interpolation
    if not isinstance(seen, Tensor):
        return absent(seen)
    if is_points(seen):
        paths = [row.flatten(1) for row in seen]
        alt = f"{len(paths)} paths of samples, from one latent to another"
        return tag("figure", strips.scatter(paths[0][:0], strips.reach_of(*paths), alt, paths=paths), class_="one")
    alt = f"{seen.shape[0]} rows of {seen.shape[1]} images; in each the first sample becomes the last"
    return tag("figure", strips.picture(strips.strip(seen.flatten(0, 1), seen.shape[1]), alt), class_="full")


def neighbours(looks: Looks) -> Markup:
    """The samples that come nearest to training images, beside those, and all distances beside the yardstick's."""
    seen = looks.nearest
    if not isinstance(seen, Nearest):
        return absent(seen)
    n, k = min(ROWS_OF_NEIGHBOURS, len(seen.samples)), seen.images.shape[1]
    cells = []
    for i in range(n):
        ours = strips.picture(strips.strip(strips.as_images(seen.samples[i : i + 1])), f"sample {i + 1}")
        near = strips.strip(strips.as_images(seen.images[i]))
        theirs = strips.picture(near, f"its {k} nearest training images")
        first = f"{seen.distances[i, 0].item():.1f}"
        cells.append(tag("figure", tag("div", ours, theirs, class_="pair"), tag("figcaption", f"distance {first}")))
    who = "test images" if seen.held_out else "training images, each compared with the others"
    of = f"all {seen.total:,}" if seen.compared == seen.total else f"{seen.compared:,} of {seen.total:,}"
    verdict = (
        f"{seen.closer:.0%} of {len(seen.samples)} samples are nearer to a training image than the nearest 5 % of the yardstick "
        f"are. The yardstick: {who}. Compared with {of} training images. Far more than 5 % is a sign of memorising, or of "
        f"samples that are smoother than images are."
    )  # fmt: skip
    return join(
        tag("p", verdict), _distances(seen, who),
        tag("p", f"The {n} samples that come nearest, each with its {k} nearest training images to the right:"),
        tag("div", *cells, class_="neighbours"),
    )  # fmt: skip


def _distances(seen: Nearest, who: str) -> Markup:
    """Two rows of ticks on one axis."""
    ours, theirs = seen.distances[:, 0].tolist(), seen.yardstick.tolist()
    low, high = min([*ours, *theirs]), max([*ours, *theirs])
    span = (high - low) or 1.0
    width = 360

    def at(value: float) -> str:
        return f"{8 + (value - low) / span * (width - 16):.1f}"

    rows = []
    for name, values, y, style in (("samples", ours, 18, 0), (who, theirs, 62, 1)):
        marks = "".join(f"M{at(v)} {y}v20" for v in values)
        rows.append(
            join(
                tag("text", name, class_="label", x=8, y=y - 5),
                void("path", class_=f"rug s{style}", d=marks or "M0 0"),
            )
        )
    axis = [
        tag("text", ticks.number(v), class_="tick", x=at(v), y=100, text_anchor="middle")
        for v in ticks.linear(low, high, 4)
    ]
    ranges = [f"from {ticks.number(min(v))} to {ticks.number(max(v))}" if v else "none" for v in (ours, theirs)]
    alt = f"Distances to the nearest training image: of samples, {ranges[0]}; of {who}, {ranges[1]}"
    drawn = tag("svg", *rows, *axis, class_="rugs", viewBox=f"0 0 {width} 106", role="img", aria_label=alt)
    return tag(
        "figure",
        drawn,
        tag("figcaption", "Distance to the nearest training image (root mean squared difference, levels of 255)."),
    )
