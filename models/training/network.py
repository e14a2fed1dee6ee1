"""The network for training: an encoder with exits at several depths, each with its own heads.

One pass through the encoder trains all depths at once, so that one run shows how much a shallower model would lose.
`from_bert` maps the parameters of a `transformers.BertModel` to those of the encoder.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.heads import HEADS
from models.training.encoder import EncoderConfig

LOW_LAYERS = (3, 6)
"""Layers of the features `low` and `words`."""

QUERIES = 4
"""Number of weighted means over tokens that a head reads."""

_HEAD_DROPOUT = 0.1
_MASKED = -10_000
_BYTE = 256


@dataclass(frozen=True, slots=True)
class Sizes:
    """Numbers of columns by head, and the layers after which there is an exit."""

    columns: Mapping[str, int]
    exits: tuple[int, ...]


class Exit(NamedTuple):
    """Outputs of one depth: by head, logits (posts x labels) or unnormalised vectors; and means over tokens (posts x width).

    The deepest has also the outputs of the heads that read the lower layers.
    """

    heads: dict[str, Tensor]
    mean: Tensor


class Answers(NamedTuple):
    """Means over tokens of the lower layers, concatenated (posts x width), and the outputs by depth.

    `low` is over all tokens, `words` without those of placeholders.
    """

    low: Tensor
    words: Tensor
    exits: dict[int, Exit]

    @property
    def deepest(self) -> Exit:
        return self.exits[max(self.exits)]


class Dropout(nn.Module):
    """Dropout with a rate in steps of 1/256, which needs only one random byte per element, unlike torch's own."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self.dropped = round(share * _BYTE)

    def forward(self, values: Tensor) -> Tensor:
        if not self.training or not self.dropped:
            return values
        count = values.numel()
        bits = torch.randint(-(2**63), 2**63 - 1, ((count + 7) // 8,), dtype=torch.int64, device=values.device)
        kept = bits.view(torch.uint8)[:count].view(values.shape) >= self.dropped
        return values * (kept.to(values.dtype) * (_BYTE / (_BYTE - self.dropped)))


class Layer(nn.Module):
    """One layer of a post-norm BERT encoder."""

    def __init__(self, config: EncoderConfig, dropout: float) -> None:
        super().__init__()
        width = config.hidden_size
        self.heads = config.num_attention_heads
        self.query, self.key, self.value, self.attended = (nn.Linear(width, width) for _ in range(4))
        self.attention_norm = nn.LayerNorm(width, config.layer_norm_eps)
        self.intermediate = nn.Linear(width, config.intermediate_size)
        self.output = nn.Linear(config.intermediate_size, width)
        self.output_norm = nn.LayerNorm(width, config.layer_norm_eps)
        self.dropout = Dropout(dropout)

    def forward(self, hidden: Tensor, penalty: Tensor) -> Tensor:
        posts, tokens, width = hidden.shape
        shape = (posts, tokens, self.heads, width // self.heads)
        query, key, value = (part(hidden).view(shape).transpose(1, 2) for part in (self.query, self.key, self.value))
        scores = query @ key.transpose(2, 3) * (1 / math.sqrt(shape[3])) + penalty
        context = self.dropout(scores.softmax(-1).to(value.dtype)) @ value
        attended = self.attended(context.transpose(1, 2).reshape(posts, tokens, width))
        middle = self.attention_norm(hidden + self.dropout(attended))
        wide = functional.gelu(self.intermediate(middle))
        normed: Tensor = self.output_norm(middle + self.dropout(self.output(wide)))
        return normed


class Pooling(nn.Module):
    """Learned weighted means of a post's tokens, concatenated; the weights are initially equal."""

    def __init__(self, width: int, queries: int = QUERIES) -> None:
        super().__init__()
        self.queries = nn.Parameter(torch.zeros(queries, width))

    def forward(self, hidden: Tensor, penalty: Tensor) -> Tensor:
        scores = functional.linear(hidden, self.queries).float() + penalty[:, 0, 0, :, None]
        return (scores.softmax(1).to(hidden.dtype).transpose(1, 2) @ hidden).flatten(1)


class PooledHead(nn.Module):
    """A linear head on weighted means of the tokens."""

    def __init__(self, width: int, labels: int) -> None:
        super().__init__()
        self.pooling = Pooling(width)
        self.linear = nn.Linear(QUERIES * width, labels)
        nn.init.normal_(self.linear.weight, std=0.02)
        nn.init.zeros_(self.linear.bias)
        self.dropout = nn.Dropout(_HEAD_DROPOUT)

    def forward(self, hidden: Tensor, penalty: Tensor) -> Tensor:
        logits: Tensor = self.linear(self.dropout(self.pooling(hidden, penalty)))
        return logits.float()


class Heads(nn.ModuleDict):
    """The heads that read one depth."""

    def __init__(self, reads: Sequence[str], width: int, sizes: Sizes) -> None:
        read = {name: HEADS[name].reads for name in sizes.columns}
        super().__init__(
            {
                name: (PooledHead if read[name] == "tokens" else nn.Linear)(width, columns)
                for name, columns in sizes.columns.items()
                if read[name] in reads
            }
        )


class MultiHeadNetwork(nn.Module):
    """Encoder and heads; the word embeddings are not trained, because they ship in their original 4 bits.

    Up to the highest of `LOW_LAYERS`, words read neither the placeholders, whose pieces have the ids `placeholders`, nor
    their number: their positions count words only. The features `words` are therefore those of the text without
    placeholders. The layers above read everything.
    """

    def __init__(
        self, config: EncoderConfig, sizes: Sizes, dropout: float = 0.1, placeholders: Sequence[int] = ()
    ) -> None:
        super().__init__()
        width = config.hidden_size
        self.sizes = sizes
        in_words = torch.ones(config.vocab_size)
        in_words[list(placeholders)] = 0
        self.register_buffer("in_words", in_words, persistent=False)
        self.words = nn.Embedding(config.vocab_size, width, padding_idx=config.pad_token_id)
        self.words.weight.requires_grad_(False)
        self.positions = nn.Parameter(torch.zeros(config.max_position_embeddings, width))
        self.embedding_norm = nn.LayerNorm(width, config.layer_norm_eps)
        self.layers = nn.ModuleList(Layer(config, dropout) for _ in range(max(sizes.exits)))
        exits = {str(depth): Heads(("tokens", "mean"), width, sizes) for depth in sizes.exits}
        self.heads = nn.ModuleDict({**exits, "words": Heads(("words",), len(LOW_LAYERS) * width, sizes)})
        self.dropout = Dropout(dropout)
        self.words_dropout = nn.Dropout(_HEAD_DROPOUT)

    def words_mask(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Return 1 for tokens other than those of placeholders, and 0 for these and padding (posts x tokens)."""
        return mask * self.in_words[ids]

    def hidden(self, ids: Tensor, mask: Tensor) -> list[Tensor]:
        """Return the embeddings and the output of every layer (posts x tokens x width)."""
        words, penalty = self.words_mask(ids, mask), mask_penalty(mask)
        lower_penalty = penalty + words[:, None, :, None] * (mask - words)[:, None, None, :] * _MASKED
        positions = self.positions[words.cumsum(1).long() - 1]
        hidden = [self.dropout(self.embedding_norm(self.words(ids) + positions))]
        for number, layer in enumerate(self.layers):
            hidden.append(layer(hidden[-1], lower_penalty if number < max(LOW_LAYERS) else penalty))
        return hidden

    def forward(self, ids: Tensor, mask: Tensor) -> Answers:
        penalty = mask_penalty(mask)
        hidden = self.hidden(ids, mask)
        low, words = (
            torch.cat([mean(hidden[layer], kept) for layer in LOW_LAYERS], dim=-1)
            for kept in (mask, self.words_mask(ids, mask))
        )
        exits = {depth: self._exit(depth, hidden[depth], penalty, mask) for depth in self.sizes.exits}
        dropped = self.words_dropout(words)
        exits[max(exits)].heads.update({name: head(dropped).float() for name, head in self.heads["words"].items()})
        return Answers(low, words, exits)

    def _exit(self, depth: int, hidden: Tensor, penalty: Tensor, mask: Tensor) -> Exit:
        average = mean(hidden, mask)
        outputs = {
            name: head(hidden, penalty) if isinstance(head, PooledHead) else head(average).float()
            for name, head in self.heads[str(depth)].items()
        }
        return Exit(outputs, average)


def mask_penalty(mask: Tensor) -> Tensor:
    """Return 0 for tokens and a large negative number for padding (posts x 1 x 1 x tokens)."""
    return (1 - mask[:, None, None, :].float()) * _MASKED


def mean(hidden: Tensor, mask: Tensor) -> Tensor:
    """Return the mean over a post's tokens (posts x width)."""
    weights = mask[..., None].to(hidden.dtype)
    return (hidden * weights).sum(1) / weights.sum(1)


_LAYER_NAMES = {
    "attention.self.query": "query",
    "attention.self.key": "key",
    "attention.self.value": "value",
    "attention.output.dense": "attended",
    "attention.output.LayerNorm": "attention_norm",
    "intermediate.dense": "intermediate",
    "output.dense": "output",
    "output.LayerNorm": "output_norm",
}


def from_bert(weights: Mapping[str, Tensor], layers: int, keep: Sequence[int]) -> dict[str, Tensor]:
    """Return the first `layers` layers of a BERT encoder under the names of `MultiHeadNetwork`, with only the pieces `keep`."""
    types = weights["embeddings.token_type_embeddings.weight"][0]
    named = {
        "words.weight": weights["embeddings.word_embeddings.weight"][torch.as_tensor(keep)],
        "positions": weights["embeddings.position_embeddings.weight"] + types,
        "embedding_norm.weight": weights["embeddings.LayerNorm.weight"],
        "embedding_norm.bias": weights["embeddings.LayerNorm.bias"],
    }
    for layer in range(layers):
        for theirs, ours in _LAYER_NAMES.items():
            for kind in ("weight", "bias"):
                named[f"layers.{layer}.{ours}.{kind}"] = weights[f"encoder.layer.{layer}.{theirs}.{kind}"]
    return named
