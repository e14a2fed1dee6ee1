"""Turns phrases into posts: fills slots, sets hashtags and emoji, and writes carelessly now and then."""

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
    """The text of a post; `corrected` is what its author meant to write, where a typo slipped in."""

    text: str
    corrected: str | None = None


class Writer:
    """Everybody who writes in one language. Phrases come from shuffled decks: none returns before all were used."""

    def __init__(self, book: PhraseBook, dice: Dice) -> None:
        self.book = book
        self._dice = dice
        self._decks: dict[str, list[str]] = {}
        self._pairs: dict[str, list[tuple[str, str]]] = {}

    def police(self) -> str:
        return self._dice.pick(self.book.police)

    def citizen(self) -> str:
        handles = self.book.handles
        number = self._dice.integer(2, 99)
        return f"{self._dice.pick(handles.first)}_{self._dice.pick(handles.second)}{number}"

    def phrase(self, scene: Scene) -> str:
        deck = self._decks.setdefault(scene.name, [])
        if not deck:
            deck.extend(self._dice.shuffled(self.book.scenes[scene.name]))
        return deck.pop()

    def pair(self, scene: Scene) -> tuple[str, str]:
        """A question and its answer."""
        deck = self._pairs.setdefault(scene.name, [])
        if not deck:
            deck.extend(self._dice.shuffled(self.book.pairs[scene.name]))
        return deck.pop()

    def write(self, phrase: str, scene: Scene, at: datetime, *, police: str, careless: bool) -> Wording:
        """The phrase as a post of the scene, written at `at`; `police` is the account that the phrase speaks of."""
        known = self._known(at, police)
        before, after = self._frame(phrase, scene, known)
        clean = self._fill(phrase, known)
        slip = self._dice.pick(self.book.slips) if self.book.slips else None
        if not careless or slip is None or not self._dice.chance(SLIP_SHARE):
            return Wording(before + clean + after)
        written = self._slip(clean, slip)
        mended = before + clean + after if slip == "swap" and written != clean else None
        return Wording(before + written + after, mended)

    def answer(self, phrase: str, asker: str, at: datetime, *, police: str) -> Wording:
        """The reply of a police account, addressed to the asker."""
        return Wording(f"@{asker} {self._fill(phrase, self._known(at, police))} {self._campaign_tag()}")

    def _known(self, at: datetime, police: str) -> Mapping[str, str]:
        """The slots that are the same throughout a post."""
        local = at + timedelta(minutes=self.book.utc_offset_minutes - self._dice.integer(2, 12))
        return {
            "police": f"@{police}",
            "tag": self._campaign_tag(),
            "time": local.strftime("%H:%M"),
            "n": str(self._dice.integer(6, 48)),
        }

    def _fill(self, phrase: str, known: Mapping[str, str]) -> str:
        filled = _SLOT.sub(lambda slot: known.get(slot[1]) or self._dice.pick(self.book.slots[slot[1]]), phrase)
        return filled[:1].upper() + filled[1:]

    def _frame(self, phrase: str, scene: Scene, known: Mapping[str, str]) -> tuple[str, str]:
        """What stands before and after the phrase: a closing sentence, emoji and hashtags in changing places."""
        dice = self._dice
        tail = ""
        if scene.tails and dice.chance(scene.tail_share):
            fitting = [tail for tail in self.book.tails[scene.tails] if "{time}" not in tail or "{time}" not in phrase]
            tail = " " + self._fill(dice.pick(fitting), known)
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

    def _slip(self, text: str, slip: Slip) -> str:
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
