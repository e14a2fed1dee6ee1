"""Composes the sample day from its script and phrase books; the same seed gives the same day, byte for byte."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import accumulate
from typing import Literal

import msgspec

from streams.contracts import Deletion, Engagement, Post, find_hashtags
from streams.sample_day.dice import Dice
from streams.sample_day.phrases import load_phrase_books
from streams.sample_day.script import END, START, Moment, Scene, Script, load_script, minute_weights, on_the_day
from streams.sample_day.wording import Wording, Writer

SOURCE = "sample"
DEFAULT_SEED = 20260620

_HINTED_SHARE = 0.75
_MEAN_ANSWER_MINUTES = 9.0
_MEAN_REPOST_MINUTES = 16.0
_REPLY_CANDIDATES = 4
_TRIES = 8


@dataclass(frozen=True)
class ScriptLine:
    """A message of the day with its scene and language: the facts that the pipeline has to find out."""

    message: Post | Deletion
    scene: str
    language: str


@dataclass(eq=False)
class _Draft:
    scene: str
    language: str
    voice: Literal["police", "citizen"]
    author: str
    at: datetime
    wording: Wording
    hint: str | None = None
    media: tuple[str, ...] = ()
    likes: int = 0
    shared: float = 0.0
    reply_to: _Draft | None = None
    repost_of: _Draft | None = None


def sample_day(seed: int = DEFAULT_SEED) -> list[Post | Deletion]:
    """Return the messages of the day in chronological order: posts, edits (with the id of the post) and deletions.

    Engagement counts are those at the end of the day.
    """
    return [line.message for line in compose(seed)]


def compose(seed: int = DEFAULT_SEED) -> list[ScriptLine]:
    """Return the messages of the day in chronological order, each with its scene and language."""
    return _Composer(load_script(), Dice(seed)).compose()


class _Composer:
    def __init__(self, script: Script, dice: Dice) -> None:
        self._script = script
        self._dice = dice
        self._writers = {book.language: Writer(book, dice) for book in load_phrase_books()}
        self._drafts: list[_Draft] = []
        self._by_scene: defaultdict[str, list[_Draft]] = defaultdict(list)
        self._texts: set[str] = set()

    def compose(self) -> list[ScriptLine]:
        for moment in self._script.moment:
            self._add(self._moment_draft(moment))
        for scene in self._script.scene:
            self._add_scene(scene)
        self._add_reposts()
        return self._script_lines()

    def _add(self, draft: _Draft) -> None:
        self._drafts.append(draft)
        self._by_scene[draft.scene].append(draft)
        self._texts.add(draft.wording.text)

    def _moment_draft(self, moment: Moment) -> _Draft:
        return _Draft(
            scene=moment.scene,
            language=moment.language,
            voice="police" if moment.author in self._writers[moment.language].book.police else "citizen",
            author=moment.author,
            at=on_the_day(moment.at),
            wording=Wording(moment.text),
            hint=moment.language,
            media=(moment.media,) if moment.media else (),
            likes=int(self._dice.heavy(moment.liked)),
            shared=moment.shared,
        )

    def _add_scene(self, scene: Scene) -> None:
        rhythm = list(accumulate(minute_weights(scene.rhythm)))
        for language, writer in self._writers.items():
            if scene.name not in writer.book.scenes and scene.name not in writer.book.pairs:
                continue
            for _ in range(scene.posts.get(language, scene.posts.get("other", 0))):
                minute = bisect_right(rhythm, self._dice.below(rhythm[-1]))
                at = START + timedelta(minutes=minute, milliseconds=self._dice.integer(0, 59_999))
                if scene.answered:
                    self._add_question(scene, writer, at)
                else:
                    self._add_statement(scene, writer, at)

    def _add_statement(self, scene: Scene, writer: Writer, at: datetime) -> None:
        author = writer.police() if scene.voice == "police" else writer.citizen()
        police = scene.mentions or writer.police()
        for _ in range(_TRIES):
            careless = scene.voice == "citizen"
            wording = writer.write(writer.phrase(scene), scene, at, police=police, careless=careless)
            if wording.text not in self._texts:
                break
        draft = self._draft(scene, writer, author, at, wording)
        if scene.replies_to and self._dice.chance(scene.reply_share):
            draft.reply_to = self._reply_target(scene.replies_to, draft)
        self._add(draft)

    def _add_question(self, scene: Scene, writer: Writer, at: datetime) -> None:
        police, asker = writer.police(), writer.citizen()
        for _ in range(_TRIES):
            question, answer = writer.pair(scene)
            wording = writer.write(question, scene, at, police=police, careless=True)
            if wording.text not in self._texts:
                break
        asked = self._draft(scene, writer, asker, at, wording)
        self._add(asked)
        answered_at = at + timedelta(minutes=2 + self._dice.waiting(_MEAN_ANSWER_MINUTES))
        if self._dice.chance(scene.answered) and answered_at < END:
            self._add(
                _Draft(
                    scene="answer",
                    language=asked.language,
                    voice="police",
                    author=police,
                    at=answered_at,
                    wording=writer.answer(answer, asker, answered_at, police=police),
                    hint=asked.language,
                    likes=int(self._dice.heavy(1.0)),
                    reply_to=asked,
                )
            )

    def _draft(self, scene: Scene, writer: Writer, author: str, at: datetime, wording: Wording) -> _Draft:
        language = writer.book.language
        hinted = language != "und" and self._dice.chance(_HINTED_SHARE)
        return _Draft(
            scene=scene.name,
            language=language,
            voice=scene.voice,
            author=author,
            at=at,
            wording=wording,
            hint=language if hinted else None,
            media=(scene.media,) if scene.media and self._dice.chance(scene.media_share) else (),
            likes=int(self._dice.heavy(scene.liked)),
            shared=self._dice.heavy(scene.shared),
        )

    def _reply_target(self, scene: str, reply: _Draft) -> _Draft | None:
        """Pick one of the newest posts of a scene, preferably in the language of the reply."""
        earlier = sorted((draft for draft in self._by_scene[scene] if draft.at < reply.at), key=lambda draft: draft.at)
        same_language = [draft for draft in earlier if draft.language == reply.language]
        newest = (same_language or earlier)[-_REPLY_CANDIDATES:]
        return self._dice.pick(newest) if newest else None

    def _add_reposts(self) -> None:
        originals = [draft for draft in self._drafts if draft.shared]
        weights = list(accumulate(draft.shared for draft in originals))
        seen: set[tuple[str, _Draft]] = set()
        while len(seen) < self._script.reposts:
            original = originals[bisect_right(weights, self._dice.below(weights[-1]))]
            at = original.at + timedelta(minutes=0.2 + self._dice.waiting(_MEAN_REPOST_MINUTES))
            author = self._writers[original.language].citizen()
            if at >= END or (author, original) in seen or author == original.author:
                continue
            seen.add((author, original))
            self._drafts.append(
                _Draft(
                    scene=original.scene,
                    language=original.language,
                    voice="citizen",
                    author=author,
                    at=at,
                    wording=Wording(original.wording.text),
                    hint=original.hint,
                    media=original.media,
                    repost_of=original,
                )
            )

    def _script_lines(self) -> list[ScriptLine]:
        self._drafts.sort(key=lambda draft: draft.at)
        ids = {draft: f"{START:%Y%m%d}-{number:04d}" for number, draft in enumerate(self._drafts, start=1)}
        reposts = Counter(draft.repost_of for draft in self._drafts if draft.repost_of)
        replies = Counter(draft.reply_to for draft in self._drafts if draft.reply_to)
        posts = {
            draft: Post(
                source=SOURCE,
                id=ids[draft],
                text=draft.wording.text,
                created_at=draft.at,
                author=draft.author,
                hashtags=find_hashtags(draft.wording.text),
                language_hint=draft.hint,
                media=draft.media,
                reply_to=ids[draft.reply_to] if draft.reply_to else None,
                repost_of=ids[draft.repost_of] if draft.repost_of else None,
                engagement=Engagement(likes=draft.likes, reposts=reposts[draft], replies=replies[draft]),
                url=f"https://example.org/{draft.author}/{ids[draft]}",
            )
            for draft in self._drafts
        }
        timed = [(draft.at, ScriptLine(post, draft.scene, draft.language)) for draft, post in posts.items()]
        # posts without reposts and replies, so that nothing quotes a text that was edited or deleted
        unquoted = [draft for draft in posts if not draft.repost_of and not reposts[draft] and not replies[draft]]
        timed += self._edits(unquoted, posts)
        timed += self._deletions(unquoted, posts)
        return [line for _, line in sorted(timed, key=lambda entry: entry[0])]

    def _edits(self, unquoted: list[_Draft], posts: dict[_Draft, Post]) -> list[tuple[datetime, ScriptLine]]:
        """Return edits in which authors correct their typos."""
        edits = []
        typos = [draft for draft in unquoted if draft.wording.corrected]
        for draft in self._dice.shuffled(typos)[: self._script.edits]:
            text, at = draft.wording.corrected or "", draft.at + timedelta(seconds=self._dice.integer(30, 600))
            edit = msgspec.structs.replace(posts[draft], text=text, edited_at=at)
            edits.append((at, ScriptLine(edit, draft.scene, draft.language)))
        return edits

    def _deletions(self, unquoted: list[_Draft], posts: dict[_Draft, Post]) -> list[tuple[datetime, ScriptLine]]:
        """Return deletions by citizens, each within an hour of the post."""
        candidates = [
            draft
            for draft in unquoted
            if draft.voice == "citizen" and not draft.wording.corrected and draft.at < END - timedelta(hours=1)
        ]
        deletions = []
        for draft in self._dice.shuffled(candidates)[: self._script.deletions]:
            at = draft.at + timedelta(seconds=self._dice.integer(60, 3_500))
            deletion = Deletion(source=SOURCE, id=posts[draft].id, deleted_at=at)
            deletions.append((at, ScriptLine(deletion, draft.scene, draft.language)))
        return deletions
