"""The training loop: all layers and tasks together, resumable, with the scores of every epoch in a log."""

import json
import time
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path
from typing import Any, Self

import numpy.typing as npt
import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor
from torch.nn import functional

from models.heads import HEADS
from models.training.data import TrainingRow
from models.training.mixture import BATCH, Mixture
from models.training.network import Answers, MultiHeadNetwork
from models.training.prediction import Places, Tokens, held_out_scores
from models.training.processor import autocast, device
from models.training.targets import Target, Targets

CHECKPOINT = "checkpoint.pt"
LOG = "log.jsonl"

_SHALLOW_WEIGHT = 0.25
"""Weight in the loss of every exit but the deepest."""

_HEAD_RATE = 4.0
"""Learning rate of the heads, relative to that of the top layer."""

_LAYER_RATE = 0.9
"""Learning rate of a layer, relative to that of the layer above it."""

_WARM_UP = 0.02
_LEAST_RATE = 1e-3
_WEIGHT_DECAY = 0.01
_CLIP = 1.0
_MASKED = -1e4
_AVERAGE_EVERY = 4
_AVERAGE_DECAY = 0.999


@dataclass(frozen=True, slots=True)
class Phase:
    """A phase of the training: the number of texts, and the share of each family of data sets in them."""

    name: str
    texts: int
    shares: Mapping[str, float]

    def only(self, families: Container[str]) -> Self:
        """Return the phase with only these families, in the same proportions."""
        kept = {family: share for family, share in self.shares.items() if family in families}
        return replace(self, shares={family: share / sum(kept.values()) for family, share in kept.items()})


def loss(answers: Answers, targets: Targets, rows: Places) -> Tensor:
    """Return the weighted sum of the heads' losses over the rows with targets, divided by the number of all rows."""
    total = torch.zeros(())
    for depth, out in answers.exits.items():
        share = 1 if depth == max(answers.exits) else _SHALLOW_WEIGHT
        for name, outputs in out.heads.items():
            head, target = HEADS[name], targets[name]
            known = _tensor(target.known, rows, outputs).float()
            losses = _LOSSES[head.kind](outputs, target, rows)
            total = total.to(outputs.device) + share * head.weight * (losses * known).sum()
    return total / len(rows)


def _one(logits: Tensor, target: Target, rows: Places) -> Tensor:
    """Return the cross-entropy over the labels that the data set has, with its prior and partly with the network's own answer."""
    wanted = _tensor(target.values, rows, logits).float()
    if target.prior is not None:
        logits = logits + _tensor(target.prior, rows, logits)
    if target.decided is not None:
        logits = logits.masked_fill(~_tensor(target.decided, rows, logits), _MASKED)
    logarithms = logits.log_softmax(1)
    if target.trust is not None:
        trust = _tensor(target.trust, rows, logits)[:, None]
        wanted = trust * wanted + (1 - trust) * logarithms.detach().exp()
    return -(wanted * logarithms).sum(1)


def _several(logits: Tensor, target: Target, rows: Places) -> Tensor:
    wanted = _tensor(target.values, rows, logits).float()
    losses = functional.binary_cross_entropy_with_logits(logits, wanted, reduction="none")
    return (losses if target.decided is None else losses * _tensor(target.decided, rows, logits)).sum(1)


def _vector(vectors: Tensor, target: Target, rows: Places) -> Tensor:
    return 1 - functional.cosine_similarity(vectors, _tensor(target.values, rows, vectors).float())


_LOSSES: dict[str, Callable[[Tensor, Target, Places], Tensor]] = {"one": _one, "several": _several, "vector": _vector}
"""The loss of each row, by kind of head."""


def _tensor(values: npt.NDArray[Any], rows: Places, like: Tensor) -> Tensor:
    return torch.from_numpy(values[rows]).to(like.device)


class Trainer:
    """Trains a network in phases; checkpoints in `folder` allow it to resume."""

    def __init__(
        self,
        network: MultiHeadNetwork,
        rows: Sequence[TrainingRow],
        tokens: Tokens,
        targets: Targets,
        phases: Sequence[Phase],
        folder: Path,
        *,
        rate: float,
        seed: int,
        start: Path | None = None,
    ) -> None:
        """Set up the training.

        Args:
            network: Network to train.
            rows: Rows of the corpus.
            tokens: Their tokens.
            targets: Their targets.
            phases: What is learned, in this order.
            folder: Folder for checkpoints, weights and scores.
            rate: Highest learning rate of the top layer.
            seed: Seed of the order of the texts and of dropout.
            start: Averaged weights to begin with; None for those that the network has.
        """
        if start is not None:
            load_average(network, start)
        self.network, self._rows, self._tokens, self._targets = network.to(device()), rows, tokens, targets
        self._phases, self._folder, self._seed = phases, folder, seed
        self._steps = sum(phase.texts // BATCH for phase in phases)
        self._optimiser = torch.optim.AdamW(_groups(network, rate), lr=rate, betas=(0.9, 0.98), fused=True)
        self._rates = [group["lr"] for group in self._optimiser.param_groups]
        self._trained = [each for each in network.parameters() if each.requires_grad]
        self._average = [each.detach().clone() for each in self._trained]
        self._done = 0

    def run(self, epoch: int) -> None:
        """Train to the end, scoring and saving the averaged weights every `epoch` texts and after each phase.

        Each phase writes `NAME.pt` to the folder, and scores are appended to `log.jsonl`. At the end, the network has the
        averaged weights.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        self._resume()
        began, texts = time.monotonic(), 0
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=Console(stderr=True)) as progress:
            bar = progress.add_task("", total=self._steps, completed=self._done)
            for phase, rows, ids, mask in self._batches():
                progress.update(bar, description=phase.name)
                self._step(rows, ids, mask)
                progress.advance(bar)
                texts += len(rows)
                ended = self._done in self._ends()
                if ended or self._done % (epoch // BATCH) == 0:
                    rate = texts / (time.monotonic() - began)
                    with _Swapped(self._trained, self._average):
                        scores = held_out_scores(self.network, self._rows, self._tokens, self._targets)
                    self._log({"texts": self._done * BATCH, "texts a second": round(rate, 1), **scores})
                    self._save(f"{phase.name}.pt" if ended else None)
                    self._seed_dropout()
                    began, texts = time.monotonic(), 0
        _Swapped(self._trained, self._average).swap()
        self.network.to("cpu")

    def _ends(self) -> list[int]:
        return list(accumulate(phase.texts // BATCH for phase in self._phases))

    def _batches(self) -> Iterator[tuple[Phase, Places, Tensor, Tensor]]:
        previous_end = 0
        for number, (phase, end) in enumerate(zip(self._phases, self._ends(), strict=True)):
            previous_end, start = end, previous_end
            if self._done >= end:
                continue
            mixture = Mixture(self._rows, self._tokens, phase.shares, [self._seed, number])
            for batch in mixture.batches(self._done - start):
                yield phase, batch.rows, torch.from_numpy(batch.ids), torch.from_numpy(batch.mask)
                if self._done >= end:
                    break

    def _step(self, rows: Places, ids: Tensor, mask: Tensor) -> None:
        share = self._done / self._steps
        scale = min(1.0, share / _WARM_UP) * min(1.0, (1 - share) / (1 - _WARM_UP)) + _LEAST_RATE
        for group, rate in zip(self._optimiser.param_groups, self._rates, strict=True):
            group["lr"] = rate * scale
        self.network.train()
        with autocast():
            answers = self.network(ids.to(device()), mask.to(device()))
        loss(answers, self._targets, rows).backward()
        torch.nn.utils.clip_grad_norm_(self._trained, _CLIP)
        self._optimiser.step()
        self._optimiser.zero_grad(set_to_none=True)
        self._done += 1
        if self._done % _AVERAGE_EVERY == 0:
            decay = min(_AVERAGE_DECAY**_AVERAGE_EVERY, 1 - 4 * _AVERAGE_EVERY / (self._done + 16))
            torch._foreach_lerp_(self._average, [each.detach() for each in self._trained], 1 - decay)

    def _log(self, entry: Mapping[str, float]) -> None:
        with (self._folder / LOG).open("a", encoding="utf-8") as log:
            log.write(json.dumps(entry) + "\n")

    def _save(self, copy: str | None) -> None:
        network = trained_state(self.network)
        with _Swapped(self._trained, self._average):
            average = {name: each.clone() for name, each in trained_state(self.network).items()}
        state = {"done": self._done, "network": network, "optimiser": self._optimiser.state_dict(), "average": average}
        fresh = self._folder / f"{CHECKPOINT}.new"
        torch.save(state, fresh)
        fresh.replace(self._folder / CHECKPOINT)
        if copy:
            torch.save({"average": average}, self._folder / copy)

    def _resume(self) -> None:
        path = self._folder / CHECKPOINT
        if path.exists():
            state = torch.load(path, weights_only=True, map_location=device())
            self.network.load_state_dict(state["network"], strict=False)
            names = [name for name, each in self.network.named_parameters() if each.requires_grad]
            self._average = [state["average"][name] for name in names]
            self._optimiser.load_state_dict(state["optimiser"])
            self._done = state["done"]
        self._seed_dropout()

    def _seed_dropout(self) -> None:
        """Seed at every checkpoint, so that a resumed run drops the same values as an uninterrupted one."""
        torch.manual_seed(self._seed + self._done)


def trained_state(network: MultiHeadNetwork) -> dict[str, Tensor]:
    """Return the state that training changes: everything but the word embeddings."""
    return {name: each for name, each in network.state_dict().items() if name != "words.weight"}


def load_average(network: MultiHeadNetwork, *paths: Path) -> None:
    """Load the averaged weights from the ends of phases into a network; several files are averaged.

    Networks trained from the same initial weights can be averaged, and the mean is better than each of them (Wortsman et
    al., 2022, "Model soups").
    """
    states = [torch.load(path, weights_only=True, map_location="cpu")["average"] for path in paths]
    mean = {name: torch.stack([state[name].float() for state in states]).mean(0) for name in states[0]}
    network.load_state_dict(mean, strict=False)


class _Swapped:
    """A context in which the values of parameters are swapped with others."""

    def __init__(self, parameters: Sequence[Tensor], values: Sequence[Tensor]) -> None:
        self._parameters, self._values = parameters, values

    def __enter__(self) -> None:
        self.swap()

    def __exit__(self, *_: object) -> None:
        self.swap()

    def swap(self) -> None:
        with torch.no_grad():
            for parameter, value in zip(self._parameters, self._values, strict=True):
                original = parameter.clone()
                parameter.copy_(value)
                value.copy_(original)


def _groups(network: MultiHeadNetwork, rate: float) -> list[dict[str, object]]:
    """Return groups in which each layer learns more slowly than the one above, and norms and biases do not decay."""
    depth = len(network.layers)
    groups: list[dict[str, object]] = []
    for name, parameter in network.named_parameters():
        if not parameter.requires_grad:
            continue
        if name.startswith("layers."):
            own = rate * _LAYER_RATE ** (depth - 1 - int(name.split(".")[1]))
        else:
            own = rate * (_HEAD_RATE if name.startswith("heads.") else _LAYER_RATE**depth)
        decay = 0.0 if parameter.ndim == 1 else _WEIGHT_DECAY
        groups.append({"params": [parameter], "lr": own, "weight_decay": decay})
    return groups
