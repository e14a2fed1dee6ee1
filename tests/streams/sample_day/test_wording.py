from __future__ import annotations

import re
from collections import Counter
from datetime import UTC, datetime, time
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.sample_day.dice import Dice
from streams.sample_day.phrases import Handles, PhraseBook, Slip, load_phrase_books
from streams.sample_day.script import Scene, load_script
from streams.sample_day.wording import SLIP_SHARE, Writer

AT = datetime(2026, 6, 20, 12, 30, tzinfo=UTC)
BOOK = PhraseBook(
    language="en",
    utc_offset_minutes=60,
    slips=(),
    police=("police_one", "police_two"),
    handles=Handles(first=("green", "blue"), second=("fox", "owl")),
    slots={"animal": ("dog",)},
    tails={"positive": ("great!",), "negative": (), "neutral": ("at {time}",), "support": ()},
    hashtags={},
    scenes={"walk": ("one", "two", "three")},
    pairs={"question": (("where is {police}?", "at {time}"), ("why?", "because"))},
)


def scene(name: str = "walk", **changes: Any) -> Scene:
    fields: dict[str, Any] = {"name": name, "voice": "citizen", "posts": {}, "rhythm": ((time(8), 1.0),)}
    return Scene(**fields | changes)


def writer(seed: int = 1, **changes: Any) -> Writer:
    return Writer(msgspec.structs.replace(BOOK, **changes), Dice(seed))


def texts(writer: Writer, phrase: str, about: Scene, count: int = 300, *, careless: bool = False) -> list[str]:
    return [writer.write(phrase, about, AT, police="police_one", careless=careless).text for _ in range(count)]


def test_no_phrase_is_repeated_before_all_have_been_used() -> None:
    author = writer()
    for _ in range(5):
        assert sorted(author.phrase(scene()) for _ in range(3)) == ["one", "three", "two"]
        assert sorted(author.pair(scene("question")) for _ in range(2)) == sorted(BOOK.pairs["question"])


def test_accounts_come_from_the_book() -> None:
    author = writer()
    assert {author.police() for _ in range(50)} == {"police_one", "police_two"}
    assert all(re.fullmatch(r"(green|blue)_(fox|owl)[1-9]?\d", author.citizen()) for _ in range(100))


def test_slots_are_filled() -> None:
    for text in texts(writer(), "{police} took the {animal} out at {time}, {n} minutes {tag}", scene()):
        found = re.fullmatch(r"@police_one took the dog out at 13:(\d\d), (\d+) minutes #poltwt", text, re.IGNORECASE)
        assert found, text
        assert 18 <= int(found[1]) <= 28, "local time, a few minutes ago"
        assert 6 <= int(found[2]) <= 48


def test_every_post_has_the_hashtag_once_and_begins_with_a_capital() -> None:
    for text in texts(writer(), "off we go", scene(tails="positive", tail_share=0.5, emoji=("🐕",), emoji_share=0.5)):
        assert len(re.findall("#poltwt", text, re.IGNORECASE)) == 1
        assert "Off we go" in text
        assert text.count("🐕") <= 3
        assert ("Great!" in text) == ("great!" in text.lower())


def test_the_time_is_mentioned_once() -> None:
    neutral = scene(tails="neutral", tail_share=1.0)
    assert all("13:" in text for text in texts(writer(), "out", neutral, 20))
    both = {"neutral": ("at {time}", "so there")}
    assert all(len(re.findall("13:", text)) == 1 for text in texts(writer(tails=both), "out at {time}", neutral, 50))


def test_a_second_hashtag_comes_from_the_scene() -> None:
    tagged = texts(writer(hashtags={"walk": ("k9", "dogs")}), "out", scene())
    found = Counter(tag for text in tagged for tag in re.findall(r"#(\w+)", text) if tag.lower() != "poltwt")
    assert set(found) == {"k9", "dogs"}
    assert sum(found.values()) == pytest.approx(0.35 * 300, rel=0.2)


@pytest.mark.parametrize(
    ("slip", "slipped"),
    [("lower", "look at this! now"), ("exclaim", "Look at THIS!!! now"), ("swap", None)],
)
def test_only_the_careless_make_mistakes(slip: Slip, slipped: str | None) -> None:
    phrase = "Look at THIS! now"
    assert all(phrase in text for text in texts(writer(slips=(slip,)), phrase, scene()))
    wrong = [text for text in texts(writer(slips=(slip,)), phrase, scene(), careless=True) if phrase not in text]
    if slipped is None:
        assert wrong == [], "no word is long enough"
    else:
        assert len(wrong) == pytest.approx(SLIP_SHARE * 300, rel=0.4)
        assert all(slipped in text for text in wrong)


def test_a_typo_swaps_two_letters_inside_a_word_and_can_be_corrected() -> None:
    author = writer(slips=("swap",))
    written = [
        author.write("police {police} walking", scene(), AT, police="somebody", careless=True) for _ in range(300)
    ]
    typos = [each for each in written if each.corrected]
    assert typos
    for each in typos:
        assert each.corrected is not None
        assert "@somebody" in each.text, "names are left alone"
        places = [at for at, (one, two) in enumerate(zip(each.text, each.corrected, strict=True)) if one != two]
        assert len(places) == 2
        assert places[1] == places[0] + 1
        assert each.text[places[0]] == each.corrected[places[1]]
    assert all("Police @somebody walking" in each.text for each in written if not each.corrected or each not in typos)


def test_an_answer_is_addressed_to_the_asker() -> None:
    answer = writer().answer("it is at {time}", "green_fox2", AT, police="police_one")
    assert re.fullmatch(r"@green_fox2 It is at 13:\d\d #poltwt", answer.text, re.IGNORECASE)
    assert answer.corrected is None


@given(st.integers(0, 2**32), st.sampled_from(load_phrase_books()))
def test_no_slot_of_any_book_is_left_open(seed: int, book: PhraseBook) -> None:
    author = Writer(book, Dice(seed))
    for each in load_script().scene:
        if each.name in book.scenes:
            text = author.write(author.phrase(each), each, AT, police=author.police(), careless=True).text
            assert not re.search(r"[{}]", text)
