"""As for tests/evaluation."""

from ..evaluation.conftest import own_cache  # noqa: F401 (a fixture for every test here)
