"""The browser, for the tests that look at pages."""

from ..browser import browser  # noqa: F401 (a fixture for every test here)
