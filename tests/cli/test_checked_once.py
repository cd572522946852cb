"""A command checks its settings once, before anything is written; and takes no flag that does nothing."""

import pytest

from logan.cli.main import main
from logan.config import Config, presets

TINY = "--kimg 1 --tick 1 --snap 1 --width 8 --metrics none".split()


@pytest.fixture
def checks(monkeypatch):
    """The settings that were checked."""
    seen, check = [], Config.check

    def counted(config, ranks=1):
        seen.append(config)
        return check(config, ranks)

    monkeypatch.setattr(Config, "check", counted)
    return seen


@pytest.mark.parametrize("flags", [[], ["--dry-run"]])
def test_train_checks_once(checks, tmp_path, flags):
    assert main(["train", *TINY, *flags, "--outdir", str(tmp_path)]) == 0
    assert len(checks) == 1
    assert main(["train", *TINY, *flags, "--portion", "2", "--outdir", str(tmp_path / "none")]) == 2
    assert len(checks) == 2
    assert not (tmp_path / "none").exists()


def test_a_dry_run_names_the_folder_that_the_run_takes(tmp_path, capsys):
    command = ["train", *TINY, "--outdir", str(tmp_path)]
    for desc in ("a", "b"):
        assert main([*command, "--desc", desc]) == 0
    for desc, folder in (("a", "00000-a"), ("b", "00001-b"), ("c", "00002-c")):
        capsys.readouterr()
        again = [*command, "--resume", "auto", "--desc", desc]
        assert main([*again, "--dry-run"]) == 0
        assert str(tmp_path / folder) in capsys.readouterr().out.replace("\n", "")
        assert main(again) == 0
        assert str(tmp_path / folder) in capsys.readouterr().out


@pytest.mark.parametrize("command", [["bench", "step"], ["bench", "profile"], ["plan"]])
@pytest.mark.parametrize("flags", [["--metrics", "fid10k"], ["--probe=3"], ["--kimg", "7"], ["--snap=2"]])
def test_a_flag_that_does_nothing_is_refused(command, flags, capsys):
    assert main([*command, *flags]) == 2
    error = capsys.readouterr().err
    assert flags[0].partition("=")[0] in error
    assert error.count("\n") == 1


def test_what_bench_step_times_is_said_once(capsys):
    assert main(["bench", "step", "--engine", "plain"]) == 2
    assert "--engine has no place in logan bench step; --engines says which to time" in capsys.readouterr().err


def test_what_bench_times_is_checked_as_it_is_timed(capsys):
    assert main(["bench", "step", "--preset", "imagenet128-sngan", "--latent", "ngd", "--checkpointing"]) == 2
    assert "--checkpointing needs --engine plain" in capsys.readouterr().err


@pytest.mark.parametrize("command", [["train"], ["bench", "step"], ["plan"], ["compare"]])
def test_help_lists_all_presets(command, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "500")
    with pytest.raises(SystemExit):
        main([*command, "--help"])
    shown = " ".join(capsys.readouterr().out.split())
    assert f"Presets: {', '.join(presets.PRESETS)}." in shown
    assert "--preset" in shown
