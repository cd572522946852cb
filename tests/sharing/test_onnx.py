"""Networks as ONNX: what onnxruntime computes is what torch computes, for every network, with a batch of any size."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import logan
from logan.errors import InputError
from logan.networks import NETWORKS
from logan.sharing import Wording, export, onnx

from ..training.small import config
from .small import make_run, randomised

runtime = pytest.importorskip("onnxruntime", reason="the extra 'onnx' is not installed")
checker = pytest.importorskip("onnx", reason="the extra 'onnx' is not installed")
pytest.importorskip("onnxscript", reason="the extra 'onnx' is not installed")

LONG = {
    f"{name}, {classes} classes": {"name": name, "num_classes": classes, "image_size": 32, "width": 4, "image_channels": channels}
    for name in NETWORKS for classes, channels in ((0, 3), (5, 1))
}  # fmt: skip


def session(path):
    return runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


def assert_same(folder, model, sizes=(1, 2, 3, 7, 64)):
    """By G and D, labels and all, for several sizes of batch, against the networks as the project runs them."""
    g, d = session(folder / "generator.onnx"), session(folder / "discriminator.onnx")
    rng = np.random.default_rng(0)
    for n in sizes:
        z = rng.uniform(-1, 1, (n, model.info.architecture["latent_dim"])).astype(np.float32)
        labels = {"labels": rng.integers(0, model.num_classes, n)} if model.num_classes else {}
        given = [torch.from_numpy(y) for y in labels.values()]
        images = model.generator(torch.from_numpy(z), *given)
        scores = model.discriminator(images, *given)
        (got,) = g.run(["images"], {"z": z} | labels)
        np.testing.assert_allclose(got, images.numpy(), rtol=0, atol=1e-4)
        (judged,) = d.run(["scores"], {"images": images.numpy()} | labels)
        np.testing.assert_allclose(judged, scores.numpy(), rtol=1e-4, atol=1e-4)
        assert judged.shape == (n,)


def test_equal_to_torch(tmp_path):
    run = make_run(tmp_path / "run", name="sndcgan", image_size=16, width=4, num_classes=3, latent_dim=6)
    assert_same(Path(export(run, tmp_path / "there", with_onnx=True)), logan.load(run))


@pytest.mark.slow
@pytest.mark.parametrize("kind", LONG.values(), ids=LONG)
def test_every_network_is_equal_to_torch(tmp_path, kind):
    run = make_run(tmp_path / "run", **kind)
    assert_same(Path(export(run, tmp_path / "there", with_onnx=True)), logan.load(run))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["dcgan", "sngan", "sagan", "biggan", "biggan-deep"])
def test_larger_images_too(tmp_path, name):
    run = make_run(tmp_path / "run", name=name, image_size=64, width=2, image_channels=3, latent_dim=10, num_classes=2)
    assert_same(Path(export(run, tmp_path / "there", with_onnx=True)), logan.load(run), (1, 3))


def test_what_a_user_of_it_finds(tmp_path, monkeypatch):
    settings = config(latent="cs")
    run = make_run(tmp_path / "run", settings=settings, num_classes=2)
    folder = Path(export(run, tmp_path / "there", wording=Wording(title="Two kinds", licence="mit"), with_onnx=True))
    for name, inputs, outputs in (
        ("generator", {"z": ["batch", 8], "labels": ["batch"]}, {"images": ["batch", 1, 8, 8]}),
        ("discriminator", {"images": ["batch", 1, 8, 8], "labels": ["batch"]}, {"scores": ["batch"]}),
    ):
        model = checker.load(folder / f"{name}.onnx")
        checker.checker.check_model(model, full_check=True)
        found = session(folder / f"{name}.onnx")
        assert {i.name: i.shape for i in found.get_inputs()} == inputs
        assert {o.name: o.shape for o in found.get_outputs()} == outputs
        assert [(o.domain, o.version) for o in model.opset_import if not o.domain] == [("", onnx.OPSET)]
        metadata = {entry.key: entry.value for entry in model.metadata_props}
        assert metadata["title"] == "Two kinds"
        assert metadata["licence"] == "mit"
        assert metadata["prior"] == "unit sphere"
        assert json.loads(metadata["class_names"]) == ["class 0", "class 1"]
        files = json.loads((folder / "manifest.json").read_text())["files"]
        assert metadata["snapshot_sha256"] == files["network-snapshot-000004.safetensors"]["sha256"]
        assert str(tmp_path) not in str(model)
    card = (folder / "README.md").read_text("utf-8")
    assert "z /= numpy.linalg.norm" in card
    assert f"opset {onnx.OPSET}" in card
    assert_same(folder, logan.load(run))
    monkeypatch.chdir(folder)  # and the card's own lines run
    lines: dict = {}
    exec(card.split("```python\n")[2].split("```")[0], lines)
    assert lines["images"].shape == (64, 1, 8, 8)


def test_the_network_is_left_as_it_was(tmp_path):
    _, d = randomised(0, name="mlp", image_size=8, image_channels=1, latent_dim=4, width=8, spectral_norm=True)
    before = {name: value.clone() for name, value in d.state_dict().items()}
    images = torch.randn(5, 1, 8, 8)
    want = d.train()(images)
    d.load_state_dict(before)
    onnx.save(tmp_path / "d.onnx", d, images, names=("images", "scores"))
    assert d.training
    assert all(torch.equal(before[name], value) for name, value in d.state_dict().items())
    torch.testing.assert_close(d(images), want)  # spectral norm is there still


def test_a_network_that_cannot_be_traced_is_named(tmp_path):
    class Unclear(nn.Module):
        def forward(self, z):
            return z * 2 if z.sum() > 0 else z

    with pytest.raises(
        InputError, match=r"g\.onnx cannot be made: torch's exporter cannot follow the network"
    ) as caught:
        onnx.save(tmp_path / "g.onnx", Unclear(), torch.randn(5, 3), names=("z", "images"))
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_what_differs_from_torch_is_not_written(tmp_path, monkeypatch):
    monkeypatch.setattr(onnx, "TOLERANCE", -1.0)
    with pytest.raises(InputError, match="differs from torch by"):
        onnx.save(tmp_path / "g.onnx", nn.Linear(3, 2), torch.randn(5, 3), names=("z", "images"))
    assert not list(tmp_path.iterdir())


def test_the_difference_is_seen():
    """Between the network and a graph of another one."""
    import io

    one, other = nn.Linear(3, 2), nn.Linear(3, 2)
    model = onnx._traced(onnx.as_used(one), [torch.randn(5, 3)], ("z", "images"), "g")
    content = io.BytesIO(model.SerializeToString()).getvalue()
    z = [torch.randn(5, 3)]
    assert onnx._difference(runtime, content, one, z, ("z", "images")) < 1e-6
    assert onnx._difference(runtime, content, other, z, ("z", "images")) > 0.01


def test_a_diverged_network_is_named(tmp_path):
    network = nn.Linear(3, 2)
    network.weight.data.fill_(float("nan"))
    with pytest.raises(InputError, match="the network has diverged, its images are not finite"):
        onnx.save(tmp_path / "g.onnx", network, torch.randn(5, 3), names=("z", "images"))


def test_the_extra_names_itself(tmp_path, monkeypatch):
    run = make_run(tmp_path / "run")
    for module in ("onnx", "onnxruntime", "onnxscript"):
        with monkeypatch.context() as patch:
            patch.setitem(sys.modules, module, None)
            with pytest.raises(InputError, match=r"pip install \"logan-gan\[onnx\]\""):
                export(run, tmp_path / "there", with_onnx=True)
    assert not (tmp_path / "there").exists()
