"""The model card: ``README.md`` with the front matter that the Hugging Face Hub reads."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from logan import __version__
from logan.errors import InputError, did_you_mean
from logan.sharing.facts import Facts
from logan.sharing.training_command import training_command

LICENCES = (
    "apache-2.0", "mit", "openrail", "openrail++", "bsd-2-clause", "bsd-3-clause", "cc0-1.0", "cc-by-4.0", "cc-by-sa-4.0",
    "cc-by-nc-4.0", "cc-by-nc-sa-4.0", "cc-by-nd-4.0", "cc-by-nc-nd-4.0", "gpl-3.0", "agpl-3.0", "lgpl-3.0", "mpl-2.0", "isc",
    "unlicense", "other",
)  # fmt: skip
"""Identifiers of the Hub; it refuses others."""
KINDS = {"fid": "fid", "kid": "kid", "is": "inception_score", "modes": "modes"}
"""What the Hub calls scores, where it has a name of its own."""


@dataclass(frozen=True)
class Wording:
    """What the maker says of a model, and the files do not.

    Raises:
        InputError: for what the Hub would refuse.
    """

    title: str | None = None
    licence: str | None = None
    dataset: str | None = None
    description: str | None = None

    def __post_init__(self) -> None:
        if self.licence is not None and self.licence not in LICENCES:
            hint = did_you_mean(self.licence.lower(), list(LICENCES))
            raise InputError(f"`licence` {self.licence!r} is none that the Hub knows{hint}: {', '.join(LICENCES)}")
        if self.dataset is not None and not re.fullmatch(r"([\w-]+/)?[\w.-]+", self.dataset, re.ASCII):
            raise InputError(f"`dataset` {self.dataset!r} is no name of a data set on the Hub, as in ylecun/mnist")
        for name in ("title", "description"):
            value = getattr(self, name)
            if value is not None and (not value.strip() or len(value) > 5000 or (name == "title" and "\n" in value)):
                raise InputError(f"`{name}` must be a text of one line, which is not empty" if name == "title" else
                                 f"`{name}` must be a text of up to 5,000 characters")  # fmt: skip


def title_of(facts: Facts, wording: Wording) -> str:
    """The model's name for people."""
    if wording.title:
        return wording.title
    a = facts.info.architecture
    what = "points" if facts.points else f"{a['image_size']}×{a['image_size']}"
    return f"{facts.data.name}, {what}, {a['name']}"


def model_card(facts: Facts, wording: Wording, files: Mapping[str, str], hub_name: str | None, note: str | None) -> str:
    """The whole text.

    Args:
        facts: see :mod:`logan.sharing.facts`.
        wording: what the maker says.
        files: what else is in the folder: names, and what they are.
        hub_name: ``user/name``, if that is where it goes.
        note: what else has to be said of the networks.
    """
    parts = [
        _front_matter(facts, wording, "generator.onnx" in files),
        f"# {_plain(title_of(facts, wording))}\n",
        "![samples](samples.png)\n",
        _what(facts, wording, note),
        _use(facts, hub_name, "generator.onnx" in files),
        _data(facts),
        _settings(facts),
        _scores(facts),
        _limits(facts),
        "## Files\n\n| file | what |\n|---|---|\n" + "".join(f"| `{n}` | {what} |\n" for n, what in files.items()),
        _licence(wording),
        _citation(),
    ]
    return "\n".join(parts)


def _front_matter(facts: Facts, wording: Wording, onnx: bool) -> str:
    """YAML, each value of which is written as JSON, which YAML includes."""
    a = facts.info.architecture
    tags = ["gan", "generative-adversarial-network", "logan", "latent-optimisation", a["name"], "pytorch"]
    tags += ["onnx"] if onnx else []
    lines = [] if wording.licence is None else [f"license: {json.dumps(wording.licence)}"]
    lines += ["library_name: logan-gan", f"tags: {json.dumps(tags)}"]
    if not facts.points:
        lines.append("pipeline_tag: unconditional-image-generation")
    lines.append(f"datasets: {json.dumps([_dataset(facts, wording)])}")
    metrics = list(dict.fromkeys(m["type"] for m in _results(facts)))
    if metrics:
        lines.append(f"metrics: {json.dumps(metrics)}")
        index = [
            {
                "name": title_of(facts, wording),
                "results": [
                    {
                        "task": {"type": "unconditional-image-generation"},
                        "dataset": {"type": _dataset(facts, wording), "name": facts.data.name},
                        "metrics": _results(facts),
                    }
                ],
            }
        ]
        lines.append(f"model-index: {json.dumps(index)}")
    return "---\n" + "\n".join(lines) + "\n---\n"


def _dataset(facts: Facts, wording: Wording) -> str:
    return wording.dataset or re.sub(r"[^\w.-]+", "-", facts.data.name, flags=re.ASCII).strip("-.") or "data"


def _results(facts: Facts) -> list[dict[str, Any]]:
    """Every score that is a number, as the Hub has them: type, value, and how it was measured."""
    found = []
    for line in facts.scores:
        for name, value in line["results"].items():
            if value is not None:
                kind = re.sub(r"\d.*", "", name)
                how = {key: line.get(key) for key in ("protocol", "detector", "detector_sha256", "n_real", "n_fake",
                                                      "latent_steps", "trunc", "seed")}  # fmt: skip
                found.append(
                    {
                        "type": KINDS.get(kind, kind),
                        "value": value,
                        "name": f"{name} ({_detector(line)})",
                        "args": {key: known for key, known in how.items() if known is not None},
                    }
                )
    return found


def _detector(line: Mapping[str, Any]) -> str:
    if not line.get("detector"):
        return "of the mixture's own modes"
    return f"{line['detector']} {(line.get('detector_sha256') or '')[:12]}".strip()


def _what(facts: Facts, wording: Wording, note: str | None) -> str:
    info, (g, d) = facts.info, facts.parameters
    a, config = info.architecture, info.config
    kind = "points in the plane" if facts.points else (
        f"images of {a['image_size']}×{a['image_size']} pixels and {a['image_channels']} "
        f"channel{'s' if a['image_channels'] > 1 else ''}"
    )  # fmt: skip
    given = f"of {a['num_classes']} classes, by label, " if a["num_classes"] else ""
    method = {
        "none": "without latent optimisation (an ordinary GAN)",
        "cs": "with CS-GAN's latent optimisation",
        "gd": "with latent optimisation by gradient descent",
        "ngd": "with latent optimisation by natural gradient descent",
    }[config.latent.latent]
    text = (
        f"A generator of {kind} {given}from {a['latent_dim']} numbers, and its discriminator: `{a['name']}`, "
        f"{g:,} and {d:,} parameters. It was trained {method} "
        f"([LOGAN](https://arxiv.org/abs/1912.00953)), and has seen {info.images:,} real images; "
        f"the generator is a moving average of the trained one."
    )
    said = "" if wording.description is None else wording.description.strip() + "\n\n"
    return f"## What it is\n\n{said}{text}\n" + (f"\n**{note}**\n" if note else "")


def _use(facts: Facts, hub_name: str | None, onnx: bool) -> str:
    extra, name = ("[hub]", f"hub:{hub_name}") if hub_name else ("", "FOLDER")
    labels = ", labels=[0]" if facts.info.architecture["num_classes"] else ""
    then = "Then:" if hub_name else "Then, where this folder lies in `FOLDER`:"
    text = f"""## How to use it

It needs LOGAN ({__version__}), which is on no package index: in a checkout of it, or with its wheel in the place of the dot,

```
pip install ".{extra}"
```

{then}

```python
import logan

model = logan.load("{name}")
images = model.sample(64, seed=0{labels})  # (64, {", ".join(map(str, _shape(facts)))}), in [−1, 1]
```

```
logan sample {name} --n 64 --seed 0 --out samples.png
```

Every file but this one has its sha256 in `manifest.json`, with which `logan.load` compares it first. Nothing here is code, and
loading runs none.
"""
    return text + (_onnx(facts) if onnx else "")


def _shape(facts: Facts) -> tuple[int, int, int]:
    a = facts.info.architecture
    return a["image_channels"], a["image_size"], a["image_size"]


def _onnx(facts: Facts) -> str:
    a, config = facts.info.architecture, facts.info.config
    draw = "uniform(-1, 1, {})" if config.networks.prior == "uniform" else "normal(size={})"
    z = f"numpy.random.{draw.format((64, a['latent_dim']))}" + '.astype("float32")'
    sphere = "\nz /= numpy.linalg.norm(z, axis=1, keepdims=True)" if config.on_sphere() else ""
    labels = ', "labels": numpy.zeros(64, dtype="int64")' if a["num_classes"] else ""
    return f"""
Without logan and torch, by any runtime of ONNX:

```python
import numpy, onnxruntime

z = {z}{sphere}
images = onnxruntime.InferenceSession("generator.onnx").run(["images"], {{"z": z{labels}}})[0]
```
"""


def _data(facts: Facts) -> str:
    data = facts.data
    rows = [("name", f"`{_plain(data.name)}`")]
    if data.endless:
        rows.append(("points", "drawn without end"))
    elif data.images is not None:
        broken = f"; {data.left_out:,} that could not be read were left out" if data.left_out else ""
        rows.append(("images", f"{data.images:,}{broken}"))
    else:
        rows.append(("images", "not known: the data were not at hand when this card was written"))
    if data.class_names:
        more = ["…"] if len(data.class_names) > 20 else []
        names = ", ".join([*map(_plain, data.class_names[:20]), *more])
        used = "given to the networks" if facts.info.architecture["num_classes"] else "not given to the networks"
        rows.append(("classes", f"{len(data.class_names):,}, {used}: {names}"))
    if data.fingerprint:
        rows.append(("fingerprint", f"`{data.fingerprint}` (sizes, labels and 256 images; `logan.data.fingerprint`)"))
    return "## Training data\n\n| | |\n|---|---|\n" + "".join(f"| {key} | {value} |\n" for key, value in rows)


def _settings(facts: Facts) -> str:
    return f"""## Settings

```
{" ".join(training_command(facts.info.config).split())}
```

trains it again, up to the rounding of another machine; `--data` is where the data are there. All settings are in
`training_options.json`. Written by logan {__version__}.
"""


def _scores(facts: Facts) -> str:
    if not facts.scores:
        return "## Scores\n\nNone were measured.\n"
    rows = []
    for line in facts.scores:
        how = "in training" if line.get("in_training") else f"protocol {line.get('protocol', 'training')}"
        steps = f", {line['latent_steps']} latent steps" if line.get("latent_steps") else ""
        trunc = f", truncation {line['trunc']}" if line.get("trunc", 1) != 1 else ""
        guide = f", guide {line['guide']['name']}" if line.get("guide") else ""
        counts = f"{_count(line.get('n_real'))} | {_count(line.get('n_fake'))}"
        rows += [
            f"| {name} | {_number(value)} | {how}{steps}{trunc}{guide} | {_detector(line)} | {counts} |\n"
            for name, value in line["results"].items()
        ]
    return (
        "## Scores\n\n| score | value | how | detector | real | generated |\n|---|---|---|---|---|---|\n"
        + "".join(rows)
        + "\nScores compare only where detector, protocol and counts are the same; fid and kid are better if lower, the others if "
        "higher. Those that selected this snapshot of its run are a little better than a fresh measurement.\n"
    )


def _count(value: int | None) -> str:
    return "–" if value is None else f"{value:,}"


def _number(value: float | None) -> str:
    return "not finite" if value is None else f"{value:.5g}"


def _limits(facts: Facts) -> str:
    people = "" if facts.points else (
        " Where the data show people, its images may resemble them, though nobody consented to that."
    )  # fmt: skip
    return f"""## Intended use and limits

For research on generative models, teaching and play. It makes what resembles its training data, with their gaps and biases, and
knows nothing else; rare kinds are rarer still among its samples, and some of these may be close to copies of training
data.{people} Do not pass its samples off as records of anything real. Nothing was checked beyond the scores above.
"""


def _licence(wording: Wording) -> str:
    if wording.licence is None:
        return "## Licence\n\nNone was stated: ask who made it before you use it for more than looking.\n"
    return f"## Licence\n\n`{wording.licence}`, of the weights and the files here. The training data have terms of their own.\n"


def _citation() -> str:
    return """## Citation

```bibtex
@article{wu2019logan,
  title   = {LOGAN: Latent Optimisation for Generative Adversarial Networks},
  author  = {Wu, Yan and Donahue, Jeff and Balduzzi, David and Simonyan, Karen and Lillicrap, Timothy},
  journal = {arXiv preprint arXiv:1912.00953},
  year    = {2019}
}
```
"""


def _plain(text: str) -> str:
    """A name of somebody else's in Markdown: nothing in it starts a link, a picture, a table's cell or HTML."""
    return re.sub(r"[|<>\[\]!`\n\r\\]", " ", text)[:200].strip() or "unnamed"
