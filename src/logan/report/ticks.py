"""Where an axis has its marks, and numbers as people read them."""

from __future__ import annotations

import math


def linear(low: float, high: float, about: int = 4) -> list[float]:
    """Round numbers in [low, high], about so many.

    Example:
        >>> linear(0.0, 200.0)
        [0.0, 50.0, 100.0, 150.0, 200.0]
    """
    span = high - low
    if not span > 0 or not math.isfinite(span):
        return [low]
    rough = span / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough * 0.99)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [i * step + 0.0 for i in range(first, last + 1)] or [low]


def logarithmic(low: float, high: float) -> list[float]:
    """Powers of ten in [low, high], some left out if there are many; 1, 2 and 5 of each if there are few.

    Example:
        >>> logarithmic(0.01, 20.0)
        [0.01, 0.1, 1.0, 10.0]
    """
    first, last = math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9)
    powers = range(first, last + 1)
    if len(powers) >= 2:
        every = -(-len(powers) // 5)
        return [10.0**p for p in powers if (p - first) % every == 0]
    found = [m * 10.0**p for p in range(first - 1, last + 2) for m in (1, 2, 5)]
    return [x for x in found if low * 0.999 <= x <= high * 1.001] or [low]


def number(value: float | None, digits: int = 3) -> str:
    """A number in few characters.

    Example:
        >>> [number(x) for x in (0.0, 12345.6, 0.00012, -3.14159, 1e9, None)]
        ['0', '12,346', '1.2e−4', '−3.14', '1e9', '–']
    """
    if value is None or not math.isfinite(value):
        return "–"
    if value == 0:
        return "0"
    size = abs(value)
    if size >= 1e7 or size < 1e-3:
        mantissa, _, exponent = f"{value:.{digits - 1}e}".partition("e")
        mantissa = mantissa.rstrip("0").rstrip(".") if "." in mantissa else mantissa
        found = f"{mantissa}e{int(exponent)}"
    else:
        found = f"{value:,.0f}" if size >= 1000 else f"{value:.{digits}g}"
    return found.replace("-", "−")


def duration(seconds: float) -> str:
    """Seconds for people.

    Example:
        >>> [duration(x) for x in (0.4, 75, 7200, 200000)]
        ['under a second', '1 min 15 s', '2 h 0 min', '2 d 7 h']
    """
    if seconds < 1:
        return "under a second"
    whole = int(seconds)
    days, hours, minutes, rest = whole // 86400, whole // 3600 % 24, whole // 60 % 60, whole % 60
    if days:
        return f"{days} d {hours} h"
    if hours:
        return f"{hours} h {minutes} min"
    if minutes >= 10:
        return f"{minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
