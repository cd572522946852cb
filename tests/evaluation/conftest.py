"""Every module has a cache of its own, far from the user's, without Inception weights; and no run records its steps unasked."""

import pytest

from ..tiny_runs import plain_unless_named


@pytest.fixture(autouse=True, scope="module")
def own_cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LOGAN_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("TORCH_HOME", str(tmp_path_factory.mktemp("torch")))
        plain_unless_named(patch)
        yield
