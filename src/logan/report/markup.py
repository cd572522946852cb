"""HTML that cannot be broken out of: whatever is not :class:`Markup` is text, and is escaped where it enters."""

from __future__ import annotations

import html
import json
import re
from typing import Any

LONGEST = 2000
"""Characters of one text; a stranger's settings may be as long as a book."""
_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")
"""Control characters, those that turn the direction of writing, and bytes of a file's name that are no characters."""


class Markup(str):
    """HTML that is finished; it is put into a page as it is."""

    __slots__ = ()


def text(value: object) -> Markup:
    """A value as text: escaped, without characters that nobody sees, cut short if it has no end.

    Example:
        >>> text("</script><b>")
        '&lt;/script&gt;&lt;b&gt;'
    """
    if isinstance(value, Markup):
        return value
    shown = str(value)
    return Markup(_escaped(shown if len(shown) <= LONGEST else shown[:LONGEST] + "…"))


def tag(name: str, /, *content: object, **attributes: object) -> Markup:
    """An element. Content that is not markup is escaped, None is nothing; ``class_`` is class, ``data_x`` is data-x.

    Example:
        >>> tag("p", "a < b", class_="note", hidden=True)
        '<p class="note" hidden>a &lt; b</p>'
    """
    return Markup(f"<{name}{_attributes(attributes)}>{join(*content)}</{name}>")


def void(name: str, /, **attributes: object) -> Markup:
    """An element that has no content, as ``img``; closed, since those of SVG must be.

    Example:
        >>> void("img", alt='"', width=3)
        '<img alt="&quot;" width="3"/>'
    """
    return Markup(f"<{name}{_attributes(attributes)}/>")


def join(*content: object) -> Markup:
    """Pieces one after the other; None is nothing.

    Example:
        >>> join("a", None, tag("b", "c"))
        'a<b>c</b>'
    """
    return Markup("".join(text(piece) for piece in content if piece is not None))


def data_block(identity: str, value: Any) -> Markup:
    """JSON for the page's script to read, in a form that no end of a script or a comment can stand in.

    Example:
        >>> data_block("d", {"a": "</script>"})
        '<script type="application/json" id="d">{"a":"\\\\u003c/script\\\\u003e"}</script>'
    """
    written = json.dumps(value, separators=(",", ":"), allow_nan=False)
    for character in "<>&":
        written = written.replace(character, f"\\u{ord(character):04x}")
    return Markup(f'<script type="application/json" id="{text(identity)}">{written}</script>')


def _attributes(given: dict[str, object]) -> str:
    found = ""
    for name, value in given.items():
        if value is None or value is False:
            continue
        found += f" {name.rstrip('_').replace('_', '-')}"
        if value is not True:
            found += f'="{_escaped(str(value))}"'
    return found


def _escaped(value: str) -> str:
    return html.escape(_UNSEEN.sub("\ufffd", value))
