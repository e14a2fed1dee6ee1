from collections.abc import Sequence

import numpy as np

from models.training import vectors
from models.training.data import TrainingRow
from models.training.graph import GraphHead
from models.training.heads import logits

RNG = np.random.default_rng(0)


def test_translations_come_together() -> None:
    meaning, accent = RNG.normal(size=(40, 16)), 3 * RNG.normal(size=(5, 16))
    rows = [TrainingRow("sib200", f"{s}-{a}", sentence=str(s)) for s in range(40) for a in range(5)]
    rows += [TrainingRow("umsab-train", str(number)) for number in range(20)]
    means = np.concatenate([(meaning[:, None] + accent).reshape(-1, 16), RNG.normal(size=(20, 16))])
    found = vectors.unit(vectors.translations_together(rows, means)(means))
    before = vectors.unit(means - means.mean(axis=0))

    def gap(values: np.ndarray) -> float:
        """Return how much more similar translations are than other sentences."""
        similar = values[:200] @ values[:200].T
        same = np.equal.outer(np.arange(200) // 5, np.arange(200) // 5)
        return float(similar[same].mean() - similar[~same].mean())

    assert gap(found) > gap(before) + 0.1


def test_a_map_can_be_folded_into_a_head() -> None:
    rows = [TrainingRow("umsab-train", str(number)) for number in range(100)]
    features = RNG.normal(size=(100, 6)).astype(np.float32)
    head = GraphHead(RNG.normal(size=(4, 6)).astype(np.float32), RNG.normal(size=4).astype(np.float32))
    apart = vectors.posts_apart(rows, logits(head, features))
    np.testing.assert_allclose(logits(apart.after(head), features), apart(logits(head, features)), atol=1e-5)


def posts(labels: Sequence[tuple[str, ...]]) -> list[TrainingRow]:
    return [TrainingRow("x_topic", str(number), topics=each) for number, each in enumerate(labels)]


def test_simulated_campaigns_separate_distinct_topics() -> None:
    centres = RNG.normal(size=(2, 16)) * 2
    labels = [("a",), ("b",), ()] * 60
    spread = np.stack([RNG.normal(size=16) + (centres["ab".index(each[0])] if each else 0) for each in labels])
    found = vectors.simulate(posts(labels), vectors.unit(spread))
    assert {len(campaign.present) for campaign in found} == {180 - 2 * count for count in (3, 6, 12)}
    assert all(campaign.area > 0.9 for campaign in found)
    curve = vectors.calibrate(found)
    assert curve.slope > 0
    assert np.mean([campaign.f1(-curve.intercept / curve.slope).mean() for campaign in found]) > 0.8


def test_a_post_of_two_topics_counts_for_the_one_that_it_gets() -> None:
    campaign = vectors.Campaign(
        positions=np.array([[0.2, 0.9], [0.9, 0.2], [0.1, 0.2], [0.9, 0.1]]),
        present=np.array([[True, True], [True, False], [True, False], [False, False]]),
    )
    assert campaign.f1(0.5).tolist() == [0.5, 1]
    assert campaign.f1(1.0).tolist() == [0, 0]


def test_translations_of_an_example_are_not_scored() -> None:
    rows = [
        TrainingRow("sib200", f"{sentence} {language}", language, topics=("a",), sentence=str(sentence))
        for sentence in range(30)
        for language in ("de", "en", "fr")
    ]
    found = vectors.simulate(rows, vectors.unit(RNG.normal(size=(90, 8))))
    assert {len(campaign.present) for campaign in found} == {3 * (30 - count) for count in (3, 6, 12)}


def test_a_sample_is_bounded_and_repeatable() -> None:
    indices = np.arange(5_000)
    assert len(vectors.sample(indices, 0)) == len(set(vectors.sample(indices, 0).tolist())) == 3_000
    np.testing.assert_array_equal(vectors.sample(indices, 0), vectors.sample(indices, 0))
    assert sorted(vectors.sample(indices[:9], 1).tolist()) == list(range(9))


def test_rare_labels_are_not_used_as_topics() -> None:
    assert vectors.simulate(posts([("a",)] * 10 + [()] * 50), vectors.unit(RNG.normal(size=(60, 8)))) == []
