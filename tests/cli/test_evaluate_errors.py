"""logan evaluate with bad input: one line, status 2, and nothing written."""

import pytest
from safetensors.torch import load_file, save_file

from logan.sampling import snapshot

from ..evaluation.small import DIGITS, RING, classifier_file, fails, folder_of_images, idx_folder, runs


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    outdir = tmp_path_factory.mktemp("runs")
    runs("train", *DIGITS, "--metrics", "none", "--latent", "none", "--outdir", outdir)
    return outdir / "00000-digits-none"


@pytest.fixture(scope="module")
def mixture(tmp_path_factory):
    outdir = tmp_path_factory.mktemp("runs")
    runs("train", *RING, "--metrics", "none", "--outdir", outdir)
    return outdir / "00000-ring-ngd"


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("folders")
    classifier_file(root / "c.safetensors", channels=3)
    return folder_of_images(root / "a"), folder_of_images(root / "b", seed=1), root / "c.safetensors"


@pytest.fixture(autouse=True)
def nothing_is_recorded(run, mixture):
    yield
    assert [p for folder in (run, mixture) for p in folder.glob("metric-*")] == []


def test_how_many_arguments(capsys, run, folders):
    assert "not 3 arguments" in fails(capsys, "evaluate", *folders)
    assert "not 2 arguments" in fails(capsys, "evaluate", run, folders[0])
    assert "not 2 arguments" in fails(capsys, "evaluate", folders[0], snapshot.find(run))
    assert "not 0 arguments" in fails(capsys, "evaluate")


def test_a_run_that_is_not_there(capsys, tmp_path):
    assert "does not exist" in fails(capsys, "evaluate", tmp_path / "nowhere")


def test_a_folder_that_is_no_run(capsys, tmp_path):
    assert "not a run folder" in fails(capsys, "evaluate", tmp_path)
    assert "not a run folder" in fails(capsys, "evaluate", tmp_path, "--snapshots", "all")


def test_a_run_without_snapshots(capsys, run, tmp_path):
    (tmp_path / "training_options.json").write_bytes((run / "training_options.json").read_bytes())
    for which in ("latest", "all"):
        line = fails(capsys, "evaluate", tmp_path, "--snapshots", which)
        assert "has not come to its first snapshot" in line


def test_a_run_without_a_best_snapshot(capsys, run):
    assert "nothing was measured in training" in fails(capsys, "evaluate", run, "--snapshots", "best")


def test_a_damaged_snapshot(capsys, run, tmp_path):
    path = tmp_path / "network-snapshot-000001.safetensors"
    path.write_bytes(snapshot.find(run).read_bytes()[:-100])
    assert "damaged" in fails(capsys, "evaluate", path)
    assert "damaged" in fails(capsys, "evaluate", tmp_path)


def test_weights_of_something_else(capsys, run, tmp_path):
    path = tmp_path / "network-snapshot-000001.safetensors"
    save_file(load_file(snapshot.find(run)), path)
    assert "not a logan snapshot" in fails(capsys, "evaluate", path)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("--metrics fud50", "unknown metric 'fud50' (did you mean 'fid50'?)"),
        ("--metrics fid", "needs a number of generated images"),
        ("--metrics fid50 is1", "10 to 10,000,000"),
        ("--metrics modes50", "modes50 does not fit these data"),
        ("--protocol D", "training"),
        ("--protocol C --metrics fid50", "digits has no test images"),
        ("--snapshots worst", "--snapshots"),
        ("--trunc 1.5", "--trunc must be in [0, 1]"),
        ("--seed=-1", "--seed must be"),
        ("--batch 0", "--batch must be"),
        ("--latent-steps=-1", "--latent-steps must be"),
        ("--latent-steps 3", "--latent-steps needs a run that was trained with --latent"),
        ("--detector vgg", "--detector"),
        ("--detector inception", "no Inception weights at"),
        ("--detector inception --detector-weights nowhere.pth", "nowhere.pth does not exist"),
        ("--detector-weights nowhere.safetensors", "no classifier at nowhere.safetensors"),
        ("--data nowhere", "no data called 'nowhere'"),
        ("--data ring", "does not fit a run that makes images"),
        ("--device warp", "--device"),
        ("--kimg 3", "unknown flag"),
    ],
)
def test_impossible_settings(capsys, run, flags, message):
    assert message in fails(capsys, "evaluate", run, *flags.split())


def test_image_metrics_for_a_mixture(capsys, mixture):
    assert "fid50 does not fit these data; use modes10k" in fails(capsys, "evaluate", mixture, "--metrics", "fid50")


def test_images_for_a_run_of_a_mixture(capsys, mixture, folders):
    flags = ["--data", folders[0], "--detector-weights", folders[2]]
    assert "does not fit a run that makes points" in fails(capsys, "evaluate", mixture, *flags, "--metrics", "modes50")


def test_a_mixture_for_a_run_of_images(capsys, run):
    fails(capsys, "evaluate", run, "--data", "ring", "--metrics", "modes50")


def test_images_of_another_shape(capsys, run, folders):
    flags = ["--data", folders[0], "--detector-weights", folders[2], "--metrics", "fid50"]
    assert "trained on images of 3 x 8 x 8, not 1 x 8 x 8" in fails(capsys, "evaluate", run, *flags)


def test_data_that_are_gone(capsys, tmp_path):
    data = idx_folder(tmp_path / "d", 60)
    runs("train", *DIGITS, "--metrics", "none", "--data", data, "--outdir", tmp_path / "runs")
    data.rename(tmp_path / "moved")
    run = tmp_path / "runs" / "00000-digits-ngd"
    assert "no such file or folder" in fails(capsys, "evaluate", run, "--metrics", "fid50")
    runs("evaluate", run, "--metrics", "fid50", "--data", tmp_path / "moved", "--detector-weights",
         classifier_file(tmp_path / "c.safetensors"))  # fmt: skip


# Two sets of images.


def test_more_images_than_there_are(capsys, folders):
    real, fake, weights = folders
    line = fails(capsys, "evaluate", real, fake, "--metrics", "is20", "fid50", "--detector-weights", weights)
    assert line.endswith(f"fid50 needs more images than {fake} has (40); use fid40")
    line = fails(capsys, "evaluate", real, fake, "--protocol", "B", "--detector-weights", weights)
    assert "fid10k needs more images" in line


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("--latent-steps 2", "--latent-steps is for runs"),
        ("--data digits", "--data is for runs"),
        ("--snapshots all", "--snapshots is for runs"),
        ("--trunc 0.5", "--trunc is for runs"),
        ("--batch 0", "--batch must be"),
        ("--seed 99999999999999999999999", "--seed must be"),
        ("--metrics modes20", "modes20 does not fit"),
        ("--protocol C --metrics fid20", "test"),
        ("--detector inception", "no Inception weights"),
    ],
)
def test_what_is_not_for_two_sets(capsys, folders, flags, message):
    real, fake, weights = folders
    given = [] if "inception" in flags else ["--detector-weights", weights]
    assert message in fails(capsys, "evaluate", real, fake, *given, *flags.split())


def test_mixtures_are_no_sets_of_images(capsys, folders):
    assert "ring is a mixture" in fails(capsys, "evaluate", "ring", folders[0])
    assert "ring is points in the plane" in fails(capsys, "evaluate", folders[0], "ring")


def test_unlabelled_images_without_a_detector(capsys, tmp_path):
    folder = folder_of_images(tmp_path / "plain", classes=1)
    assert "needs class labels, and plain has none" in fails(
        capsys, "evaluate", folder, folder, "--detector", "classifier"
    )


def test_a_detector_of_other_images(capsys, folders, tmp_path):
    grey = idx_folder(tmp_path / "grey")
    line = fails(capsys, "evaluate", grey, folders[0], "--detector-weights", folders[2])
    assert "trained on images of 3 x 8 x 8, not 1 x 8 x 8" in line  # the fakes become grey, as the real ones are


@pytest.mark.parametrize(("n", "flags"), [(1, ()), (4, ("--metrics", "pr10"))])
def test_too_few_real_images(capsys, folders, tmp_path, n, flags):
    few = folder_of_images(tmp_path / "few", n)
    fails(capsys, "evaluate", few, folders[1], "--detector-weights", folders[2], *flags)


def test_too_few_fakes(capsys, folders, tmp_path):
    few = folder_of_images(tmp_path / "few", 4)
    line = fails(capsys, "evaluate", folders[0], few, "--detector-weights", folders[2])
    assert "few has 4 images; scores need 10 or more" in line
