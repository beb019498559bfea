"""LibriSpeech as speech: `SPEAKERS.TXT` and `{subset}/{speaker}/{chapter}/{speaker}-{chapter}-{number}.flac`.

The transcripts stand in `{speaker}-{chapter}.trans.txt` beside the sounds. The root is the folder `LibriSpeech` of the
archives, or the one that it is in. Subsets train-* are `train`, dev-* `val`, test-* `test`; a subset's own name works
as a split too. `recording` is the speaker, who never crosses subsets.
Layout: openslr.org/12; counts: huggingface/datasets, datasets/librispeech_asr/README.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from open_elsa.corpora import base, speech
from open_elsa.corpora.base import Corpus, Problem
from open_elsa.errors import DataError
from open_elsa.scenes.scene import Clip

SUBSETS = {
    "train-clean-100": "train",
    "train-clean-360": "train",
    "train-other-500": "train",
    "dev-clean": "val",
    "dev-other": "val",
    "test-clean": "test",
    "test-other": "test",
}


def speakers(path: Path) -> dict[str, str]:
    """Read SPEAKERS.TXT (`;` begins a remark; ID | SEX | SUBSET | MINUTES | NAME): speaker → "F" or "M"."""
    found = {}
    for number, line in enumerate(base.read_text(path).split("\n"), start=1):
        if not line.strip() or line.startswith(";"):
            continue
        fields = [field.strip() for field in line.split("|")]
        if len(fields) < 5 or fields[1] not in ("F", "M"):
            raise DataError(f"{path}, line {number}: expected ID | SEX | SUBSET | MINUTES | NAME, got {line!r}")
        found[fields[0]] = fields[1]
    return found


def read(root: Path, splits: frozenset[str] | None, problems: list[Problem]) -> Iterator[Clip]:
    """Yield one clip an utterance of every subset that is there."""
    info = base.need(root, ["SPEAKERS.TXT"], CORPUS, (".", "LibriSpeech"))
    sexes = speakers(info)
    there = [s for s in SUBSETS if (info.parent / s).is_dir()]
    if not there:
        raise DataError(f"{info.parent} has none of the folders {', '.join(SUBSETS)}")
    for subset in there:
        if splits is not None and not splits & {subset, SUBSETS[subset]}:
            continue
        for table in sorted((info.parent / subset).glob("*/*/*.trans.txt")):
            speaker = table.parent.parent.name
            if speaker not in sexes:
                problems.append(Problem(str(table), f"speaker {speaker} is not in {info}"))
                continue
            for number, line in enumerate(base.read_text(table).split("\n"), start=1):
                name, _, words = line.strip().partition(" ")
                if not name:
                    continue
                if not name.startswith(f"{speaker}-"):
                    problems.append(Problem(f"{table}, line {number}", f"{name!r} is not an utterance of {speaker}"))
                    continue
                path, key, split = table.parent / f"{name}.flac", f"{subset}/{name}", SUBSETS[subset]
                yield from speech.utterance(CORPUS, path, key, split, speaker, sexes[speaker], words.lower(), problems)


CORPUS = Corpus(
    name="librispeech",
    licence="CC-BY-4.0",
    citation="V. Panayotov, G. Chen, D. Povey, S. Khudanpur, LibriSpeech: an ASR Corpus Based on Public Domain Audio "
    "Books, ICASSP 2015",
    url="https://www.openslr.org/12",
    splits=("train", "val", "test", *SUBSETS),
    reader=read,
    expected={"train": 28_539 + 104_014 + 148_688, "val": 2_703 + 2_864, "test": 2_620 + 2_939},
)
