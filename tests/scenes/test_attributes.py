"""The table of words: every threshold at its limit, unknown numbers, prompts that say what they stand for."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from open_elsa.errors import ConfigError
from open_elsa.scenes.attributes import ATTRIBUTES, EIGHT, prompts, words_for
from open_elsa.scenes.captions import parse
from open_elsa.scenes.facts import SceneFacts, SourceFacts
from open_elsa.scenes.measures import DEGREES, METRES, SOMEWHERE, degrees_word, height_word, hour_word, metres_word
from open_elsa.scenes.scene import SpatialWords
from open_elsa.scenes.telling import read
from open_elsa.scenes.vocabulary import Word


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


def test_eight_way_prompts_ask_for_each_direction_alone() -> None:
    asked = prompts("eight_directions")
    assert list(asked) == list(EIGHT.classes) and len(asked) == 8
    assert asked["left"] == prompts("direction")["left"] and "a sound coming from the front left" in asked["front left"]
    for word, sentences in asked.items():
        assert len(sentences) == 6
        for sentence in sentences:
            assert read(sentence) == SceneFacts((SourceFacts(direction=word),)), sentence


@given(st.floats(-180, 180))
def test_eight_sectors_are_even_and_mirror(azimuth_deg: float) -> None:
    word = EIGHT.word_for(azimuth_deg)
    off = abs((azimuth_deg + 22.5) % 45.0 - 22.5)
    assert (word is not None) == (off <= 17.5) or abs(off - 17.5) < 1e-9
    mirrored = EIGHT.word_for(-azimuth_deg) or ""
    assert (word or "").replace("left", "RIGHT").replace("right", "left").replace("RIGHT", "right") == mirrored


@pytest.mark.parametrize("word", [*EIGHT.words, *(hour_word(hour) for hour in range(1, 13)), SOMEWHERE])
def test_every_finer_phrase_reads_back(word: Word) -> None:
    stated = {"clock": int(word.word)} if word.word.isdigit() else {"direction": word.word}
    facts = SourceFacts("dog", **({} if word is SOMEWHERE else stated))
    for phrase in (*word.at, *word.origin, *word.brief):
        assert read(f"a dog, {phrase}").sources == (facts,), phrase


@pytest.mark.parametrize(
    ("word", "field", "value"),
    [
        *((degrees_word(float(d)), "azimuth_deg", float(d)) for d in (-175, -90, -5, 5, 40, 120)),
        *((height_word(float(d)), "elevation_deg", float(d)) for d in (-90, -20, 5, 45)),
        *((metres_word(m), "distance_m", m) for m in (0.1, 0.5, 1.0, 1.5, 2.0, 9.0, 10.0, 35.0)),
    ],
)
def test_every_number_reads_back(word: Word, field: str, value: float) -> None:
    for phrase in (*word.at, *word.origin, *word.brief):
        assert read(f"a dog, {phrase}").sources == (SourceFacts("dog", **{field: value}),), phrase  # type: ignore[arg-type]


@given(st.floats(0.06, 100), st.floats(-180, 180))
def test_rounded_numbers_are_true_and_stay_as_they_are(metres: float, degrees: float) -> None:
    for steps, value in ((METRES, metres), (DEGREES, degrees)):
        rounded = steps.round(value)
        assert steps.true_of(rounded, value)
        assert steps.round(rounded) == rounded
    assert abs(METRES.round(metres) - metres) <= max(0.25 * metres, 0.05 + 1e-6)
    assert not DEGREES.true_of(degrees + 3.0, degrees) and not METRES.true_of(metres * 1.5 + 0.1, metres)


def test_numbers_and_hours_reach_the_four_words_too() -> None:
    assert parse("a dog at three o'clock").direction == "right"
    assert parse("a dog at four o'clock").direction == "right"
    assert parse("a dog at 5 o'clock").direction == "back"
    assert parse("a dog forty-five degrees up").elevation == "up"
    assert parse("a car from left to right") == SpatialWords()
    with pytest.raises(ConfigError, match="1 to 12"):
        hour_word(13)


def test_an_unknown_attribute_or_word_names_the_choices() -> None:
    with pytest.raises(ConfigError, match="direction"):
        prompts("colour")
    with pytest.raises(ConfigError, match="near"):
        ATTRIBUTES["distance"]["adjacent"]
