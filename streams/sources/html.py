"""Converts the HTML of a post to the text that a person would read."""

from __future__ import annotations

import re
from html import unescape

from selectolax.lexbor import LexborHTMLParser, LexborNode

_BLOCKS = {"p", "div", "blockquote", "pre", "ul", "ol", "h1", "h2", "h3", "h4", "h5", "h6", "table", "hr"}
_LINES = {"li", "tr", "dt", "dd"}
_INVISIBLE = {"script", "style", "head", "template", "iframe", "noscript"}
_QUOTE_LINK = "quote-inline"  # a link to the quoted post, repeated for clients that do not support quotes
_MAX_CHARACTERS = 50_000  # parsing longer or more deeply nested HTML takes too much time for a post
_MAX_DEPTH = 500
_TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]*)")
_NOT_NESTED = {"br", "hr", "img", "p", "li", "wbr"}  # empty elements, and those closed by the next one of their kind
_ANY_TAG = re.compile(r"<[^<>]*>?")
_SPACE = re.compile(r"[ \t\r\n\f]+")
_MANY_BREAKS = re.compile(r"\n{3,}")


def read_html(html: str) -> str:
    """Return HTML as text, with an empty line between paragraphs, line breaks, link texts and the alt texts of images.

    Custom emoji stay in their `:name:` form. Accepts any string; nothing in it is loaded or executed.
    """
    if "<" not in html and "&" not in html:
        return html.strip()
    if len(html) > _MAX_CHARACTERS or _depth(html) > _MAX_DEPTH:
        return _tidy([_SPACE.sub(" ", unescape(_ANY_TAG.sub(" ", html)))])
    body = LexborHTMLParser(html.encode("utf-8", "replace")).body
    pieces: list[str] = []
    node = body.child if body is not None else None
    # no recursion: untrusted authors decide how deeply tags are nested
    while node is not None and body is not None:
        inner = _enter(node, pieces)
        if inner is not None:
            node = inner
            continue
        while node is not None and node.next is None:
            _leave(node, pieces)
            node = node.parent
            if node is None or node.mem_id == body.mem_id:
                return _tidy(pieces)
        if node is not None:
            _leave(node, pieces)
            node = node.next
    return _tidy(pieces)


def _depth(html: str) -> int:
    """Return a rough upper bound for the nesting depth of the tags."""
    depth = deepest = 0
    for closing, name in _TAG.findall(html):
        if name.lower() not in _NOT_NESTED:
            depth += -1 if closing and depth else 0 if closing else 1
            deepest = max(deepest, depth)
    return deepest


def _enter(node: LexborNode, pieces: list[str]) -> LexborNode | None:
    """Append the text at the start of a node; return its first child, or None if it has no content to read."""
    if node.is_text_node:
        text = node.text_content or ""
        preformatted = node.parent is not None and node.parent.tag == "pre"
        pieces.append(text if preformatted else _SPACE.sub(" ", text))
        return None
    if not node.is_element_node or node.tag in _INVISIBLE:
        return None
    if node.tag == "br":
        pieces.append("\n")
    elif node.tag == "img":
        pieces.append(node.attributes.get("alt") or "")
    elif node.tag == "li":
        pieces.append("\n- ")
    elif node.tag in _LINES:
        pieces.append("\n")
    elif node.tag in _BLOCKS:
        pieces.append("\n\n")
        if _QUOTE_LINK in (node.attributes.get("class") or "").split():
            return None
    return node.child


def _leave(node: LexborNode, pieces: list[str]) -> None:
    if node.tag in _BLOCKS:
        pieces.append("\n\n")


def _tidy(pieces: list[str]) -> str:
    lines = "\n".join(line.strip(" ") for line in "".join(pieces).split("\n"))
    return _MANY_BREAKS.sub("\n\n", lines).strip()
