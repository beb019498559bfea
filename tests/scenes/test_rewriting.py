"""Rewrites: what is true passes, every lie is caught and counted under its own reason."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from open_elsa.errors import ConfigError, LanguageModelError
from open_elsa.scenes.attributes import ATTRIBUTES, words_for
from open_elsa.scenes.captions import parse, write_caption
from open_elsa.scenes.rewriting import Answer, AnswerCache, Endpoint, NoAnswer, Prompt, Reason, Sampling, judge, rewrite
from open_elsa.scenes.rewriting.prompts import prompt_for
from open_elsa.scenes.rewriting.rewriter import prompts
from open_elsa.scenes.scene import SpatialCaption, SpatialWords

sys.path.insert(0, str(Path(__file__).parent))

from scripted_server import serve

DOG = "a dog barks"
PLACE = SpatialWords("left", None, "far", None, None)
ROOM = SpatialWords("left", None, "far", "large", "highly reverberant")
TWO = "A woman speaks and a man laughs"
HERE = SpatialWords("back")

TRUE = [
    (DOG, PLACE, "A dog barks far away on the left."),
    (DOG, PLACE, '"From far off to the left comes the sound of a barking dog."'),
    (DOG, PLACE, "The dog's barking can be heard in the distance, to my left"),
    (DOG, PLACE, "<think>The user wants one sentence.\nLeft!</think>\n\nFar away, on the left, a dog is barking."),
    (DOG, ROOM, "In a large, highly reverberant room, a dog is heard barking far away on the left."),
    ("dog", ROOM, "The sound of a dog comes from the far left of a large highly reverberant room."),
    ("glass breaking", HERE, "The sound of breaking glass comes from behind me."),
    (DOG, ROOM, "Far off on the left, a dog's barking echoes through a large room."),
    (TWO, HERE, "Behind me, a woman is talking while a man is laughing."),
    ("a man drives a car", HERE, "A man driving an automobile is heard behind me."),
    ("Two dogs bark, then a car passes by", HERE, "Behind me, two dogs bark followed by a car passing by."),
    ("a small dog", SpatialWords(room_size="large"), "A small dog is heard in a large room."),
    ("A man speaks. Then a dog barks", HERE, "A man speaks. Then a dog barks, heard behind me."),
    ("狗叫", HERE, 'The sound "狗叫" is coming from behind me.'),
    ("música", HERE, "I hear música from behind me."),
    ("nobody speaks", HERE, "Behind me, nobody is speaking."),
    (None, PLACE, "Something is heard far away on the left."),
]

#: (what is heard, where, the lie, why it is refused)
LIES = [
    (DOG, PLACE, "A dog barks far away on the right.", Reason.CHANGED),
    (DOG, PLACE, "A dog barks close by on the left.", Reason.CHANGED),
    (DOG, PLACE, "A dog barks on the left.", Reason.VANISHED),
    (DOG, PLACE, "A dog barks.", Reason.VANISHED),
    (DOG, PLACE, "A dog barks far away, not on the left.", Reason.VANISHED),
    (DOG, PLACE, "A dog barks far away on the left in a tiny room.", Reason.INVENTED),
    (DOG, PLACE, "A dog barks far away on the left, echoing.", Reason.INVENTED),
    (DOG, PLACE, "A dog barks far away on the left and on the right.", Reason.INVENTED),
    (DOG, PLACE, "A dog barks far away on the left, high up.", Reason.INVENTED),
    (DOG, SpatialWords(None, None, "far"), "A dog barks far away, behind me on the left.", Reason.INVENTED),
    (DOG, PLACE, "A dog barks far away on the left, but not in front of me.", Reason.DENIED),
    (DOG, PLACE, "On the left, far away, a dog isn't barking.", Reason.DENIED),
    (DOG, PLACE, "A cat meows far away on the left.", Reason.LOST),
    (DOG, PLACE, "A dog is heard far away on the left.", Reason.LOST),
    (DOG, PLACE, "Something is heard far away on the left.", Reason.LOST),
    (DOG, PLACE, "A dog barks and a cat meows far away on the left.", Reason.ADDED),
    (DOG, PLACE, "A dog barks far away on the left of the kitchen.", Reason.ADDED),
    (DOG, PLACE, "A dog barks far away on the left, in a cavernous hall.", Reason.ADDED),
    (DOG, PLACE, "A dog barks far away on the left, outdoors.", Reason.ADDED),
    (DOG, PLACE, "Two dogs bark far away on the left.", Reason.ADDED),
    (DOG, PLACE, "A dog barks far away on the left at three o'clock", Reason.INVENTED),
    (DOG, PLACE, "A dog barks far away on the left, or so it sounds.", Reason.ADDED),
    (DOG, PLACE, "A dog might bark far away on the left.", Reason.ADDED),
    (None, PLACE, "A dog barks far away on the left.", Reason.ADDED),
    (DOG, SpatialWords("left", None, None, "small"), "A dog barks on the left in a small hall.", Reason.ADDED),
    (TWO, HERE, "Behind me, a man speaks and a woman laughs.", Reason.REORDERED),
    ("a dog barks then a cat meows", HERE, "Behind me, a cat meows, then a dog barks.", Reason.REORDERED),
    ("a dog barks then a cat meows", HERE, "Behind me, a dog barks while a cat meows.", Reason.LOST),
    ("a loud man and a quiet dog", HERE, "A quiet man and a loud dog are behind me.", Reason.REORDERED),
    (
        "a person hums with wind and people talking",
        HERE,
        "Behind me, a person hums with people and wind talking.",
        Reason.REORDERED,
    ),
    ("a man speaks and a man laughs", HERE, "Behind me, a man speaks and laughs.", Reason.LOST),
    ("a man chases a dog", HERE, "A dog chases a man behind me.", Reason.REORDERED),
    ("nobody speaks", HERE, "Behind me, somebody is speaking.", Reason.LOST),
    (DOG, PLACE, "Sure! Here is the sentence: A dog barks far away on the left.", Reason.LEAKED),
    (DOG, PLACE, "Rewritten caption: a dog barks far away on the left", Reason.LEAKED),
    (DOG, PLACE, "A dog barks far away on the left. Say nothing about: height.", Reason.LEAKED),
    (DOG, PLACE, '**Answer:** *"A dog barks far away on the left."*', Reason.MARKUP),
    (DOG, PLACE, "# Caption\nA dog barks far away on the left.", Reason.MARKUP),
    (DOG, PLACE, "A dog barks far away on the left 🐶", Reason.MARKUP),
    (DOG, PLACE, "A dog barks far away on the \u202eleft.", Reason.MARKUP),
    (DOG, PLACE, "<html><body>A dog barks far away on the left.</body></html>", Reason.MARKUP),
    (DOG, PLACE, "Ein Hund bellt weit weg auf der linken Seite.", Reason.LANGUAGE),
    (DOG, PLACE, "Un chien aboie au loin à gauche.", Reason.LANGUAGE),
    (DOG, PLACE, "左边远处有狗叫。", Reason.LANGUAGE),
    (DOG, PLACE, "A dog barks far away on the lеft.", Reason.LANGUAGE),  # a Cyrillic letter
    (DOG, PLACE, "I'm sorry, but as an AI I can't hear a dog far away on the left.", Reason.REFUSED),
    (DOG, PLACE, "I cannot help with that.", Reason.REFUSED),
    (DOG, PLACE, "", Reason.EMPTY),
    (DOG, PLACE, ' \n"..." ', Reason.EMPTY),
    (DOG, PLACE, "A dog barks far away on the left " + "and barks " * 10_000, Reason.LONG),
    (DOG, PLACE, "A dog barks on the left. It is far away.", Reason.SENTENCES),
    (DOG, PLACE, "A dog barks far away on the left.\nA dog barks far away on the left.", Reason.SENTENCES),
    (DOG, PLACE, "Is a dog barking far away on the left?", Reason.SENTENCES),
    (DOG, PLACE, "A dog barks far away on the left,", Reason.SENTENCES),
]


@pytest.mark.parametrize(("heard", "words", "answer"), TRUE)
def test_a_true_rewrite_passes(heard: str | None, words: SpatialWords, answer: str) -> None:
    verdict = judge(answer, heard, words)
    assert verdict.reason is None, verdict
    assert parse(verdict.text) == words
    assert not verdict.text.startswith(('"', "<"))


@pytest.mark.parametrize(("heard", "words", "answer", "reason"), LIES)
def test_a_lie_is_caught_for_the_right_reason(
    heard: str | None, words: SpatialWords, answer: str, reason: Reason
) -> None:
    verdict = judge(answer, heard, words)
    assert verdict.reason == reason, verdict


def test_every_reason_has_a_lie() -> None:
    assert {reason for *_, reason in LIES} == set(Reason)


def test_an_answer_that_was_cut_is_never_believed() -> None:
    true = "A dog barks far away on the left"
    assert judge(true, DOG, PLACE).reason is None
    assert judge(true, DOG, PLACE, cut=True).reason is Reason.LONG


def test_the_share_that_must_be_kept() -> None:
    heard = "a dog barks loudly while rain falls slowly"  # six words of its own
    shorter = "Behind me, a dog barks while rain falls slowly."
    assert judge(shorter, heard, HERE).reason is Reason.LOST
    assert judge(shorter, heard, HERE, kept=0.8).reason is None
    assert judge(shorter, heard, HERE, kept=0.9).reason is Reason.LOST
    assert judge("Behind me, a cat barks while rain falls slowly.", heard, HERE, kept=0.5).reason is Reason.ADDED
    with pytest.raises(ConfigError, match="kept"):
        judge(shorter, heard, HERE, kept=0.0)


def test_what_the_grammar_writes_passes_and_with_any_fact_changed_does_not() -> None:
    rng = np.random.default_rng(3)
    whats = ["dog", "A woman talks as water pours", "church bells", "a small dog", None, "a loud explosion"]
    lies = 0
    for n in range(400):
        words = words_for(
            rng.uniform(-180, 180), rng.uniform(-60, 60), rng.uniform(0.5, 4), rng.uniform(13, 277), rng.uniform(0.1, 2)
        )
        what = whats[n % len(whats)]
        text = write_caption(what, words, rng).text
        if (verdict := judge(text, what, words)).reason is not None:
            assert verdict.reason is Reason.SENTENCES and ". " in text, (text, verdict)
            continue
        for name, table in ATTRIBUTES.items():
            for word in [*(w.word for w in table.words), None]:
                if word != getattr(words, name):
                    other = SpatialWords(**{**vars_of(words), name: word})
                    assert judge(text, what, other).reason in (Reason.CHANGED, Reason.VANISHED, Reason.INVENTED)
                    lies += 1
    assert lies > 4000


def vars_of(words: SpatialWords) -> dict[str, str | None]:
    return {name: getattr(words, name) for name in ATTRIBUTES}


class Parrot:
    """A model that says what it is told to; the answer depends on the prompt alone."""

    name = identity = "parrot"
    batch_size = 3
    concurrency = 1

    def __init__(self, *answers: str, tokens: int = 10) -> None:
        self.answers, self.tokens = answers, tokens
        self.asked: list[Prompt] = []

    def complete(self, prompts: Sequence[Prompt]) -> list[Answer]:
        self.asked += prompts
        return [Answer(self.answers[p.seed % len(self.answers)], self.tokens) for p in prompts]


GOOD = "A dog barks far away on the left."


def test_the_paper_s_sentence_is_in_the_prompt() -> None:
    words = SpatialWords("left", "up", "far", "large", "highly reverberant")
    asked = prompt_for("a dog", words, 7)
    assert 'The sound "a dog" comes from the far upper left of a large highly reverberant room.' in asked.user
    assert "short English sentence that keeps the sound and every detail of its source" in asked.user
    assert "Say nothing about" not in asked.user and asked.seed == 7
    less = prompt_for("a dog", SpatialWords(None, "down", "near", None, "acoustically dampened"), 7).user
    assert 'The sound "a dog" comes from nearby and from below in an acoustically dampened room.' in less
    assert "Say nothing about: direction, the size of the room." in less
    assert prompt_for(None, SpatialWords(room_size="small"), 0).user.startswith("A sound is heard in a small room.")


@pytest.mark.parametrize(
    "what",
    [
        '"Hello", someone says',
        "a dog\nbarks\t loudly",
        "🐶 a dog 🎉",
        "Ein Hund bellt",
        "狗叫",
        "a\ud800b",
        "}{0} %s {x}",
    ],
)
def test_odd_captions_reach_the_model_and_come_back_true(what: str, tmp_path: Path) -> None:
    with serve(lambda r: r.say(f'The sound "{r.heard}" is coming from behind me')) as server:
        with AnswerCache(tmp_path / "c.sqlite") as cache:
            report = rewrite([(what, HERE)], Endpoint(server.url, "m", tries=1), cache=cache)
        assert " ".join(what.split()) in server.requests[0]["messages"][-1]["content"]
    assert report.rewritten == 1, report.refused
    (made,) = report.captions
    assert made.original == what and made.checked and parse(made.text) == HERE and made.writer == "rewrite:m"


def test_a_place_that_the_caption_claims_is_not_asked_for() -> None:
    model = Parrot("A woman talks behind me as water pours.")
    report = rewrite([("A woman talks nearby as water pours", HERE)], model)
    assert 'The sound "A woman talks as water pours" comes' in model.asked[0].user
    assert report.rewritten == 1


def test_without_a_true_rewrite_the_caption_stays() -> None:
    given = SpatialCaption("A dog barks on my left, far off.", DOG, PLACE, "grammar:full", True)
    lying = SpatialCaption("A dog barks on my right.", DOG, PLACE, "somebody", False)
    report = rewrite([given, (DOG, PLACE), lying, (None, SpatialWords())], Parrot("A dog barks on the right."))
    assert report.rewritten == 0 and report.captions[0] is given and report.silent == 1
    for made in report.captions[1:3]:
        assert made.writer == "grammar:full" and made.checked and parse(made.text) == PLACE
    assert report.refusals == {Reason.CHANGED.value: 3}
    assert [r.item for r in report.refused] == [0, 1, 2] and "left → right" in report.refused[0].detail
    assert any("3  a spatial fact changed" in line for line in report.lines())


def test_the_same_caption_gets_words_of_its_own_each_time_and_the_same_ones_again() -> None:
    model = Parrot("x")
    rewrite([(DOG, PLACE)] * 4 + [("a cat", PLACE)], model, seed=1)
    seeds = [p.seed for p in model.asked]
    assert len(set(seeds)) == 5
    again = Parrot("x")
    rewrite([("a cat", PLACE)] + [(DOG, PLACE)] * 4, again, seed=1)
    assert sorted(p.seed for p in again.asked) == sorted(seeds)
    other = Parrot("x")
    rewrite([(DOG, PLACE)] * 4, other, seed=2)
    assert not {p.seed for p in other.asked} & set(seeds)


def test_a_refused_answer_is_asked_again_while_there_are_drafts() -> None:
    class Learner(Parrot):
        def complete(self, prompts: Sequence[Prompt]) -> list[Answer]:
            tries = [sum(p.user == q.user for q in self.asked) for p in prompts]
            self.asked += prompts
            return [Answer(GOOD if t else "A dog barks.", 10) for t in tries]

    model = Learner()
    report = rewrite([(DOG, PLACE)], model, drafts=3)
    assert report.rewritten == 1 and report.calls == 2 and report.captions[0].text == GOOD
    assert report.refusals == {Reason.VANISHED.value: 1} and model.asked[0].seed != model.asked[1].seed
    assert rewrite([(DOG, PLACE)], Learner(), drafts=1).rewritten == 0


def test_the_budget_of_calls_and_of_tokens() -> None:
    items = [(DOG, PLACE)] * 10
    model = Parrot(GOOD)
    report = rewrite(items, model, max_calls=4)
    assert (report.rewritten, report.calls, report.over_budget, len(model.asked)) == (4, 4, 6, 4)
    assert [c.text == GOOD for c in report.captions] == [True] * 4 + [False] * 6
    assert all(parse(c.text) == PLACE for c in report.captions)
    assert any("6 captions were left alone: the budget is spent" in line for line in report.lines())
    report = rewrite(items, Parrot(GOOD), max_tokens=45)
    assert (report.rewritten, report.over_budget) == (5, 5)
    assert rewrite(items, Parrot("A dog barks."), max_calls=12, drafts=2).over_budget == 8
    nothing = Parrot(GOOD)
    assert rewrite(items, nothing, max_calls=0).rewritten == 0 and not nothing.asked
    with pytest.raises(ConfigError, match="max_calls"):
        rewrite(items, nothing, max_calls=-1)


def test_a_cached_answer_costs_nothing_and_only_the_same_question_finds_it(tmp_path: Path) -> None:
    items = [(DOG, PLACE)] * 5
    with AnswerCache(tmp_path / "c.sqlite") as cache:
        first = rewrite(items, Parrot(GOOD), cache=cache, max_calls=3)
        model = Parrot("A dog barks.")
        second = rewrite(items, model, cache=cache, max_calls=2)
        assert second.captions[:3] == first.captions[:3] and second.cached == 3 and second.calls == 2
        assert len(cache) == 5 and second.tokens == 20
        for changed in ({"seed": 1}, {"drafts": 2}):
            asked = Parrot(GOOD)
            rewrite(items, asked, cache=cache, **changed)
            assert len(asked.asked) == (5 if "seed" in changed else 2)
        other = Parrot(GOOD)
        other.identity = "another"
        assert rewrite(items, other, cache=cache).calls == 5


def test_one_prompt_without_an_answer_is_passed_over_many_end_the_run() -> None:
    class Moody(Parrot):
        batch_size = 1

        def complete(self, prompts: Sequence[Prompt]) -> list[Answer]:
            self.asked += prompts
            if len(self.asked) % 2 == 0:
                raise NoAnswer("gone fishing")
            return [Answer(GOOD)]

    items = [(DOG, PLACE)] * 6
    report = rewrite(items, Moody())
    assert (report.rewritten, report.unanswered) == (3, 3)
    assert any("3 prompts had no answer" in line for line in report.lines())
    with pytest.raises(LanguageModelError, match=r"more than 1 prompts had no answer.*gone fishing"):
        rewrite(items, Moody(), max_unanswered=1)


def test_a_model_that_gives_too_few_answers_is_an_error() -> None:
    class Short(Parrot):
        def complete(self, prompts: Sequence[Prompt]) -> list[Answer]:
            return []

    with pytest.raises(LanguageModelError, match="0 answers to 2 prompts"):
        rewrite([(DOG, PLACE)] * 2, Short())


def test_dry_prompts_are_those_that_are_asked() -> None:
    model = Parrot(GOOD)
    items = [(DOG, PLACE), (None, SpatialWords()), ("a cat", ROOM)]
    rewrite(items, model, seed=4)
    assert prompts(items, 4) == model.asked and len(model.asked) == 2


@pytest.mark.parametrize("bad", [{"temperature": -1.0}, {"temperature": 3.0}, {"top_p": 0.0}, {"max_tokens": 0}])
def test_sampling_outside_its_range(bad: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=next(iter(bad))):
        Sampling(**bad)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="drafts"):
        rewrite([], Parrot(GOOD), drafts=0)
