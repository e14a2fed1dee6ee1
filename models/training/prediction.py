"""Runs a network on many texts, and scores it on held-out rows during training."""

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import torch
from sklearn.metrics import f1_score
from torch import Tensor

from models.heads import HEADS
from models.training import domains
from models.training.data import TrainingRow
from models.training.heads import matching_threshold
from models.training.mixture import pad
from models.training.network import Answers, Exit, MultiHeadNetwork
from models.training.processor import autocast, device
from models.training.targets import Targets, encode, labels_of

Tokens = Sequence[npt.NDArray[np.int32]]
Places = npt.NDArray[np.int64]

_AT_ONCE = 64
_MOST_OF_A_DOMAIN = 60
_SCORED_EVERY = {"umsab-val": 4, "lingua-held": 8, "fragment-held": 8, "brighter-held": 5, "tweet_acts-held": 1}
"""Held-out sets that are scored after each epoch for their other labels; the number n means that every n-th row is scored."""


def predict(network: MultiHeadNetwork, tokens: Tokens, indices: Places) -> Answers:
    """Return the network's answers for the rows at `indices`, in that order."""
    network.eval().to(device())
    texts = [tokens[index] for index in indices.tolist()]
    order = sorted(range(len(texts)), key=lambda index: len(texts[index]))
    parts = []
    with torch.inference_mode(), autocast():
        for start in range(0, len(order), _AT_ONCE):
            chosen = order[start : start + _AT_ONCE]
            batch = pad(np.array(chosen), [texts[each] for each in chosen])
            parts.append(network(torch.from_numpy(batch.ids).to(device()), torch.from_numpy(batch.mask).to(device())))
    back = torch.from_numpy(np.argsort(order))
    return combined(lambda pieces: torch.cat(list(pieces)).cpu()[back].float(), parts)


def combined(function: Callable[[Sequence[Tensor]], Tensor], parts: Sequence[Answers]) -> Answers:
    """Return answers of which each tensor is what `function` makes of those of all parts."""

    exits = {}
    for depth, first in parts[0].exits.items():
        found = [part.exits[depth] for part in parts]
        heads = {name: function([each.heads[name] for each in found]) for name in first.heads}
        exits[depth] = Exit(heads, function([each.mean for each in found]))
    return Answers(function([part.low for part in parts]), function([part.words for part in parts]), exits)


def held_out_scores(
    network: MultiHeadNetwork, rows: Sequence[TrainingRow], tokens: Tokens, targets: Targets
) -> dict[str, float]:
    """Return scores in per cent on samples of the held-out rows, at the deepest exit and with equal shares of the sentiments."""
    sources = np.array([row.source for row in rows])
    chosen = domains.of_sentiment(rows, most=_MOST_OF_A_DOMAIN)
    unpublished = np.array(
        [name in _SCORED_EVERY and not domains.is_published(row) for name, row in zip(sources, rows, strict=True)]
    )
    samples = {name: np.flatnonzero((sources == name) & unpublished)[::step] for name, step in _SCORED_EVERY.items()}
    indices = np.unique(np.concatenate([*chosen.values(), *samples.values()]))
    answers = predict(network, tokens, indices).deepest.heads
    places = {name: np.searchsorted(indices, each) for name, each in (chosen | samples).items()}

    def truth(head: str) -> npt.NDArray[np.int64]:
        return labels_of(encode(HEADS[head], [rows[index] for index in indices.tolist()]))

    sentiment = domains.score(
        {name: places[name] for name in chosen}, truth("sentiment"), answers["sentiment"].argmax(1).numpy()
    )
    umsab = domains.only(sentiment, [name for name in chosen if name.startswith("umsab ")])
    scores = {
        "umsab": umsab.mean,
        "domains": sentiment.mean,
        "worst domain": sentiment.worst,
        "distance of the negative share": sentiment.distance,
    }
    language = targets["language"].values[indices].argmax(axis=1)
    detected = answers["language"].argmax(1).numpy()
    for name in ("umsab-val", "lingua-held", "fragment-held"):
        scores[f"language {name}"] = float(np.mean(detected[places[name]] == language[places[name]]))
    for head, name in (("emotions", "brighter-held"), ("acts", "tweet_acts-held")):
        target = targets[head]
        if not len(samples[name]):
            continue
        scores[head] = macro_f1(
            answers[head].numpy()[places[name]],
            target.values[samples[name]] > 0,
            np.ones_like(target.values[samples[name]], np.bool_)
            if target.decided is None
            else target.decided[samples[name]],
        )
    return {name: round(100 * value, 2) for name, value in scores.items()} | {
        f"  {name}": round(100 * each.macro_f1, 1) for name, each in sentiment.domains.items()
    }


def macro_f1(logits: npt.NDArray[np.float32], present: npt.NDArray[np.bool_], decided: npt.NDArray[np.bool_]) -> float:
    """Return the macro-F1 (0 to 1) of labels that may apply together, each with the threshold that as many rows reach as have it.

    Labels that no row has are left out.
    """
    scores = []
    for label in range(present.shape[1]):
        of, wanted = logits[decided[:, label], label], present[decided[:, label], label]
        if wanted.any():
            scores.append(f1_score(wanted, of >= matching_threshold(of, wanted)))
    return float(np.mean(scores))
