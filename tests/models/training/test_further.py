from pathlib import Path

import pytest

from models.errors import TrainingDataError
from models.training.data import TrainingRow
from models.training.further import Further, further

NEUTRAL = frozenset({"neutral"})


def write(data: Path, task: str, *rows: str) -> None:
    path = data / "more" / task / "a_set.tsv"
    path.parent.mkdir(parents=True)
    path.write_text("".join(row + "\n" for row in ("lang\tlabel\ttext", *rows)), "utf-8")


def read(data: Path, says: Further) -> list[TrainingRow]:
    return list(further(data, "a_set", says))


def test_sentiments_are_read_with_their_language(tmp_path: Path) -> None:
    write(tmp_path, "sentiment", 'sv\tnegative\t"Usch @anna https://a.b', "bg\tpositive\tда")
    says = Further(task="sentiment", unknown=NEUTRAL)
    assert read(tmp_path, says) == [
        TrainingRow("a_set", '"Usch @user http', "sv", sentiment=0, unknown=NEUTRAL),
        TrainingRow("a_set", "да", "bg", sentiment=2, unknown=NEUTRAL),
    ]


def test_a_set_may_have_no_language(tmp_path: Path) -> None:
    write(tmp_path, "sentiment", "es\tneutral\tvamos to the mall")
    rows = read(tmp_path, Further(task="sentiment", says_language=False))
    assert rows == [TrainingRow("a_set", "vamos to the mall", sentiment=1)]


def test_a_sentiment_that_the_model_does_not_know_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "sentiment", "en\tneutral\tfine", "en\tmixed\thm")
    with pytest.raises(TrainingDataError, match=r"sentiment/a_set\.tsv:3: 'mixed' is not a sentiment of this set"):
        read(tmp_path, Further(task="sentiment"))


def test_a_sentiment_that_the_set_is_said_not_to_have_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "sentiment", "en\tneutral\tfine")
    with pytest.raises(TrainingDataError, match=r"a_set\.tsv:2: 'neutral' is not a sentiment of this set"):
        read(tmp_path, Further(task="sentiment", unknown=NEUTRAL))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        TrainingDataError, match=r"data set a_set: .*/more/act/a_set\.tsv is missing; docs/training\.md"
    ):
        read(tmp_path, Further(task="act"))


def test_nobody_was_asked_for_an_emotion_that_no_text_of_the_language_has(tmp_path: Path) -> None:
    write(tmp_path, "emotion", "en\tanger,joy\tone", "en\tnone\ttwo", "en\tfear\tthree", "de\tjoy\tvier")
    first, second, third, fourth = read(tmp_path, Further(task="emotion", unknown=frozenset({"support"})))
    assert [row.emotions for row in (first, second, third, fourth)] == [("anger", "joy"), (), ("fear",), ("joy",)]
    assert first.unknown == second.unknown == third.unknown == {"disgust", "sadness", "surprise", "support"}
    assert fourth.unknown == {"anger", "disgust", "fear", "sadness", "surprise", "support"}


def test_names_of_the_set_are_mapped_once_each(tmp_path: Path) -> None:
    write(tmp_path, "emotion", "en\tgratitude,admiration,curiosity\tone", "en\tneutral\ttwo")
    says = Further(task="emotion", names={"gratitude": "support", "admiration": "support", "love": "joy"})
    rows = read(tmp_path, says)
    assert [row.emotions for row in rows] == [("support",), ()]
    assert [row.unknown for row in rows] == [frozenset()] * 2


def test_acts_are_mapped_and_others_mean_none(tmp_path: Path) -> None:
    write(tmp_path, "act", "en\tQUE\tWho?", "en\tOTH\tHm")
    silent = frozenset({"thanks"})
    rows = read(tmp_path, Further(task="act", names={"QUE": "question"}, unknown=silent))
    assert rows == [
        TrainingRow("a_set", "Who?", "en", acts=("question",), unknown=silent),
        TrainingRow("a_set", "Hm", "en", acts=(), unknown=silent),
    ]


def test_texts_in_the_script_of_the_language_are_not_romanised(tmp_path: Path) -> None:
    write(tmp_path, "language", "ta-Latn\t\tnalla padam", "ta-Latn\t\tநல்ல படம் da", "ur-Latn\t\tacha")
    rows = read(tmp_path, Further(task="language"))
    assert [row.language for row in rows] == ["ta-Latn", "ta", "ur-Latn"]
    assert all(row.label(head) is None for row in rows for head in ("sentiment", "emotions", "acts"))
