"""Which runs logan compare plans, and bad input: one line, status 2, before anything is trained."""

import pytest

from logan.cli.compare import plan, split_methods
from logan.errors import InputError

from ..evaluation.small import fails, never, runs


@pytest.fixture(autouse=True)
def nothing_is_trained(monkeypatch):
    monkeypatch.setattr("logan.compare.runs.train", never)


def test_methods_by_spaces_and_commas():
    assert split_methods(["none,cs", "ngd:beta=5", "", "none"]) == ["none", "cs", "ngd:beta=5"]


def test_no_method_at_all():
    with pytest.raises(InputError, match="at least one"):
        split_methods([","])


def test_seed_by_seed():
    entries = plan("digits", ["none", "ngd"], 2, ["--seed", "5"])
    assert [(e.label, e.config.run.seed) for e in entries] == [("none", 5), ("ngd", 5), ("none", 6), ("ngd", 6)]


def test_every_method_has_the_defaults_of_its_preset():
    gd, cs = (e.config for e in plan("ring", ["gd", "cs"], 1, []))
    assert (gd.latent.latent, gd.latent.alpha, gd.networks.prior) == ("gd", 0.1, "uniform")
    assert (cs.latent.latent, cs.latent.latent_steps, cs.networks.prior) == ("cs", 3, "normal")


def test_dynamics_are_methods_too():
    """By their names, without latent steps unless asked."""
    sga, unrolled, both = plan("ring", ["sga", "unrolled:unroll=2", "ngd:dynamics=sga"], 1, [])
    assert [(e.config.latent.latent, e.config.game.dynamics) for e in (sga, unrolled, both)] == [
        ("none", "sga"), ("none", "unrolled"), ("ngd", "sga")]  # fmt: skip
    assert unrolled.config.game.unroll == 2
    assert unrolled.config.game_dynamics().d_steps == 2
    with pytest.raises(InputError, match="--dynamics has no place"):  # a row "none" would be another method's
        plan("ring", ["none"], 1, ["--dynamics", "optimistic"])


def test_flags_hold_for_all_methods():
    entries = plan("digits", ["none", "gd"], 1, ["--kimg", "7", "--width=9"])
    assert [(e.config.run.kimg, e.config.networks.width) for e in entries] == [(7, 9), (7, 9)]


def test_a_method_may_have_flags_of_its_own():
    plain, own = plan("digits", ["ngd", "ngd:beta=7:stop-gradient=both:adam-betas=0.1/0.9"], 1, ["--beta", "2"])
    assert (plain.config.latent.beta, own.config.latent.beta) == (2.0, 7.0)
    assert own.config.latent.stop_gradient == "both"
    assert (plain.config.game.adam_betas, own.config.game.adam_betas) == ((0.5, 0.999), (0.1, 0.9))
    assert own.label == "ngd:beta=7:stop-gradient=both:adam-betas=0.1/0.9"


def test_another_network_than_the_presets_has_its_own_width():
    (entry,) = plan("digits", ["ngd"], 1, ["--network", "dcgan"])
    assert (entry.config.networks.network, entry.config.networks.width) == ("dcgan", None)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("--seeds 0", "--seeds must be 1 to 1,000, not 0"),
        ("--seeds 1001", "--seeds must be 1 to 1,000"),
        ("--seeds many", "--seeds"),
        ("--methods ngb", "unknown method 'ngb' (did you mean 'ngd'?)"),
        ("--methods ,", "--methods needs at least one"),
        ("--methods ngd:beta", "'beta' should be FLAG=VALUE"),
        ("--methods ngd:betta=5", "did you mean '--beta'"),
        ("--methods ngd:beta=0", "--beta must be > 0"),
        ("--methods ngd:beta=x", "--beta"),
        ("--preset digit", "unknown preset 'digit'"),
        ("--kimg 0", "--kimg must be"),
        ("--sedes 3", "--sedes"),
        ("ngd", "ngd"),
        ("--latent ngd", "--latent has no place in logan compare"),
        ("--latent=ngd", "--latent has no place"),
        ("--resume runs/00000-digits-ngd", "--resume has no place"),
        ("--dry-run", "--dry-run has no place"),
        ("--dry_run", "has no place"),
        ("--desc mine", "--desc has no place"),
        ("--preset cifar10 --data /nowhere/at-all", "no data at /nowhere/at-all"),
        ("--preset dcgan64 --data .", "measures nothing with these flags: add --metrics"),
    ],
)
def test_bad_input(capsys, tmp_path, flags, message):
    assert message in fails(capsys, "compare", *flags.split(), "--outdir", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("own", ["latent=none", "resume=runs", "desc=mine", "seed=7", "preset=ring", "outdir=x"])
def test_what_a_method_cannot_have_of_its_own(capsys, tmp_path, own):
    """It would be without effect, or make the name of the method a lie."""
    fails(capsys, "compare", "--methods", f"ngd:{own}", "--outdir", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_default_folder_is_named_after_the_preset(tmp_path, monkeypatch):
    from logan.cli import compare

    asked = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(compare, "run_and_report", lambda entries, outdir, _: asked.append((len(entries), str(outdir))))
    runs("compare", "--preset", "ring")
    runs("compare", "--outdir", "~/mine", "--seeds", "1", "--methods", "none")
    assert asked[0] == (12, "compare-ring")
    assert asked[1][0] == 1
    assert asked[1][1].endswith("/mine")
    assert not asked[1][1].startswith("~")
