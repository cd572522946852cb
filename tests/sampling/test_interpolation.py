"""Paths between latents, and the ends that they have."""

import itertools
from dataclasses import replace

import pytest
import torch

import logan
from logan.errors import InputError
from logan.metrics.pixels import to_pixels
from logan.sampling.interpolation import End, between, end_of_seed, path_through
from logan.sampling.model import draw_latents
from logan.sampling.projection import Projection

from .untrained import run_folder


def settings(prior="uniform", sphere=False, d=16):
    c = logan.presets.get("digits", "cs" if sphere else "ngd")
    return replace(c, networks=replace(c.networks, prior=prior, latent_dim=d))


def ends(c, n):
    z = draw_latents(c, n, torch.Generator().manual_seed(3))
    return [End(one) for one in z]


@pytest.mark.parametrize("d", [2, 3, 64])
def test_a_curved_path_keeps_the_norm(d):
    z = torch.randn(6, d, generator=torch.Generator().manual_seed(0))
    z = 3 * z / z.norm(dim=1, keepdim=True)
    for a, b in itertools.pairwise(z):
        way = between(a, b, torch.linspace(0, 1, 9), curved=True)
        torch.testing.assert_close(way.norm(dim=1), torch.full((9,), 3.0))
        torch.testing.assert_close(way[[0, -1]], torch.stack([a, b]), rtol=0, atol=1e-5)
        angles = [torch.acos((x @ y / 9).clamp(-1, 1)) for x, y in itertools.pairwise(way)]
        torch.testing.assert_close(torch.stack(angles), angles[0].expand(8), rtol=0, atol=2e-3)  # evenly


def test_norms_that_differ_go_evenly_from_one_to_the_other():
    a, b = torch.tensor([1.0, 0.1, 0.0]), torch.tensor([-0.2, 0.05, 0.0])  # nearly opposite
    way = between(a, b, torch.linspace(0, 1, 7), curved=True)
    torch.testing.assert_close(way.norm(dim=1), torch.lerp(a.norm(), b.norm(), torch.linspace(0, 1, 7)))


@pytest.mark.parametrize("a", [[1.0, 0.0, 0.0], [0.6, -0.8, 0.0], [2.0, 2.0, 2.0]])
def test_opposite_ends_have_a_circle_too(a):
    a = torch.tensor(a)
    way = between(a, -a, torch.linspace(0, 1, 5), curved=True)
    torch.testing.assert_close(way.norm(dim=1), a.norm().expand(5))
    torch.testing.assert_close(way[-1], -a, rtol=0, atol=1e-5)
    assert abs(float(way[2] @ a)) < 1e-4


def test_no_direction_and_no_angle():
    a, zero = torch.tensor([1.0, 2.0]), torch.zeros(2)
    half = torch.tensor([0.5])
    torch.testing.assert_close(between(a, zero, half, curved=True)[0], a / 2)
    torch.testing.assert_close(between(a, 3 * a, half, curved=True)[0], 2 * a)
    torch.testing.assert_close(between(a, a, half, curved=True)[0], a)


@pytest.mark.parametrize("loop", [False, True])
@pytest.mark.parametrize("n", [2, 3])
@pytest.mark.parametrize("frames", [1, 2, 7])
def test_frames_are_counted_and_the_ends_are_on_the_path(loop, n, frames):
    c = settings()
    given = ends(c, n)
    z, labels = path_through(c, given, frames, loop=loop)
    assert len(z) == (n * frames if loop else (n - 1) * frames + 1)
    for k, end in enumerate(given):
        assert torch.equal(z[k * frames], end.z)
    assert labels is None
    if loop and frames > 1:  # the last step is as long as the first one: the next frame is the first
        steps = [(a - b).norm() for a, b in itertools.pairwise([*z[-frames:], z[0]])]
        torch.testing.assert_close(torch.stack(steps), steps[0].expand(frames), rtol=1e-3, atol=1e-5)


def test_auto_is_what_the_prior_wants():
    for c, kind in ((settings(), "linear"), (settings("normal"), "spherical"), (settings(sphere=True), "spherical")):
        given = ends(c, 2)
        auto, asked = (path_through(c, given, 8, path=path)[0] for path in ("auto", kind))
        other = path_through(c, given, 8, path="linear" if kind == "spherical" else "spherical")[0]
        assert torch.equal(auto, asked)
        assert c.on_sphere() or not torch.allclose(auto, other, atol=1e-3)


@pytest.mark.parametrize("path", ["linear", "spherical"])
def test_no_latent_leaves_the_prior(path):
    box = [End(torch.tensor([1.0, 1.0])), End(torch.tensor([1.0, -1.0])), End(torch.tensor([-1.0, -1.0]))]
    z, _ = path_through(settings(d=2), box, 9, path=path)
    assert z.abs().max() <= 1
    c = settings(sphere=True)
    z, _ = path_through(c, ends(c, 3), 9, path=path)
    torch.testing.assert_close(z.norm(dim=1), torch.ones(len(z)))


def test_classes_change_in_the_middle_of_a_leg():
    c = settings()
    given = [End(end.z, label) for end, label in zip(ends(c, 3), (4, 7, 7), strict=True)]
    _, labels = path_through(c, given, 4, loop=True)
    assert labels.tolist() == [4, 4, 7, 7, 7, 7, 7, 7, 7, 7, 4, 4]


def test_impossible_paths():
    c = settings()
    for given, frames, path, said in (
        (1, 5, "auto", "two ends"),
        (2, 0, "auto", "`frames`"),
        (2, 10**6, "auto", "`frames`"),
        (2, 5, "curved", "`path` is one of"),
    ):
        with pytest.raises(InputError, match=said):
            path_through(c, ends(c, given), frames, path=path)


@pytest.fixture(scope="module", params=[False, True], ids=["plain", "conditional"])
def model(request, tmp_path_factory):
    return logan.load(run_folder(tmp_path_factory.mktemp("runs") / "run", "ngd", conditional=request.param))


@pytest.mark.parametrize("trunc", [1.0, 0.5])
def test_the_end_of_a_seed_is_its_first_sample(model, trunc):
    for seed in (0, 5):
        end = end_of_seed(model, seed, trunc)
        labels = () if end.label is None else (torch.tensor([end.label]),)
        with torch.no_grad():
            assert torch.equal(model.generator(end.z[None], *labels), model.sample(1, seed=seed, trunc=trunc))
        assert (end.label is None) == (model.num_classes == 0)
    assert end_of_seed(model, 5, trunc, 3).label == 3
    for wrong in ({"seed": -1}, {"seed": 0, "trunc": 2.0}):
        with pytest.raises(InputError):
            end_of_seed(model, **wrong)


def test_a_model_projects_its_own_samples(model):
    """Also uint8 ones; and says what it is asked for."""
    images = model.sample(2, seed=4)
    found = model.project(images, settings=Projection(steps=60, starts=2), batch=7)
    assert found.pixels.max() < 0.5 * images.var()
    assert found.z.abs().max() <= 1
    assert (found.labels is None) == (model.num_classes == 0)
    pixels = to_pixels(images, from_generator=True)
    close = model.project(pixels, settings=Projection(steps=60, starts=2))
    torch.testing.assert_close(close.pixels, found.pixels, rtol=0.3, atol=1e-3)
