"""VCTK as speech: `wav48_silence_trimmed/p225/p225_001_mic1.flac` (0.92) or `wav48/p225/p225_001.wav` (0.80).

`speaker-info.txt` (ID AGE GENDER ACCENTS REGION) says who speaks, `txt/p225/p225_001.txt` what is said, where it is
there. Of two microphones the first is taken. VCTK has no splits: all of it is `train`; `recording` is the speaker.
Layout: datashare.ed.ac.uk/handle/10283/3443, as speechbrain and torchaudio read it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from open_elsa.corpora import base, speech
from open_elsa.corpora.base import Corpus, Problem
from open_elsa.errors import DataError
from open_elsa.scenes.scene import Clip

_AUDIO = ("wav48_silence_trimmed", "wav48", "wav16")


def speakers(path: Path) -> dict[str, str]:
    """Read speaker-info.txt: speaker ("p225", also where the table writes 225) → "F" or "M"."""
    found = {}
    for number, line in enumerate(base.read_text(path).split("\n"), start=1):
        fields = line.split()
        if number == 1 or not fields:
            if number == 1 and fields[:3] != ["ID", "AGE", "GENDER"]:
                raise DataError(f"{path} is not VCTK's: its first line begins with {line[:30]!r}, not ID AGE GENDER")
            continue
        if len(fields) < 3 or fields[2] not in ("F", "M"):
            raise DataError(f"{path}, line {number}: expected ID AGE GENDER, got {line!r}")
        found[f"p{fields[0]}" if fields[0].isdigit() else fields[0]] = fields[2]
    return found


def read(root: Path, splits: frozenset[str] | None, problems: list[Problem]) -> Iterator[Clip]:
    """Yield one clip an utterance."""
    info = base.need(root, ["speaker-info.txt"], CORPUS)
    audio = next((root / name for name in _AUDIO if (root / name).is_dir()), None)
    if audio is None:
        raise DataError(f"no audio of VCTK: expected the folder {root / _AUDIO[0]} (or {', '.join(_AUDIO[1:])})")
    sexes = speakers(info)
    for folder in sorted(p for p in audio.iterdir() if p.is_dir()):
        if folder.name not in sexes:
            problems.append(Problem(str(folder), f"its speaker is not in {info}"))
            continue
        sounds: dict[str, Path] = {}
        for path in sorted(folder.iterdir()):  # mic1 before mic2
            if path.suffix.lower() in base.AUDIO_SUFFIXES:
                sounds.setdefault(path.stem.removesuffix("_mic1").removesuffix("_mic2"), path)
        for name, path in sounds.items():
            text = root / "txt" / folder.name / f"{name}.txt"
            transcript = base.read_text(text) if text.is_file() else ""
            sex = sexes[folder.name]
            yield from speech.utterance(CORPUS, path, name, "train", folder.name, sex, transcript, problems)


CORPUS = Corpus(
    name="vctk",
    licence="CC-BY-4.0",
    citation="J. Yamagishi, C. Veaux, K. MacDonald, CSTR VCTK Corpus (version 0.92), University of Edinburgh, 2019",
    url="https://datashare.ed.ac.uk/handle/10283/3443",
    splits=("train",),
    reader=read,
)
