"""Quantises activations to 8 bits with one fixed scale per matrix product, following SmoothQuant.

Channels of an activation differ by orders of magnitude. Dividing them by a vector and multiplying the weights by it moves
part of that difference to the weights, which have one scale per output (Xiao et al., 2023). The scales are fixed, so an
answer does not depend on the other posts of a batch.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from models.training.data import TrainingRow
from models.training.network import Layer, MultiHeadNetwork

Floats = npt.NDArray[np.float32]

ALPHA = 0.8
"""Share of the range that is moved from activations to weights, chosen on validation posts; see the model card."""

FIXED = frozenset({"projected", "attended", "intermediate"})
"""Products whose inputs are quantised with a fixed scale.

The input of the last product, after the GELU, would lose too much. Runtimes that can do so quantise each of its rows
separately; others do not quantise it.
"""

_CALIBRATION = {
    "umsab-train": 100,
    "semeval-2016": 40,
    "afrisenti-train": 50,
    "wisesight": 15,
    "smp2020_weibo": 15,
    "hebrew_fb": 15,
    "mozetic15": 30,
    "sentimix_hinglish": 15,
    "brighter": 50,
    "tweet_acts": 15,
    "x_topic": 40,
    "lingua": 100,
    "fragment": 40,
    "template": 20,
    "undetermined": 10,
    "emosent": 10,
}
"""Number of texts that the scales are measured on, by data set; every family has some."""

_LEVELS = 255
_SMALLEST = 1e-5


@dataclass(frozen=True, slots=True)
class Rounding:
    """The quantisation of an activation: `value / smooth` (per channel) is rounded to `scale * (0..255 - zero)`."""

    smooth: Floats
    scale: np.float32
    zero: np.uint8


@dataclass(slots=True)
class _Extremes:
    """Minimum and maximum of each channel so far."""

    low: Tensor
    high: Tensor

    def update(self, value: Tensor) -> None:
        rows = value.reshape(-1, value.shape[-1])
        self.low = torch.minimum(self.low, rows.amin(0))
        self.high = torch.maximum(self.high, rows.amax(0))


def products(layer: Layer) -> dict[str, list[nn.Linear]]:
    """Return the matrix products of a layer by name, each with the linear maps that share its input."""
    return {
        "projected": [layer.query, layer.key, layer.value],
        "attended": [layer.attended],
        "intermediate": [layer.intermediate],
        "output": [layer.output],
    }


def calibration(rows: Sequence[TrainingRow], seed: int) -> npt.NDArray[np.int64]:
    """Return the indices of the rows that the scales are measured on."""
    rng = np.random.default_rng(seed)
    sources = np.array([row.source for row in rows])
    indices = [np.flatnonzero(sources == name) for name in _CALIBRATION]
    sizes = [min(size, len(each)) for size, each in zip(_CALIBRATION.values(), indices, strict=True)]
    return np.concatenate([rng.choice(each, size, replace=False) for each, size in zip(indices, sizes, strict=True)])


def measure(
    network: MultiHeadNetwork, tokens: Sequence[npt.NDArray[np.int32]], alpha: float = ALPHA
) -> dict[str, Rounding]:
    """Return the quantisation of the products in `FIXED` (`0.projected`, …), measured on texts (token ids) one by one."""
    extremes: dict[str, _Extremes] = {}
    hooks, maps = [], {}
    for number, layer in enumerate(network.layers):
        for product, linears in products(layer).items():
            name = f"{number}.{product}"
            maps[name] = linears
            width = linears[0].in_features
            extremes[name] = _Extremes(torch.full((width,), torch.inf), torch.full((width,), -torch.inf))
            hooks.append(linears[0].register_forward_pre_hook(_update_hook(extremes[name])))
    network.eval()
    with torch.inference_mode():
        for text in tokens:
            ids = torch.from_numpy(text[None].astype(np.int64))
            network.hidden(ids, torch.ones_like(ids))
    for hook in hooks:
        hook.remove()
    return {name: _rounding(each, maps[name], alpha) for name, each in extremes.items() if name.split(".")[1] in FIXED}


def _update_hook(extremes: _Extremes) -> object:
    def hook(_: nn.Module, arguments: tuple[Tensor, ...]) -> None:
        extremes.update(arguments[0])

    return hook


def _rounding(extremes: _Extremes, linears: Sequence[nn.Linear], alpha: float) -> Rounding:
    weights = torch.cat([linear.weight.detach() for linear in linears]).abs().amax(0)
    largest = torch.maximum(extremes.low.abs(), extremes.high.abs())
    smooth = largest.clamp(min=_SMALLEST) ** alpha / weights.clamp(min=_SMALLEST) ** (1 - alpha)
    low = min(float((extremes.low / smooth).min()), 0.0)
    high = max(float((extremes.high / smooth).max()), 0.0)
    scale = max(high - low, _SMALLEST) / _LEVELS
    return Rounding(smooth.numpy().astype(np.float32), np.float32(scale), np.uint8(round(-low / scale)))
