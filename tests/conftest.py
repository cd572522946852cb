"""No test touches the user's own cache, or finds the Inception weights there.

torch is imported where it is used: the process that hands out the tests needs none of it, and starts the others sooner.
"""

import signal

import pytest

from tests.at_leisure import mark_slow

# Under nohup commands leave SIGHUP unheeded, as whoever started them wishes; tests send it, and want to see it heeded.
if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.hookimpl(tryfirst=True)  # before tests are chosen by their marks
def pytest_collection_modifyitems(config, items):
    import torch

    mark_slow(items, whole_files=not any("::" in argument for argument in config.args))
    if not torch.cuda.is_available():
        for item in items:
            if item.get_closest_marker("cuda"):
                item.add_marker(pytest.mark.skip(reason="there is no CUDA device here"))


@pytest.fixture(autouse=True, scope="session")
def _own_caches(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LOGAN_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("TORCH_HOME", str(tmp_path_factory.mktemp("torch")))
        yield


@pytest.fixture(autouse=True, scope="session")
def _no_curves():
    from tests.tiny_runs import without_curves

    with pytest.MonkeyPatch.context() as patch:
        without_curves(patch)
        yield


@pytest.fixture(autouse=True, scope="session")
def _one_check_of_each_recording():
    """Most tests compare with the plain code themselves; those about the checks have all of them (``all_checks``)."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("logan.fast.recorded.LAST_CHECK", 1)
        yield


@pytest.fixture
def all_checks(monkeypatch):
    """Recordings are compared with the plain code as often as outside of tests."""
    monkeypatch.setattr("logan.fast.recorded.LAST_CHECK", 1024)
