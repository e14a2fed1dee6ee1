"""The list of all data sets: how each is drawn, how far its labels are trusted, and on which terms it may be used."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from models.training.data import TrainingRow, emosent
from models.training.further import Further, further

Family = Literal[
    "umsab", "english", "african", "sentiment", "emotion", "act", "topics", "language", "template", "other"
]
Terms = Literal["open", "research", "unstated"]
Read = Callable[[Path], Iterable[TrainingRow]]


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSet:
    """A set of rows.

    Attributes:
        name: Source of its rows.
        family: The family that the set is drawn with. A phase of the training gives each family a share, which its sets
            divide by the square roots of their sizes.
        terms: What the terms stated with the set allow: any use, or only research; or nothing is stated.
        weight: Weight in the family, beside the square root of the size.
        trust: Weight of a label in the target; the rest is what the network itself predicts (Reed et al., 2015, "Training
            Deep Neural Networks on Noisy Labels with Bootstrapping").
        balance: Exponent of a group's size (rows with the same language and label) in its share of the set; 0 makes all
            groups equal.
        as_collected: Whether the shares of its labels are those of the posts that were collected; otherwise they were chosen.
        read: Yields the rows, a tenth of which is held out as `NAME-held`. None if `models.training.corpus` chooses them.
    """

    name: str
    family: Family
    terms: Terms
    weight: float = 1.0
    trust: float = 0.9
    balance: float = 0.5
    as_collected: bool = True
    read: Read | None = None


def _file(name: str, says: Further) -> Read:
    return partial(further, name=name, says=says)


_MOODS = Further(task="sentiment")
_TWO_MOODS = Further(task="sentiment", unknown=frozenset({"neutral"}))
_SIX_EMOTIONS = Further(task="emotion", unknown=frozenset({"support"}))
_GOEMOTIONS = Further(
    task="emotion",
    names={
        "admiration": "support", "caring": "support", "gratitude": "support",
        "amusement": "joy", "excitement": "joy", "joy": "joy", "love": "joy", "optimism": "joy", "pride": "joy",
        "relief": "joy",
        "anger": "anger", "annoyance": "anger", "disgust": "disgust", "fear": "fear", "nervousness": "fear",
        "disappointment": "sadness", "grief": "sadness", "remorse": "sadness", "sadness": "sadness",
        "realization": "surprise", "surprise": "surprise",
    },
)  # fmt: skip
_EMOT = Further(
    task="emotion",
    names={"anger": "anger", "fear": "fear", "happy": "joy", "love": "joy", "sadness": "sadness"},
    unknown=frozenset({"disgust", "surprise", "support"}),
)
_TWEETEVAL = Further(
    task="emotion",
    names={"anger": "anger", "joy": "joy", "optimism": "joy", "sadness": "sadness"},
    unknown=frozenset({"disgust", "fear", "surprise", "support"}),
)
_TWEET_ACTS = Further(
    task="act",
    names={"QUE": "question", "REQ": "request", "SUG": "request", "STM": "statement", "EXP": "statement"},
    unknown=frozenset({"complaint", "thanks", "threat"}),  # most of its threats are news of threats
)
_COMPLAINTS = Further(
    task="act",
    names={"complaint": "complaint"},
    unknown=frozenset({"question", "request", "thanks", "threat", "statement"}),
)


def _moods(
    name: str,
    terms: Terms,
    *,
    says: Further = _MOODS,
    family: Family = "sentiment",
    weight: float = 1.0,
    trust: float = 0.9,
    as_collected: bool = True,
) -> DataSet:
    return DataSet(
        name=name,
        family=family,
        terms=terms,
        weight=weight,
        trust=trust,
        as_collected=as_collected,
        read=_file(name, says),
    )


SETS = {
    each.name: each
    for each in (
        DataSet(name="umsab-train", family="umsab", terms="open", weight=2, balance=1.0, as_collected=False),
        *(DataSet(name=f"semeval-{year}", family="english", terms="research") for year in range(2013, 2017)),
        DataSet(name="afrisenti-train", family="african", terms="open"),
        DataSet(name="x_topic", family="topics", terms="open", weight=2, balance=1.0),
        DataSet(name="crisis", family="topics", terms="open", weight=0.2),
        DataSet(name="lingua", family="language", terms="open"),
        DataSet(name="sib200", family="language", terms="open", weight=0.5),
        DataSet(name="fragment", family="language", terms="open"),
        DataSet(name="undetermined", family="language", terms="open", as_collected=False),
        DataSet(name="template", family="template", terms="open", trust=1.0, as_collected=False),
        DataSet(name="emosent", family="other", terms="open", balance=1.0, as_collected=False, read=emosent),
        _moods("tass2020", "research", family="umsab"),
        _moods("sentipolc16", "research", family="umsab"),
        _moods("arsarcasm_v1", "open", family="umsab"),
        _moods("afrisenti_more", "open", family="african"),
        _moods("sentimix_hinglish", "research", weight=2),
        _moods("sentimix_spanglish", "research", says=Further(task="sentiment", says_language=False)),
        _moods("deft2017_t1", "open", trust=0.8),
        _moods("mozetic15", "unstated", says=_TWO_MOODS, trust=0.75, weight=0.5),
        _moods("mozetic_bcs_3class", "unstated", trust=0.75),
        _moods("wisesight", "open"),
        _moods("indonlu_smsa", "open"),
        _moods("nusax", "open", as_collected=False),
        _moods("smp2020_weibo", "unstated", trust=0.8),
        _moods("hebrew_fb", "unstated"),
        _moods("norec_sentence", "research"),
        _moods("swedish_emoji", "research"),
        _moods("swedish_niklas", "unstated"),
        _moods("red_ro", "open"),
        _moods("turkish_boun", "unstated", trust=0.8),
        _moods("turkish_emotion", "unstated", says=_TWO_MOODS, trust=0.8),
        _moods("vsmec", "research", says=_TWO_MOODS, trust=0.8),
        _moods("sentirueval2016", "unstated", trust=0.8),
        _moods("germeval2017", "unstated", trust=0.8),
        DataSet(
            name="brighter", family="emotion", terms="research", weight=3, read=_file("brighter", _SIX_EMOTIONS)
        ),
        DataSet(name="goemotions", family="emotion", terms="open", read=_file("goemotions", _GOEMOTIONS)),
        DataSet(name="emoevent", family="emotion", terms="unstated", read=_file("emoevent", _SIX_EMOTIONS)),
        DataSet(name="indonlu_emot", family="emotion", terms="open", read=_file("indonlu_emot", _EMOT)),
        DataSet(name="tweeteval_emotion", family="emotion", terms="open", read=_file("tweeteval_emotion", _TWEETEVAL)),
        DataSet(name="tweet_acts", family="act", terms="open", read=_file("tweet_acts", _TWEET_ACTS)),
        DataSet(name="complaints", family="act", terms="unstated", read=_file("complaints", _COMPLAINTS)),
        *(
            DataSet(
                name=name,
                family="language",
                terms="unstated",
                weight=0.5,
                read=_file(name, Further(task="language")),
            )
            for name in ("dravidian_codemix", "roman_urdu")
        ),
    )
}  # fmt: skip
"""The sets by name."""

FAMILIES: dict[str, tuple[str, ...]] = {}
"""Names of the sets of each family."""
for _each in SETS.values():
    FAMILIES[_each.family] = (*FAMILIES.get(_each.family, ()), _each.name)
