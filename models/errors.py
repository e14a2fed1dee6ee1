"""Errors of the model side.

ModelError
├── ArtefactError       the model's files are missing or damaged: install again
├── TopicsFileError     a file of campaign topics cannot be read: mend it
├── EvaluationDataError a folder of labelled posts cannot be read: mend it
└── RatesFileError      a file of error rates cannot be read: write it again
"""


class ModelError(Exception):
    """Base of everything raised on purpose in `models`."""


class ArtefactError(ModelError):
    """The model's files are missing or damaged."""


class TopicsFileError(ModelError):
    """A file of campaign topics cannot be read."""


class EvaluationDataError(ModelError):
    """A folder of labelled posts cannot be read."""


class RatesFileError(ModelError):
    """A file of error rates cannot be read."""
