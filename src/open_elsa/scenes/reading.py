"""How spatial words are read out of free text: constructions, never bare words, so that "a small dog" stays a dog.

All patterns run on lower-case text whose white space has been folded to single spaces.
"""

from __future__ import annotations

import re

ME = r"(?:me|us|you|the (?:listener|microphone|mic|array|recorder))\b"
_MY = r"(?:my|our|your)"
THE = r"(?:the|my|our|your)"
_TO = r"(?:on|to|from|at|in|of|towards?|(?:off|over) (?:to|on))"
STOP = r"(?= ?(?:$|[,.;:!?()\"“”—–]))"
# A side counts only where its phrase ends: "on the left, …" does, "on the left turn lane" does not.
END = (
    rf"(?:{STOP}|(?= (?:of (?:me|us|you|a|an|the|this|my)|in|inside|within|and|or|but|at|from|with|while|as|when|where"
    r"|then|after|before|is|are|was|were|comes?|coming|sounds?|can|there|near|nearby|close|closely|far|up|down|high|low"
    r"|lower|upper|above|below|over|overhead|beneath|underneath|behind|ahead|somewhere|distant|off|not|a|an|the|some"
    r"|someone|something|i|it|left|right|front|back|rear|[a-z]{3,}ing)\b))"
)
_MODIFIERS = r"(?:(?:far|near|close|distant|nearby|upper|lower|up|down|back|rear|front|left|right)[ -]){0,4}"
BODY = r"(?:hand(?! side)|ear|foot|leg|arm|shoe|shoulder|eye|knee|pocket|door|yard|seat)"
_SIDE_PLACE = rf"(?:(?:on|to|at|off to|over on|over to) {THE} (?:left|right|front|back|rear)\b(?! {BODY}\b))"
#: What "far", "near" and "close" may measure: "far behind me", "close on my left".
_PLACE = (
    rf"(?:behind {ME}|behind{STOP}|behind(?= (?:and|in)\b)|(?:above|ahead|below|beneath|underneath|overhead)\b"
    rf"|straight ahead\b|in front\b|in back\b|{_SIDE_PLACE}|over {_MY} head|up above|down below|high up|low down"
    rf"|(?:(?:upper|lower|up|down)[ -])?(?:(?:front|back|rear)[ -])?(?:left|right|front|back|rear)\b(?! {BODY}\b))"
)
ROOM_NOUN = (
    r"(?:(?:living|dining|concert|sports|lecture|waiting|meeting|hotel|church|indoor|enclosed|closed|empty) ){0,2}"
    r"(?:(?:bath|bed|class|ball|store|court|show|wash|board|play)?rooms?|halls?|spaces?|chambers?|interiors?|auditoriums?"
    r"|theat(?:re|er)s?|church(?:es)?|cathedrals?|hallways?|studios?|caves?|warehouses?)\b"
)
ROOM_ADJECTIVE = (
    r"(?:(?:small|large|mid|medium|moderately|average)(?:[ -]?sized)?|tiny|little|cramped|compact|big|huge|vast"
    r"|spacious|enormous|highly|very|strongly|extremely|quite|rather|really|acoustically|reverberant|echoing|echoey|reverberating"
    r"|dampened|damped|(?:dead|dry)(?:-sounding)?|and|but|yet)"
)
# A size, or "dry", counts only as part of a room: "a large, echoing hall".
_OF_ROOM = rf"(?=(?:,? {ROOM_ADJECTIVE}\b){{0,6}},? {ROOM_NOUN})"
_ROOM = r"(?:room|hall|space)"
_CORNER = rf"\b(?:from|in|at|on|to|of) {THE} {_MODIFIERS}"


def _side(word: str) -> tuple[str, ...]:
    return (
        rf"\b{_TO} the {_MODIFIERS}{word}(?:[ -]hand side| side)?\b{END}",
        rf"\b{_TO} {_MY} {_MODIFIERS}{word}(?:[ -]hand side| side)?\b(?![ -]{BODY}\b)",
        rf"\b{word} of {ME}",
        rf"\b(?:far|upper|lower) {word}{STOP}|\b{word}[ -](?:hand )?side{STOP}",
    )


#: (attribute, word) → (stems, alternatives). A pattern runs only where one of its stems stands in the text.
PATTERNS: dict[tuple[str, str], tuple[tuple[str, ...], tuple[str, ...]]] = {
    ("direction", "front"): (
        ("front", "ahead"),
        (
            rf"\bin front of {ME}",
            rf"\bin front\b(?! of\b){END}",
            rf"\b(?:straight|directly|dead|right|somewhere|from|far|close|just|up) ahead\b(?! of (?!{ME}))",
            rf"\bahead of {ME}",
            rf"\b(?:on|to|from|at|in|towards?) {THE} {_MODIFIERS}front(?: side)?\b{END}",
        ),
    ),
    ("direction", "left"): (("left",), _side("left")),
    ("direction", "right"): (("right",), _side("right")),
    ("direction", "back"): (
        ("back", "behind", "rear"),
        (
            rf"\bbehind (?:{ME}|{_MY} (?:back|head)\b)",
            rf"\bbehind\b{STOP}",
            r"\b(?:from|close|far|somewhere|directly) behind\b"
            r"(?= (?:and|in|inside|within|with|on|to|above|below|near|far|close|off|over|high|low|up|down|a long|nearby"
            r"|overhead)\b)",
            rf"\b(?:at|from) {_MY} (?:back|rear)\b(?! (?:yard|door|pocket|seat))",
            rf"\bin back of {ME}",
            rf"\b(?:on|to|from|at|in|towards?) {THE} {_MODIFIERS}(?:back|rear)(?: side)?\b{END}",
        ),
    ),
    ("elevation", "up"): (
        ("above", "overhead", "high", "over ", "upper", "up "),
        (
            rf"\babove {ME}",
            r"\bfrom (?:(?:up|high|far|directly|right|somewhere) ){0,2}above\b(?! (?:the|a(?! long)|an|ground)\b)",
            r"\b(?:up|high|far|close) above\b(?! (?:the|a(?! long)|an)\b)",
            rf"\babove\b(?:{STOP}|(?= and\b))",
            r"\boverhead\b(?! (?:projector|fan|light|bin|speaker|line|wire|cable|crane|door|pa)s?\b)",
            r"\bhigh up\b|\bup high\b|\bup and (?=(?:on|to) (?:the|my) (?:left|right)\b)",
            rf"\bover {_MY} heads?\b",
            rf"{_CORNER}(?:upper|up)[ -](?=(?:left|right|front|back|rear)\b)",
        ),
    ),
    ("elevation", "down"): (
        ("below", "beneath", "underneath", "under ", "low down", "down ", "feet", "lower"),
        (
            rf"\b(?:below|beneath|underneath|under) {ME}",
            r"\bfrom (?:(?:down|far|directly|right|somewhere) ){0,2}(?:below|beneath|underneath)\b"
            r"(?! (?:the|a(?! long)|an)\b)",
            r"\b(?:down|far|close) (?:below|beneath)\b(?! (?:the|a(?! long)|an)\b)",
            rf"\bbelow\b(?:{STOP}|(?= and\b))",
            r"\blow down\b|\bdown low\b|\bdown and (?=(?:on|to) (?:the|my) (?:left|right)\b)",
            rf"\b(?:at|by|near|around) {_MY} feet\b",
            rf"{_CORNER}(?:lower|down)[ -](?=(?:left|right|front|back|rear)\b)",
        ),
    ),
    ("distance", "near"): (
        ("near", "close", "next to", "beside", "not ", "proximity", "short"),
        (
            rf"\bnot (?:(?:too|very|so|that) )?far\b(?: away| off| from {ME})?",
            r"\bnear-?by\b|\bclose-?by\b|\bclose(?:r|ly)? by\b",
            rf"\bnear {ME}|\bclose to {ME}|\b(?:right )?next to {ME}|\bbeside {ME}",
            r"\b(?:at|from) (?:very )?close range\b|\bclose at hand\b|\bup close\b",
            r"\b(?:very|really|quite|so|extremely) close(?! to (?!me|us|you|the (?:mic|listener)))\b",
            r"\b(?:in|at|within|from) (?:(?:a|the) )?(?:close proximity|short distance|near distance|proximity)\b",
            r"\bclosely\b(?! (?:related|spaced|followed)\b)",
            rf"\b(?:close|near) (?={_PLACE})",
            r"\bnear and far\b|\bfar and near\b",
        ),
    ),
    ("distance", "far"): (
        ("far", "distan", "further", " way"),
        (
            rf"\b(?:far|farther|further)[ -]?(?:away|off)\b|\bfar from {ME}",
            r"\boff(?<!go off)(?<!goes off)(?<!going off) in (?:the|a) (?:far )?distance\b(?! of\b)",
            r"\b(?:in|into|from|at|out in) (?:(?:the|a|some) )?"
            r"(?:(?:far|great|large|long) )?distance\b(?! of\b)",
            r"\bfrom afar\b|\b(?:a )?(?:long|great) (?:way|distance) (?:off|away)\b|\bsome distance away\b",
            r"\bdistant(?:ly)?\b",
            rf"\bfar(?<!so far)(?<!as far)(?<!too far)(?<!how far){STOP}",
            rf"\bfar(?<!so far)(?<!as far) (?={_PLACE})",
            r"\bnear and far\b|\bfar and near\b",
        ),
    ),
    ("room_size", "small"): (
        ("small", "tiny", "little", "cramped", "compact"),
        (
            rf"\b(?:small(?:-sized)?|tiny|little|cramped|compact)\b{_OF_ROOM}",
            r"\bof small size\b",
            rf"\bthe {_ROOM} is (?:very )?(?:small|tiny)\b",
        ),
    ),
    ("room_size", "mid-sized"): (
        ("mid", "medium", "moderate", "average"),
        (
            rf"\b(?:mid-? ?sized|middle-? ?sized|medium(?:-? ?sized)?|(?:moderately|average)[ -]sized)\b{_OF_ROOM}",
            r"\bof (?:medium|average|moderate) size\b",
            rf"\bthe {_ROOM} is (?:mid|medium)-?sized\b",
        ),
    ),
    ("room_size", "large"): (
        ("large", "big", "huge", "vast", "spacious", "enormous", "great size"),
        (
            rf"\b(?:large(?:-sized)?|big|huge|vast|spacious|enormous)\b{_OF_ROOM}",
            r"\bof great size\b",
            rf"\bthe {_ROOM} is (?:very )?(?:large|big|huge)\b",
        ),
    ),
    ("reverberation", "acoustically dampened"): (
        ("acoustic", "dry", "dead", "damp", "echo", "reverb"),
        (
            r"\bacoustically[ -](?:dampened|damped|dead|dry|treated)\b|\b(?:dead|dry)-sounding\b",
            rf"\b(?:dry|dead|dampened|damped)\b{_OF_ROOM}",
            r"\b(?:with )?(?:an? )?(?:very )?(?:dry|dead) acoustics?\b|\bsound(?:s|ing) (?:dry|dead)\b",
            r"\becholess\b|\becho-?free\b|\banechoic\b",
            r"\b(?:with )?(?:without|no|hardly|little|almost no|barely|very little)(?: any)?"
            r" (?:echo(?:es)?|reverb(?:eration)?)\b",
        ),
    ),
    ("reverberation", "highly reverberant"): (
        ("reverb", "echo"),
        (
            r"(?:\b(?:highly|very|strongly|extremely|quite|really|heavily) )?\b(?:reverberant|echoe?y)\b",
            r"\b(?:with|full of) (?:(?:a lot of|lots of|plenty of|strong|long|heavy|an?|slight|very|faint) ){0,3}"
            r"(?:echo(?:es)?|reverb(?:eration)?)\b",
            r"\becho(?:ing|es|ed|-filled)\b|\becho\b(?!-? ?(?:chamber|sounder|free|less))",
            r"\breverb(?:erat(?:es?|ed|ing|ions?))?\b",
        ),
    ),
}

READERS: tuple[tuple[str, str, tuple[str, ...], re.Pattern[str]], ...] = tuple(
    (attribute, word, stems, re.compile(rf"\b(?:{'|'.join(alternatives)})"))
    for (attribute, word), (stems, alternatives) in PATTERNS.items()
)

#: Bare words that count when a whole comma-separated piece of a query is made of them: "dog, left, far, large room".
BRIEF: dict[str, tuple[str, str]] = {
    "front": ("direction", "front"),
    "ahead": ("direction", "front"),
    "left": ("direction", "left"),
    "right": ("direction", "right"),
    "back": ("direction", "back"),
    "behind": ("direction", "back"),
    "rear": ("direction", "back"),
    "up": ("elevation", "up"),
    "above": ("elevation", "up"),
    "down": ("elevation", "down"),
    "below": ("elevation", "down"),
    "near": ("distance", "near"),
    "close": ("distance", "near"),
    "far": ("distance", "far"),
    "dampened": ("reverberation", "acoustically dampened"),
    "dry": ("reverberation", "acoustically dampened"),
}

#: A place that is denied says nothing: "not on the left".
DENIED = re.compile(r"(?:\bnot|\bnever|n't|\bnor)(?: \w+)? $")
