"""Scores of a generator from one set of its images."""

import math

import pytest
import torch

from logan.data.mixtures import ring
from logan.errors import InputError
from logan.evaluation import reference
from logan.evaluation.evaluator import Evaluator, score_names
from logan.evaluation.names import parse, parse_all
from logan.metrics import distances, manifold

from .small import PixelDetector, as_floats, dataset, never

FAKES = as_floats(dataset(40, seed=5).images)
KINDS = ("fid20", "kid20", "is20", "pr20")


def evaluator(*metrics, splits=1, reals=30):
    detector = PixelDetector()
    real = reference.of_real(dataset(), reals, detector, torch.device("cpu"))
    return Evaluator(parse_all(metrics), detector, real, splits=splits)


class Draw:
    """Hands out images in batches of seven, and remembers what it was asked for."""

    def __init__(self, images=FAKES):
        self.images, self.asked = images, []

    def __call__(self, n):
        self.asked.append(n)
        yield from self.images[:n].split(7)


def features(images=FAKES):
    return PixelDetector()(((images + 1) * 127.5).round())


def test_a_metric_takes_the_first_images():
    both = evaluator("fid10", "fid20")(Draw())
    assert both["fid10"] == evaluator("fid10")(Draw(FAKES[:10]))["fid10"]
    assert both["fid20"] != both["fid10"]


def test_images_are_drawn_once_for_all_metrics():
    draw, scores = Draw(), evaluator("is10", "fid20", "kid12")
    scores(draw)
    assert draw.asked == [20]
    assert scores.detector.shown == 20


def test_fid_is_that_of_the_features():
    scores = evaluator("fid20")(Draw())
    real = distances.FrechetStatistics.of(dataset().images[:30].flatten(1)[:, :8].float() / 255)
    fake = distances.FrechetStatistics.of(features()[0][:20])
    assert scores == {"fid20": pytest.approx(distances.fid(real, fake))}


def test_is_without_splits_is_one_number():
    scores = evaluator("is20")(Draw())
    assert scores == {"is20": pytest.approx(distances.inception_score(features()[1][:20])[0])}


def test_is_with_splits_has_a_deviation():
    scores = evaluator("is20", splits=4)(Draw(), seed=3)
    mean, std = distances.inception_score(features()[1][:20], splits=4, seed=3)
    assert scores == {"is20": pytest.approx(mean), "is20_std": pytest.approx(std)}


def test_the_seed_is_that_of_the_splits():
    score = evaluator("is20", splits=4)
    assert score(Draw(), seed=1) == score(Draw(), seed=1)
    assert score(Draw(), seed=1) != score(Draw(), seed=2)


def test_manifolds_have_as_many_reals_as_fakes():
    scores = evaluator("pr20")(Draw())
    real = dataset().images[:20].flatten(1)[:, :8].float() / 255
    precision, recall = manifold.precision_recall(real, features()[0][:20])
    density, coverage = manifold.density_coverage(real, features()[0][:20])
    assert scores == {"precision20": precision, "recall20": recall, "density20": density, "coverage20": coverage}


@pytest.mark.parametrize("splits", [1, 2])
@pytest.mark.parametrize("name", KINDS)
def test_the_scores_have_the_names_that_are_announced(name, splits):
    assert list(evaluator(name, splits=splits)(Draw())) == score_names(parse(name), splits)


@pytest.mark.parametrize("splits", [1, 2])
def test_a_diverged_generator_has_no_scores(splits):
    bad = FAKES.clone()
    bad[3, 0, 0, 0] = math.nan
    scores = evaluator(*KINDS, splits=splits)
    found = scores(Draw(bad))
    assert list(found) == [n for name in KINDS for n in score_names(parse(name), splits)]
    assert all(math.isnan(v) for v in found.values())
    assert all(v is None for record in scores.last.values() for v in record["results"].values())


def test_a_generator_that_diverges_later_has_the_scores_of_its_first_images():
    bad = FAKES.clone()
    bad[15:] = math.inf
    found = evaluator("fid10", "fid20")(Draw(bad))
    assert math.isfinite(found["fid10"])
    assert math.isnan(found["fid20"])


def test_the_record_of_a_metric():
    scores = evaluator("fid10", "is20", splits=2)
    found = scores(Draw())
    assert list(scores.last) == ["fid10", "is20"]
    record = scores.last["fid10"]
    assert 0 <= record.pop("total_time") < 60
    assert record.pop("real_key").endswith("-30")
    assert record == {
        "metric": "fid10",
        "results": {"fid10": found["fid10"]},
        "detector": "pixels",
        "detector_sha256": "ab" * 32,
        "detector_bytes": 8,
        "n_real": 30,
        "n_fake": 10,
        "splits": None,
    }
    assert scores.last["is20"]["splits"] == 2
    assert scores.last["is20"]["results"] == {"is20": found["is20"], "is20_std": found["is20_std"]}


def test_the_record_of_manifolds_counts_the_reals_that_were_used():
    scores = evaluator("pr20")
    scores(Draw())
    assert (scores.last["pr20"]["n_real"], scores.last["pr20"]["n_fake"]) == (20, 20)


def test_without_metrics_nothing_is_drawn():
    nothing = Evaluator(())
    assert nothing(never) == {}
    assert nothing.last == {}


@pytest.mark.parametrize("name", KINDS)
def test_image_metrics_are_refused_for_mixtures(name):
    with pytest.raises(InputError, match=f"{name} does not fit these data; use modes10k"):
        Evaluator(parse_all([name]), mixture=ring())


def test_modes_are_refused_for_images():
    with pytest.raises(InputError, match="modes20 does not fit these data; use fid10k, kid10k, is10k, pr10k"):
        evaluator("fid20", "modes20")


def test_floats_from_0_to_1_are_refused_unless_a_generator_drew_them():
    bright, score = FAKES.abs(), evaluator("fid20")
    assert math.isfinite(score(Draw(bright))["fid20"])
    with pytest.raises(InputError, match=r"look like \[0, 1\]"):
        score(Draw(bright), from_generator=False)


def mixture_scores(points):
    scores = Evaluator(parse_all(["modes500"]), mixture=ring())
    return scores(Draw(points)), scores.last["modes500"]


def test_points_of_the_mixture_itself():
    found, record = mixture_scores(ring().draw(500, 0, 0)[0])
    assert found["modes500"] == 8
    assert found["quality500"] > 0.95
    assert found["reverse_kl500"] < 0.1
    assert record["results"] == found
    assert (record["detector"], record["n_real"], record["n_fake"]) == (None, None, 500)


def test_points_in_one_mode():
    found, _ = mixture_scores(ring().centres[:1].expand(500, 2).reshape(500, 2, 1, 1))
    assert found == {"modes500": 1, "quality500": 1, "reverse_kl500": pytest.approx(math.log(8))}


def test_points_that_are_not_finite():
    found, record = mixture_scores(torch.full((500, 2, 1, 1), math.nan))
    assert (found["modes500"], found["quality500"]) == (0, 0)
    assert record["results"] == {"modes500": 0, "quality500": 0, "reverse_kl500": None}
