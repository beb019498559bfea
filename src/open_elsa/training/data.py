"""Batches of scenes made on the fly: any clip in any response, turned, captioned anew. All training randomness is here.

Example k of a run is a pure function of (seed, k): the same on any number of workers and ranks, and after a resume.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from open_elsa.errors import DataError
from open_elsa.model.config import ElsaConfig
from open_elsa.model.elsa import BANDS, BaseFrontEnd, Features, SmallFrontEnd, Truth, front_end
from open_elsa.scenes import attributes, captions, material
from open_elsa.scenes.bank import RoomBank
from open_elsa.scenes.drawing import places_by_room
from open_elsa.scenes.render import render
from open_elsa.scenes.scene import Clip, SpatialWords
from open_elsa.sound import foa
from open_elsa.training import augment
from open_elsa.training.clip_store import ClipStore

#: Columns of `truth_table` and of `Batch.targets`: xyz, log m, log m², log m³, log s, DRR / 10 dB, then 20 + 20 bands.
TARGET_COLUMNS = 8 + 2 * BANDS


@dataclass(frozen=True)
class DataConfig:
    """What a training example is."""

    seconds: float = 4.0  # a random piece of the scene; ESC-50 sounds rarely last longer
    spatial_share: float = 0.8  # the rest is mono; the paper trains on both, the mix is not stated
    caption_mix: tuple[float, float, float] = (0.3, 0.45, 0.25)  # second caption: what only, where only, both in part
    # of every response only what comes up to so many ms after the direct sound is heard, None: all of it. What is true
    # of the room stays true: an ablation of what late reflections teach, not a way to make dry rooms
    keep_after_direct_ms: float | None = None
    # of the spatial scenes, hold a second sound elsewhere in the room, by so many dB softer (in W while it sounds): all
    # that is true of the scene, and said of it, is true of the louder one
    second_share: float = 0.0
    second_below_db: tuple[float, float] = (3.0, 15.0)
    repeats: dict[str, int] = field(default_factory=dict)  # corpus -> how often its clips count in an epoch
    augment: augment.AugmentConfig = field(default_factory=augment.AugmentConfig)


class Batch(NamedTuple):
    """One training batch; tensors of n examples, 2 n captions (first all first captions, then all second ones)."""

    features: Features
    spatial: Tensor  # (n,) bool
    targets: Tensor  # (n, TARGET_COLUMNS), NaN where unknown: see `truth`
    facts: Tensor  # (n, 6) what is true of the sound
    texts: list[str]
    text_facts: Tensor  # (2n, 6) what each caption says, 0 = nothing

    @property
    def truth(self) -> Truth:
        """The targets by name."""
        return truth_of(self.targets)


def truth_of(targets: Tensor) -> Truth:
    """Rows of (n, TARGET_COLUMNS) by name."""
    t = targets
    return Truth(t[:, :3], t[:, 3], t[:, 4], t[:, 5], t[:, 6], t[:, 7], t[:, 8 : 8 + BANDS], t[:, 8 + BANDS :])


def truth_table(bank: Bank) -> NDArray[np.float64]:
    """What is true of every response of a bank: (responses, TARGET_COLUMNS)."""
    column = {name: np.asarray(bank.table[name].to_pylist(), dtype=np.float64) for name in _COLUMNS}
    xyz = foa.unit_vector(column["azimuth_deg"], column["elevation_deg"])
    logs = [np.log(column[name]) for name in ("distance_m", "floor_area_m2", "volume_m3", "t30_s")]
    with np.errstate(invalid="ignore", divide="ignore"):
        t30 = np.log(column["t30_bands_s"])
    scalars = np.stack([*logs, column["drr_db"] / 10], 1)
    table = np.concatenate([xyz, scalars, t30, column["drr_bands_db"] / 10], 1)
    return np.where(np.isfinite(table), table, np.nan)


_COLUMNS = (
    "azimuth_deg", "elevation_deg", "distance_m", "floor_area_m2", "volume_m3", "t30_s", "drr_db",
    "t30_bands_s", "drr_bands_db",
)  # fmt: skip


class JoinedBanks:
    """Several banks read as one, the responses of each behind those before; rooms of different banks stay apart.

    What training reads of a `RoomBank`: table, sample_rate, manifest, len and response. Raises DataError for banks of
    several rates.
    """

    def __init__(self, banks: Sequence[RoomBank]) -> None:
        rates = sorted({bank.sample_rate for bank in banks})
        if len(rates) != 1:
            raise DataError(f"banks of the sample rates {rates} cannot be read as one; make them at the same")
        self.banks, self.sample_rate = tuple(banks), rates[0]
        self.table = pa.concat_tables(_with_number(bank.table, k) for k, bank in enumerate(banks))
        self._ends = np.cumsum([len(bank) for bank in banks])

    def __len__(self) -> int:
        return int(self._ends[-1])

    @property
    def manifest(self) -> dict[str, Any]:
        """What the banks were made of."""
        return {"joined": [bank.manifest for bank in self.banks]}

    def response(self, i: int) -> NDArray[np.float32]:
        """The samples of response `i`, (4, n) float32 AmbiX."""
        row = range(len(self))[i]
        k = int(np.searchsorted(self._ends, row, side="right"))
        return self.banks[k].response(row - (int(self._ends[k - 1]) if k else 0))


def _with_number(table: pa.Table, number: int) -> pa.Table:
    """A bank's table whose room ids begin with the bank's number."""
    names = [f"{number}/{name}" for name in table["room_id"].to_pylist()]
    return table.set_column(table.schema.get_field_index("room_id"), "room_id", pa.array(names))


#: What scenes are drawn from.
Bank = RoomBank | JoinedBanks


class SceneBatches(Dataset[Batch]):
    """`batches[step]` renders one rank's share of a batch, in whichever process asks.

    where_only: without the semantic encoder's log-mel, (n, 0) in its stead, for what trains the spatial encoder alone.
    """

    def __init__(
        self,
        model: ElsaConfig,
        config: DataConfig,
        clips: Sequence[Clip],
        store: ClipStore,
        bank: Bank,
        *,
        batch_size: int,
        steps: int,
        seed: int,
        rank: int = 0,
        world: int = 1,
        where_only: bool = False,
    ) -> None:
        if batch_size % world:
            raise DataError(f"batch size {batch_size} must be a multiple of the {world} processes")
        if store.sample_rate != model.sample_rate or bank.sample_rate != model.sample_rate:
            raise DataError(
                f"the model works at {model.sample_rate} Hz, the clips are at {store.sample_rate} and the bank at "
                f"{bank.sample_rate}; make the bank with --sample-rate {model.sample_rate}"
            )
        by_id = {c.id: c for c in clips}
        self.clips = [by_id[i] for i in store.ids]
        self.store, self.bank, self.model, self.config = store, bank, model, config
        self.batch_size, self.steps, self.seed, self.rank, self.world = batch_size, steps, seed, rank, world
        self.order = np.concatenate([np.full(config.repeats.get(c.corpus, 1), k) for k, c in enumerate(self.clips)])
        labels = sorted({c.label for c in self.clips})
        self.what_ids = {label: k + 1 for k, label in enumerate(labels)}
        self.truth = truth_table(bank)
        self.arrival_s = _arrivals(bank) if config.keep_after_direct_ms is not None else None
        self.neighbours = _neighbours(bank) if config.second_share else {}
        self.where_only = where_only
        self._local: tuple[SmallFrontEnd | BaseFrontEnd, augment.NoisePool] | None = None

    def __len__(self) -> int:
        return self.steps

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_local": None}

    def __getitem__(self, step: int) -> Batch:
        share = self.batch_size // self.world
        first = step * self.batch_size + self.rank * share
        examples = [self.example(k) for k in range(first, first + share)]
        transform, _ = self._tools()
        audio = torch.from_numpy(np.stack([e.audio for e in examples]))
        towards = torch.from_numpy(np.stack([e.towards for e in examples]))
        with torch.inference_mode():
            parts = transform.where(audio) if self.where_only else transform(audio, towards)
        words = [e.words for e in examples]
        said = [[e.says[v] for e in examples] for v in (0, 1)]
        facts = [facts_of(e.what_id, w) for e, w in zip(examples, words, strict=True)]
        text_facts = [
            facts_of(e.what_id if s.what else 0, s.words) for row in said for e, s in zip(examples, row, strict=True)
        ]
        return Batch(
            Features(*(part.clone() for part in parts)),
            torch.tensor([e.spatial for e in examples]),
            torch.tensor(np.stack([e.targets for e in examples]), dtype=torch.float32),
            torch.tensor(facts),
            [s.text for row in said for s in row],
            torch.tensor(text_facts),
        )

    def _tools(self) -> tuple[SmallFrontEnd | BaseFrontEnd, augment.NoisePool]:
        if self._local is None:
            self._local = front_end(self.model).eval(), augment.NoisePool(self.model.sample_rate)
        return self._local

    def example(self, k: int) -> Example:
        """Example k of the run: its sound as (4, n) AmbiX, and everything true of it."""
        _, pool = self._tools()
        rng = np.random.default_rng([self.seed, k])
        epoch, place = divmod(k, len(self.order))
        index = int(np.random.default_rng([self.seed, epoch, 7]).permutation(self.order)[place])
        clip = self.clips[index]
        what_id = self.what_ids[clip.label]
        n = int(self.config.seconds * self.model.sample_rate)
        dry = _piece(self.store[index], n, self.model.sample_rate, rng)
        level = 10 ** (rng.normal(0, self.config.augment.level_db) / 20)
        if rng.random() >= self.config.spatial_share:
            audio = np.zeros((4, n), dtype=np.float32)
            audio[0] = dry * np.float32(level)
            words = SpatialWords()
            targets = np.full(TARGET_COLUMNS, np.nan)
            nowhere = np.zeros(3, dtype=np.float32)
            return Example(audio, False, targets, words, clip, what_id, self._captions(clip, words, rng), nowhere)
        response_index = int(rng.integers(len(self.bank)))
        targets = self.truth[response_index].copy()
        turn = augment.random_rotation(rng, self.config.augment)
        scene = self._scene(dry, response_index, turn, rng)
        scene *= np.float32(level * _rms(dry) / (_rms(scene[0]) + 1e-7))
        scene = augment.add_noise(scene, pool, rng, self.config.augment)
        targets[:3] = turn @ targets[:3]
        azimuth, elevation = (float(a) for a in foa.angles(targets[:3]))
        distance, area, _, t30 = np.exp(targets[3:7])
        words = attributes.words_for(azimuth, elevation, distance, area, t30)
        says = self._captions(clip, words, rng)
        towards = augment.mistaken(targets[:3], rng, self.config.augment)
        return Example(scene, True, targets, words, clip, what_id, says, towards)

    def _scene(
        self, dry: NDArray[np.float32], response: int, turn: NDArray[np.float64], rng: np.random.Generator
    ) -> NDArray[np.float32]:
        """A dry piece (n,) at a place of the bank, by chance with a softer sound elsewhere in the room: (4, n)."""
        second = self._second(response, rng)
        if second is None:
            return self._heard(dry, response, turn, rng)
        seed = rng.integers(2**32)  # one microphone hears both
        first = self._heard(dry, response, turn, np.random.default_rng(seed))
        other = self._heard(second.dry, second.response, turn, np.random.default_rng(seed))
        return _with_second(first, dry, other, second)

    def _heard(
        self, dry: NDArray[np.float32], response: int, turn: NDArray[np.float64], rng: np.random.Generator
    ) -> NDArray[np.float32]:
        """A dry piece (n,) at a place of the bank, the room turned, through a drawn microphone: (4, n)."""
        turned = augment.apply_rotation(self._response(response), turn)
        through = augment.microphone(turned, self.model.sample_rate, rng, self.config.augment)
        return render(dry, through, length=len(dry))

    def _second(self, response: int, rng: np.random.Generator) -> _Second | None:
        """By chance, a second sound for a scene: another clip at another place of the same room."""
        if not self.config.second_share or rng.random() >= self.config.second_share:
            return None
        if not (others := self.neighbours[response]):
            return None
        samples = self.store[int(rng.integers(len(self.clips)))]
        n, rate = int(self.config.seconds * self.model.sample_rate), self.model.sample_rate
        below_db = float(rng.uniform(*self.config.second_below_db))
        return _Second(_piece(samples, n, rate, rng), others[int(rng.integers(len(others)))], below_db)

    def _response(self, index: int) -> NDArray[np.float32]:
        response = self.bank.response(index)
        if self.arrival_s is None or self.config.keep_after_direct_ms is None:
            return response
        return cut_after_direct(
            response, self.model.sample_rate, self.arrival_s[index], self.config.keep_after_direct_ms
        )

    def _captions(self, clip: Clip, words: SpatialWords, rng: np.random.Generator) -> tuple[_Said, _Said]:
        """A caption of everything, and one that says only a part: queries are rarely complete."""
        what = str(clip.captions[rng.integers(len(clip.captions))])
        full = _say(what, words if rng.random() < 0.7 else _some(words, rng), rng)
        kind = rng.choice(3, p=self.config.caption_mix)
        if words.empty or kind == 0:
            other = str(clip.captions[rng.integers(len(clip.captions))])
            return full, _say(other, SpatialWords(), rng)
        part = _some(words, rng)
        return full, _say(None if kind == 1 else what, part, rng)


def cut_after_direct(
    response: NDArray[np.float32], sample_rate: int, arrival_s: float, keep_ms: float
) -> NDArray[np.float32]:
    """A response (4, n) up to `keep_ms` after its direct sound and the millisecond in which it fades: (4, m), m <= n.

    arrival_s: of the direct sound, from the response's start. The direct sound itself, its filter's ringing included,
    lies within 2.5 ms of it (sound/acoustics.py), so keep_ms = 2.5 leaves the direct sound alone.
    """
    end = round((arrival_s + keep_ms / 1000) * sample_rate)
    fade = sample_rate // 1000
    kept = response[:, : end + fade].copy()
    if (faded := kept.shape[1] - end) > 0:
        kept[:, end:] *= (0.5 + 0.5 * np.cos(np.pi * (np.arange(faded) + 1) / (fade + 1))).astype(np.float32)
    return kept


def _arrivals(bank: Bank) -> NDArray[np.float64]:
    return np.asarray(bank.table["arrival_s"].to_pylist(), dtype=np.float64)


def _neighbours(bank: Bank) -> dict[int, list[int]]:
    """Of every response of a bank those of other places in the same room."""
    rooms = places_by_room(bank.table.select(["room_id"]).to_pylist())
    return {k: [other for other in places if other != k] for places in rooms.values() for k in places}


class _Second(NamedTuple):
    """A softer sound at another place: its dry piece (n,), its response's number, and how much softer it is."""

    dry: NDArray[np.float32]
    response: int
    below_db: float


def _with_second(
    first: NDArray[np.float32], dry: NDArray[np.float32], other: NDArray[np.float32], second: _Second
) -> NDArray[np.float32]:
    """Two sounds as heard alone, (4, n) each, added, so that the second is `below_db` softer while each sounds."""
    loud, soft = _level(first[0], dry), _level(other[0], second.dry)
    if not loud or not soft:
        return first
    gain = loud / soft * 10 ** (-second.below_db / 20)
    return first + other * np.float32(gain)


def _level(heard: NDArray[np.float32], dry: NDArray[np.float32]) -> float:
    """RMS of what is heard (n,) from the first to the last sample that the dry sound (n,) is not silent."""
    sounding = np.flatnonzero(dry)
    return _rms(heard[sounding[0] : sounding[-1] + 1]) if len(sounding) else 0.0


class _Said(NamedTuple):
    text: str
    what: str | None
    words: SpatialWords


class Example(NamedTuple):
    """One sound of a batch with everything true of it; audio: (4, n) AmbiX, W alone where it is not spatial."""

    audio: NDArray[np.float32]
    spatial: bool
    targets: NDArray[np.float64]
    words: SpatialWords
    clip: Clip
    what_id: int
    says: tuple[_Said, _Said]
    towards: NDArray[np.float32]  # xyz from where the semantic encoder hears it, zeros for mono


def _say(what: str | None, words: SpatialWords, rng: np.random.Generator) -> _Said:
    style: Literal["full", "brief"] = "brief" if rng.random() < 0.25 else "full"
    try:
        return _Said(captions.write_caption(what, words, rng, style=style).text, what, words)
    except DataError:  # a name that reads as a place ("fire medium"): say only where, or only the name
        if what is None or words.empty:
            return _Said(str(what), what, words)
        return _say(None, words, rng)


def _some(words: SpatialWords, rng: np.random.Generator) -> SpatialWords:
    """Keep one or more of the words (one alone half of the time, as a query would)."""
    known = [name for name, word in vars(words).items() if word is not None]
    if not known:
        return words
    keep = 1 if rng.random() < 0.5 else int(rng.integers(1, len(known) + 1))
    chosen = set(rng.choice(known, keep, replace=False))
    return SpatialWords(**{name: word if name in chosen else None for name, word in vars(words).items()})


def facts_of(what_id: int, words: SpatialWords) -> list[int]:
    """The facts row of `losses.describes`: the sound's id, then each attribute's word by number, 0 = says nothing."""
    row = [what_id]
    for name, attribute in attributes.ATTRIBUTES.items():
        word = getattr(words, name)
        row.append(0 if word is None else 1 + [w.word for w in attribute.words].index(word))
    return row


def _piece(samples: NDArray[np.float32], n: int, sample_rate: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """n samples: a random piece of a longer clip, or a shorter one at a random onset, once or repeated.

    Cuts are faded as in scenes: a click would sound the room like a clap, which no recording does where it starts.
    """
    if len(samples) >= n:
        start = int(rng.integers(len(samples) - n + 1))
        return _faded(samples, start, start + n, sample_rate)
    if rng.random() < 0.3:
        samples = np.tile(samples, -(-n // len(samples)))[:n] if rng.random() < 0.5 else np.tile(samples, 2)[:n]
        samples = _faded(samples, 0, len(samples), sample_rate)
    out = np.zeros(n, dtype=np.float32)
    start = int(rng.integers(n - len(samples) + 1)) if rng.random() < 0.7 else 0
    out[start : start + len(samples)] = samples
    return out


def _faded(samples: NDArray[np.float32], start: int, stop: int, sample_rate: int) -> NDArray[np.float32]:
    """A piece whose ends fade in and out where the clip goes on beyond them."""
    return material.stretch(samples, sample_rate, start / sample_rate, (stop - start) / sample_rate, stop - start)


def _rms(samples: NDArray[np.float32]) -> float:
    return float(np.sqrt(np.mean(samples.astype(np.float64) ** 2)))
