"""Captions: whatever the grammar writes, the parser reads back; what is no place is never read as one."""

from __future__ import annotations

import itertools
import runpy
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from open_elsa.errors import DataError
from open_elsa.scenes.attributes import ATTRIBUTES, words_for
from open_elsa.scenes.captions import check, parse, spatial_claims, strip_claims, write_caption
from open_elsa.scenes.scene import SpatialWords

NO_PLACE = SpatialWords()
FULL = SpatialWords("left", "up", "far", "large", "highly reverberant")

#: Texts about sounds that hold the parser's words without stating a place.
TRICKY = [
    "a small dog",
    "backpack zipper",
    "waking up",
    "front door closing",
    "a left turn signal clicks",
    "the car was left idling",
    "mouse button left",
    "right before the explosion a man shouts",
    "a man speaks in front of a crowd",
    "an engine revs up and down",
    "a high pitched whine",
    "low frequency hum",
    "a large crowd cheers",
    "dry leaves crunching",
    "dry scraping",
    "dead leaves rustle in the wind",
    "close the door",
    "a door closing",
    "a woman talks to the back-up singer",
    "an overhead projector hums",
    "an echo sounder pings",
    "birds chirp near a stream",
    "clapping near the end",
    "the airplane is heard flying above ground",
    "people walk down the stairs",
    "a little bell",
    "a big truck in the tunnel",
    "back and forth sweeping",
    "a dog barks at a distance of nothing",
    "so far the rain keeps falling",
    "closet door squeaks",
    "footsteps in the hallway",
    "on the right hand a watch ticks",
    "from behind a door a man speaks",
]
WHATS = [
    "dog",
    "glass breaking",
    "footsteps",
    "church bells",
    "a crying baby",
    "mouse click",
    "A woman talks as water pours",
    "a rocket flies by followed by a loud explosion",
    "Sheep bleat.",
    "The sound of rain on a roof",
    "A man speaks. Then a dog barks",
    "It's raining & thundering!",
    "Ein Hund bellt",
    "狗叫",
    "engine: idle/loop",
    '"Hello", someone says',
]


def random_words(rng: np.random.Generator) -> SpatialWords:
    return words_for(
        rng.uniform(-180, 180), rng.uniform(-90, 90), rng.uniform(0.3, 5), rng.uniform(13, 277), rng.uniform(0.1, 2.7)
    )


def test_ten_thousand_random_scenes_read_back() -> None:
    rng = np.random.default_rng(7)
    whats = [None, *WHATS, *TRICKY]
    for i in range(10_000):
        what, words = whats[i % len(whats)], random_words(rng)
        caption = write_caption(what, words, rng, style="brief" if i % 4 == 0 else "full")
        assert caption.checked
        assert caption.words == words
        assert parse(caption.text) == words, caption.text
        assert check(caption.text, what, words), caption.text
        assert "{" not in caption.text
        assert "  " not in caption.text


def test_every_combination_of_words_has_a_caption() -> None:
    rng = np.random.default_rng(0)
    options = [(None, *(w.word for w in a.words)) for a in ATTRIBUTES.values()]
    for combination in itertools.product(*options):
        words = SpatialWords(*combination)
        for what, style in ((None, "full"), ("dog", "brief"), ("a dog barks as rain falls", "full")):
            assert parse(write_caption(what, words, rng, style=style).text) == words


@pytest.mark.parametrize("what", ["dog", "A woman talks as water pours", None])
def test_a_thousand_captions_of_one_scene_hardly_repeat(what: str | None) -> None:
    rng = np.random.default_rng(3)
    assert len({write_caption(what, FULL, rng).text for _ in range(1000)}) >= 950


def test_the_papers_own_sentence_is_among_them_and_reads_back() -> None:
    paper = 'The sound "a dog" is coming from the far left of a large highly reverberant room'
    words = SpatialWords("left", None, "far", "large", "highly reverberant")
    assert parse(paper) == words
    rng = np.random.default_rng(0)
    assert paper in {write_caption("dog", words, rng).text.rstrip(".") for _ in range(1500)}


@pytest.mark.parametrize("text", TRICKY)
def test_what_is_no_place_is_not_read_as_one(text: str) -> None:
    assert parse(text) == NO_PLACE
    assert spatial_claims(text) == []
    assert strip_claims(text) == text


@pytest.mark.parametrize(
    ("query", "words"),
    [
        (
            "a dog barking close behind me in a large echoing hall",
            ("back", None, "near", "large", "highly reverberant"),
        ),
        ("crying baby to my right", ("right", None, None, None, None)),
        ("church bell far away", (None, None, "far", None, None)),
        ("a distant siren from the left", ("left", None, "far", None, None)),
        ("someone talking right next to me in a tiny room", (None, None, "near", "small", None)),
        ("Helicopter overhead, far off", (None, "up", "far", None, None)),
        ("water dripping below me to the left", ("left", "down", None, None, None)),
        ("piano in a dry, medium-sized room", (None, None, None, "mid-sized", "acoustically dampened")),
        ("speech with no echo straight ahead", ("front", None, None, None, "acoustically dampened")),
        ("ON MY LEFT, A CAT", ("left", None, None, None, None)),
        ("dog, left, far, large room", ("left", None, "far", "large", None)),
        ("dog far left", ("left", None, "far", None, None)),
        ("a bird up and to the left", ("left", "up", None, None, None)),
        ("siren far", (None, None, "far", None, None)),
        ("dog | far left", ("left", None, "far", None, None)),
        ("footsteps on the left-hand side of the room", ("left", None, None, None, None)),
        ("a cat not far away", (None, None, "near", None, None)),
        ("a cat that is not on the left", (None, None, None, None, None)),
        ("a church organ in a very reverberant cathedral", (None, None, None, None, "highly reverberant")),
        ("voices 3.5 metres away", (None, None, "far", None, None)),
        ("voices 1.5 m away", (None, None, None, None, None)),
        ("a bell 90 degrees to the left", ("left", None, None, None, None)),
        ("a bell 45 degrees to the left", (None, None, None, None, None)),
        ("a bell 170° to the right", ("back", None, None, None, None)),
    ],
)
def test_natural_queries(query: str, words: tuple[str | None, ...]) -> None:
    assert parse(query) == SpatialWords(*words)


@pytest.mark.parametrize(
    "query",
    [
        "a dog barking behind me on the left",
        "a dog to the back left",
        "a dog, front right",
        "a whoosh from the left and from the right",
        "a dog in front of me, somewhat to the left",
    ],
)
def test_two_directions_lie_between_the_sectors(query: str) -> None:
    assert len({c.word for c in spatial_claims(query) if c.attribute == "direction"}) == 2
    assert parse(query).direction is None


@pytest.mark.parametrize(
    ("text", "stripped"),
    [
        ("A woman talks nearby as water pours", "A woman talks as water pours"),
        ("A distant explosion followed by hissing", "An explosion followed by hissing"),
        ("An echoing steam whistle", "A steam whistle"),
        ("Distant, continuous banging", "Continuous banging"),
        ("dogs bark while emergency sirens are far away", "dogs bark while emergency sirens are heard"),
        ("A man speaks, and his voice echoes", "A man speaks"),
        ("Two gunshots echo as a breeze blows", "Two gunshots sound as a breeze blows"),
        ("A bell rings and echoes", "A bell rings"),
        ("An explosion goes off in the distance", "An explosion goes off"),
        ("People give applause in a large hall", "People give applause in a hall"),
        ("A baby crying with adults speaking near and far", "A baby crying with adults speaking"),
        ("A siren gets further away, then stops", "A siren, then stops"),
        ("Cars drive by, close and far away.", "Cars drive by."),
        ("A car passes from left to right", "A car passes"),
        ("A stream murmurs at four o'clock", "A stream murmurs"),
        ("  two   spaces nearby ", "two spaces"),
        ("nearby", ""),
        ("far away, on the left", ""),
        ("", ""),
    ],
)
def test_stripping_claims_leaves_sentences_whole(text: str, stripped: str) -> None:
    assert strip_claims(text) == stripped


def test_claims_tell_what_and_where() -> None:
    (claim,) = spatial_claims("A woman  talks nearby as water pours")
    assert (claim.attribute, claim.word, claim.phrase) == ("distance", "near", "nearby")
    assert "A woman talks nearby as water pours"[claim.start : claim.stop] == "nearby"


def test_a_false_claim_is_taken_out_and_a_true_one_stays() -> None:
    rng = np.random.default_rng(0)
    what = "A woman talks nearby as water pours"
    far = write_caption(what, SpatialWords(distance="far"), rng)
    assert "nearby" not in far.text
    assert far.original == what
    near = write_caption(what, SpatialWords(distance="near"), rng)
    assert "talks nearby as water pours" in near.text
    gap = write_caption(what, SpatialWords(direction="left"), rng)  # 1-2 m: neither near nor far is true
    assert parse(gap.text) == SpatialWords(direction="left")


@pytest.mark.parametrize("what", ["nearby", "", " \n", "...", "on the left, far away"])
def test_a_text_without_a_sound_is_refused(what: str) -> None:
    with pytest.raises(DataError, match="text"):
        write_caption(what, SpatialWords(direction="right"), np.random.default_rng(0))


def test_an_unknown_style_is_refused() -> None:
    with pytest.raises(DataError, match="brief"):
        write_caption("dog", FULL, np.random.default_rng(0), style="haiku")


def test_the_same_seed_writes_the_same_captions() -> None:
    one, two = ([write_caption("dog", FULL, np.random.default_rng(seed)).text for seed in range(20)] for _ in range(2))
    assert one == two


def test_labels_become_grammatical() -> None:
    rng = np.random.default_rng(5)
    dog = [write_caption("dog", FULL, rng).text for _ in range(200)]
    assert not any("sound of dog" in text or "sound of the sound" in text for text in dog)
    clause = [write_caption("A woman talks as water pours", FULL, rng).text for _ in range(200)]
    assert not any("sound of a woman talks" in text for text in clause)
    rain = [write_caption("The sound of rain on a roof", FULL, rng).text for _ in range(200)]
    assert not any("sound of the sound" in text for text in rain)
    assert write_caption("dog", FULL, rng, style="brief").text.startswith("dog, ")


def test_the_examples_in_the_docs_are_fresh() -> None:
    path = Path(__file__).parents[2] / "tools" / "caption_examples.py"
    tool = runpy.run_path(str(path))
    assert tool["examples"]() in tool["PAGE"].read_text(encoding="utf-8")


def test_check_sees_a_lost_fact_a_wrong_fact_and_a_lost_sound() -> None:
    words = SpatialWords(direction="left", distance="far")
    assert check("A dog, far away on the left.", "dog", words)
    assert not check("A dog on the left.", "dog", words)
    assert not check("A dog, far away on the right.", "dog", words)
    assert not check("A dog, far away on the left, high up.", "dog", words)
    assert not check("A cat, far away on the left.", "dog", words)


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=200))
def test_any_text_is_read_and_stripped_without_an_error(text: str) -> None:
    parse(text)
    assert parse(strip_claims(text)) == NO_PLACE


_VOCABULARY = " ".join(
    (
        "a the dog cat on to from in my left right front back behind me far near nearby close away distance distant",
        "large small room hall echoing echo dry up above down below overhead and as , . ; not with no high low of is",
    )
).split()


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(_VOCABULARY), max_size=14), st.integers(0, 2**32 - 1))
def test_any_mixture_of_words_is_written_truly_or_refused(tokens: list[str], seed: int) -> None:
    rng = np.random.default_rng(seed)
    words = random_words(rng)
    try:
        caption = write_caption(" ".join(tokens), words, rng)
    except DataError:
        return
    assert parse(caption.text) == words


def test_ten_thousand_words_are_read_quickly_enough_to_finish() -> None:
    assert parse("dog " * 10_000 + "on the left").direction == "left"
    parse("small " * 10_000)
    parse("from the far upper " * 3_000)
