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


def test_trials_separate_distinct_topics() -> None:
    centres = RNG.normal(size=(2, 16)) * 2
    labels = [("a",), ("b",), ()] * 60
    spread = np.stack([RNG.normal(size=16) + (centres["ab".index(each[0])] if each else 0) for each in labels])
    found = vectors.trials(labels, vectors.unit(spread))
    assert len(found) == 2 * 5
    assert all(trial.area > 0.9 for trial in found)
    curve = vectors.calibrate(found)
    assert curve.slope > 0


def test_rare_labels_are_not_used_as_topics() -> None:
    assert vectors.trials([("a",)] * 10 + [()] * 50, vectors.unit(RNG.normal(size=(60, 8)))) == []
