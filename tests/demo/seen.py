"""The pictures of the demo's page in a browser."""

from __future__ import annotations


def pictures(page) -> list[str]:
    """Where those come from that are seen now."""
    return page.eval_on_selector_all("img", "all => all.filter(i => i.offsetParent && i.naturalWidth).map(i => i.src)")


def changed(page, old: list[str]) -> list[str]:
    """The pictures, once they are others."""
    shown = "[...document.querySelectorAll('img')].filter(i => i.offsetParent && i.naturalWidth).map(i => i.src)"
    page.wait_for_function(
        f"old => {{ const now = {shown}; return now.length && now.join() !== old.join(); }}", arg=old, timeout=60_000
    )
    return pictures(page)
