"""The flags of the game's dynamics and of the probe: what they make, and bad input."""

import pytest

from logan import dynamics
from logan.cli.main import main
from logan.cli.train import read_arguments
from logan.errors import InputError
from logan.training import setup
from logan.training.folder import read_stats

from ..evaluation.small import RING


def config_of(flags: str):
    return read_arguments([*RING, *flags.split()]).config


@pytest.mark.parametrize(
    ("flags", "made"),
    [
        ("", None),
        ("--dynamics sga", dynamics.SGA()),
        ("--dynamics sga-aligned --dynamics-strength 2", dynamics.SGA(2.0, align=True)),
        ("--dynamics three-player", dynamics.ThreePlayer()),
        ("--dynamics consensus --dynamics-strength 0.5", dynamics.Consensus(0.5)),
        ("--dynamics unrolled --unroll 3 --unroll-g 1 --dynamics-strength 0.2", dynamics.Unrolled(3, 1, 0.2)),
        ("--dynamics extragradient", dynamics.Extragradient()),
        ("--dynamics optimistic", dynamics.Optimistic()),
        ("--dynamics gradient-penalty", dynamics.GradientPenalty()),
    ],
)
def test_flags_make_methods(flags, made):
    config = config_of(flags)
    config.check()
    assert config.game_dynamics() == made
    assert setup.build(config, setup.training_data(config)).game.dynamics == made


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ("--unroll 3", "because of `dynamics` plain: `unroll`"),
        ("--dynamics optimistic --dynamics-strength 2", "because of `dynamics` optimistic: `dynamics_strength`"),
        ("--dynamics three-player", "`dynamics` three-player: the move of z is a constant"),
        ("--dynamics sga --dynamics-strength 0", "`dynamics` sga does nothing"),
        ("--dynamics unrolled --unroll 0", "`dynamics` unrolled does nothing"),
        ("--probe-eigenvalues 3", "because of `probe` 0: `probe_eigenvalues`"),
    ],
)
def test_what_has_no_effect_is_said(flags, said):
    assert any(said in warning for warning in config_of(flags).check())


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ("--dynamics sga --update alternating", "--dynamics needs --update simultaneous"),
        ("--dynamics sgaa", "--dynamics"),
        ("--dynamics sga --dynamics-strength -1", "--dynamics-strength must be a finite number >= 0, not -1"),
        ("--dynamics unrolled --unroll 1001", "--unroll must be"),
        ("--probe -1", "--probe must be >= 0"),
    ],
)
def test_bad_input(flags, said, capsys, tmp_path):
    assert main(["train", *RING, *flags.split(), "--outdir", str(tmp_path / "runs")]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert not (tmp_path / "runs").exists()


def test_eigenvalues_without_scipy_are_refused_before_anything_starts(monkeypatch):
    monkeypatch.setattr("logan.config.checks.importlib.util.find_spec", lambda name: None)
    with pytest.raises(InputError, match="`probe_eigenvalues` needs scipy"):
        config_of("--probe 5 --probe-eigenvalues 2").check()


def test_a_diverged_run_is_probed_to_its_end(tmp_path):
    flags = "--depth 8 --latent none --d-lr 1e6 --g-lr 1e6 --loss wasserstein --probe 3 --probe-eigenvalues 2"
    assert main(["train", *RING, *flags.split(), "--outdir", str(tmp_path)]) == 0
    looks = [p for r in read_stats(next(tmp_path.iterdir())) for p in r.get("probe", [])]
    assert len(looks) == 7
    assert looks[-1]["converged"] is False
