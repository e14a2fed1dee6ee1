from collections import Counter

import numpy as np
import torch

from models.training import rounding
from models.training.data import TrainingRow
from models.training.network import MultiHeadNetwork
from models.training.sets import FAMILIES, SETS

TEXTS = [np.array([0, *range(3 + number, 9 + number), 2], np.int32) for number in range(30)]


def test_what_was_measured_is_rounded_by_half_a_step_at_most(network: MultiHeadNetwork) -> None:
    found = rounding.measure(network, TEXTS)
    assert set(found) == {f"{layer}.{product}" for layer in range(6) for product in rounding.FIXED}
    each = found["2.projected"]
    ids = torch.from_numpy(TEXTS[0][None].astype(np.int64))
    with torch.no_grad():
        value = network.hidden(ids, torch.ones_like(ids))[2].numpy() / each.smooth
    steps = np.rint(value / each.scale) + each.zero
    assert steps.min() >= 0
    assert steps.max() <= 255
    assert np.abs((steps - each.zero) * each.scale - value).max() <= each.scale * 0.5001


def test_smoothing_brings_channels_closer(network: MultiHeadNetwork) -> None:
    with torch.no_grad():
        network.layers[1].output_norm.weight[5] *= 50
    each = rounding.measure(network, TEXTS)["2.projected"]
    assert each.smooth[5] > 5 * np.median(each.smooth)


def test_calibration_takes_rows_of_every_family() -> None:
    rows = [TrainingRow(name, f"{name} {number}") for name in SETS for number in range(200)]
    families = Counter(SETS[rows[place].source].family for place in rounding.calibration(rows, 0).tolist())
    assert families.keys() == FAMILIES.keys()
    assert families.total() < 800, "the scales are measured on texts one by one"


def test_calibration_takes_all_rows_of_small_sets() -> None:
    rows = (
        [TrainingRow("lingua", str(number)) for number in range(300)]
        + [TrainingRow("emosent", "x")]
        + [TrainingRow("lingua-held", "y")] * 9
    )
    places = rounding.calibration(rows, 0)
    assert len(places) == 101
    assert len(set(places.tolist())) == 101
    assert all(not rows[place].source.endswith("held") for place in places)
