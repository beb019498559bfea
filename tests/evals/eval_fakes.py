"""A perfect listener and a deaf one: vectors made from truth or from nothing, so that every score is known."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from types import SimpleNamespace

import numpy as np
from numpy.typing import NDArray

from open_elsa.evals.observe import EvalItem
from open_elsa.scenes.attributes import ATTRIBUTES, DIRECTION, EIGHT, prompts, words_for
from open_elsa.sound import foa
from open_elsa.sound.audio import Sound
from open_elsa.using.edit import direction_sentences

DIM = 512


@cache
def code(key: str) -> NDArray[np.float32]:
    """A random unit vector that belongs to a key for ever."""
    seed = int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "little")
    v = np.random.default_rng(seed).standard_normal(DIM)
    return (v / np.linalg.norm(v)).astype(np.float32)


@dataclass(frozen=True)
class FakeSet:
    """Test set of ready items."""

    rows: Sequence[EvalItem]
    name: str = "fake"
    revision: str = "r1"
    about: str = "Made up."

    def __len__(self) -> int:
        return len(self.rows)

    def items(self) -> Iterator[EvalItem]:
        yield from self.rows


class Perfect:
    """Knows every item (by its first sample, which is its number) and reads words by the table's own prompts."""

    name, weights_sha256 = "perfect", "00ff"

    def __init__(self, rows: Sequence[EvalItem], *, turned_deg: float = 0.0) -> None:
        self.rows, self.turned_deg = rows, turned_deg
        self.calls: list[int] = []
        self.by_caption = {c: item for item in rows for c in item.captions}
        self.meaning = {
            text: code(f"{attribute}={word}")
            for attribute in ATTRIBUTES
            for word, sentences in prompts(attribute).items()
            for text in sentences
        }
        for word, sentences in prompts(EIGHT.name).items():
            self.meaning |= {text: code(f"direction={word}") for text in sentences}
        for word in DIRECTION.classes:
            self.meaning |= {text: code(f"direction={word}") for text in direction_sentences(word)}

    def vector(self, item: EvalItem) -> NDArray[np.float32]:
        keys = [f"{a}={getattr(item.words, a)}" for a in ATTRIBUTES if getattr(item.words, a)]
        v = 3 * code(f"label={item.label}") + 0.3 * code(f"id={item.id}") + sum((code(k) for k in keys), np.zeros(DIM))
        eighth = EIGHT.word_for(item.truth.get("azimuth_deg"))
        if eighth is not None and " " in eighth:  # louder than the word of four that the paper's wide sectors give
            v = v + 2 * code(f"direction={eighth}")
        return (v / np.linalg.norm(v)).astype(np.float32)

    def analyse(self, sounds: Sequence[Sound], /) -> list[SimpleNamespace]:
        self.calls.append(len(sounds))
        found = []
        for sound in sounds:
            item = self.rows[round(float(sound.samples[0, 0]))]
            place = dict(item.truth) if sound.is_spatial else {}
            if place:
                place["azimuth_deg"] = float(place["azimuth_deg"] or 0.0) + self.turned_deg
            found.append(SimpleNamespace(embedding=self.vector(item), location=SimpleNamespace(**place)))
        return found

    def embed_text(self, texts: Sequence[str], /) -> NDArray[np.float32]:
        return np.stack([self._text(t) for t in texts])

    def _text(self, text: str) -> NDArray[np.float32]:
        if text in self.meaning:
            return self.meaning[text]
        if text in self.by_caption:
            return self.vector(self.by_caption[text])
        return code("label=" + text.removeprefix("the sound of "))


class Deaf(Perfect):
    """Hears nothing: its vectors depend on the item's number alone."""

    def vector(self, item: EvalItem) -> NDArray[np.float32]:
        return code(f"noise {item.id}")


def spatial_items(n: int = 240) -> list[EvalItem]:
    """Scenes on a grid in which every class of every attribute is common; the first sample is the item's number."""
    rows = []
    for i in range(n):
        azimuth, elevation = (0.0, 90.0, -90.0, 180.0)[i % 4], (60.0, -55.0)[i // 4 % 2]
        distance, area, t30 = (0.6, 3.0)[i // 8 % 2], (20.0, 150.0)[i // 16 % 2], (0.15, 1.5)[i // 32 % 2]
        samples = np.zeros((4, 8), dtype=np.float32)
        samples[:, 1:] = foa.encode(np.ones(7), azimuth, elevation)
        samples[0, 0] = i
        label = ("dog", "rain", "church bells")[i % 3]
        rows.append(
            EvalItem(
                id=f"s{i}",
                samples=samples,
                sample_rate=8000,
                clip_id=f"c{i % 12}",
                label=label,
                captions=(f"{label}, take {i}", f"take {i} of {label}"),
                truth={
                    "azimuth_deg": azimuth,
                    "elevation_deg": elevation,
                    "distance_m": distance,
                    "floor_area_m2": area,
                    "t30_s": t30,
                    "drr_db": 3.0,
                },
                words=words_for(azimuth, elevation, distance, area, t30),
                place=f"p{i // 2}",
                group=("A", "B")[i % 2],
                plain=(f"take {i % 12} of a sound",),
            )
        )
    return rows


def mono_items() -> list[EvalItem]:
    """The twelve clips of `spatial_items`, alone."""
    found = []
    for i, item in enumerate(spatial_items(12)):
        samples = np.full((1, 8), float(i), dtype=np.float32)
        found.append(replace(item, samples=samples, truth={}, words=words_for(None, None, None, None, None), group=""))
    return found
