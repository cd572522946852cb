"""Samples of a trained generator that D helped to choose."""

from dataclasses import replace

import pytest
import torch

import logan
from logan.errors import InputError
from logan.guide import GUIDES, Calibration, Flow, Langevin, Latent, Metropolis, Reject, Transport
from logan.sampling import calibrating, calibration_of
from logan.sampling.guidance import LOGITS, own_latent
from logan.sampling.model import draw_latents

from ..evaluation.small import idx_folder
from ..training.small import config

LINE = Calibration(2.0, 0.5, 0.6, 0.7, 0.6, 0.1, 50, 50)


def line(guide):
    """What a guide needs of the two."""
    return LINE if guide.needs_logit else None


EVERY = [
    Latent(steps=2),
    Langevin(steps=3, step_size=0.1),
    Flow(steps=2),
    Transport(steps=2, step_size=0.2),
    Reject(percentile=80, most=4),
    Metropolis(steps=3),
]


def trained(tmp_path_factory, **settings):
    return logan.load(
        logan.train(config(kimg=1, snap=1, **settings), outdir=tmp_path_factory.mktemp("runs"), quiet=True)
    )


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return trained(tmp_path_factory)


@pytest.fixture(scope="module")
def conditional(tmp_path_factory):
    return trained(tmp_path_factory, conditional=True)


@pytest.fixture(scope="module")
def mixture(tmp_path_factory):
    ring = logan.presets.get("ring")
    short = replace(ring, run=replace(ring.run, kimg=2), scores=replace(ring.scores, metrics=()))
    return logan.load(logan.train(short, outdir=tmp_path_factory.mktemp("runs"), quiet=True))


def as_if_trained_with(loss, model):
    c = model.info.config
    info = replace(model.info, config=replace(c, game=replace(c.game, loss=loss)))
    return type(model)(info, model.generator, model.discriminator, model.device)


def test_every_guide_is_tried_here():
    assert {guide.name for guide in EVERY} == set(GUIDES)


@pytest.mark.parametrize("guide", EVERY, ids=lambda g: g.name)
@pytest.mark.parametrize("kind", ["model", "conditional"])
def test_samples_are_the_same_in_every_batch_and_however_many(guide, kind, request):
    model = request.getfixturevalue(kind)
    images = model.sample(10, seed=3, guide=guide, calibration=line(guide))
    assert images.shape == (10, 1, 8, 8)
    for other in (
        model.sample(10, seed=3, guide=guide, calibration=line(guide), batch=3),
        model.sample(10, seed=3, guide=guide, calibration=line(guide), batch=1),
    ):
        torch.testing.assert_close(images, other, rtol=1e-4, atol=1e-5)
    if kind == "model":  # labels that are drawn come after all latents, and so are others for another n
        few = model.sample(4, seed=3, guide=guide, calibration=line(guide))
        torch.testing.assert_close(images[:4], few, rtol=1e-4, atol=1e-5)
    if guide.name != "transport":  # which moves nothing where D∘G is nowhere as steep as it is measured to be
        assert not torch.allclose(images, model.sample(10, seed=3))
    assert not torch.allclose(images, model.sample(10, seed=4, guide=guide, calibration=line(guide)))


@pytest.mark.parametrize(
    "guide", [Latent(steps=0), Langevin(steps=0), Flow(steps=0), Transport(steps=0), Metropolis(0)]
)
def test_no_steps_change_nothing(model, guide):
    assert torch.equal(model.sample(6, guide=guide, calibration=line(guide)), model.sample(6))


def test_climbing_raises_the_score(model):
    scores = [model.discriminator(model.sample(64, guide=Latent(steps=k))).mean() for k in (0, 2, 8)]
    assert scores[0] < scores[1] < scores[2]


def test_transport_moves_what_is_steeper_than_it_is_told(model):
    for k, moves in ((1e-4, True), (1e4, False)):
        guide = Transport(steps=3, step_size=0.2, lipschitz=k)
        assert torch.allclose(model.sample(10, guide=guide), model.sample(10)) != moves


def test_the_runs_own_step_is_that_of_latent_steps(tmp_path_factory):
    model = trained(tmp_path_factory, subset="leading")
    own = own_latent(model.info.config, steps=3)
    step = model.info.config.latent_step()
    assert (own.method, own.alpha, own.beta, own.portion) == (step.method, step.alpha, step.beta, step.portion)
    torch.testing.assert_close(model.sample(6, guide=own), model.sample(6, latent_steps=3), rtol=1e-4, atol=1e-5)


def test_classes_stay_as_asked_for(conditional):
    guide = Metropolis(steps=3)
    a, b = (conditional.sample(6, labels=[k], guide=guide, calibration=line(guide)) for k in (0, 1))
    assert not torch.allclose(a, b)
    few = conditional.sample(3, labels=[1], guide=guide, calibration=line(guide))
    torch.testing.assert_close(b[:3], few, rtol=1e-4, atol=1e-5)


def test_the_networks_are_as_they_were(model):
    before = {k: v.clone() for k, v in {**model.generator.state_dict(), **model.discriminator.state_dict()}.items()}
    random = torch.random.get_rng_state()
    model.sample(6, guide=Langevin(steps=2), calibration=LINE)
    assert torch.equal(random, torch.random.get_rng_state())
    after = {**model.generator.state_dict(), **model.discriminator.state_dict()}
    assert all(torch.equal(before[k], after[k]) for k in before)


def test_what_is_measured_is_measured_once_and_always_alike(model):
    first = model.guidance(Reject(), LINE)
    again = model.guidance(Reject(), LINE, batch=7)
    assert first.guide.maximum == pytest.approx(again.guide.maximum, rel=1e-5)
    z = draw_latents(model.info.config, 512, torch.Generator().manual_seed(5))
    reached = LINE(model.discriminator(model.generator(z))).max().item()
    assert abs(first.guide.maximum - reached) < 1


def test_what_it_costs_is_counted(model):
    guidance = model.guidance(Langevin(steps=5), LINE)
    list(model.batches(10, batch=4, guidance=guidance))
    mean = guidance.tally.means()
    assert guidance.tally.samples == 10
    assert mean["evaluations"] == 6
    scores = LINE(model.discriminator(model.sample(10)))
    assert mean["before"] == pytest.approx(scores.mean().item(), rel=1e-4)
    assert mean["seconds"] > 0


@pytest.mark.parametrize("guide", [g for g in EVERY if g.needs_logit], ids=lambda g: g.name)
@pytest.mark.parametrize("loss", ["hinge", "wasserstein"])
def test_scores_that_are_no_logits_are_refused(model, guide, loss):
    other = as_if_trained_with(loss, model)
    with pytest.raises(InputError, match=rf"`guide` {guide.name} needs the logit.*`loss` {loss}.*`calibration`"):
        other.sample(4, guide=guide)
    assert other.sample(4, guide=guide, calibration=line(guide)).shape[0] == 4


@pytest.mark.parametrize("loss", LOGITS)
def test_logits_are_taken_as_they_are(tmp_path_factory, loss):
    plain = trained(tmp_path_factory, latent="none", loss=loss)
    assert plain.sample(4, guide=Metropolis(steps=1)).shape[0] == 4


@pytest.mark.parametrize("guide", EVERY, ids=lambda g: g.name)
def test_truncation_only_where_it_means_something(model, guide):
    if guide.draws_from_prior:
        with pytest.raises(InputError, match="`trunc` 0.5 has no meaning with `guide`"):
            model.sample(4, trunc=0.5, guide=guide, calibration=line(guide))
    else:
        assert model.sample(4, trunc=0.5, guide=guide, calibration=line(guide)).shape[0] == 4


def test_latent_steps_and_a_guide_are_one_or_the_other(model):
    with pytest.raises(InputError, match="`latent_steps` and `guide`"):
        list(model.batches(4, latent_steps=2, guidance=model.guidance(Latent())))


def test_calibration_of_a_mixture(mixture):
    found = calibration_of(mixture)
    assert found.reals == found.fakes == calibrating.MOST
    assert found.log_loss < found.raw_log_loss + 1e-9
    points = mixture.sample(6, guide=Metropolis(steps=3), calibration=found)
    assert points.shape == (6, 2, 1, 1)


def test_calibration_on_test_images(tmp_path, tmp_path_factory):
    data = idx_folder(tmp_path / "idx", train=80, test=30)
    model = trained(tmp_path_factory, data=str(data))
    said = []
    assert calibration_of(model, say=said.append).reals == 30
    assert "30 real images alone" in said.pop()
    moved = data.rename(tmp_path / "elsewhere")
    assert calibration_of(model, str(moved)) == calibration_of(model, str(moved), batch=7)
    for path in moved.glob("t10k*"):
        path.unlink()
    assert calibration_of(model, str(moved), say=said.append).reals == 80
    assert "trained on" in said[0]


def test_calibration_follows_the_scores(model, monkeypatch):
    """With scores that are made to be a logit twice too small, the line has slope two."""
    torch.manual_seed(0)
    scores = iter([(torch.randn(4000) + 1), (torch.randn(4000) - 1)])
    monkeypatch.setattr(calibrating, "_scores", lambda *a: next(scores))
    assert calibration_of(model).scale == pytest.approx(2, rel=0.1)


def test_calibration_on_other_data_is_refused(model, conditional, tmp_path):
    with pytest.raises(InputError, match=r"1x8x8|2x1x1"):
        calibration_of(model, "ring")
    with pytest.raises(InputError, match="other classes"):
        calibration_of(conditional, str(idx_folder(tmp_path / "idx", 20, 20)))


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ({"guide": "langevin"}, "`guide` is one of logan.guide, with its settings"),
        ({"guide": Latent}, "`guide` is one of logan.guide, with its settings"),
        ({"calibration": LINE}, "`calibration` is for a `guide`"),
        ({"guide": Latent(), "calibration": LINE}, "takes D's scores as they are"),
        ({"guide": Latent(portion=0.01)}, "`portion` 0.01 of 8 latent dimensions"),
    ],
)
def test_what_would_be_ignored_or_cannot_be_is_refused(model, what, message):
    with pytest.raises(InputError, match=message):
        model.sample(4, **what)


def test_a_d_that_saw_moved_samples_is_calibrated_first(model):
    assert model.info.config.latent.latent == "ngd"
    other = as_if_trained_with("non-saturating", model)
    with pytest.raises(InputError, match="`latent` ngd had moved"):
        other.sample(4, guide=Metropolis(steps=1))


def test_a_cube_on_the_sphere_is_only_climbed_from(tmp_path_factory):
    model = trained(tmp_path_factory, bounds="sphere")
    with pytest.raises(InputError, match="cannot draw latents as this run's"):
        model.sample(4, guide=Metropolis(steps=1), calibration=LINE)
    assert model.sample(4, guide=Latent(steps=1)).shape[0] == 4


def test_a_d_that_ranks_samples_above_real_images_is_refused(model, monkeypatch):
    scores = iter([(torch.randn(400) - 1), (torch.randn(400) + 1)])
    monkeypatch.setattr(calibrating, "_scores", lambda *a: next(scores))
    with pytest.raises(InputError, match="ranks its own samples above real images"):
        calibration_of(model)


def test_another_mixture_is_refused(mixture):
    with pytest.raises(InputError, match="grid is another mixture"):
        calibration_of(mixture, "grid")
