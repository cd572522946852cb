"""No test touches the user's own cache, or finds the Inception weights there."""

import pytest


@pytest.fixture(autouse=True, scope="session")
def _own_caches(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LOGAN_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("TORCH_HOME", str(tmp_path_factory.mktemp("torch")))
        yield
