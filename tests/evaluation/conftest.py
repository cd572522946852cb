"""Every module has a cache of its own, far from the user's, without Inception weights; and no run draws its curves."""

import pytest

from logan.training import loop


@pytest.fixture(autouse=True, scope="module")
def own_cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LOGAN_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("TORCH_HOME", str(tmp_path_factory.mktemp("torch")))
        patch.setattr(loop, "save_curves", lambda path, stats: path.write_bytes(b""))  # most of a tiny run's time
        yield
