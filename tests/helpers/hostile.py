"""Texts of posts that were crafted to cost time, each with a chosen length."""

from __future__ import annotations

from collections.abc import Callable
from time import process_time

SIZE = 40_000
_TIMES = 4
_NOISE_SECONDS = 0.05


def _of(piece: str, start: str = "") -> Callable[[int], str]:
    return lambda size: (start + piece * (size // len(piece) + 1))[:size]


def _numbered(form: str) -> Callable[[int], str]:
    return lambda size: "".join(form.format(number) for number in range(size // len(form)))[:size]


TEXTS: dict[str, Callable[[int], str]] = {
    "ordinary words": _of("An ordinary day at the office, isn't it? "),
    "marks": _of("\u0301", "#a"),
    "marks of several classes": _of("\u0301\u0323\u0345", "#a"),
    "marks that become two": _of("\u0f73", "#ཀ"),
    "half-width voicing": _of("\uff9e", "#ｶ"),
    "letters with many marks": _of("e" + "\u0301" * 29),
    "one long word": _of("a", "#"),
    "one long unspaced word": _of("警", "#"),
    "one hashtag again and again": _of("#a "),
    "many hashtags": _numbered("#t{} "),
    "many numbers with a sign": _numbered("#{} "),
    "signs": _of("#"),
    "wide signs": _of("＃a"),
    "zero-width spaces": _of("a\u200b", "#"),
    "joiners": _of("ا\u200c\u200d", "#"),
    "invisible letters": _of("\u3164", "#"),
    "regional indicators": _of("\U0001f1e9\U0001f1ea"),
    "families": _of("👩\u200d👩\u200d👧\ufe0f"),
    "turned writing": _of("\u202e\u2067a\u2069"),
    "digits": _of("1"),
    "digits and stops": _of("1.1-"),
    "links": _of("http://a.b/c "),
    "one long link": _of("a", "https://"),
    "many schemes": _of("http://"),
    "wwws": _of("www."),
    "mentions": _numbered("@a{} "),
    "one long mention": _of("a.a-", "@"),
    "mentions of servers": _of("@a@"),
    "at signs": _of("@"),
    "reposts": _of("RT @a: "),
    "entities": _of("&amp;"),
    "nested entities": _of("&amp", "&"),
    "ampersands": _of("&"),
    "open tags": _of("<p>"),
    "nested tags": _of("<b><i>"),
    "half tags": _of("<a "),
    "closing tags": _of("</p>"),
    "less-than signs": _of("<"),
    "comments": _of("<!--"),
    "attributes": _of(' a="', "<p"),
    "spaces": _of(" "),
    "lines": _of("\n"),
    "spaces and lines": _of(" \n\t\u3000"),
    "capital sigmas": _of("Σ\u0301."),
    "sharp s": _of("ßİŉ"),
    "ligatures": _of("\ufdfa"),
    "question marks": _of("?\u061f"),
    "quotes": _of("\"'\\"),
    "nul": _of("\0a"),
    "accounts": _of("did:"),
    "records": _of("at://did:"),
    "letters with a joiner": _of("a\u200d"),
}


def assert_linear(stage: Callable[[str], object], make: Callable[[int], str], size: int = SIZE) -> None:
    """Assert that a text four times as long takes about four times as long, and not sixteen times."""
    few, many = make(size), make(_TIMES * size)
    # the shortest of several times: other load on the machine only adds to a time
    short, long = (min(_seconds(stage, text) for _ in range(3)) for text in (few, many))
    assert long < 2 * _TIMES * short + _NOISE_SECONDS, f"{short:.4f} s for {len(few)}, {long:.4f} s for {len(many)}"


def _seconds(stage: Callable[[str], object], text: str) -> float:
    start = process_time()
    stage(text)
    return process_time() - start
