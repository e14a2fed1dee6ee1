"""Exceptions of the `models` package, with what to do about each.

ModelError
├── ArtefactError           the model's files are missing or damaged: reinstall the model
├── BackendError            the requested back end or precision is not available here: choose another
│   ├── MissingBackendExtra its dependencies are not installed: run the pip command in the message
│   └── MissingHead         the model does not have the labels to score: choose another model
├── HubModelError           a model for the hub back end cannot be loaded or used: choose another, or fix its files
├── TopicsFileError         a file of campaign topics cannot be read: fix it
├── EvaluationDataError     labelled posts cannot be read: fix them
├── TrainingDataError       input of a training step is missing: download the data set, or run the step that makes it
└── RatesFileError          a file of error rates cannot be read: write it again
"""


class ModelError(Exception):
    """Base class of all exceptions raised by `models`."""


class ArtefactError(ModelError):
    """Raised when the model's files are missing or damaged."""


class BackendError(ModelError):
    """Raised when the requested back end or precision is not available here."""


class MissingBackendExtra(BackendError):
    """Raised when the optional dependencies of the requested back end are not installed."""

    def __init__(self, backend: str, extra: str) -> None:
        super().__init__(f"{backend} needs an extra that is not installed: pip install 'tagpulse[{extra}]'")


class MissingHead(BackendError):
    """Raised when the loaded model does not have the labels to score."""

    def __init__(self, model: str, head: str) -> None:
        super().__init__(f"the model {model} has no {head}: choose a model that has them")


class HubModelError(ModelError):
    """Raised when a model for the hub back end cannot be loaded, or its labels cannot be mapped to ours.

    Attributes:
        task: The task of the model: `sentiment`, `language` or `topic`.
    """

    def __init__(self, task: str, model: str, reason: str) -> None:
        super().__init__(f"the {task} model {model!r} {reason}")
        self.task = task


class TopicsFileError(ModelError):
    """Raised when a file of campaign topics cannot be read."""


class EvaluationDataError(ModelError):
    """Raised when labelled posts cannot be read or used."""


class TrainingDataError(ModelError):
    """Raised when input of a training step is missing: a data set, or the output of an earlier step."""


class RatesFileError(ModelError):
    """Raised when a file of error rates cannot be read."""
