"""The model: one audio embedding from what (W) and where (intensity), one text embedding, regression heads."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from open_elsa.model.config import ElsaConfig
from open_elsa.model.features import ClapLogMel, TaggerLogMel, UnitIntensity, repeat_pad
from open_elsa.model.semantic import HtsatEncoder, MobileNetEncoder
from open_elsa.model.spatial_paper import STAGE_1_TARGETS, PaperSpatialEncoder
from open_elsa.model.spatial_rivals import encoder_of, intensity_of
from open_elsa.model.text_minilm import MiniLMTextEncoder
from open_elsa.model.text_roberta import RobertaEncoder
from open_elsa.scenes.attributes import ATTRIBUTES

#: How many words each attribute has, in the order of the one table.
WORDS = [len(attribute.words) for attribute in ATTRIBUTES.values()]
#: About the mean and deviation of log distance, log floor area, log T30 and DRR / 10 dB over drawn rooms.
ROOM_CENTRE, ROOM_SPREAD = (0.4, 4.1, -0.6, 0.0), (0.6, 0.85, 0.8, 0.6)
BANDS = 20  # third octaves from 100 Hz to 8 kHz


class ElsaOutput(NamedTuple):
    """What the model says of a batch of sounds; regressions are meaningless where `spatial` was False.

    embedding (b, dim) unit; direction (b, 3) unit xyz; room (b, k): the regressions in the model's own scale, compared
    with `Elsa.room_targets`; distance_m, floor_area_m2, t30_s, drr_db, uncertainty_deg: (b,), the last three None in
    models that do not predict them. uncertainty_deg is the angular error to expect. bands (b, 1 + 2 * BANDS): log
    volume, log T30 and DRR / 10 dB per third octave, None likewise; training learns by them.
    """

    embedding: Tensor
    direction: Tensor
    room: Tensor
    distance_m: Tensor
    floor_area_m2: Tensor
    t30_s: Tensor | None
    drr_db: Tensor | None
    uncertainty_deg: Tensor | None
    bands: Tensor | None = None


class Place(NamedTuple):
    """What the spatial encoder alone says, trained in stage 1: direction (b, 3), log distance, log volume, log T30 and
    DRR / 10 dB per third octave (b, 20)."""

    direction: Tensor
    log_distance: Tensor
    log_volume: Tensor
    log_t30_bands: Tensor
    drr_bands: Tensor


class Features(NamedTuple):
    """What the front ends make of a batch: fixed transforms, so data workers may compute them."""

    semantic: Tensor
    spatial: Tensor
    bins: Tensor  # elsa-small: mean intensity per STFT bin; elsa-base: nothing, (b, 0)


class Pooled(NamedTuple):
    """What the convolutions of elsa-small's spatial encoder make of a batch, before anything reads it."""

    pooled: Tensor  # (b, p)
    votes: Tensor  # (b, heads, 3)
    bins: Tensor  # (b, 8, bins), as in `Features`


class WhereSaid(NamedTuple):
    """What elsa-small says of where: unit vectors (b, where_dim) and (b, 3), the rest as in `ElsaOutput`."""

    where: Tensor
    direction: Tensor
    room: Tensor
    uncertainty_deg: Tensor
    bands: Tensor


class Truth(NamedTuple):
    """What is true of a batch, NaN where unknown: direction (b, 3) unit xyz; logs of m, m², m³, s; DRR in 10 dB."""

    direction: Tensor
    log_distance: Tensor
    log_area: Tensor
    log_volume: Tensor
    log_t30: Tensor
    drr: Tensor
    log_t30_bands: Tensor  # (b, 20)
    drr_bands: Tensor  # (b, 20)


class Elsa(nn.Module, ABC):
    """What elsa-small and elsa-base share: how sounds go in and what comes out."""

    #: Parameters that come from elsewhere (an installed package) and are not stored in checkpoints.
    external_prefixes: tuple[str, ...] = ()

    def __init__(self, config: ElsaConfig) -> None:
        super().__init__()
        self.config = config
        self.sample_rate = config.sample_rate
        self.front_end = front_end(config)
        self.logit_scale = nn.Parameter(torch.tensor(math.log(1 / config.initial_temperature)))

    @abstractmethod
    def encode_audio(self, audio: Float[Tensor, "b 4 n"], spatial: Bool[Tensor, " b"]) -> ElsaOutput:
        """Embed AmbiX sounds of one length at `sample_rate`; where `spatial` is False only W is used."""

    @abstractmethod
    def encode_features(self, features: Features, spatial: Bool[Tensor, " b"]) -> ElsaOutput:
        """The same from the front ends' output."""

    @abstractmethod
    def encode_text(self, texts: Sequence[str]) -> Float[Tensor, "b d"]:
        """Embed captions: (b, embedding_dim), unit."""

    @abstractmethod
    def place(self, features: Features) -> Place:
        """What the spatial encoder says before fusion: the outputs of stage 1."""

    @abstractmethod
    def room_targets(self, truth: Truth) -> Tensor:
        """The truth in the scale of `ElsaOutput.room`: (b, k), NaN where unknown."""


class ElsaSmall(Elsa):
    """The light model: embedding = [what | where], each half from its own encoder and its own reading of the text.

    Kept apart, "what" can be asked without "where" and the other way round, and a direction can be exchanged without
    touching the sound; a caption that says nothing of the place leaves its where half near zero.
    """

    external_prefixes = ("text.backbone.",)

    def __init__(self, config: ElsaConfig) -> None:
        super().__init__(config)
        what_dim = config.embedding_dim - config.where_dim
        dim, hidden = config.spatial.dim, config.head_hidden
        self.semantic = MobileNetEncoder()
        self.spatial = encoder_of(config.spatial)
        self.text = MiniLMTextEncoder(config.text, what_dim, config.where_dim)
        self.what = _mlp(self.semantic.dim, config.fusion_hidden, what_dim, nn.GELU)
        self.votes = nn.Linear(dim, self.spatial.heads)
        self.steer = _mlp(dim, hidden, 3, nn.GELU)
        self.room = _mlp(dim, hidden, 4, nn.GELU)  # log distance, log area, log T30, DRR / 10 dB
        self.spread = _mlp(dim, hidden, 1, nn.GELU)
        self.bands = _mlp(dim, hidden, 1 + 2 * BANDS, nn.GELU)  # log volume, log T30 and DRR per band
        self.where = nn.Sequential(nn.LayerNorm(dim), _mlp(dim, config.fusion_hidden, config.where_dim, nn.GELU))
        self.where_said = _mlp(3 + 4, 256, config.where_dim, nn.GELU)  # a short way from what the heads say to words
        self.no_place = nn.Parameter(torch.zeros(config.where_dim))  # learned "no spatial information" of mono sounds
        self.words = nn.Linear(config.where_dim, sum(WORDS), bias=False)

    def word_logits(self, embedding: Float[Tensor, "b d"]) -> tuple[Tensor, ...]:
        """How much the where half of an embedding, of a sound or of a text, says each word: (b, words) an attribute.

        One set of prototypes for sounds and texts: what says "left" in one must say "left" in the other.
        """
        return self.where_logits(nn.functional.normalize(embedding[:, -self.config.where_dim :], dim=-1))

    def where_logits(self, where: Float[Tensor, "b w"]) -> tuple[Tensor, ...]:
        """The same of where halves alone, unit vectors."""
        logits: tuple[Tensor, ...] = (10.0 * self.words(where)).split(WORDS, dim=1)
        return logits

    def encode_audio(self, audio: Float[Tensor, "b 4 n"], spatial: Bool[Tensor, " b"]) -> ElsaOutput:
        """Embed AmbiX sounds: first where, then what is heard from there; where `spatial` is False only W is used."""
        rows = spatial.nonzero()[:, 0]
        placed = audio if len(rows) == len(audio) else audio[rows]  # all of them need no copy
        said = self.say_where(self.pool(*self.front_end.intensity(placed)))
        towards = _spread(said.direction, rows, len(spatial))
        return self._join(self.front_end.log_mel(listen(audio, towards, self.config.semantic.beam)), said, rows)

    def encode_features(self, features: Features, spatial: Bool[Tensor, " b"]) -> ElsaOutput:
        """Embed a batch from the front ends' output."""
        rows = spatial.nonzero()[:, 0]  # mono sounds stay out of the spatial encoder and its batch statistics
        return self._join(
            features.semantic, self.say_where(self.pool(features.spatial[rows], features.bins[rows])), rows
        )

    def pool(self, bands: Float[Tensor, "b 8 t m"], bins: Float[Tensor, "b 8 k"]) -> Pooled:
        """The convolutions of the spatial encoder, on the spatial features of sounds that have a place."""
        pooled, votes = self.spatial.pool(bands)
        return Pooled(pooled, votes, bins)

    def say_where(self, heard: Pooled) -> WhereSaid:
        """All that is said of where, read from what the convolutions heard."""
        vector, direction = self._locate(heard)
        room = self.room(vector).float()
        said = torch.cat([2 * direction, (room - room.new_tensor(ROOM_CENTRE)) / room.new_tensor(ROOM_SPREAD)], 1)
        where = self.where(vector) + self.where_said(said)
        return WhereSaid(
            where=nn.functional.normalize(where.float(), dim=-1),
            direction=direction,
            room=room,
            uncertainty_deg=self.spread(vector).float()[:, 0].exp(),
            bands=self.bands(vector).float() if self.training else vector.new_zeros(len(vector), 0),
        )

    def _locate(self, heard: Pooled) -> tuple[Tensor, Tensor]:
        """The spatial vector (b, dim) and the direction (b, 3) of sounds that have a place."""
        vector = self.spatial.out(heard.pooled)
        direction = self._direction(vector, heard.votes)
        reflections = self.spatial.reflections(heard.bins, direction)
        return (vector if reflections is None else vector + reflections), direction

    def _join(self, mel: Tensor, said: WhereSaid, rows: Tensor) -> ElsaOutput:
        """What and where of a batch; said: of the spatial sounds alone, which stand in `rows` of it."""
        with torch.autocast("cpu", enabled=False):  # depthwise convolutions are slower in bf16 on a CPU
            heard = self.semantic.from_log_mel(mel)
        what = nn.functional.normalize(self.what(heard), dim=-1)
        places = self.no_place.expand(len(mel), -1).index_copy(0, rows, said.where)
        room = _spread(said.room, rows, len(mel))
        return ElsaOutput(
            embedding=nn.functional.normalize(torch.cat([what.float(), places], 1), dim=-1),
            direction=_spread(said.direction, rows, len(mel)),
            room=room,
            distance_m=room[:, 0].exp(),
            floor_area_m2=room[:, 1].exp(),
            t30_s=room[:, 2].exp(),
            drr_db=10 * room[:, 3],
            uncertainty_deg=_spread(said.uncertainty_deg[:, None], rows, len(mel))[:, 0],
            bands=_spread(said.bands, rows, len(mel)) if self.training else None,
        )

    def encode_text(self, texts: Sequence[str]) -> Float[Tensor, "b d"]:
        """Embed captions: (b, embedding_dim), unit."""
        return whole(*self.text(texts))

    def place(self, features: Features) -> Place:
        """What the spatial encoder says: the outputs of stage 1."""
        vector, direction = self._locate(self.pool(features.spatial, features.bins))
        bands = self.bands(vector).float()
        log_distance = self.room(vector).float()[:, 0]
        return Place(direction, log_distance, bands[:, 0], bands[:, 1 : 1 + BANDS], bands[:, 1 + BANDS :])

    def room_targets(self, truth: Truth) -> Tensor:
        """Log distance, log floor area, log T30, DRR / 10 dB: ratios matter, not differences."""
        return torch.stack([truth.log_distance, truth.log_area, truth.log_t30, truth.drr], 1)

    def _direction(self, vector: Tensor, votes: Tensor) -> Tensor:
        """The heads' votes weighted by the context, and a correction."""
        chosen = torch.einsum("bh,bhc->bc", self.votes(vector).to(votes.dtype), votes)
        return nn.functional.normalize((self.steer(vector) + chosen).float(), dim=-1, eps=1e-6)


class ElsaBase(Elsa):
    """The paper's model: HTSAT and the two-branch spatial encoder fused by an MLP, RoBERTa, three regression heads."""

    #: Mean and deviation that standardise distance and floor area: of rooms drawn in the paper's ranges (the
    #: re-implementation standardises by its training set; the paper doesn't say).
    distance_m = (2.0, 1.0)
    floor_area_m2 = (100.0, 75.0)

    def __init__(self, config: ElsaConfig) -> None:
        super().__init__(config)
        frames = UnitIntensity().frames(int(config.window_s * config.sample_rate))
        self.semantic = HtsatEncoder(config.semantic)
        self.spatial = PaperSpatialEncoder(config.spatial, frames=frames)
        self.text = RobertaEncoder(config.text, config.embedding_dim)
        fused = self.semantic.dim + config.spatial.dim
        self.fusion = _mlp(fused, config.fusion_hidden, config.embedding_dim, nn.ELU)
        self.heads = nn.ModuleList(_mlp(config.embedding_dim, config.head_hidden, k, nn.ELU) for k in (3, 1, 1))
        self.no_place = nn.Parameter(torch.zeros(config.spatial.dim))

    def encode_audio(self, audio: Float[Tensor, "b 4 n"], spatial: Bool[Tensor, " b"]) -> ElsaOutput:
        """Embed AmbiX sounds; where `spatial` is False only W is used."""
        return self.encode_features(self.front_end(audio), spatial)

    def encode_features(self, features: Features, spatial: Bool[Tensor, " b"]) -> ElsaOutput:
        """Embed a batch from the front ends' output."""
        what = self.semantic.from_log_mel(features.semantic)
        where = torch.where(spatial[:, None], self.spatial(features.spatial).vector, self.no_place)
        embedding = nn.functional.normalize(self.fusion(torch.cat([what, where], 1)).float(), dim=-1)
        direction, distance, area = (head(embedding) for head in self.heads)
        scale = ((distance, self.distance_m), (area, self.floor_area_m2))
        metres = [(mean + deviation * x[:, 0]).clamp(min=0.01) for x, (mean, deviation) in scale]
        return ElsaOutput(
            embedding=embedding,
            direction=nn.functional.normalize(direction, dim=-1, eps=1e-6),
            room=torch.cat([distance, area], 1),
            distance_m=metres[0],
            floor_area_m2=metres[1],
            t30_s=None,
            drr_db=None,
            uncertainty_deg=None,
        )

    def encode_text(self, texts: Sequence[str]) -> Float[Tensor, "b d"]:
        """Embed captions: (b, embedding_dim), unit."""
        return nn.functional.normalize(self.text(texts).float(), dim=-1)

    def place(self, features: Features) -> Place:
        """The 44 targets of stage 1, angles turned into a unit vector."""
        said = self.spatial(features.spatial).targets.float()
        azimuth, elevation = said[:, 0], said[:, 1]
        level = torch.cos(elevation)
        direction = torch.stack([level * torch.cos(azimuth), level * torch.sin(azimuth), torch.sin(elevation)], 1)
        rest = {name: said[:, columns] for name, columns in STAGE_1_TARGETS.items()}
        return Place(direction, rest["distance"][:, 0], rest["volume"][:, 0], rest["t30_bands"], rest["drr_bands"])

    def room_targets(self, truth: Truth) -> Tensor:
        """Standardised metres and square metres, as the paper's squared errors ask."""
        scale = ((truth.log_distance, self.distance_m), (truth.log_area, self.floor_area_m2))
        return torch.stack([(x.exp() - mean) / deviation for x, (mean, deviation) in scale], 1)


class SmallFrontEnd(nn.Module):
    """Both fixed transforms of elsa-small: AmbiX at `sample_rate` -> `Features`; W alone carries a mono sound."""

    def __init__(self, config: ElsaConfig) -> None:
        super().__init__()
        self.beam = config.semantic.beam
        self.log_mel = TaggerLogMel()
        self.intensity = intensity_of(config)

    def forward(self, audio: Float[Tensor, "b 4 n"], towards: Float[Tensor, "b 3"] | None = None) -> Features:
        """Log-mel (b, 1, 128, t) of what is heard from `towards` (None: W), intensity in bands and in bins.

        towards: unit xyz, zeros for mono sounds. A trained model looks for it itself, training takes the true one.
        """
        heard = audio[:, 0] if towards is None else listen(audio, towards, self.beam)
        return Features(self.log_mel(heard), *self.intensity(audio))

    def where(self, audio: Float[Tensor, "b 4 n"]) -> Features:
        """The same without the log-mel, for training that asks only where."""
        return Features(audio.new_zeros(len(audio), 0), *self.intensity(audio))


class BaseFrontEnd(nn.Module):
    """Both fixed transforms of elsa-base, after repeating or cutting every sound to the window."""

    def __init__(self, config: ElsaConfig) -> None:
        super().__init__()
        self.samples = int(config.window_s * config.sample_rate)
        self.log_mel = ClapLogMel()
        self.intensity = UnitIntensity(own_norm=config.spatial.own_norm)

    def forward(self, audio: Float[Tensor, "b 4 n"], towards: Float[Tensor, "b 3"] | None = None) -> Features:
        """CLAP's log-mel (b, 1, t, 64) of W, wherever the sound comes from, and unit intensity (b, 2, 3, 201, t)."""
        whole = self._window(audio)
        return Features(self.log_mel(whole[:, 0]), self.intensity(whole), audio.new_zeros(len(audio), 0))

    def where(self, audio: Float[Tensor, "b 4 n"]) -> Features:
        """The same without the log-mel, for training that asks only where."""
        nothing = audio.new_zeros(len(audio), 0)
        return Features(nothing, self.intensity(self._window(audio)), nothing)

    def _window(self, audio: Float[Tensor, "b 4 n"]) -> Float[Tensor, "b 4 w"]:
        return torch.stack([repeat_pad(sound, self.samples) for sound in audio])


def listen(audio: Float[Tensor, "b 4 n"], towards: Float[Tensor, "b 3"], beam: float) -> Float[Tensor, "b n"]:
    """What a first-order microphone turned to `towards` hears: (1 - beam) W + beam u·(X, Y, Z), W where u is zero.

    audio: AmbiX (ACN, SN3D); towards: unit xyz. A plane wave from there keeps the gain of W; beam 0.5 is a cardioid.
    With 0.35 diffuse sound comes in 3.3 dB weaker, and what is behind 10.5 dB weaker: the room goes, other sounds stay.
    """
    known = towards.square().sum(1, keepdim=True)
    gains = torch.cat([1 - beam * known, beam * towards[:, (1, 2, 0)]], 1)  # of W, Y, Z, X
    return torch.bmm(gains[:, None].to(audio.dtype), audio)[:, 0]


def whole(what: Float[Tensor, "b w"], where: Float[Tensor, "b v"]) -> Float[Tensor, "b d"]:
    """The embedding of captions from both readings of elsa-small's text encoder: unit, what before where."""
    return nn.functional.normalize(torch.cat([what, where], 1).float(), dim=-1)


def front_end(config: ElsaConfig) -> SmallFrontEnd | BaseFrontEnd:
    """The fixed transforms of a model, which data workers run without the model."""
    return BaseFrontEnd(config) if config.spatial.kind == "paper" else SmallFrontEnd(config)


def build(config: ElsaConfig) -> Elsa:
    """A model with untrained weights (elsa-small's text backbone comes trained from its package)."""
    return ElsaBase(config) if config.spatial.kind == "paper" else ElsaSmall(config)


def _spread(values: Tensor, rows: Tensor, n: int) -> Tensor:
    """Put the rows' values (k, c) into zeros (n, c)."""
    return values.new_zeros(n, values.shape[1]).index_copy(0, rows, values)


def _mlp(inputs: int, hidden: int, outputs: int, activation: type[nn.Module]) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, hidden), activation(), nn.Linear(hidden, outputs))
