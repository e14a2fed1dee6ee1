"""The composition of the bundled sample day, which the demo shows and other tests rely on."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
from collections import Counter
from datetime import datetime, timedelta
from importlib.resources import as_file, files
from itertools import pairwise

import pytest

from streams.campaign import load_campaign
from streams.contracts import Deletion, Post, decode_raw, encode, find_hashtags
from streams.sample_day import END, SPIKE, START, ScriptLine, compose, sample_day
from streams.sample_day.phrases import load_phrase_books
from streams.sample_day.script import load_script

BOOKS = load_phrase_books()


@pytest.fixture(scope="module", params=[20260620, 7], ids=["default", "other seed"])
def day(request: pytest.FixtureRequest) -> list[ScriptLine]:
    return compose(request.param)


def posts_of(day: list[ScriptLine]) -> list[Post]:
    """Return the posts as they first appeared, without edits."""
    return [line.message for line in day if isinstance(line.message, Post) and line.message.edited_at is None]


def happened_at(message: Post | Deletion) -> datetime:
    return message.deleted_at if isinstance(message, Deletion) else message.edited_at or message.created_at


def test_the_same_seed_gives_the_same_day_in_every_process() -> None:
    program = (
        "import hashlib, sys; from streams.contracts import encode; from streams.sample_day import sample_day\n"
        "print(hashlib.sha256(b'\\n'.join(map(encode, sample_day()))).hexdigest())"
    )
    here = hashlib.sha256(b"\n".join(map(encode, sample_day()))).hexdigest()
    for hash_seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        answer = subprocess.run(
            [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True, timeout=60
        )
        assert answer.stdout.strip() == here


def test_another_seed_gives_another_day() -> None:
    assert {post.text for post in posts_of(compose(1))} != {post.text for post in posts_of(compose(2))}


def test_there_are_thousands_of_posts_in_many_languages(day: list[ScriptLine]) -> None:
    posts = posts_of(day)
    assert len(posts) >= 3_000
    languages = Counter(line.language for line in day if isinstance(line.message, Post))
    assert sum(count >= 60 for language, count in languages.items() if language != "und") >= 14
    assert [language for language, _ in languages.most_common(2)] == ["de", "en"]
    assert languages["und"] >= 10


def test_texts_are_rarely_repeated(day: list[ScriptLine]) -> None:
    originals = [post.text for post in posts_of(day) if post.repost_of is None]
    assert len(set(originals)) / len(originals) >= 0.9
    sentences = {re.sub(r"[\W\d]*#\w+[\W\d]*|[^\w\s]", "", text).strip().lower() for text in originals}
    assert len(sentences) / len(originals) >= 0.6


def test_the_messages_are_in_chronological_order_within_the_day(day: list[ScriptLine]) -> None:
    times = [happened_at(line.message) for line in day]
    assert all(earlier <= later for earlier, later in pairwise(times))
    assert times[0] >= START
    assert times[-1] < END
    hours = Counter(time.hour for time in times)
    assert set(hours) == set(range(8, 20))
    assert min(hours.values()) >= 100


def test_ids_are_unique_except_for_edits(day: list[ScriptLine]) -> None:
    posts = posts_of(day)
    assert len({post.id for post in posts}) == len(posts)
    assert {post.source for post in posts} == {"sample"}


def test_reposts_repeat_an_earlier_post(day: list[ScriptLine]) -> None:
    by_id = {post.id: post for post in posts_of(day)}
    reposts = [post for post in by_id.values() if post.repost_of]
    assert len(reposts) >= 800
    for repost in reposts:
        original = by_id[repost.repost_of or ""]
        assert original.repost_of is None
        assert original.created_at < repost.created_at
        assert original.author != repost.author
        assert (original.text, original.hashtags, original.media) == (repost.text, repost.hashtags, repost.media)


def test_replies_follow_the_posts_they_answer(day: list[ScriptLine]) -> None:
    by_id = {post.id: post for post in posts_of(day)}
    replies = [post for post in by_id.values() if post.reply_to]
    assert len(replies) >= 400
    assert all(by_id[reply.reply_to or ""].created_at < reply.created_at for reply in replies)


def test_questions_wait_and_many_are_answered_by_the_account_that_was_asked(day: list[ScriptLine]) -> None:
    questions = {
        line.message.id: line.message
        for line in day
        if isinstance(line.message, Post) and line.scene in {"question", "recruitment"}
    }
    answers = [line.message for line in day if isinstance(line.message, Post) and line.scene == "answer"]
    for answer in answers:
        question = questions[answer.reply_to or ""]
        assert f"@{answer.author}" in question.text
        assert answer.text.startswith(f"@{question.author} ")
    answered = {answer.reply_to for answer in answers}
    assert 0.4 < len(answered) / len(questions) < 0.9


def test_engagement_counts_what_happened_during_the_day(day: list[ScriptLine]) -> None:
    posts = posts_of(day)
    reposts = Counter(post.repost_of for post in posts)
    replies = Counter(post.reply_to for post in posts)
    assert all(
        (post.engagement.reposts, post.engagement.replies) == (reposts[post.id], replies[post.id]) for post in posts
    )


def test_police_dogs_are_shared_most(day: list[ScriptLine]) -> None:
    reposts = Counter(
        line.scene for line in day if isinstance(line.message, Post) and line.message.repost_of is not None
    )
    assert reposts.most_common(1)[0][0] == "dog"
    dogs = [line.message for line in day if isinstance(line.message, Post) and line.scene == "dog"]
    assert sum("image" in post.media for post in dogs) / len(dogs) > 0.9


def test_support_starts_with_the_news_of_the_injury(day: list[ScriptLine]) -> None:
    posts = [(line.scene, line.message) for line in day if isinstance(line.message, Post)]
    news = min(post.created_at for scene, post in posts if scene == "injured")
    support = [post.created_at for scene, post in posts if scene in {"support", "solidarity"}]
    assert min(support) > news
    wave = sum(news < at < news + timedelta(minutes=90) for at in support)
    assert wave / len(support) > 0.7


def test_anger_fills_one_window_and_the_explanation_follows(day: list[ScriptLine]) -> None:
    posts = [(line, line.message.created_at) for line in day if isinstance(line.message, Post)]
    start, end = SPIKE
    assert end - start == timedelta(minutes=20)

    def angry_share(since: datetime, until: datetime) -> tuple[float, int]:
        window = [line for line, at in posts if since <= at < until]
        return sum(line.scene in {"criticism", "video"} for line in window) / len(window), len(window)

    share, count = angry_share(start, end)
    assert share >= 0.7
    anger = [line for line, _ in posts if line.scene == "criticism"]
    assert len({line.language for line in anger}) >= 14
    for minutes in range(0, 720, 20):
        since = START + timedelta(minutes=minutes)
        if since in (start, end):
            continue
        other_share, other_count = angry_share(since, since + timedelta(minutes=20))
        assert other_share < 0.25
        assert other_count < count * 0.6
    explanation = min(at for line, at in posts if line.scene == "explanation")
    assert end <= explanation < end + timedelta(minutes=10)


def test_edits_correct_a_post_and_nothing_quotes_the_old_text(day: list[ScriptLine]) -> None:
    by_id = {post.id: post for post in posts_of(day)}
    edits = [line.message for line in day if isinstance(line.message, Post) and line.message.edited_at]
    assert len(edits) == load_script().edits
    quoted = {post.repost_of for post in by_id.values()} | {post.reply_to for post in by_id.values()}
    for edit in edits:
        first = by_id[edit.id]
        assert edit.text != first.text
        assert edit.edited_at is not None
        assert edit.edited_at > edit.created_at == first.created_at
        assert edit.id not in quoted


def test_deletions_follow_the_posts_they_remove(day: list[ScriptLine]) -> None:
    by_id = {post.id: post for post in posts_of(day)}
    deletions = [line.message for line in day if isinstance(line.message, Deletion)]
    assert len(deletions) == load_script().deletions
    assert len({deletion.id for deletion in deletions}) == len(deletions)
    assert all(by_id[deletion.id].created_at < deletion.deleted_at for deletion in deletions)


def test_every_post_has_the_hashtag_and_fits_the_contract(day: list[ScriptLine]) -> None:
    seconds: Counter[str] = Counter()
    for line in day:
        message = line.message
        assert decode_raw(encode(message)) == message
        if isinstance(message, Post):
            assert message.hashtags == find_hashtags(message.text)
            assert "poltwt" in message.hashtags
            assert not re.search(r"[{}]", message.text)
            seconds.update(tag for tag in message.hashtags if tag != "poltwt")
    assert seconds["policedog"] >= 30
    assert seconds["poltwtfail"] >= 50


def test_the_campaign_file_fits_the_day(day: list[ScriptLine]) -> None:
    with as_file(files("streams.sample_day") / "poltwt.toml") as path:
        campaign = load_campaign(path)
    assert campaign.name == "poltwt"
    assert len(campaign.topics) == 6
    assert all(len(topic.examples) >= 4 for topic in campaign.topics)
    assert set(campaign.languages) == {book.language for book in BOOKS} - {"und"}
    assert set(campaign.accounts) <= {post.author for post in posts_of(day)}
    spoken = {tag for post in posts_of(day) for tag in post.hashtags}
    assert set(campaign.hashtags) <= spoken
