"""Pseudonyms: a person always gets the same one, no name remains, and applying them twice changes nothing."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.contracts import Deletion, Post, decode_raw, encode
from streams.errors import SettingsError
from streams.kafka import topics
from streams.privacy import is_pseudonym, pseudonym, pseudonymise, pseudonymised_id
from streams.processes.broker import Broker
from streams.settings import load_settings
from tests.conftest import SettingsFactory
from tests.helpers.commands import invoke
from tests.helpers.processes import run_tagpulse
from tests.helpers.records import read_all

KEY = b"a key of the campaign"
NOON = datetime(2026, 6, 20, 12, tzinfo=UTC)
DID = "did:plc:ewvi7nxzyoun6zhxrhs64oiz"

sources = st.sampled_from(["bluesky", "mastodon", "x"])
characters = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
names = st.text(characters, max_size=40) | st.from_regex(r"did:plc:[a-z2-7]{24}", fullmatch=True)
ids = st.text(characters, min_size=1, max_size=30) | st.from_regex(r"did:plc:[a-z2-7]{24}/3[a-z]{12}", fullmatch=True)
posts = st.builds(
    Post,
    source=sources,
    id=ids,
    text=st.text(characters),
    created_at=st.just(NOON),
    author=names,
    reply_to=st.none() | ids,
    repost_of=st.none() | ids,
    url=st.none() | names.map(lambda name: f"https://example.com/{name}/1"),
)
keys = st.binary(min_size=16, max_size=64)


def test_mastodon_ids_are_hidden_completely() -> None:
    uri = "https://example.social/users/anna/statuses/1"
    post = Post(
        source="mastodon", id=uri, text="", created_at=NOON, author="anna@example.social", url="https://example.social/@anna/1",
        repost_of="https://b.example/users/bob/statuses/2", reply_to="example.social/17",
    )  # fmt: skip
    hidden = pseudonymise(post, KEY)
    assert isinstance(hidden, Post)
    assert not re.search(b"anna|bob", encode(hidden))
    assert hidden.id == pseudonymised_id("mastodon", uri, KEY) != pseudonymised_id("mastodon", uri.upper(), KEY)
    assert pseudonymise(Deletion(source="mastodon", id=uri, deleted_at=NOON), KEY).id == hidden.id
    assert pseudonymise(hidden, KEY) == hidden


@given(posts, keys)
def test_pseudonymising_twice_changes_nothing_and_other_fields_are_kept(post: Post, key: bytes) -> None:
    once = pseudonymise(post, key)
    assert isinstance(once, Post)
    assert pseudonymise(once, key) == once
    assert decode_raw(encode(once)) == once
    hidden = {"id": "", "author": "", "reply_to": None, "repost_of": None, "url": None}
    assert msgspec.structs.replace(once, **hidden) == msgspec.structs.replace(post, **hidden)
    assert (once.author == "") == (post.author == "")


@given(posts, keys)
def test_a_url_never_reveals_the_author(post: Post, key: bytes) -> None:
    named = msgspec.structs.replace(post, url=f"https://example.com/{post.author}/status/1")
    hidden = pseudonymise(named, key)
    assert isinstance(hidden, Post)
    assert hidden.url is None or not post.author or is_pseudonym(post.author)


@given(sources, names, keys)
def test_a_pseudonym_is_short_and_the_same_however_the_name_is_written(source: str, name: str, key: bytes) -> None:
    hidden = pseudonym(source, name, key)
    assert not name or re.fullmatch(r"~[A-Za-z0-9_-]{22}", hidden)
    if name.isascii() and name and not is_pseudonym(name):
        assert pseudonym(source, name.upper(), key) == pseudonym(source, name.lower(), key) == hidden


@given(st.lists(st.tuples(sources, st.from_regex(r"[a-z]{1,12}", fullmatch=True)), unique=True))
def test_other_people_other_networks_and_other_keys_have_other_pseudonyms(people: list[tuple[str, str]]) -> None:
    hidden = {pseudonym(source, name, key) for source, name in people for key in (KEY, KEY + b"x")}
    assert len(hidden) == 2 * len(people)


def test_the_hash_never_changes() -> None:
    assert pseudonym("x", "@Anna", KEY) == pseudonym("x", "anna", KEY) == "~eEBeiyceyPG1GQjYw9RK7Q"


def test_a_deletion_finds_its_post_and_an_answer_its_question() -> None:
    post = Post(source="bluesky", id=f"{DID}/3kabc", text="hello", created_at=NOON, author=DID, reply_to=f"{DID}/3kaaa")
    hidden = pseudonymise(post, KEY)
    deletion = pseudonymise(Deletion(source="bluesky", id=post.id, deleted_at=NOON), KEY)
    assert isinstance(hidden, Post)
    assert hidden.id == deletion.id == f"{hidden.author}/3kabc"
    assert hidden.reply_to == pseudonymised_id("bluesky", f"{DID}/3kaaa", KEY) == f"{hidden.author}/3kaaa"
    assert DID not in encode(hidden).decode() + encode(deletion).decode()


@pytest.mark.parametrize(
    ("author", "url", "kept"),
    [
        ("anna", "https://x.com/Anna/status/1", False),
        ("anna@police.example", "https://police.example/@anna/1", False),
        ("änna", "https://example.com/%C3%A4nna/1", False),
        (DID, f"https://bsky.app/profile/{DID}/post/3k", False),
        ("anna", "https://example.com/status/1", True),
        ("", "https://example.com/anna/1", True),
    ],
)
def test_only_a_url_with_the_name_is_left_out(author: str, url: str, kept: bool) -> None:
    hidden = pseudonymise(Post(source="x", id="1", text="", created_at=NOON, author=author, url=url), KEY)
    assert isinstance(hidden, Post)
    assert (hidden.url == url) == kept


def test_a_short_key_is_refused_and_none_is_ever_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAGPULSE_PRIVACY__AUTHOR_KEY", "hunter2")
    with pytest.raises(SettingsError, match="TAGPULSE_PRIVACY__AUTHOR_KEY") as caught:
        load_settings()
    assert "hunter2" not in str(caught.value)


def test_produce_writes_no_name(embedded_broker: Broker, settings_for: SettingsFactory, tmp_path: Path) -> None:
    key = "a key that must stay secret"
    settings = settings_for(embedded_broker, privacy={"author_key": key}, log={"level": "DEBUG"})
    topics.create(settings)
    feed = tmp_path / "day.jsonl"
    lines: list[Post | Deletion] = [
        Post(source="x", id="1", text="hello @anna", created_at=NOON, author="Anna", url="https://x.com/anna/status/1"),
        Post(source="x", id="2", text="hello", created_at=NOON, author="anna", url="https://example.com/2"),
        Post(source="bluesky", id=f"{DID}/3k", text="hello", created_at=NOON, author=DID),
        Deletion(source="bluesky", id=f"{DID}/3k", deleted_at=NOON),
    ]
    feed.write_bytes(b"\n".join(map(encode, lines)) + b"\n")
    ended = run_tagpulse("produce", "file", feed, settings=settings)
    assert ended.returncode == 0, ended.stderr
    records = read_all(settings.kafka, settings.topics.raw)
    messages = {record.key: decode_raw(record.value) for record in records}
    first, second = messages[b"x:1"], messages[b"x:2"]
    assert isinstance(first, Post)
    assert isinstance(second, Post)
    assert first.author == second.author == pseudonym("x", "anna", key.encode())
    assert (first.url, second.url) == (None, "https://example.com/2")
    assert first.text == "hello @anna"
    assert not [record for record in records if DID.encode() in record.key + record.value]
    assert key not in ended.stdout + ended.stderr + invoke("config", "show", settings=settings).stdout
