"""What posts are about, as far as the frozen encoder's vectors tell: the teacher of topics.

A linear head on those vectors names other posts' topics about as well as the trained network does, but errs elsewhere.
So the network learns from its answers, on all the posts that have no topics of their own.
"""

import numpy as np
import numpy.typing as npt

from models.probabilities import sigmoid
from models.training import heads
from models.training.folds import FOLDS, LEFT_OUT
from models.training.teacher import Said

_STRENGTH = 5e-3

Places = npt.NDArray[np.int64]


def guess(vectors: Said, present: npt.NDArray[np.float32], places: Places, fold: Places) -> Said:
    """Return the probabilities of topics (rows x topics) of the rows with vectors but the fold that is left out.

    `present` (rows x topics) is true of the rows at `places`, whose folds are `fold`: each is answered by a head that was
    fitted on other folds.
    """
    known = vectors.known.copy()
    known[places[fold == LEFT_OUT]] = False
    values = np.zeros(present.shape, np.float16)
    unlabelled = known.copy()
    unlabelled[places] = False
    questions = [np.flatnonzero(unlabelled)] + [places[fold == each] for each in range(FOLDS) if each != LEFT_OUT]
    for asked in questions:
        taught = np.setdiff1d(places[known[places]], asked)
        asked = asked[known[asked]]
        if len(taught) and len(asked):
            head = heads.fit_each(vectors.values[taught].astype(np.float32), present[taught] > 0, _STRENGTH)
            values[asked] = sigmoid(heads.logits(head, vectors.values[asked]))
    return Said(values, known)
