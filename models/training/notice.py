"""The notice that accompanies weights: the data sets they were trained on, and the terms on which these may be used."""

from collections import Counter
from collections.abc import Iterable

from models.training.corpus import is_held_out
from models.training.data import TrainingRow
from models.training.sets import SETS, Terms

NOTICE_FILE = "NOTICE.md"

_MEANING: dict[Terms, str] = {"open": "any", "research": "research", "unstated": "no terms stated"}

_TEXT = """\
# Notice: the data of {model}

The code of tagpulse is under the Apache License 2.0, and the encoder that the training started from is under the MIT
licence. The labelled posts have terms of their own: {limits} The networks where they were published may have further terms.

It is not settled whether the terms of data apply to weights trained on it, and the answer may depend on your country and your
purpose. If it matters to you, ask a lawyer, or train weights with `python -m models train --open-terms all`, which uses only
the sets whose terms allow any use. `docs/training.md` says where each set comes from and names its licence.

| Set | Rows | Use that its terms allow |
|---|---|---|
{rows}
"""


def notice(model: str, rows: Iterable[TrainingRow]) -> str:
    """Return the notice, in Markdown, of a model trained on rows, of which the held-out ones are ignored."""
    learned = Counter(row.source for row in rows if not is_held_out(row))
    terms = Counter(SETS[name].terms for name in learned)
    limits = (
        f"those of {terms['research']} of the {len(learned)} sets allow only research, and none are stated for {terms['unstated']}."
        if terms.total() > terms["open"]
        else "they allow any use."
    )
    lines = [f"| {name} | {learned[name]:,} | {_MEANING[each.terms]} |" for name, each in SETS.items() if learned[name]]
    return _TEXT.format(model=model, limits=limits, rows="\n".join(lines))
