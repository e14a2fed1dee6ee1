"""Runs a network on many texts, and scores it on held-out rows during training."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from sklearn.metrics import f1_score, recall_score
from torch import Tensor

from models.heads import HEADS
from models.training.data import NOISY, TrainingRow
from models.training.mixture import pad
from models.training.network import Answers, Exit, MultiHeadNetwork
from models.training.targets import SILENT, Targets, encode, labels_of

Tokens = Sequence[npt.NDArray[np.int32]]
Places = npt.NDArray[np.int64]

_AT_ONCE = 64
_SCORED_EVERY = {
    "umsab-val": 1,
    "hinglish-held": 1,
    "semeval-held": 4,
    "afrisenti-dev": 12,
    "lingua-held": 12,
    "fragment-held": 12,
}
"""Held-out sets that are scored after each epoch; the number n means that every n-th row is scored."""


def predict(network: MultiHeadNetwork, tokens: Tokens, indices: Places, *, bf16: bool = True) -> Answers:
    """Return the network's answers for the rows at `indices`, in that order."""
    network.eval()
    texts = [tokens[index] for index in indices.tolist()]
    order = sorted(range(len(texts)), key=lambda index: len(texts[index]))
    parts = []
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        for start in range(0, len(order), _AT_ONCE):
            chosen = order[start : start + _AT_ONCE]
            batch = pad(np.array(chosen), [texts[each] for each in chosen])
            parts.append(network(torch.from_numpy(batch.ids), torch.from_numpy(batch.mask)))
    back = torch.from_numpy(np.argsort(order))

    def joined(pieces: Sequence[Tensor]) -> Tensor:
        return torch.cat(list(pieces))[back].float()

    exits = {}
    for depth in network.sizes.exits:
        found = [part.exits[depth] for part in parts]
        heads = {name: joined([each.heads[name] for each in found]) for name in found[0].heads}
        exits[depth] = Exit(heads, joined([each.mean for each in found]))
    return Answers(joined([part.low for part in parts]), joined([part.words for part in parts]), exits)


def held_out_scores(
    network: MultiHeadNetwork, rows: Sequence[TrainingRow], tokens: Tokens, targets: Targets
) -> dict[str, float]:
    """Return scores in per cent on samples of the held-out rows: UMSAB at every exit, other sets at the deepest."""
    sources = np.array([row.source for row in rows])
    indices = np.concatenate([np.flatnonzero(sources == name)[::step] for name, step in _SCORED_EVERY.items()])
    answers = predict(network, tokens, indices)
    found = sources[indices]
    codes = np.array([rows[index].language or "" for index in indices])
    truth = labels_of(encode(HEADS["sentiment"], [rows[index] for index in indices]))
    language = targets["language"].values[indices].argmax(axis=1)
    predicted = {depth: out.heads["sentiment"].argmax(1).numpy() for depth, out in answers.exits.items()}
    deepest = predicted[max(predicted)]
    detected = answers.deepest.heads["language"].argmax(1).numpy()
    scores = {
        f"umsab {depth}": mean_macro_f1(truth, labels, codes, found == "umsab-val")
        for depth, labels in predicted.items()
    }
    hinglish, semeval, african = (found == name for name in ("hinglish-held", "semeval-held", "afrisenti-dev"))
    hinglish &= truth != SILENT
    scores["hinglish recall"] = float(
        recall_score(truth[hinglish], deepest[hinglish], average="macro", zero_division=0)
    )
    scores["semeval recall"] = float(recall_score(truth[semeval], deepest[semeval], average="macro", zero_division=0))
    scores["afrisenti"] = float(f1_score(truth[african], deepest[african], average="weighted"))
    for name in ("umsab-val", "lingua-held", "fragment-held"):
        scores[f"language {name}"] = float(np.mean(detected[found == name] == language[found == name]))
    return {name: round(100 * value, 2) for name, value in scores.items()}


def mean_macro_f1(
    truth: npt.NDArray[np.int64],
    predicted: npt.NDArray[np.int64],
    languages: npt.NDArray[np.str_],
    selected: npt.NDArray[np.bool_],
) -> float:
    """Return the macro-F1 (0 to 1) of the selected rows, averaged over all languages but the noisy one."""
    codes = sorted(set(languages[selected].tolist()) - {NOISY})
    each = [selected & (languages == code) for code in codes]
    return float(np.mean([f1_score(truth[part], predicted[part], average="macro") for part in each]))
