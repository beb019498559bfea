"""Every error this package raises on purpose; each message says what was wrong, where, and how to mend it."""

from __future__ import annotations


class ElsaError(Exception):
    """Base of all deliberate errors: the command line prints its message as one line, without a traceback."""


class AudioError(ElsaError):
    """A sound that cannot be used: unreadable, empty, not finite, of an impossible shape or rate."""


class ConventionError(ElsaError):
    """An ambisonic convention or an angle that is unknown or contradicts the signal."""


class ConfigError(ElsaError):
    """A configuration that cannot be built or read."""


class DataError(ElsaError):
    """A data set, bank, scene table or index that is missing, damaged or of another version."""


class CheckpointError(ElsaError):
    """A checkpoint folder that is missing, incomplete, or whose tensors do not fit its configuration."""


class TrainingError(ElsaError):
    """A training run that cannot start, resume or go on."""


class LanguageModelError(ElsaError):
    """A language model that cannot be reached, loaded or used."""
