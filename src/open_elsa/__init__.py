"""ELSA: embeddings for language and spatial audio. `load()` gives a model that embeds, locates and compares sounds."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from open_elsa.errors import (
        AudioError,
        CheckpointError,
        ConfigError,
        ConventionError,
        DataError,
        ElsaError,
        LanguageModelError,
        TrainingError,
    )
    from open_elsa.search.index import Hit, Index
    from open_elsa.sound.audio import Sound
    from open_elsa.using.embedder import Analysis, Embedder, Embedding, Location, load

__version__ = "0.1.0"

#: public name -> the module it lives in; imported on first use, so that `import open_elsa` costs nothing
_HOMES = {
    **dict.fromkeys(("Analysis", "Embedder", "Embedding", "Location", "load"), "open_elsa.using.embedder"),
    **dict.fromkeys(("Hit", "Index"), "open_elsa.search.index"),
    "Sound": "open_elsa.sound.audio",
    **dict.fromkeys(
        (
            "AudioError",
            "CheckpointError",
            "ConfigError",
            "ConventionError",
            "DataError",
            "ElsaError",
            "LanguageModelError",
            "TrainingError",
        ),
        "open_elsa.errors",
    ),
}

__all__ = [
    "Analysis",
    "AudioError",
    "CheckpointError",
    "ConfigError",
    "ConventionError",
    "DataError",
    "ElsaError",
    "Embedder",
    "Embedding",
    "Hit",
    "Index",
    "LanguageModelError",
    "Location",
    "Sound",
    "TrainingError",
    "__version__",
    "load",
]


def __getattr__(name: str) -> Any:
    try:
        home = _HOMES[name]
    except KeyError:
        raise AttributeError(f"module 'open_elsa' has no attribute {name!r}") from None
    value = getattr(importlib.import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
