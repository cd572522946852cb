"""Snapshots and samples from them."""

import json
import os
import stat

import pytest
import torch
from safetensors.torch import load_file, save_file

import logan
from logan import sealed
from logan.errors import InputError
from logan.sampling import snapshot

from ..training.small import config


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return logan.train(config(kimg=1, snap=1), outdir=tmp_path_factory.mktemp("runs"), quiet=True)


@pytest.fixture(scope="module")
def conditional(tmp_path_factory):
    return logan.train(config(kimg=1, snap=1, conditional=True), outdir=tmp_path_factory.mktemp("runs"), quiet=True)


def copy_of(run, tmp_path):
    source = snapshot.find(run)
    for path in (source, source.with_suffix(".json")):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    return tmp_path / source.name


def test_samples_are_images_and_depend_on_the_seed_alone(run):
    model = logan.load(run)
    images = model.sample(10, seed=3)
    assert images.shape == (10, 1, 8, 8)
    assert images.min() >= -1
    assert images.max() <= 1
    torch.testing.assert_close(images, model.sample(10, seed=3, batch=3), rtol=1e-5, atol=1e-6)
    assert torch.equal(images, logan.load(run).sample(10, seed=3))
    assert not torch.allclose(images, model.sample(10, seed=4))
    torch.testing.assert_close(images[:4], model.sample(4, seed=3), rtol=1e-5, atol=1e-6)


def test_truncation_scales_the_latents(run):
    model = logan.load(run)
    one = model.sample(5, trunc=0.0)
    torch.testing.assert_close(one, one[:1].expand(5, -1, -1, -1))
    spread = [model.sample(50, trunc=s).std(0).mean() for s in (0.0, 0.3, 1.0)]
    assert spread[0] < spread[1] < spread[2]


def test_latent_steps_raise_the_score(run):
    model = logan.load(run)
    scores = [model.discriminator(model.sample(64, latent_steps=k)).mean() for k in (0, 1, 5)]
    assert scores[0] < scores[1] < scores[2]
    assert torch.equal(model.sample(6, latent_steps=2), model.sample(6, latent_steps=2))


def test_sampling_leaves_the_global_random_state(run):
    before = torch.get_rng_state()
    logan.load(run).sample(4, latent_steps=1)
    assert torch.equal(before, torch.get_rng_state())


def test_conditional(conditional):
    model = logan.load(conditional)
    assert model.num_classes == 10
    assert model.info.class_names == [str(i) for i in range(10)]
    assert not torch.allclose(model.sample(6, labels=[1]), model.sample(6, labels=[2]))
    torch.testing.assert_close(model.sample(6, labels=[1, 2]), model.sample(6, labels=[1, 2, 1, 2, 1, 2]))
    assert model.sample(3).shape == (3, 1, 8, 8)
    with pytest.raises(InputError, match=r"0 \.\.\. 9"):
        model.sample(3, labels=[10])


def test_it_is_the_averaged_generator(run):
    state = torch.load(run / "training-state-latest.pt", weights_only=True)
    weights = logan.load(run).generator.state_dict()
    assert all(torch.equal(weights[k], v) for k, v in state["average"].items())
    assert not all(torch.equal(weights[k], v) for k, v in state["generator"].items())


def test_its_batch_norm_statistics_are_its_own(run):
    """Running statistics describe what the averaged G computes from latents of the prior, in every layer."""
    model = logan.load(run)
    inputs = {}
    norms = {n: m for n, m in model.generator.named_modules() if isinstance(m, torch.nn.BatchNorm2d)}
    for name, norm in norms.items():
        norm.register_forward_pre_hook(lambda m, x, name=name: inputs.setdefault(name, []).append(x[0]))
    model.sample(5000, seed=9, batch=5000)
    assert norms
    for name, norm in norms.items():
        seen = inputs[name][0].transpose(0, 1).flatten(1)
        error = (norm.running_mean - seen.mean(1)).norm() / seen.std(1).norm()
        assert error < 0.05
        torch.testing.assert_close(norm.running_var, seen.var(1), rtol=0.15, atol=0)


def test_the_weights_file_alone_is_enough(run, tmp_path):
    path = copy_of(run, tmp_path)
    path.with_suffix(".json").unlink()
    assert torch.equal(logan.load(path).sample(2), logan.load(run).sample(2))


def test_the_description(run):
    values = json.loads(snapshot.find(run).with_suffix(".json").read_text())
    assert values["architecture"]["name"] == "dcgan"
    assert values["images"] == 1000
    assert values["config"]["game"]["batch"] == 50


@pytest.mark.skipif(os.name != "posix", reason="file modes are POSIX's")
def test_snapshots_can_be_read_by_others(run):
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE(snapshot.find(run).stat().st_mode) == 0o666 & ~mask


@pytest.mark.parametrize("damage", ["truncated", "empty", "text", "flipped"])
def test_damaged_snapshot(run, tmp_path, damage):
    path = copy_of(run, tmp_path)
    path.with_suffix(".json").unlink()  # the file alone knows
    good = path.read_bytes()
    path.write_bytes(
        {
            "truncated": good[: len(good) // 2],
            "empty": b"",
            "text": b"hello" * 100,
            "flipped": good[:-9] + bytes([good[-9] ^ 1]) + good[-8:],
        }[damage]
    )
    with pytest.raises(InputError, match="damaged"):
        logan.load(path)


def described_as(path, tensors, description):
    sealed.write(path, description if isinstance(description, str) else json.dumps(description), tensors)


def test_snapshot_of_another_architecture(run, tmp_path):
    path = copy_of(run, tmp_path)
    tensors = load_file(path)
    description = snapshot.read(path)[0].describe()
    path.with_suffix(".json").unlink()
    description["architecture"]["width"] = 16
    described_as(path, tensors, description)
    with pytest.raises(InputError, match="another architecture: .* is .* there"):
        logan.load(path)
    description["architecture"] |= {"width": 8, "name": "mlp"}
    described_as(path, tensors, description)
    with pytest.raises(InputError, match="another architecture: only"):
        logan.load(path)


@pytest.mark.parametrize("header", ["none", "without a checksum", "without a description", "of other tensors"])
def test_a_snapshot_that_nothing_vouches_for(run, tmp_path, header):
    path = copy_of(run, tmp_path)
    tensors, text = load_file(path), sealed.read(path)[0]
    metadata = {
        "none": None,
        "without a checksum": {"logan": text},
        "without a description": {"sha256": sealed.digest(text, tensors)},
        "of other tensors": {"logan": text, "sha256": sealed.digest(text, {})},
    }[header]
    save_file(tensors, path, metadata=metadata)
    with pytest.raises(InputError) as caught:
        logan.load(path)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert "damaged" in message if header == "of other tensors" else "not a logan snapshot" in message
    assert ("write those with logan.sampling.snapshot.save" in message) == (header != "of other tensors")


DESCRIPTIONS = {
    "images: Infinity": lambda d: json.dumps(d).replace('"images": 1000', '"images": Infinity'),
    "images: a float": lambda d: {**d, "images": 1000.0},
    "images: negative": lambda d: {**d, "images": -8},
    "images: 5,000 digits": lambda d: json.dumps(d).replace('"images": 1000', '"images": ' + "9" * 5000),
    "images: a word": lambda d: {**d, "images": "1000"},
    "no images": lambda d: {k: v for k, v in d.items() if k != "images"},
    "no format": lambda d: {k: v for k, v in d.items() if k != "format"},
    "no config": lambda d: {k: v for k, v in d.items() if k != "config"},
    "another format": lambda d: {**d, "format": 2},
    "names of classes are numbers": lambda d: {**d, "class_names": [1, 2]},
    "no architecture": lambda d: {**d, "architecture": None},
    "a width beyond memory": lambda d: {**d, "architecture": d["architecture"] | {"width": 10**9}},
    "an image of no size": lambda d: {**d, "architecture": d["architecture"] | {"image_size": 0}},
    "a size that is a word": lambda d: {**d, "architecture": d["architecture"] | {"image_size": "8"}},
    "another argument": lambda d: {**d, "architecture": d["architecture"] | {"more": 1}},
    "an argument less": lambda d: {**d, "architecture": {"name": "dcgan"}},
    "a network nobody knows": lambda d: {**d, "architecture": d["architecture"] | {"name": "x"}},
    "a config of other kinds": lambda d: {**d, "config": d["config"] | {"run": {"kimg": "x"}}},
    "nested lists": lambda d: "[" * 10**5,
    "nested groups": lambda d: '{"a":' * 10**4 + "1" + "}" * 10**4,
    "no JSON": lambda d: "images 1000",
    "a list": lambda d: [1],
}


@pytest.mark.parametrize("change", DESCRIPTIONS.values(), ids=DESCRIPTIONS)
def test_a_description_that_is_none(run, tmp_path, change):
    """The checksum is right: somebody wrote it so."""
    path = copy_of(run, tmp_path)
    tensors, text = load_file(path), sealed.read(path)[0]
    described_as(path, tensors, text)
    logan.load(path)
    described_as(path, tensors, change(json.loads(text)))
    with pytest.raises(InputError) as caught:
        logan.load(path)
    assert len(str(caught.value)) < 500 + len(str(path))


def test_missing(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        logan.load(tmp_path / "nothing")
    with pytest.raises(InputError, match="not a run folder: it holds no network-snapshot"):
        logan.load(tmp_path)


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"n": 0}, "n"),
        ({"n": 1, "trunc": 1.5}, "trunc"),
        ({"n": 1, "latent_steps": -1}, "latent_steps"),
        ({"n": 1, "labels": [0]}, "labels"),
    ],
)
def test_impossible_samples(run, arguments, field):
    with pytest.raises(InputError, match=f"`{field}` .*") as error:
        logan.load(run).sample(**arguments)
    assert error.value.field == field


@pytest.mark.parametrize(
    "change",
    [{"width": 10**5}, {"latent_dim": 10**6}, {"name": "mlp", "image_size": 8192}, {"name": "mlp", "depth": 1000},
     {"name": "mlp", "image_size": 4096, "width": 512}, {"num_classes": 10**6},
     {"name": "sndcgan", "image_size": 32, "width": 8192}],
)  # fmt: skip
def test_networks_that_are_described_and_not_there_take_no_memory(run, tmp_path, change):
    path = copy_of(run, tmp_path)
    tensors, description = load_file(path), snapshot.read(path)[0].describe()
    described_as(path, tensors, {**description, "architecture": {**description["architecture"], **change}})
    made = []
    hook = torch.nn.modules.module.register_module_parameter_registration_hook(lambda m, n, p: made.append(p.numel()))
    try:
        with pytest.raises(InputError, match="the networks that it describes are larger than what it holds"):
            snapshot.load_networks(path)
    finally:
        hook.remove()
    assert sum(made[:-1]) <= snapshot.MADE_ANEW * sum(tensor.numel() for tensor in tensors.values())
