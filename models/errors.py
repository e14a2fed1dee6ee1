"""Errors of the model side.

ModelError
├── ArtefactError       the model's files are missing or damaged: install again
├── BackendError        the wanted back end or precision cannot be had here: choose another
│   └── MissingExtra    what it needs is not installed: the text has the line for pip
├── HubModelError       a model named for `hub` cannot be loaded or used: name another, or mend its files
├── TopicsFileError     a file of campaign topics cannot be read: mend it
├── EvaluationDataError labelled posts cannot be read: mend them
├── TrainingDataError   what a training step reads is missing: get the set, or run the step that makes it
├── RatesFileError      a file of error rates cannot be read: write it again
└── PlotsMissingError   what draws plots is not installed: the text has the line for pip
"""


class ModelError(Exception):
    """Base of everything raised on purpose in `models`."""


class ArtefactError(ModelError):
    """The model's files are missing or damaged."""


class BackendError(ModelError):
    """The wanted back end or precision cannot be had here."""


class MissingBackendExtra(BackendError):
    """A back end is wanted whose optional dependencies are not installed."""

    def __init__(self, backend: str, extra: str) -> None:
        super().__init__(f"{backend} needs an extra that is not installed: pip install 'tagpulse[{extra}]'")


class HubModelError(ModelError):
    """A model named for `hub` cannot be loaded, or its labels cannot be read as ours.

    `task` is what it was named for: `sentiment`, `language` or `topic`.
    """

    def __init__(self, task: str, model: str, reason: str) -> None:
        super().__init__(f"the {task} model {model!r} {reason}")
        self.task = task


class TopicsFileError(ModelError):
    """A file of campaign topics cannot be read."""


class EvaluationDataError(ModelError):
    """Labelled posts cannot be read."""


class TrainingDataError(ModelError):
    """What a training step reads is missing: a data set, or what an earlier step leaves."""


class RatesFileError(ModelError):
    """A file of error rates cannot be read."""


class PlotsMissingError(ModelError):
    """Plots are wanted and matplotlib is not installed."""

    def __init__(self) -> None:
        super().__init__("plots need matplotlib, which is not installed: pip install 'tagpulse[plots]'")
