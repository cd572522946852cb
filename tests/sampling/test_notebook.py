"""A model shows itself: one line of facts, and in a notebook samples above them, whatever became of it."""

import base64
import io
import re

import pytest
import torch
from PIL import Image

import logan

from ..sharing.small import make_run
from ..training.small import config


def shown(model):
    """The picture, and the facts below it."""
    found = re.fullmatch(
        r'<div><img alt="samples" src="data:image/png;base64,([^"]+)"><br><code>([^<]+)</code></div>',
        model._repr_html_(),
    )
    assert found is not None
    return Image.open(io.BytesIO(base64.b64decode(found[1]))), found[2]


@pytest.mark.parametrize(
    ("architecture", "size"),
    [({}, (8 * 66 - 2, 64)), ({"num_classes": 3, "image_channels": 3}, (8 * 66 - 2, 64)),
     ({"image_size": 80, "image_channels": 2}, (8 * 66 - 2, 64)), ({"image_size": 1, "image_channels": 2}, (192, 192))],
    ids=["grey", "classes in colour", "large, of two channels", "points"],
)  # fmt: skip
def test_samples_and_facts(tmp_path, architecture, size):
    model = logan.load(make_run(tmp_path / "run", **architecture))
    picture, facts = shown(model)
    assert picture.size == size
    assert len(picture.convert("RGB").getcolors(10**6)) > 1
    assert repr(model) == f"<Model: {facts}>"
    assert "\n" not in facts


def test_the_facts(tmp_path):
    model = logan.load(make_run(tmp_path / "run", num_classes=3), device="cpu")
    count = sum(p.numel() for p in model.generator.parameters())
    assert repr(model).startswith(f"<Model: mlp, 1×8×8, 3 classes, from 8 uniform latents, G {count:,}, D ")
    assert repr(model).endswith(" parameters, latent ngd, 4 kimg, on cpu>")


def test_the_latents_of_the_sphere_are_named(tmp_path):
    assert "from 8 unit sphere latents" in repr(logan.load(make_run(tmp_path / "run", settings=config(latent="cs"))))


def test_it_is_the_same_each_time_and_leaves_no_trace(tmp_path):
    model = logan.load(make_run(tmp_path / "run"))
    before = torch.get_rng_state()
    assert model._repr_html_() == model._repr_html_()
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("harm", ["diverged", "broken", "without info"])
def test_it_never_raises(tmp_path, harm):
    for name, architecture in (("images", {}), ("points", {"image_size": 1, "image_channels": 2})):
        model = logan.load(make_run(tmp_path / name, **architecture))
        if harm == "diverged":
            for p in model.generator.parameters():
                p.fill_(float("nan"))
        elif harm == "broken":
            model.generator.forward = None
        else:
            del model.info
        assert model._repr_html_().startswith("<div>")
        assert repr(model).startswith("<Model: ")


def test_names_are_no_markup(tmp_path):
    model = logan.load(make_run(tmp_path / "run"))
    model.info.architecture["name"] = "<script>x</script>"
    assert "<script>" not in model._repr_html_()
