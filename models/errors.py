"""Errors of the model side.

ModelError
├── ArtefactError       the model's files are missing or damaged: install again
├── TopicsFileError     a file of campaign topics cannot be read: mend it
├── EvaluationDataError labelled posts cannot be read: mend them
├── RatesFileError      a file of error rates cannot be read: write it again
└── PlotsMissingError   what draws plots is not installed: the text has the line for pip
"""


class ModelError(Exception):
    """Base of everything raised on purpose in `models`."""


class ArtefactError(ModelError):
    """The model's files are missing or damaged."""


class TopicsFileError(ModelError):
    """A file of campaign topics cannot be read."""


class EvaluationDataError(ModelError):
    """Labelled posts cannot be read."""


class RatesFileError(ModelError):
    """A file of error rates cannot be read."""


class PlotsMissingError(ModelError):
    """Plots are wanted and matplotlib is not installed."""

    def __init__(self) -> None:
        super().__init__("plots need matplotlib, which is not installed: pip install 'tagpulse[plots]'")
