"""The table of words: every threshold at its limit, unknown numbers, prompts that say what they stand for."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from open_elsa.errors import ConfigError
from open_elsa.scenes.attributes import ATTRIBUTES, prompts, words_for
from open_elsa.scenes.captions import parse
from open_elsa.scenes.scene import SpatialWords


def just_above(x: float) -> float:
    return float(np.nextafter(x, math.inf))


def just_below(x: float) -> float:
    return float(np.nextafter(x, -math.inf))


@pytest.mark.parametrize(
    ("azimuth_deg", "word"),
    [
        (0.0, "front"),
        (35.0, "front"),
        (-35.0, "front"),
        (just_above(35.0), None),
        (just_below(-35.0), None),
        (just_below(55.0), None),
        (55.0, "left"),
        (90.0, "left"),
        (125.0, "left"),
        (just_above(125.0), None),
        (just_above(-55.0), None),
        (-55.0, "right"),
        (-90.0, "right"),
        (-125.0, "right"),
        (just_below(-125.0), None),
        (just_below(145.0), None),
        (145.0, "back"),
        (-145.0, "back"),
        (just_above(-145.0), None),
        (180.0, "back"),
        (-180.0, "back"),
        (270.0, "right"),
        (-270.0, "left"),
        (720.0, "front"),
    ],
)
def test_direction_sectors(azimuth_deg: float, word: str | None) -> None:
    assert words_for(azimuth_deg, 0.0, 1.5, None, None).direction == word


@pytest.mark.parametrize(
    ("attribute", "value", "word"),
    [
        ("elevation", 40.0, None),
        ("elevation", just_above(40.0), "up"),
        ("elevation", 90.0, "up"),
        ("elevation", -40.0, None),
        ("elevation", just_below(-40.0), "down"),
        ("distance", 1.0, None),
        ("distance", just_below(1.0), "near"),
        ("distance", 2.0, None),
        ("distance", just_above(2.0), "far"),
        ("room_size", just_below(50.0), "small"),
        ("room_size", 50.0, "mid-sized"),
        ("room_size", 100.0, "mid-sized"),
        ("room_size", just_above(100.0), "large"),
        ("reverberation", 0.2, None),
        ("reverberation", just_below(0.2), "acoustically dampened"),
        ("reverberation", 1.0, None),
        ("reverberation", just_above(1.0), "highly reverberant"),
    ],
)
def test_thresholds(attribute: str, value: float, word: str | None) -> None:
    assert ATTRIBUTES[attribute].word_for(value) == word


@given(
    st.one_of(st.none(), st.floats(allow_nan=True, allow_infinity=True)),
    st.one_of(st.none(), st.floats(-90, 90)),
    st.one_of(st.none(), st.floats(0.01, 100)),
    st.one_of(st.none(), st.floats(1, 1000)),
    st.one_of(st.none(), st.floats(allow_nan=True, allow_infinity=True)),
)
def test_words_are_always_of_the_table(
    azimuth_deg: float | None,
    elevation_deg: float | None,
    distance_m: float | None,
    area: float | None,
    t30: float | None,
) -> None:
    words = words_for(azimuth_deg, elevation_deg, distance_m, area, t30)
    for name, attribute in ATTRIBUTES.items():
        assert getattr(words, name) in {None, *(w.word for w in attribute.words)}
    if t30 is None or not math.isfinite(t30):
        assert words.reverberation is None


@given(st.floats(-180, 180))
def test_left_and_right_mirror(azimuth_deg: float) -> None:
    swapped = {"left": "right", "right": "left"}
    word = words_for(azimuth_deg, None, None, None, None).direction
    mirrored = words_for(-azimuth_deg, None, None, None, None).direction
    assert mirrored == swapped.get(word or "", word)


@pytest.mark.parametrize("attribute", ATTRIBUTES)
def test_prompts_say_their_own_word_and_nothing_else(attribute: str) -> None:
    asked = prompts(attribute)
    assert set(ATTRIBUTES[attribute].classes) <= set(asked) == {w.word for w in ATTRIBUTES[attribute].words}
    for word, sentences in asked.items():
        assert len(set(sentences)) >= 6
        for sentence in sentences:
            assert parse(sentence) == SpatialWords(**{attribute: word}), sentence


def test_prompts_hold_the_papers_phrase() -> None:
    assert "a sound coming from the left" in prompts("direction")["left"]
    assert "a sound in an acoustically dampened room" in prompts("reverberation")["acoustically dampened"]


@pytest.mark.parametrize("attribute", ATTRIBUTES)
def test_every_phrase_of_the_table_reads_back(attribute: str) -> None:
    for entry in ATTRIBUTES[attribute].words:
        phrases = list(entry.brief)
        if attribute in ("room_size", "reverberation"):
            phrases += [f"in a {adjective} room" for adjective in entry.at]
            phrases += [f"in a room {tail}" for tail in entry.origin]
        else:
            phrases += [*entry.at, *entry.origin]
        for phrase in phrases:
            assert parse(f"a dog, {phrase}") == SpatialWords(**{attribute: entry.word}), phrase


def test_an_unknown_attribute_or_word_names_the_choices() -> None:
    with pytest.raises(ConfigError, match="direction"):
        prompts("colour")
    with pytest.raises(ConfigError, match="near"):
        ATTRIBUTES["distance"]["adjacent"]
