"""Turns phrases into posts: fills their slots, adds hashtags and emoji, and occasionally makes mistakes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from streams.sample_day.dice import Dice
from streams.sample_day.phrases import PhraseBook, Slip
from streams.sample_day.script import Scene

SECOND_HASHTAG_SHARE = 0.35
SLIP_SHARE = 0.13
_SLOT = re.compile(r"\{(\w+)\}")
_PLAIN_WORD = re.compile(r"(?<![@#\w])[^\W\d_]{5,}(?![\w:])")


@dataclass(frozen=True)
class Wording:
    """The text of a post; if it contains a typo, `corrected` is the text without it."""

    text: str
    corrected: str | None = None


class Writer:
    """Writes the posts of one language; no phrase of a scene is repeated before all of them have been used."""

    def __init__(self, book: PhraseBook, dice: Dice) -> None:
        """Write with the phrases of this book."""
        self.book = book
        self._dice = dice
        self._decks: dict[str, list[str]] = {}
        self._pairs: dict[str, list[tuple[str, str]]] = {}

    def police(self) -> str:
        """Return the name of a police account."""
        return self._dice.pick(self.book.police)

    def citizen(self) -> str:
        """Return the invented name of a citizen's account."""
        handles = self.book.handles
        number = self._dice.integer(2, 99)
        return f"{self._dice.pick(handles.first)}_{self._dice.pick(handles.second)}{number}"

    def phrase(self, scene: Scene) -> str:
        """Return the next phrase of a scene."""
        deck = self._decks.setdefault(scene.name, [])
        if not deck:
            deck.extend(self._dice.shuffled(self.book.scenes[scene.name]))
        return deck.pop()

    def pair(self, scene: Scene) -> tuple[str, str]:
        """Return the next question of a scene and its answer."""
        deck = self._pairs.setdefault(scene.name, [])
        if not deck:
            deck.extend(self._dice.shuffled(self.book.pairs[scene.name]))
        return deck.pop()

    def write(self, phrase: str, scene: Scene, at: datetime, *, police: str, careless: bool) -> Wording:
        """Turn a phrase into a post of a scene.

        Args:
            phrase: The phrase, with its slots.
            scene: The scene of the post.
            at: When the post is written.
            police: The account that is used for `{police}`.
            careless: Whether the author may make mistakes.
        """
        slots = self._shared_slots(at, police)
        before, after = self._surroundings(phrase, scene, slots)
        clean = self._fill(phrase, slots)
        slip = self._dice.pick(self.book.slips) if self.book.slips else None
        if not careless or slip is None or not self._dice.chance(SLIP_SHARE):
            return Wording(before + clean + after)
        written = self._with_slip(clean, slip)
        corrected = before + clean + after if slip == "swap" and written != clean else None
        return Wording(before + written + after, corrected)

    def answer(self, phrase: str, asker: str, at: datetime, *, police: str) -> Wording:
        """Return the reply of a police account, addressed to the asker."""
        return Wording(f"@{asker} {self._fill(phrase, self._shared_slots(at, police))} {self._campaign_tag()}")

    def _shared_slots(self, at: datetime, police: str) -> Mapping[str, str]:
        """Return the slots that have the same value throughout a post."""
        local = at + timedelta(minutes=self.book.utc_offset_minutes - self._dice.integer(2, 12))
        return {
            "police": f"@{police}",
            "tag": self._campaign_tag(),
            "time": local.strftime("%H:%M"),
            "n": str(self._dice.integer(6, 48)),
        }

    def _fill(self, phrase: str, slots: Mapping[str, str]) -> str:
        filled = _SLOT.sub(lambda slot: slots.get(slot[1]) or self._dice.pick(self.book.slots[slot[1]]), phrase)
        return filled[:1].upper() + filled[1:]

    def _surroundings(self, phrase: str, scene: Scene, slots: Mapping[str, str]) -> tuple[str, str]:
        """Return the text before and after a phrase: a closing sentence, emoji, and hashtags in varying places."""
        dice = self._dice
        tail = ""
        if scene.tails and dice.chance(scene.tail_share):
            fitting = [tail for tail in self.book.tails[scene.tails] if "{time}" not in tail or "{time}" not in phrase]
            tail = " " + self._fill(dice.pick(fitting), slots)
        emoji = " " + dice.pick(scene.emoji) * dice.pick((1, 1, 1, 2, 3)) if dice.chance(scene.emoji_share) else ""
        second = ""
        choices: Sequence[str] = self.book.hashtags.get(scene.name, ())
        if choices and dice.chance(SECOND_HASHTAG_SHARE):
            second = " #" + dice.pick(choices)
        if "{tag}" in phrase:
            return "", tail + emoji + second
        tag = self._campaign_tag()
        place = dice.integer(1, 100)
        if place <= 12:
            return f"{tag} ", tail + emoji + second
        if place <= 22:
            return "", f" {tag}{tail}{emoji}{second}"
        if place <= 34:
            return "", f"{tail}{emoji}\n\n{tag}{second}"
        return "", f"{tail}{emoji} {tag}{second}"

    def _campaign_tag(self) -> str:
        return self._dice.pick(("#poltwt",) * 15 + ("#PolTwt",) * 4 + ("#POLTWT",))

    def _with_slip(self, text: str, slip: Slip) -> str:
        if slip == "lower":
            return text.lower()
        if slip == "exclaim":
            return text.replace("!", "!!!").replace("?", "??")
        words = list(_PLAIN_WORD.finditer(text))
        if not words:
            return text
        word = self._dice.pick(words)
        first = word.start() + self._dice.integer(1, len(word[0]) - 3)
        return text[:first] + text[first + 1] + text[first] + text[first + 2 :]
