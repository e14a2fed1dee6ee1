import math
import random
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from models.artefact import LABELS_FILE, MODEL_FILE, TOKENIZER_FILE, WEIGHTS, open_artefact, write_checksums
from models.enricher import Enricher, TextEnricher
from models.enrichment import Enrichment
from models.text import MAX_TOKENS

POSTS = (
    "What a lovely day with the dogs of the mounted police! \U0001f60d #poltwt",
    "Das ist wirklich furchtbar, ich bin so w\u00fctend.",
    "The meeting starts at 10 in the town hall.",
    "@user \u00bfa qu\u00e9 hora empieza? http",
    "\u4eca\u65e5\u306f\u96e8\u3067\u3059",
    "yaar ye bahut accha hai, kya baat hai",
    "",
    "\U0001f415" * 40,
    "gol " * 300,
)

HINTS = ("de", "en", "en-GB,hi", "pt-BR", "und", "tlh", "???")

any_text = st.text(st.characters(exclude_categories=()), max_size=200)


def check(answer: Enrichment, enricher: Enricher) -> None:
    """Check that an answer is well-formed."""
    mood = answer.sentiment
    probabilities = {"negative": mood.negative, "neutral": mood.neutral, "positive": mood.positive}
    assert sum(probabilities.values()) == pytest.approx(1, abs=2e-4)
    assert probabilities[mood.label] == max(probabilities.values())
    assert answer.language.code in enricher.languages
    assert 0 <= answer.language.score <= 1
    assert {topic.name for topic in answer.topics} <= set(enricher.labels_of("topics"))
    assert [topic.score for topic in answer.topics] == sorted((topic.score for topic in answer.topics), reverse=True)
    assert answer.campaign.name is None
    assert (answer.model.name, answer.model.version) == (enricher.name, enricher.version)


def assert_same(one: Enrichment, other: Enrichment) -> None:
    """Check that the labels are equal and the probabilities agree within a thousandth."""
    assert one.language.code == other.language.code
    assert one.sentiment.label == other.sentiment.label
    assert [topic.name for topic in one.topics] == [topic.name for topic in other.topics]
    pairs = [
        (one.language.score, other.language.score),
        (one.sentiment.negative, other.sentiment.negative),
        (one.sentiment.neutral, other.sentiment.neutral),
        (one.sentiment.positive, other.sentiment.positive),
        (one.campaign.score, other.campaign.score),
        *((a.score, b.score) for a, b in zip(one.topics, other.topics, strict=True)),
    ]
    assert all(abs(a - b) <= 1e-3 for a, b in pairs), pairs


def test_it_is_a_text_enricher(enricher: Enricher) -> None:
    used: TextEnricher = enricher
    assert used.name
    assert used.version


def test_answers_come_in_the_order_of_the_texts(enricher: Enricher) -> None:
    answers = enricher.enrich(POSTS)
    assert [answer.language.code for answer in answers[:6]] == ["en", "de", "en", "es", "ja", "hi-Latn"]
    assert [answer.sentiment.label for answer in answers[:3]] == ["positive", "negative", "neutral"]


def test_no_texts_give_no_answers(enricher: Enricher) -> None:
    assert enricher.enrich([]) == []


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(any_text | st.sampled_from(POSTS), min_size=1, max_size=12), data=st.data())
def test_neighbours_and_batch_size_do_not_matter(enricher: Enricher, texts: list[str], data: st.DataObject) -> None:
    together = enricher.enrich(texts)
    for answer in together:
        check(answer, enricher)
    order = data.draw(st.permutations(range(len(texts))))
    for place, answer in zip(order, enricher.enrich([texts[place] for place in order]), strict=True):
        assert_same(together[place], answer)
    alone = data.draw(st.integers(0, len(texts) - 1))
    assert_same(together[alone], enricher.enrich([texts[alone]])[0])


def test_a_large_batch_gives_the_answers_of_single_posts(enricher: Enricher) -> None:
    rng = random.Random(0)
    words = " ".join(POSTS).split()
    texts = [" ".join(rng.choices(words, k=rng.randint(1, 60))) for _ in range(150)]
    together = enricher.enrich(texts)
    for place in range(0, len(texts), 10):
        assert_same(together[place], enricher.enrich([texts[place]])[0])


@pytest.mark.parametrize(
    "text",
    [
        "",
        " \n\t",
        "\U0001f600\U0001f6a8",
        "https://example.org",
        "@user @dogs@mastodon.social",
        "110 %",
        "?!",
        "\x00\x07",
    ],
)
def test_without_words_there_is_no_language(enricher: Enricher, text: str) -> None:
    answer = enricher.enrich([text])[0]
    check(answer, enricher)
    assert answer.language.code == "und"


def with_labels(folder: Path, **changes: Any) -> Enricher:
    """Load the shipped model with changed labels."""
    for name in (MODEL_FILE, TOKENIZER_FILE):
        (folder / name).symlink_to(WEIGHTS / name)
    (folder / LABELS_FILE).write_bytes(msgspec.json.encode(replace(open_artefact().labels, **changes)))
    write_checksums(folder)
    return Enricher.load(folder, threads=1, cache_size=0)


def test_below_the_threshold_there_is_no_language(enricher: Enricher, tmp_path: Path) -> None:
    detected = [answer.language for answer in enricher.enrich(POSTS) if answer.language.code != "und"]
    threshold = sorted(language.score for language in detected)[len(detected) // 2]
    strict = with_labels(tmp_path, language_threshold=threshold - 1e-4).enrich(POSTS)
    for before, after in zip(enricher.enrich(POSTS), strict, strict=True):
        is_confident = before.language.code != "und" and before.language.score >= threshold
        assert after.language.code == (before.language.code if is_confident else "und")
        assert after.language.score == before.language.score
    assert {"und"} < {answer.language.code for answer in strict}


def test_the_prior_of_a_language_is_added_to_the_sentiment(enricher: Enricher, tmp_path: Path) -> None:
    prior = {"": (0.0, 0.0, 0.0), "en": (1.0, 0.0, -1.0)}
    adjusted = with_labels(tmp_path, sentiment_prior=prior).enrich(POSTS)
    for before, after in zip(enricher.enrich(POSTS), adjusted, strict=True):
        assert after.language == before.language
        odds = math.log(after.sentiment.negative / after.sentiment.positive)
        usual = math.log(before.sentiment.negative / before.sentiment.positive)
        if before.language.code == "en" and before.language.score > 0.95:
            assert odds - usual == pytest.approx(2 * before.language.score, abs=0.05)
        if before.language.code not in {"en", "und"} and before.language.score > 0.999:
            assert odds == pytest.approx(usual, abs=0.01)


def test_a_label_may_have_another_threshold_in_a_language(enricher: Enricher, tmp_path: Path) -> None:
    topics = tuple(replace(topic, by_language={"en": 0.0, "de": 1.0}) for topic in open_artefact().labels.topics)
    answers = with_labels(tmp_path, topics=topics).enrich(POSTS)
    assert answers[0].language.code == "en"
    assert len(answers[0].topics) == len(topics)
    assert answers[1].language.code == "de"
    assert answers[1].topics == ()
    assert answers[3].topics == enricher.enrich(POSTS)[3].topics


def test_a_post_in_two_languages_gets_one_of_them(enricher: Enricher) -> None:
    halves = ("The dogs of the mounted police were wonderful today.", "Die Hunde der Polizei waren heute wunderbar.")
    mixed, english, german = (answer.language for answer in enricher.enrich([" ".join(halves), *halves]))
    assert (english.code, german.code) == ("en", "de")
    assert mixed.code in {"en", "de", "und"}


@pytest.mark.parametrize("text", ["ok", "hm", "?", "a", "\u4f60"])
def test_very_short_posts_get_an_answer(enricher: Enricher, text: str) -> None:
    check(enricher.enrich([text])[0], enricher)


@pytest.mark.parametrize(
    "text",
    [
        "a" * 100_000,
        "word " * 20_000,
        "\U0001f600" * 100_000,
        "\ud800" * 50,
        "x\ud83dy\ude00z",
        "\u0301" * 500,
        "&amp;" * 20_000,
    ],
    ids=["letters", "words", "emoji", "surrogates", "split pair", "accents", "entities"],
)
def test_extreme_texts_get_an_answer_quickly(enricher: Enricher, text: str) -> None:
    started = time.monotonic()
    check(enricher.enrich([text])[0], enricher)
    assert time.monotonic() - started < 5


def test_only_the_first_tokens_count(enricher: Enricher) -> None:
    text = "dog " * (2 * MAX_TOKENS)
    assert_same(enricher.enrich([text])[0], enricher.enrich([text + "terrible awful hate"])[0])


def test_identical_texts_are_computed_once() -> None:
    enricher = Enricher.load(threads=1, cache_size=2)
    first = enricher.enrich(["hello https://t.co/a", "hello https://t.co/b", "other"])
    assert first[0] is first[1]
    assert enricher.cache_info()[:2] == (1, 2)
    assert enricher.enrich(["hello  https://t.co/c"])[0] is first[0]
    assert enricher.cache_info()[:2] == (2, 2)
    enricher.enrich(["a third", "a fourth"])
    assert enricher.cache_info().currsize == 2
    assert_same(enricher.enrich(["hello http"])[0], first[0])


def test_a_hint_is_part_of_what_is_cached() -> None:
    enricher = Enricher.load(threads=1, cache_size=10)
    texts = ["hotel taxi radio"] * 4
    plain, portuguese, brazilian, unknown = enricher.enrich(texts, [None, "pt", "pt-BR", "tlh"])
    assert portuguese is brazilian
    assert plain is unknown
    assert portuguese != plain
    assert enricher.cache_info()[:2] == (2, 2)
    assert enricher.enrich(texts[:1], ["pt"])[0] is portuguese
    assert enricher.enrich(texts[:1])[0] is plain


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    text=any_text | st.sampled_from(POSTS), hints=st.lists(st.none() | st.sampled_from(HINTS), min_size=1, max_size=4)
)
def test_the_same_text_with_the_same_hint_gets_the_same_answer(
    enricher: Enricher, text: str, hints: list[str | None]
) -> None:
    together = enricher.enrich([text] * len(hints), hints)
    for answer, hint in zip(together, hints, strict=True):
        check(answer, enricher)
        assert_same(answer, enricher.enrich([text], [hint])[0])
        assert msgspec.structs.replace(answer, language=together[0].language) == together[0], "only the language"


def test_a_hint_decides_where_the_text_does_not(enricher: Enricher) -> None:
    text = "Hotel Berlin"
    codes = {hint: enricher.enrich([text], [hint])[0].language for hint in ("de", "en", "nl")}
    assert len({answer.code for answer in codes.values()}) > 1


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("yaar ye bahut accha hai, kya baat hai", "hi-Latn"),
        ("Jag tycker att det h\u00e4r \u00e4r en riktigt fin dag", "sv"),
        ("Das ist wirklich furchtbar, ich bin so w\u00fctend.", "de"),
        ("\u4eca\u65e5\u306f\u96e8\u3067\u3059", "ja"),
    ],
)
@pytest.mark.parametrize("hint", [None, "en", "en-GB"])
def test_the_default_of_a_client_does_not_change_a_clear_language(
    enricher: Enricher, text: str, code: str, hint: str | None
) -> None:
    assert enricher.enrich([text], [hint])[0].language.code == code


def test_a_hint_gives_no_language_to_a_text_without_words(enricher: Enricher) -> None:
    texts = ["\U0001f600", "@user http", "RT @user: http"]
    assert {answer.language.code for answer in enricher.enrich(texts, ["de"] * 3)} == {"und"}


def test_there_is_a_hint_for_each_text(enricher: Enricher) -> None:
    with pytest.raises(ValueError, match="zip"):
        enricher.enrich(["one", "two"], ["en"])


@pytest.mark.parametrize("text", ["#news #today #photo", "@user #news #today #photo http"])
def test_hashtags_alone_give_no_uncertain_language(enricher: Enricher, text: str) -> None:
    assert enricher.enrich([text])[0].language.code in {"en", "und"}


def test_hashtags_alone_may_be_certain(enricher: Enricher) -> None:
    (answer,) = enricher.enrich(["#\u3053\u3093\u306b\u3061\u306f #\u3042\u308a\u304c\u3068\u3046"])
    assert answer.language.code == "ja"


def test_threads_may_share_it(enricher: Enricher) -> None:
    alone = enricher.enrich(POSTS)
    with ThreadPoolExecutor(4) as pool:
        for answers in pool.map(enricher.enrich, [POSTS] * 8):
            assert answers == alone
