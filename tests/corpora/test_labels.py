from __future__ import annotations

import pytest

from open_elsa.corpora import label_rules, label_tables, labels
from open_elsa.scenes import captions


def test_every_esc50_class_has_phrasings_and_its_bare_label() -> None:
    assert len(label_tables.ESC50) == 50
    assert set(label_tables.TITLE_WORDS) == set(label_tables.ESC50)
    for label, said in label_tables.ESC50.items():
        assert 3 <= len(said) <= 6, label
        assert label in labels.esc50(label.replace(" ", "_")).captions


def test_official_and_plain_spellings_of_a_class_are_one_label() -> None:
    assert labels.esc50("crying_baby").label == labels.esc50("crying baby").label == "crying baby"
    assert "a baby crying" in labels.esc50("crying_baby").captions


@pytest.mark.parametrize(
    ("title", "said"),
    [
        ("bees buzzing", None),  # a rooster, says the curator
        ("rooster mono", None),
        ("cock crows near and far", None),  # a place
        ("20111206_02.rooster calling.wav", "rooster calling"),
        ("julius", None),
    ],
)
def test_a_title_is_a_caption_only_if_it_names_the_class_and_no_place(title: str, said: str | None) -> None:
    extra = set(labels.esc50("rooster", title).captions) - set(labels.esc50("rooster").captions)
    assert extra == ({said} if said else set())


@pytest.mark.parametrize(
    ("source", "path", "label", "expected"),
    [
        ("deb-0ad", "a.opus", "actor fauna animal camel", "camel"),
        ("deb-0ad", "a.opus", "actor fauna animal pig", "pig"),
        ("deb-hydrogen", "a.opus", "drum: minorr hhat paiste open p", "drum hi-hat"),
        ("deb-tuxpaint", "a.opus", "dog", "dog"),
        ("deb-gcompris", "a.opus", "bark", "dog"),
        ("cdda-cc-sounds", "a.opus", "environment: church bells", "church bells"),
        ("vctk-p225", "a.opus", "speech", "woman speaking"),
        ("unheard of", "a.opus", "Cat 2", "cat"),
    ],
)
def test_equal_sounds_get_equal_labels(source: str, path: str, label: str, expected: str) -> None:
    named = labels.from_row(source, path, label)
    assert named is not None
    assert named.label == expected
    assert expected in named.captions


def test_rules_may_look_at_the_path() -> None:
    named = labels.from_row("deb-asterisk-en", "audio/x/digits/11.opus", "speech: ")
    assert named is not None
    assert "a woman says a number" in named.captions


@pytest.mark.parametrize(
    ("source", "label"), [("deb-0ad", "interface complete building complete house"), ("deb-gcompris", ""), ("x", "12")]
)
def test_names_that_say_nothing_are_dropped(source: str, label: str) -> None:
    assert labels.from_row(source, "a.opus", label) is None


def test_a_written_caption_is_kept_and_braces_take_the_label() -> None:
    named = labels.from_row("deb-tuxpaint", "a.opus", "bear", "A brown bear.")
    assert named is not None
    assert named.captions[0] == "a bear"
    assert "a brown bear" in named.captions
    assert not any("{" in c for c in named.captions)


def test_every_rule_is_a_pattern_with_a_meaning() -> None:
    for source, rules in label_rules.RULES.items():
        lines = rules.strip().splitlines()
        assert lines, source
        for line in lines:
            assert line.count(" -> ") == 1, (source, line)
        assert len(labels._rules(source)) == len(lines)


def test_no_phrasing_states_a_place_by_itself() -> None:
    said = [c for table in (label_tables.ESC50, label_tables.OTHER) for many in table.values() for c in many]
    for source in label_rules.RULES:
        said += [c for _, _, meaning in labels._rules(source) if meaning for c in meaning[1]]
    stated = [c for c in said if not captions.parse(c).empty]
    assert not stated
