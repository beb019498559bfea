"""Leaving classes out: no clip that is of them, and no caption that names them, may enter a training.

Only then does "a class never heard" mean it. A clip is dropped as soon as its label or one of its captions mentions a
class, by name, by synonym or by the sound it makes ("a puppy", "barking"). When in doubt it is dropped: a clip too few
costs little, one too many spoils the test.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from open_elsa.errors import DataError
from open_elsa.scenes.rewriting.vocabulary import FUNCTION, forms, tokens
from open_elsa.scenes.scene import Clip

#: ESC-50's five groups of ten classes (Piczak 2015, table 1).
ESC50_GROUPS: dict[str, tuple[str, ...]] = {
    "animals": ("dog", "rooster", "pig", "cow", "frog", "cat", "hen", "insects", "sheep", "crow"),
    "nature and water": (
        "rain", "sea waves", "crackling fire", "crickets", "chirping birds", "water drops", "wind", "pouring water",
        "toilet flush", "thunderstorm",
    ),
    "people": (
        "crying baby", "sneezing", "clapping", "breathing", "coughing", "footsteps", "laughing", "brushing teeth",
        "snoring", "drinking sipping",
    ),
    "inside a house": (
        "door knock", "mouse click", "keyboard typing", "door wood creaks", "can opening", "washing machine",
        "vacuum cleaner", "clock alarm", "clock tick", "glass breaking",
    ),
    "outside": (
        "helicopter", "chainsaw", "siren", "car horn", "engine", "train", "church bells", "airplane", "fireworks",
        "hand saw",
    ),
}  # fmt: skip

#: Class → regular expressions of whole words, one of which in a text means that it speaks of the class. A verb that
#: several kinds share ("howling") counts only where a class is named by it.
_MENTIONS: dict[str, str] = {
    "airplane": r"air ?planes? aeroplanes? planes? biplanes? aircrafts? airliners? jets? propellers? cessna",
    "breathing": r"breath\w* inhal\w* exhal\w* pant pants panting gasp\w*",
    "brushing teeth": r"tooth\w* teeth brush\w*",
    "can opening": r"soda beer coke cans a_can open\w*_cans? can_open\w*",
    "car horn": r"horns? honk\w* klaxons? beep\w*_its",
    "cat": r"cats? kittens? kitty kitties tomcats? meow\w* miaow\w* mew mews mewing purr\w* feline\w*",
    "chainsaw": r"chain_?saws?",
    "chirping birds": (
        r"birds? birdsong songbirds? birdie\w* chirp\w* tweet\w* sparrows? robins? blackbirds? nightingales? finch\w* "
        r"warblers? larks? skylarks? thrush\w* cuckoos?"
    ),
    "church bells": r"bells? toll\w* belfry carillon\w* church\w*",
    "clapping": r"clap(?!_of_thunder) claps clapping clapped handclap\w* applau\w* ovations?",
    "clock alarm": r"alarm\w*",
    "clock tick": r"tick ticks ticked ticking ticker tock tocks metronomes? watch watches stopwatch\w*",
    "coughing": r"cough\w*",
    "cow": r"cows? cattle calf calves bulls? bullocks? ox oxen heifers? moo moos mooing mooed lowing",
    "crackling fire": (
        r"fire(?!_(?:alarm|engine|truck|a_gun|gun)) fireplace\w* campfire\w* bonfire\w* flam(?:e|es|ing) "
        r"blaz(?:e|es|ing) crackl\w* burn\w*"
    ),
    "crickets": r"crickets? cicadas? grasshoppers?",
    "crow": r"crows? ravens? rooks? caw caws cawing cawed",
    "crying baby": r"baby babys babies infants? newborns? toddlers? cry cries crying cried",
    "dog": (
        r"dogs? doggy puppy puppies pup pups hounds? canine\w* poodles? chihuahuas? terriers? bark barks barking "
        r"barked woof\w*"
    ),
    "door knock": r"knock\w*",
    "door wood creaks": r"creak\w* hinges? squeaky_door squeaking_door",
    "drinking sipping": r"drink\w* drank sip sips sipping sipped slurp\w* gulp\w* swallow\w*",
    "engine": r"engines? motors? motorcycles? motorbikes? tractors? idling diesel",
    "fireworks": r"fire_?works? fire_?crackers? pyrotechnic\w*",
    "footsteps": r"foot_?steps? footfalls? steps? walk walks walking walked strides? striding",
    "frog": r"frogs? toads? croak\w* ribbit\w*",
    "glass breaking": (
        r"glass(?:es)?(?:_\w+)?_(?:break|shatter|smash|crash|crack)\w* shatter\w* "
        r"(?:break|smash|broken|crack)\w*_(?:\w+_)?(?:glass|window|bottle)\w* "
        r"(?:window|bottle)\w*(?:_\w+)?_(?:break|smash|broken|crack)\w*"
    ),
    "hand saw": r"hand_?saws? saw saws sawing sawed",
    "helicopter": r"heli\w* copters? choppers? rotors? rotor_blades",
    "hen": r"hens? chickens? chicks? cluck\w* poultry",
    "insects": r"insects? bees? bumblebees? wasps? hornets? fly flies mosquito\w* bugs? buzz\w* crickets? cicadas?",
    "keyboard typing": r"keyboards? typing types typed typists? typewrit\w* keypress\w* keystrokes?",
    "laughing": r"laugh\w* giggl\w* chuckl\w* cackl\w*",
    "mouse click": r"mouse mice click clicks clicking clicked",
    "pig": r"pigs? piglets? hogs? swine boars? oink\w* sows?",
    "pouring water": r"pour\w* filling",
    "rain": r"rain rains raining rained rainy rainfall raindrops? rainstorms? drizzl\w* downpours? showers?",
    "rooster": r"roosters? cocks? cockerels? cockcrow cock_a_doodle_doo crowing crowed",
    "sea waves": r"seas? seaside seashore oceans? waves? surf shores? beach\w* breakers?",
    "sheep": r"sheeps? lambs? ewes? rams? bleat\w* baa\w*",
    "siren": r"sirens? ambulances? police",
    "sneezing": r"sneez\w* achoo atchoo",
    "snoring": r"snor(?:e|es|ed|ing|er)",
    "thunderstorm": r"thunder\w* lightning storms? stormy rainstorms? snowstorms?",
    "toilet flush": r"toilets? flush\w* lavator\w*",
    "train": r"trains? railways? railroads? rails? locomotives? trams? subways?",
    "vacuum cleaner": r"vacuum\w* hoover\w*",
    "washing machine": r"washing washers? laundry",
    "water drops": r"drops? droplets? drip\w* dribbl\w* leak\w* raindrops?",
    "wind": r"winds? windy gusts? gusty breez\w* blizzards?",
}


@dataclass(frozen=True)
class Dropped:
    """A clip that is left out: of which class, and the text that mentions it."""

    clip: Clip
    label: str
    why: str


def known(label: str) -> str:
    """A class's name as clips carry it: "Sea_Waves" → "sea waves"."""
    return " ".join(re.split(r"[\W_]+", label.lower())).strip()


def mentions(text: str, label: str) -> bool:
    """Whether a text speaks of a class: one of its words for ESC-50's classes, else every word of the class's name.

    Words are compared whole and in any inflection; hyphens and underscores part words.
    """
    name = known(label)
    if (pattern := _pattern(name)) is not None:
        return pattern.search(f"_{known(text).replace(' ', '_')}_") is not None
    wanted = [token for token in tokens(name) if token not in FUNCTION] or tokens(name)
    said = [forms(token) for token in tokens(known(text))]
    return bool(wanted) and all(any(forms(word) & other for other in said) for word in wanted)


def leave_out(clips: Iterable[Clip], labels: Sequence[str]) -> tuple[list[Clip], list[Dropped]]:
    """Part clips into those that may be trained on and those that are of, or speak of, one of the classes.

    A clip's label, captions and the words of its id are read. Raises DataError for a name by which nothing is dropped
    and that is no class of ESC-50: it is probably misspelt.
    """
    names = list(dict.fromkeys(known(label) for label in labels))
    kept: list[Clip] = []
    dropped: list[Dropped] = []
    for clip in clips:
        found = _first_mention(clip, names)
        if found is None:
            kept.append(clip)
        else:
            dropped.append(Dropped(clip, *found))
    used = {d.label for d in dropped}
    if unknown := [name for name in names if name not in used and name not in _MENTIONS]:
        raise DataError(
            f"no clip is left out by {unknown[0]!r}, and it is no class of ESC-50; name it as the clips' labels do"
        )
    return kept, dropped


def drawn_classes(seed: int = 0, of_each: int = 2) -> tuple[str, ...]:
    """Classes of ESC-50 drawn by a seed, `of_each` of each of its five groups, in alphabetical order."""
    rng = np.random.default_rng(seed)
    drawn = [str(name) for group in ESC50_GROUPS.values() for name in rng.choice(group, of_each, replace=False)]
    return tuple(sorted(drawn))


def _first_mention(clip: Clip, names: Sequence[str]) -> tuple[str, str] | None:
    texts = [("label", clip.label), *(("caption", text) for text in clip.captions)]
    texts.append(("id", re.sub(r"\d+", " ", clip.id)))
    for name in names:
        for kind, text in texts:
            if known(text) == name or mentions(text, name):
                return name, f"{kind}: {text.strip()}"
    return None


@lru_cache(maxsize=256)
def _pattern(name: str) -> re.Pattern[str] | None:
    """The expression for texts whose words are parted, and enclosed, by "_"."""
    if name not in _MENTIONS:
        return None
    words = _MENTIONS[name].replace(r"\w", "[a-z0-9]").replace(" ?", "_?")
    return re.compile("_(?:" + "|".join(words.split()) + ")(?=_)")
