"""How clock positions, degrees, metres and movements are read out of free text, each as one statement.

All patterns run on lower-case text whose white space has been folded to single spaces.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from open_elsa.scenes.measures import TENS, UNITS
from open_elsa.scenes.reading import BODY, DENIED, END, ME, STOP, THE

_ABOUT = r"(?:(?:about|around|some|roughly|approximately|nearly|almost|just|only) )?"
_WORDS = rf"(?:(?:{'|'.join(TENS)})(?:[ -](?:{'|'.join(list(UNITS)[1:10])}))?|{'|'.join(UNITS)})"
_NUMBER = rf"(?:\d{{1,4}}(?:\.\d{{1,3}})?|{_WORDS})"
_HOUR = rf"(?:1[0-2]|[1-9]|{'|'.join(list(UNITS)[1:13])})"
_CLOCK = r"o ?['’‘]? ?clock"
_DEGREE = r" ?(?:°|deg(?:rees?)?\b)"
_SIDE = r"(?:left|right)"
_TURN = (
    rf"{_NUMBER}{_DEGREE} ?(?:(?:off )?(?:to|on|towards?) )?(?:(?:the|my|your) )?{_SIDE}\b(?![ -]{BODY}\b)(?: of {ME})?"
)
_METRES = rf"(?:{_NUMBER} ?(?:m|metres?|meters?)|(?:half )?an? (?:metre|meter))\b"
_AWAY = rf"(?: (?:away|off|distant|out)\b(?: from {ME})?| from {ME})"
_DIRECTION = (
    r"(?:(?:front|back|rear)[ -](?:left|right)|left|right|front|back|rear|straight ahead|ahead|in front|behind)"
    rf"(?:[ -]hand(?: side)?| side)?\b(?: of {ME}| {ME})?"
)
_SPOT = rf"(?:(?:(?:the|my|your) )?{_DIRECTION}|(?:(?:the|my) )?{_HOUR} {_CLOCK}|{_ABOUT}{_TURN})"
_ACROSS = r"(?: (?:over|across|round|around|on|all the way))?"
_GAP = rf"{_ABOUT}{_METRES}{_AWAY}"
# Directly before such a place, a bare number of metres is a distance: "3 m behind me".
_PLACE_NEXT = rf"(?= (?:ahead|behind|in front|above|below|(?:on|to|off to) {THE} (?:front |back )?{_SIDE})\b)"
_DAY = r"(?! in the (?:morning|afternoon|evening)| at (?:night|noon)| (?:a|p)\.?m\b)"

# A number may follow a place: "to my left 30 degrees up".
_ENDS = rf"(?:{END}|(?= (?:\d|half\b|about\b|{_WORDS}\b)))"

_PATH = re.compile(
    rf"\bfrom (?P<a>{_SPOT}){_ACROSS} to (?P<b>{_SPOT}){_ENDS}"
    rf"|\b(?P<c>(?:(?:the|my) )?{_SIDE}) to (?P<d>(?:(?:the|my) )?{_SIDE}){END}"
)
_METRES_PATH = re.compile(rf"\bfrom {_ABOUT}(?P<a>{_METRES}){_AWAY}? to {_ABOUT}(?P<b>{_METRES}){_AWAY}")
_AZIMUTH = re.compile(rf"\b(?:from )?{_ABOUT}({_TURN})")
_HEIGHT = re.compile(
    rf"\b{_ABOUT}({_NUMBER}){_DEGREE} (up(?:wards)?|above|down(?:wards)?|below)\b(?! (?:zero|freezing|average))"
    rf"(?: {ME}| the horizon)?"
)
_HOURS = re.compile(
    rf"\b(?:at|from|towards?|in|around|near) (?:the direction of )?(?:(?:about|around) )?(?:(?:the|my|your) )?"
    rf"({_HOUR}) {_CLOCK}(?: position| direction)?{_ENDS}{_DAY}|(?:^|(?<=[,;|/] )|(?<=[,;|/]))({_HOUR}) {_CLOCK}{STOP}"
)
_DISTANCE = re.compile(
    rf"\b(?:from )?{_ABOUT}({_METRES})(?:{_AWAY}|{_PLACE_NEXT})"
    rf"|\b(?:at|from) (?:a|the) distance of {_ABOUT}({_METRES})"
    rf"|(?:^|(?<=[,;|/] )|(?<=[,;|/])){_ABOUT}({_METRES}){STOP}"
)
_NEXT = rf"(?:{STOP}|(?= (?:from|while|as|and|in|inside|within|on|at|to|with)\b))"
_COMING = re.compile(
    r"\b(?:coming|moving|drawing|getting|comes|moves|draws|gets) (?:ever )?(?:closer|nearer)\b(?: to me\b)?"
    rf"|\b(?:coming|moving|heading|driving|walking|comes|moves|heads|drives|walks) towards? {ME}"
    rf"|\bapproach(?:es|ing) {ME}|\bapproaching\b{_NEXT}|\bapproaches(?= from\b)|(?<=\ban )approaching\b"
)
_LEAVING = re.compile(
    r"\b(?:going|moving|goes|moves|heading|heads|getting|gets) (?:(?:further|farther) )?away\b"
    rf"(?: from {ME})?{_NEXT}|\b(?:receding|recedes)\b{_NEXT}"
)
_DIGIT = re.compile(r"\d")


@dataclass(frozen=True, slots=True)
class Measure:
    """One statement of a number or a movement: low[start:stop] says that `name` of the facts is `value`.

    A movement has `end_name` and `end_value` beside them, else "" and None.
    """

    start: int
    stop: int
    name: str
    value: str | int | float
    end_name: str = ""
    end_value: str | int | float | None = None


def _number(text: str) -> float:
    """A number in digits or words."""
    if text[0].isdigit():
        return float(text)
    return float(sum(TENS.get(part) or UNITS[part] for part in re.split("[ -]", text)))


def _metres(text: str) -> float:
    if (amount := re.match(_NUMBER, text)) is not None:
        return _number(amount[0])
    return 0.5 if text.startswith("half") else 1.0


def _azimuth(text: str) -> float | None:
    size = _number(re.match(_NUMBER, re.sub(rf"^{_ABOUT}", "", text))[0])  # type: ignore[index]
    return None if size > 180.0 else size if re.search(r"\bleft\b", text) else -size


def _hour(text: str) -> int:
    return int(_number(text))


def _spot(text: str) -> tuple[str, str | int | float] | None:
    """(field, value) of one end of a movement."""
    text = re.sub(r"^(?:the|my|your) ", "", text)
    if re.search(_CLOCK, text):
        return "clock", _hour(re.match(_HOUR, text)[0])  # type: ignore[index]
    if re.search(_DEGREE, text):
        azimuth = _azimuth(text)
        return None if azimuth is None else ("azimuth_deg", azimuth)
    depth = "front" if re.match(r"front|straight|ahead|in front", text) else ""
    depth = "back" if re.match(r"back|rear|behind", text) else depth
    side = re.search(rf"\b{_SIDE}\b", text)
    return "direction", " ".join(part for part in (depth, side[0] if side else "") if part)


def measures(low: str) -> list[Measure]:
    """Every statement of degrees, metres, hours and places moved between, in order, none overlapping another."""
    numeric = _DIGIT.search(low) is not None
    found: list[Measure] = []
    if " to " in low:
        for match in _PATH.finditer(low):
            a, b = _spot(match["a"] or match["c"]), _spot(match["b"] or match["d"])
            if a is not None and b is not None:
                found.append(Measure(*match.span(), *a, f"end_{b[0]}", b[1]))
        if "met" in low or numeric:
            for match in _METRES_PATH.finditer(low):
                a_m, b_m = _metres(match["a"]), _metres(match["b"])
                found.append(Measure(*match.span(), "distance_m", a_m, "end_distance_m", b_m))
    if "clock" in low:
        for match in _HOURS.finditer(low):
            found.append(Measure(*match.span(), "clock", _hour(match[1] or match[2])))
    if "°" in low or "deg" in low:
        for match in _AZIMUTH.finditer(low):
            if (azimuth := _azimuth(match[1])) is not None:
                found.append(Measure(*match.span(), "azimuth_deg", azimuth))
        for match in _HEIGHT.finditer(low):
            if (size := _number(match[1])) <= 90.0:
                up = match[2].startswith(("up", "above"))
                found.append(Measure(*match.span(), "elevation_deg", size if up else -size))
    if numeric or "met" in low:
        for match in _DISTANCE.finditer(low):
            found.append(Measure(*match.span(), "distance_m", _metres(match[1] or match[2] or match[3])))
    return _apart(low, found)


def approaches(low: str) -> list[Measure]:
    """Every statement that a source comes closer to the listener or goes away."""
    found = []
    for value, pattern in (("approaching", _COMING), ("going away", _LEAVING)):
        found += [Measure(*match.span(), "approach", value) for match in pattern.finditer(low)]
    return _apart(low, found)


def _apart(low: str, found: list[Measure]) -> list[Measure]:
    """Without denied ones and ones inside others: a movement holds both its places."""
    kept: list[Measure] = []
    for one in sorted(found, key=lambda m: (m.start, -m.stop)):
        if (kept and one.start < kept[-1].stop) or DENIED.search(low, max(0, one.start - 16), one.start):
            continue
        kept.append(one)
    return kept


def masked(low: str, found: list[Measure]) -> str:
    """The text with its measures turned into commas and blanks of the same length, so that words can be read."""
    for one in found:
        low = low[: one.start] + ",".ljust(one.stop - one.start) + low[one.stop :]
    return low
