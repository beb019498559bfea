"""Captions that people wrote: each can be placed in any scene, and none keeps a false claim."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from open_elsa.scenes.attributes import words_for
from open_elsa.scenes.captions import parse, spatial_claims, strip_claims, write_caption
from open_elsa.scenes.facts import DETAILS
from open_elsa.scenes.scene import SpatialWords
from open_elsa.scenes.telling import Heard, read, tell, true_of

pytestmark = pytest.mark.real


def human_captions(shared_data: Path) -> list[str]:
    texts: set[str] = set()
    for path in sorted((shared_data / "captions").rglob("*.csv")):
        with path.open(newline="") as file:
            texts.update(t for row in csv.DictReader(file) if (t := row.get("caption") or row.get("text")))
    if not texts:
        pytest.skip("no captions beside the checkout")
    return sorted(texts)


def test_every_human_caption_strips_to_a_text_without_claims(shared_data: Path) -> None:
    texts = human_captions(shared_data)
    claiming = [text for text in texts if spatial_claims(text)]
    assert 0.04 < len(claiming) / len(texts) < 0.2  # AudioCaps says "nearby" and "in the distance" a lot
    for text in claiming:
        stripped = strip_claims(text)
        assert stripped, text
        assert parse(stripped) == SpatialWords(), (text, stripped)


def test_human_captions_go_into_random_scenes(shared_data: Path) -> None:
    rng = np.random.default_rng(11)
    texts = human_captions(shared_data)
    for index in rng.permutation(len(texts))[:5000]:
        words = words_for(
            rng.uniform(-180, 180),
            rng.uniform(-90, 90),
            rng.uniform(0.3, 5),
            rng.uniform(13, 277),
            rng.uniform(0.1, 2.7),
        )
        assert parse(write_caption(texts[index], words, rng).text) == words


def test_human_captions_are_told_together(shared_data: Path) -> None:
    rng = np.random.default_rng(12)
    texts = human_captions(shared_data)
    for i in range(2000):
        sources = [
            Heard(
                texts[int(rng.integers(len(texts)))],
                float(rng.uniform(-180, 180)),
                float(rng.uniform(-90, 90)),
                float(rng.uniform(0.3, 8)),
                end_azimuth_deg=float(rng.uniform(-180, 180)) if rng.random() < 0.3 else None,
            )
            for _ in range(int(rng.integers(1, 5)))
        ]
        told = tell(sources, rng, floor_area_m2=20.0, detail=DETAILS[i % 4], style="brief" if i % 3 == 0 else "full")
        assert read(told.text) == told.facts, told.text
        assert true_of(told.facts, sources, 20.0)
        assert all(source.what for source in told.facts.sources)
