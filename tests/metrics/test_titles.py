"""What scores are called: with the detector, whichever it is, and without one where none is needed."""

import pytest

from logan.evaluation import names
from logan.evaluation.evaluator import score_names
from logan.metrics import titles


@pytest.mark.parametrize(
    ("score", "detector", "called"),
    [
        ("fid10k", "classifier", "FID (classifier)"),
        ("fid1797", "inception", "FID (Inception)"),
        ("fid50k", "efficientnet-lite0", "FD (EfficientNet-Lite0)"),
        ("fid10k", "dinov2-vitl14", "FD (DINOv2 ViT-L/14)"),
        ("fid10k", "somebody-s-own", "FD (somebody-s-own)"),
        ("kid10k_std", "efficientnet-lite0", "KD (EfficientNet-Lite0, standard deviation)"),
        ("is10k", "classifier", "Inception Score (classifier)"),
        ("precision10k", "inception", "Precision (Inception)"),
        ("coverage10k", None, "Coverage (detector not recorded)"),
        ("fid10k", ("classifier", "efficientnet-lite0"), "FD (classifier, then EfficientNet-Lite0)"),
        ("modes10k", None, "Modes found"),
        ("reverse_kl10k", None, "Reverse KL"),
        ("fidelity", None, "fidelity"),
        ("<script>", "classifier", "<script>"),
    ],
)
def test_titles(score, detector, called):
    assert titles.title(score, detector) == called


@pytest.mark.parametrize("kind", names.KINDS)
def test_every_score_has_one(kind):
    """And each that is taken of features is never without its detector's name."""
    for splits in (1, 10):
        for score in score_names(names.parse(f"{kind}5k"), splits):
            title = titles.title(score, "classifier")
            assert title != score
            assert ("(classifier" in title) == (kind != "modes")
            assert titles.count(score) == "5k"
            assert titles.better(score) != titles.better("of-my-own")
