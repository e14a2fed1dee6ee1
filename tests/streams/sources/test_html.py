"""The HTML of posts becomes the text that a person reads, and hostile HTML costs little time."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.sources.html import read_html


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("", ""),
        ("plain", "plain"),
        ("<p>one</p><p>two<br>three<br/>four</p>", "one\n\ntwo\nthree\nfour"),
        ("<p>a &amp; b &lt;c&gt; &quot;d&quot; &#39;e&#39;</p>", "a & b <c> \"d\" 'e'"),
        (
            '<p><a href="https://e.org/foobar"><span class="invisible">https://</span><span class="ellipsis">e.org/fo</span>'
            '<span class="invisible">obar</span></a></p>',
            "https://e.org/foobar",
        ),
        ('<p>Hi <img class="emoji" alt=":k9:" src="x"> <b>bold</b> <em>it</em></p>', "Hi :k9: bold it"),
        ("<p>list:</p><ul><li>a</li><li>b</li></ul><p>end</p>", "list:\n\n- a\n- b\n\nend"),
        ("<blockquote><p>said</p></blockquote>\n<p>  so   there </p>", "said\n\nso there"),
        ('<p class="quote-inline">RE: <a href="x">x</a></p><p>mine</p>', "mine"),
        ("<script>alert(1)</script><style>p{}</style><p>x<!-- y --></p>", "x"),
        ("<p>हिन्दी 🐕‍🦺 שלום</p>", "हिन्दी 🐕‍🦺 שלום"),
        ("<p>un<closed <b>tags", "untags"),
        ("1 < 2 and 3 > 2", "1 < 2 and 3 > 2"),
    ],
)
def test_html_becomes_the_text_that_a_person_reads(html: str, text: str) -> None:
    assert read_html(html) == text


@pytest.mark.parametrize(
    "html",
    ["<div>" * 100_000 + "x", "<" * 500_000, "<a " * 200_000, "<!--" * 100_000, "<p>" * 100_000, "&" * 500_000,
     "<pre>" + " " * 500_000, "<a href='" + "x" * 500_000, "\n" * 500_000 + "<p>", "<b>" * 10_000, "\x00<p>\ud800</p>"],
    ids=lambda html: html[:8].encode("unicode_escape").decode(),
)  # fmt: skip
def test_hostile_html_costs_little_time(html: str) -> None:
    began = time.process_time()
    assert len(read_html(html)) <= len(html)
    assert time.process_time() - began < 2


@given(
    st.text()
    | st.lists(st.sampled_from(["<p>", "</p>", "<li>", "<br>", "<a", ">", "&lt;", " ", "\n", "x"])).map("".join)
)
def test_any_string_is_accepted(html: str) -> None:
    text = read_html(html)
    assert text == text.strip()
    assert "\n\n\n" not in text or "<" not in html
