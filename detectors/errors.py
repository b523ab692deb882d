"""Errors of the detectors.

ModelError        weights that are missing, damaged or of another kind than asked for
└── DataError     training or evaluation data that cannot be used
"""


class ModelError(Exception):
    """Weights or a model that cannot be used; the message names the file and what to do."""


class DataError(ModelError):
    """Training or evaluation data that cannot be used; the message names the file and the row."""
