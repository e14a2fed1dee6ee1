"""Undecoded frames are discarded only if they cannot contain a tracked hashtag."""

from __future__ import annotations

import json
import re
import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.contracts import find_hashtags, normalise_hashtags
from streams.contracts.unicode import nfkc, visible
from streams.sources.tags import Tags

LINK = '{"facets":[{"features":[{"$type":"app.bsky.richtext.facet#link","uri":"https://example.org"}]}]}'


@pytest.mark.parametrize("text", ["#K9", "＃ｋ９", "#𝐤𝟗", "#K9 über 犬", "#\u212a9", "#k\u200b9", "#\U000e0001k9"])
def test_a_hashtag_is_recognised_however_it_is_written(text: str) -> None:
    assert find_hashtags(text) == ("k9",)
    assert Tags(["k9"]).may_stand_in(json.dumps({"text": text}, ensure_ascii=False).encode())


@pytest.mark.parametrize("text", ["no tag", "#犬 und sonst nichts", "über ½ … ™ 犬"])
def test_other_frames_are_refused(text: str) -> None:
    assert not Tags(["k9"]).may_stand_in(json.dumps({"text": text}, ensure_ascii=False).encode())


def test_links_and_mentions_are_not_hashtags() -> None:
    assert not Tags([]).may_stand_in(LINK.encode())
    assert Tags([]).may_stand_in(LINK.replace("example.org", "example.org/#part").encode())


def test_every_character_that_becomes_ascii_or_nothing_is_known() -> None:
    checked = 0
    for char in map(chr, range(0x80, sys.maxunicode + 1)):
        folded = nfkc(visible(char)).lower()
        letters = re.search(r"[a-z0-9]+", folded)
        if not folded:
            tag, text = "k9", f"#k{char}9"
        elif letters:
            tag, text = letters[0], f"#{char}"
        else:
            continue
        checked += 1
        frame = json.dumps({"text": text}, ensure_ascii=False).encode("utf-8", "replace")
        assert Tags([tag]).may_stand_in(frame), f"U+{ord(char):04X}"
    assert checked > 1_000


@given(st.text(max_size=30), st.sampled_from(["k9", "straße", "犬", "poltwt"]))
def test_refused_frames_contain_none_of_the_hashtags(text: str, tag: str) -> None:
    unseen = f"#{tag[0]}\u2060{tag[1:]}\ufe0f {text}"
    for written in (text, f"{text} #{tag.upper()}", unicodedata.normalize("NFKD", f"#{tag}{text}"), unseen):
        frame = json.dumps({"text": written}, ensure_ascii=False).encode("utf-8", "replace")
        if not Tags([tag]).may_stand_in(frame):
            assert tag not in normalise_hashtags(find_hashtags(written))
