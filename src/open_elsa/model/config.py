"""What a model is made of: frozen dataclasses, presets as functions, JSON in and out."""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from open_elsa.errors import ConfigError

FORMAT_VERSION = 1


@dataclass(frozen=True)
class SemanticConfig:
    """The encoder of what is heard.

    kind: "htsat" is the paper's (transformers' ClapAudioModel, 48 kHz, 768-d); "mobilenet" is the small one
    (MobileNetV3, width 0.4, 32 kHz, 384-d). htsat_depths and htsat_dim shrink HTSAT for tests only.
    """

    kind: Literal["htsat", "mobilenet"] = "mobilenet"
    htsat_depths: tuple[int, ...] = (2, 2, 6, 2)  # LAION-CLAP's HTSAT-tiny
    htsat_dim: int = 96  # LAION-CLAP's patch embedding; the output is 8 times as wide (768)
    # 0: the encoder hears W alone, as in the paper; more: W and this share of a figure of eight towards the direction
    # that the spatial encoder found (see `elsa.listen`), so that less of the room's sound is taken for the source's
    beam: float = 0.0


@dataclass(frozen=True)
class SpatialConfig:
    """The encoder of where it is heard.

    kind: "paper" is two six-convolution branches over unit-normalised active and reactive intensity at 16 kHz;
    "selector" is the small one: mel-band intensity, a convolutional trunk, and heads that choose which
    time-frequency cells to believe and average their intensity vectors. The others are what the selector is held
    against (spatial_rivals.py): "mono" is the selector hearing W alone, "statistics" reads fixed statistics of
    intensity, "crnn" is a SELDnet-style network.
    """

    kind: Literal["paper", "selector", "mono", "statistics", "crnn"] = "selector"
    dim: int = 192  # width of the spatial vector that is fused (paper: 192)
    # -- of the selector; the rivals share the bands
    mel_bands: int = 64
    min_hz: float = 60.0  # below, a small room has too few modes for a direction
    max_hz: float = 12000.0
    widths: tuple[int, ...] = (32, 64, 96, 128)
    # decibels by which velocity is at most brought to the level of pressure, band by band over the sound; 0: it stays.
    # Plane waves and diffuse fields have both alike; real arrays err by up to 10 dB (benchmarks/velocity.py)
    balance_db: float = 0.0
    heads: int = 16  # direction heads: each averages intensity vectors with its own weights
    # filters of the branch that reads early reflections from the mean intensity of every STFT bin; 0: no such branch
    comb: int = 0
    # -- paper only
    filters: int = 16  # paper: not stated; the public re-implementation uses 16
    dropout: float = 0.3  # paper: dropout stated, rate not; the re-implementation uses 0.3
    hidden: tuple[int, int] = (128, 32)  # of the 2,400 -> 128 -> 32 -> 44 MLP; sizes from the re-implementation
    own_norm: bool = True  # each intensity by its own norm; the re-implementation divides both by the active one's


@dataclass(frozen=True)
class TextConfig:
    """The text encoder.

    kind: "roberta" is the paper's RoBERTa-base, trained; "minilm" is all-MiniLM-L6-v2 frozen, with a small
    transformer of our own over its tokens. vocab_size, layers and width shrink either for tests only.
    """

    kind: Literal["roberta", "minilm"] = "minilm"
    max_tokens: int = 77  # LAION-CLAP's limit; longer captions are cut with a warning
    hidden: int = 640  # of the two-layer MLP 768 -> hidden -> 512; the re-implementation's
    layers: int = 2  # minilm: our own layers over the frozen tokens
    backbone_layers: int | None = None  # None: the pretrained depth; tests set a small one with random weights
    backbone_dim: int | None = None


@dataclass(frozen=True)
class ElsaConfig:
    """A whole model. `elsa_base()` is the paper to the letter, `elsa_small()` the one that is shipped."""

    name: str
    sample_rate: int
    semantic: SemanticConfig = field(default_factory=SemanticConfig)
    spatial: SpatialConfig = field(default_factory=SpatialConfig)
    text: TextConfig = field(default_factory=TextConfig)
    embedding_dim: int = 512  # paper: 512
    where_dim: int = 0  # >0: so many at the end come from the spatial encoder alone; 0: fused as in the paper
    fusion_hidden: int = 768  # paper: two-layer MLP 960 -> ? -> 512; 768 from the re-implementation
    head_hidden: int = 64  # of the regression heads; from the re-implementation
    window_s: float = 10.0  # the longest piece embedded at once; longer sounds are cut into windows
    min_window_s: float = 1.0  # shorter pieces are repeated up to this (elsa-base repeats to window_s, as LAION-CLAP)
    repeat_to_window: bool = False
    initial_temperature: float = 0.07  # paper: learned; initial value from the re-implementation (and CLIP)
    format_version: int = FORMAT_VERSION

    def __post_init__(self) -> None:
        if not 0.0 <= self.semantic.beam < 1.0:
            raise ConfigError(f"semantic.beam must be in 0..1 and below 1, got {self.semantic.beam}")
        if self.semantic.beam and self.semantic.kind == "htsat":
            raise ConfigError("only the mobilenet encoder listens through a beam; set semantic.beam to 0")
        if self.semantic.beam and self.spatial.kind == "mono":
            raise ConfigError("a model that hears W alone cannot listen through a beam; set semantic.beam to 0")
        if not 0.0 <= self.spatial.balance_db <= 40.0:
            raise ConfigError(f"spatial.balance_db must be in 0..40, got {self.spatial.balance_db}")
        if self.embedding_dim <= self.where_dim:
            raise ConfigError(f"where_dim {self.where_dim} must be below embedding_dim {self.embedding_dim}")
        if self.sample_rate not in (16000, 24000, 32000, 48000):
            raise ConfigError(f"sample_rate must be 16000, 24000, 32000 or 48000, got {self.sample_rate}")

    def to_json(self) -> str:
        """The configuration as JSON text; `from_json` reads it back equal."""
        return json.dumps(dataclasses.asdict(self), indent=2)

    @staticmethod
    def from_json(text: str) -> ElsaConfig:
        """Read a configuration; raises ConfigError with the field's name for what is unknown or of a wrong type."""
        try:
            raw = json.loads(text)
        except json.JSONDecodeError as error:
            raise ConfigError(f"the configuration is not JSON: {error}") from error
        version = raw.get("format_version") if isinstance(raw, dict) else None
        if version != FORMAT_VERSION:
            raise ConfigError(
                f"configuration format {version!r}, this version reads {FORMAT_VERSION}; "
                "update open-elsa or convert the checkpoint"
            )
        return typing.cast(ElsaConfig, build(ElsaConfig, raw, "config"))

    def save(self, path: Path) -> None:
        """Write the JSON to a file."""
        path.write_text(self.to_json() + "\n", encoding="utf-8")


def build(cls: type[Any], raw: Any, where: str) -> Any:
    """Make a frozen dataclass from parsed JSON, checking names and types; `where` prefixes the error."""
    if not isinstance(raw, dict):
        raise ConfigError(f"{where}: expected an object, got {type(raw).__name__}")
    hints = typing.get_type_hints(cls)
    if unknown := sorted(set(raw) - set(hints)):
        raise ConfigError(f"{where}: unknown field {unknown[0]!r}; known: {', '.join(hints)}")
    try:
        return cls(**{name: _convert(hints[name], value, f"{where}.{name}") for name, value in raw.items()})
    except TypeError as error:
        raise ConfigError(f"{where}: {error}") from error


def _convert(hint: Any, value: Any, where: str) -> Any:
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if dataclasses.is_dataclass(hint):
        return build(typing.cast(type[Any], hint), value, where)
    if origin is Literal:
        if value not in args:
            raise ConfigError(f"{where}: expected one of {args}, got {value!r}")
        return value
    if origin is tuple and isinstance(value, list):
        inner = [args[0]] * len(value) if args[-1] is Ellipsis else list(args)
        if len(inner) != len(value):
            raise ConfigError(f"{where}: expected {len(inner)} values, got {len(value)}")
        return tuple(_convert(h, v, f"{where}[{i}]") for i, (h, v) in enumerate(zip(inner, value, strict=True)))
    if origin is types.UnionType:
        if value is None and type(None) in args:
            return None
        return _convert(next(a for a in args if a is not type(None)), value, where)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(hint, type) or not isinstance(value, hint) or (hint is int and isinstance(value, bool)):
        raise ConfigError(f"{where}: expected {getattr(hint, '__name__', hint)}, got {value!r}")
    return value


def elsa_base() -> ElsaConfig:
    """The paper's model to the letter; docs/elsa-base.md sets every choice beside the paper."""
    return ElsaConfig(
        name="elsa-base",
        sample_rate=48000,
        semantic=SemanticConfig(kind="htsat"),
        spatial=SpatialConfig(kind="paper", dim=192),
        text=TextConfig(kind="roberta", max_tokens=77, hidden=640),
        repeat_to_window=True,
    )


def elsa_small() -> ElsaConfig:
    """The model that is shipped: light enough for two CPU cores, trained on freely licensed clips only."""
    return ElsaConfig(
        name="elsa-small",
        sample_rate=32000,
        semantic=SemanticConfig(beam=0.35),
        spatial=SpatialConfig(comb=48, balance_db=15.0),
        where_dim=192,
    )


def elsa_tiny() -> ElsaConfig:
    """A miniature of elsa-small with random text weights: for tests, never for use."""
    return ElsaConfig(
        name="elsa-tiny",
        sample_rate=32000,
        semantic=SemanticConfig(beam=0.35),
        spatial=SpatialConfig(mel_bands=32, widths=(8, 16, 16, 24), heads=4, dim=32, comb=8, balance_db=15.0),
        text=TextConfig(layers=1, backbone_layers=1, backbone_dim=48, hidden=64),
        embedding_dim=96,
        where_dim=32,
        fusion_hidden=64,
        window_s=4.0,
    )


PRESETS: dict[str, Callable[[], ElsaConfig]] = {
    "elsa-base": elsa_base,
    "elsa-small": elsa_small,
    "elsa-tiny": elsa_tiny,
}


def preset(name: str) -> ElsaConfig:
    """The preset of that name; raises ConfigError naming the known ones."""
    try:
        return PRESETS[name]()
    except KeyError:
        raise ConfigError(f"no preset {name!r}; known: {', '.join(PRESETS)}") from None
