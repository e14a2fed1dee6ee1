"""Evaluates topics on files of multi-label posts in the format of the X-Topic data set."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from models.enrichment import ModelInfo
from models.errors import EvaluationDataError
from models.evaluation.reading import files_of, read_lines
from models.evaluation.several import (
    FlagsByLabel,
    LabelMeasures,
    LabelSets,
    TaggedPosts,
    by_label,
    macro_f1,
    measures,
    micro_f1,
)

_OTHER_KEYS = {"id", "text", "topics"}
"""Keys of a record that are not topics; `topics` repeats the topic keys in readable form."""


class TopicFileScore(Struct, frozen=True, kw_only=True):
    """F1 (fractions) of one file, over all pairs of post and topic (micro) and averaged over topics (macro)."""

    micro_f1: float
    macro_f1: float
    posts: int


class TopicReport(Struct, frozen=True, kw_only=True):
    """The report printed by `eval topic --json`; `micro_f1`, `macro_f1` and `topics` are of all posts together.

    Averages over topics are over those that occur in the labels or the answers.
    """

    task: str = "topic"
    files: dict[str, TopicFileScore]
    micro_f1: float
    macro_f1: float
    topics: dict[str, LabelMeasures]
    model: ModelInfo


def read_topic_posts(folder: Path, known: Collection[str]) -> dict[str, TaggedPosts]:
    """Read each `*.jsonl` file, by file stem; a line has a `text` and a key with 0 or 1 for each topic.

    Raises:
        EvaluationDataError: If there is no such file, a line has another format, or a topic is not in `known`.
    """
    return {path.stem: _read(path, known) for path in files_of(folder, ".jsonl")}


def topic_report(
    truth: Mapping[str, TaggedPosts], predicted: Mapping[str, Sequence[frozenset[str]]], model: ModelInfo
) -> TopicReport:
    """Score the topics that the model assigned to the posts of each file."""
    posts = [topics for name in truth for topics in truth[name].labels]
    answers = [topics for name in truth for topics in predicted[name]]
    together = _by_topic(posts, answers)
    return TopicReport(
        files={
            name: TopicFileScore(
                micro_f1=micro_f1(own := _by_topic(each.labels, predicted[name])),
                macro_f1=macro_f1(own),
                posts=len(each.texts),
            )
            for name, each in truth.items()
        },
        micro_f1=micro_f1(together),
        macro_f1=macro_f1(together),
        topics=measures(together),
        model=model,
    )


def _by_topic(truth: LabelSets, predicted: LabelSets) -> FlagsByLabel:
    return by_label(truth, predicted, frozenset().union(*truth, *predicted))


def _read(path: Path, known: Collection[str]) -> TaggedPosts:
    lines = [(f"{path}:{number}", line) for number, line in enumerate(read_lines(path), start=1) if line.strip()]
    if not lines:
        raise EvaluationDataError(f"{path} is empty")
    records = [(location, _record(location, line)) for location, line in lines]
    texts = tuple(_text(location, record) for location, record in records)
    return TaggedPosts(texts, tuple(_topics(location, record, known) for location, record in records))


def _record(location: str, line: str) -> dict[str, object]:
    try:
        return msgspec.json.decode(line, type=dict[str, object])
    except msgspec.MsgspecError as error:
        raise EvaluationDataError(f"{location}: {error}") from error


def _text(location: str, record: Mapping[str, object]) -> str:
    text = record.get("text")
    if not isinstance(text, str):
        raise EvaluationDataError(f"{location}: text must be a string, not {text!r}")
    return text


def _topics(location: str, record: Mapping[str, object], known: Collection[str]) -> frozenset[str]:
    columns = {name: value for name, value in record.items() if name not in _OTHER_KEYS}
    if unknown := sorted(columns.keys() - set(known)):
        raise EvaluationDataError(
            f"{location}: the model does not have the topic {', '.join(map(repr, unknown))}; it has {', '.join(known)}"
        )
    for name, value in columns.items():
        if not isinstance(value, int | float) or value not in {0, 1}:
            raise EvaluationDataError(f"{location}: {name} must be 0 or 1, not {value!r}")
    return frozenset(name for name, value in columns.items() if value)
