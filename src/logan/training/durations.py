"""How long something takes, in words for a person who decides whether to wait."""

from __future__ import annotations


def about(seconds: float) -> str:
    """Two figures at most, in the unit that one would say.

    Example:
        >>> [about(s) for s in (0.4, 42, 200, 5400, 12_240, 400_000)]
        ['1 s', '42 s', '3 min', '90 min', '3.4 hours', '4.63 days']
    """
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    if seconds < 100 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.2g} hours" if seconds < 48 * 3600 else f"{seconds / 86400:.3g} days"
