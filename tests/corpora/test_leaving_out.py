"""Leaving out a class: what speaks of it goes, what only looks alike stays, and every drop has its reason."""

from __future__ import annotations

import dataclasses

import pytest

from open_elsa.corpora.label_tables import ESC50
from open_elsa.corpora.leaving_out import ESC50_GROUPS, drawn_classes, known, leave_out, mentions
from open_elsa.errors import DataError
from open_elsa.scenes.scene import Clip


def clip(label: str, *captions: str, name: str = "1-17367-a") -> Clip:
    return Clip(
        id=name,
        path=f"{name}.wav",
        captions=captions or (label,),
        corpus="test",
        split="train",
        licence="CC0",
        duration_s=1.0,
        label=label,
    )


@pytest.mark.parametrize("label", sorted(ESC50))
def test_every_caption_that_we_write_for_a_class_mentions_it(label: str) -> None:
    assert mentions(label, label) and mentions(label.replace(" ", "_").upper(), label)
    assert [text for text in ESC50[label] if not mentions(text, label)] == []


@pytest.mark.parametrize(
    ("label", "text"),
    [
        ("dog", "Barking in the distance"),
        ("dog", "two puppies play"),
        ("dog", "wild-dogs"),
        ("rain", "thunder and rain"),
        ("rain", "rainy_night"),
        ("clock tick", "tick, tock"),
        ("clapping", "handclaps and applause"),
        ("church bells", "a bell tower"),
        ("sea waves", "waves on a beach"),
        ("chainsaw", "a chain saw"),
        ("glass breaking", "a bottle is smashed"),
        ("crackling fire", "a campfire crackles"),
        ("airplane", "an air plane"),
        ("acoustic guitar", "guitars, acoustic"),  # no class of ESC-50: all words of the name, in any form
        ("horse", "horses"),
    ],
)
def test_a_synonym_a_plural_and_the_sound_itself_are_mentions(label: str, text: str) -> None:
    assert mentions(text, label)


@pytest.mark.parametrize(
    ("label", "text"),
    [
        ("dog", "a hot doorbell"),
        ("dog", "an embarking crowd"),
        ("cat", "a catapult"),
        ("rain", "a train on the tracks"),
        ("hen", "a hyena"),
        ("pig", "a pigeon cooing"),
        ("clapping", "a clap of thunder"),
        ("crackling fire", "a fire alarm"),
        ("crackling fire", "a rifle fires"),
        ("hand saw", "a chainsaw"),
        ("wind", "a window sliding"),
        ("can opening", "a man who can sing"),
        ("glass breaking", "a glass of water"),
        ("engine", "a siren"),
        ("acoustic guitar", "an electric guitar"),
    ],
)
def test_words_that_only_look_alike_are_none(label: str, text: str) -> None:
    assert not mentions(text, label)


def test_what_is_dropped_says_why_and_the_rest_stays() -> None:
    clips = [
        clip("dog", "a dog barking"),
        clip("animal cry", "an animal", "a puppy whimpers", name="a"),
        clip("fox", "a fox", name="mammals/Dogs_2/fox"),
        clip("rain", "rain falling", name="b"),
        clip("cat", "a cat meowing", name="c"),
    ]
    kept, dropped = leave_out(clips, ["Dog", "rain"])
    assert [c.label for c in kept] == ["cat"]
    assert [(d.label, d.why) for d in dropped] == [
        ("dog", "label: dog"),
        ("dog", "caption: a puppy whimpers"),
        ("dog", "id: mammals/Dogs_ /fox"),
        ("rain", "label: rain"),
    ]
    assert leave_out(clips, []) == (clips, [])
    assert known("Sea_Waves ") == "sea waves"


def test_a_misspelt_class_is_refused_but_one_that_is_not_there_is_not() -> None:
    clips = [clip("cat")]
    with pytest.raises(DataError, match="left out by 'dgo'"):
        leave_out(clips, ["cat", "dgo"])
    assert leave_out(clips, ["siren"]) == (clips, [])
    with pytest.raises(DataError, match="left out by 'trombone'"):
        leave_out(clips, ["trombone"])
    other = dataclasses.replace(clips[0], label="trombone", captions=("brass",))
    assert leave_out([other], ["trombone"])[0] == []


def test_ten_classes_two_of_each_group() -> None:
    assert sorted(name for group in ESC50_GROUPS.values() for name in group) == sorted(ESC50)
    assert drawn_classes() == (
        "church bells", "clock alarm", "crackling fire", "crickets", "crying baby", "drinking sipping", "engine",
        "hen", "insects", "vacuum cleaner",
    )  # fmt: skip
    for seed in range(4):
        drawn = set(drawn_classes(seed))
        assert [len(drawn & set(group)) for group in ESC50_GROUPS.values()] == [2] * 5
    assert drawn_classes(1) != drawn_classes()
