import numpy as np
import pytest

from models.heads import HEADS
from models.training.data import NOISY, TrainingRow
from models.training.targets import SILENT, Target, Targets, all_targets, encode, labels_of, nothing

ROWS = [
    TrainingRow("umsab-train", "a label", "en", sentiment=2),
    TrainingRow("emosent", "of no language", sentiment=0),
    TrainingRow("x_topic", "no sentiment", "en", topics=("music",)),
    TrainingRow("umsab-train", "a label without neutral", NOISY, sentiment=0, unknown=frozenset({"neutral"})),
    TrainingRow("brighter", "several", "en", emotions=("joy", "anger"), unknown=frozenset({"support"})),
    TrainingRow("brighter", "none", "en", emotions=(), unknown=frozenset({"support", "fear"})),
    TrainingRow("complaints", "only a complaint", "en", acts=("complaint",), unknown=frozenset({"thanks"})),
]


def targets(rows: list[TrainingRow] = ROWS) -> Targets:
    return all_targets(rows, nothing(rows, 8))


def sentiments(source: str, language: str, counts: tuple[int, int, int], silent: str = "") -> list[TrainingRow]:
    unknown = frozenset({silent} - {""})
    return [
        TrainingRow(source, f"{source} {language} {label} {number}", language, sentiment=label, unknown=unknown)
        for label, count in enumerate(counts)
        for number in range(count)
    ]


def test_what_a_set_says_is_encoded() -> None:
    sentiment = encode(HEADS["sentiment"], ROWS)
    assert sentiment.values[[0, 1, 3]].tolist() == [[0, 0, 1], [1, 0, 0], [1, 0, 0]]
    assert sentiment.known.tolist() == [True, True, False, True, False, False, False]
    assert labels_of(sentiment).tolist() == [2, 0, SILENT, 0, SILENT, SILENT, SILENT]
    emotions = encode(HEADS["emotions"], ROWS)
    assert np.flatnonzero(emotions.known).tolist() == [4, 5]
    names = HEADS["emotions"].labels
    assert {name for name, value in zip(names, emotions.values[4], strict=True) if value} == {"joy", "anger"}
    assert not emotions.values[5].any()


def test_labels_that_a_set_does_not_have_are_not_decided() -> None:
    def undecided(head: str, place: int) -> set[str]:
        decided = encode(HEADS[head], ROWS).decided
        assert decided is not None
        return {name for name, known in zip(HEADS[head].labels, decided[place], strict=True) if not known}

    assert [undecided("sentiment", place) for place in (0, 3)] == [set(), {"neutral"}]
    assert [undecided("emotions", place) for place in (4, 5)] == [{"support"}, {"support", "fear"}]
    assert undecided("acts", 6) == {"thanks"}
    assert encode(HEADS["sentiment"], ROWS[:3]).decided is None


def test_shares_of_labels_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    head = HEADS["sentiment"]
    row = TrainingRow("a set", "text", sentiment=(0.25, 0.75, 0))  # type: ignore[arg-type]
    assert encode(head, [row]).values.tolist() == [[0.25, 0.75, 0]]


def test_sets_that_a_head_ignores_are_not_learned() -> None:
    rows = [TrainingRow("semeval-2014", "text", "en", sentiment=1), TrainingRow("lingua", "text", "en")]
    assert targets(rows)["language"].known.tolist() == [False, True]
    assert targets(rows)["sentiment"].known.tolist() == [True, False]


def test_every_head_has_a_target_and_the_vectors_are_those_given() -> None:
    vectors = Target(values=np.ones((len(ROWS), 2)), known=np.ones(len(ROWS), np.bool_))
    found = all_targets(ROWS, vectors)
    assert found.keys() == HEADS.keys()
    assert found["vector"] is vectors
    assert found["emotions"].trust is found["emotions"].prior is None
    assert found["language"].prior is None


def test_the_labels_of_each_set_are_trusted_as_the_list_says() -> None:
    rows = [TrainingRow(source, "text", "en", sentiment=1) for source in ("template", "umsab-train", "mozetic15", "x")]
    assert targets(rows)["sentiment"].trust == pytest.approx([1, 0.9, 0.75, 1])


def test_the_prior_is_that_of_the_set_and_language_as_drawn() -> None:
    english = sentiments("semeval-2013", "en", (4, 16, 64))
    rows = [*english, *sentiments("wisesight", "th", (9, 9, 9)), *sentiments("umsab-train", "en", (1, 2, 3))]
    prior = targets(rows)["sentiment"].prior
    assert prior is not None
    assert np.exp(prior[0]) == pytest.approx(np.array([2, 4, 8]) / 14), "drawn by the roots of the sizes"
    assert np.exp(prior[len(english)]) == pytest.approx([1 / 3] * 3)
    assert np.exp(prior[-1]) == pytest.approx(np.array([1, 2, 3]) / 6), "drawn by the sizes"
    assert (prior[: len(english)] == prior[0]).all()


def test_the_prior_is_only_of_labels_that_the_set_has() -> None:
    rows = sentiments("vsmec", "vi", (4, 0, 16), silent="neutral")
    prior = targets(rows)["sentiment"].prior
    assert prior is not None
    assert np.exp(prior[0, [0, 2]]) == pytest.approx([1 / 3, 2 / 3])


def test_a_prior_that_would_explain_everything_is_left_out() -> None:
    rows = [*sentiments("undetermined", "und", (0, 5, 0)), TrainingRow("lingua", "no sentiment", "en")]
    prior = targets(rows)["sentiment"].prior
    assert prior is not None
    assert not prior.any()


def test_a_very_rare_label_is_not_pushed_away() -> None:
    prior = targets(sentiments("umsab-train", "en", (1, 500, 500)))["sentiment"].prior
    assert prior is not None
    assert np.exp(prior[0, 0]) == pytest.approx(0.02)
