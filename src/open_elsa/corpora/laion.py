"""Freesound as LAION-Audio-630K lays it out: pairs `N.flac` and `N.json`, in tars (WebDataset) or unpacked.

Tars or pairs lie in the root or in `train/`, `valid/`, `test/`. The JSON has `text` (captions), `tag` and
`original_data` (title, description, username, download_url, id, and a `license` where the preparation kept it).
The layout is that of LAION-AI/audio-dataset: data_preprocess/README.md, data_card/freesound.md, data_card/1.json.
"""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from open_elsa.corpora import base, unpacked
from open_elsa.corpora.base import Corpus, Problem
from open_elsa.errors import DataError
from open_elsa.scenes.scene import Clip

#: LAION's names of its splits, and ours.
SPLITS = {"train": "train", "valid": "val", "test": "test"}


@dataclass(frozen=True)
class _Pair:
    """A sound on the disk and what its JSON says."""

    name: str  # where it is, for messages
    key: str  # an id where its JSON gives none
    path: Path
    about: object


def read(root: Path, splits: frozenset[str] | None, problems: list[Problem]) -> Iterator[Clip]:
    """Yield one clip a pair; sounds in tars are copied to the cache first (see `unpacked`)."""
    found = False
    for theirs, folder in _folders(root):
        tars = sorted(folder.glob("*.tar"))
        texts = sorted(folder.glob("*.json"))
        found = found or bool(tars) or any(p.name != "sizes.json" for p in texts)
        if splits is not None and not splits & {theirs, SPLITS[theirs]}:
            continue
        for tar in tars:
            for pair in _from_tar(tar, problems):
                yield from _clip(pair, theirs, problems)
        for text in texts:
            if text.name != "sizes.json" and (pair_ := _from_folder(text, problems)):
                yield from _clip(pair_, theirs, problems)
    if not found:
        raise DataError(
            f"{root} has neither *.tar nor pairs of N.flac and N.json, nor have its folders {', '.join(SPLITS)}; "
            f"see {CORPUS.url}"
        )


def _folders(root: Path) -> list[tuple[str, Path]]:
    named = [(split, root / split) for split in SPLITS if (root / split).is_dir()]
    return named or [("train", root)]


def _from_folder(text: Path, problems: list[Problem]) -> _Pair | None:
    try:
        about = base.read_json(text)
    except DataError as error:
        problems.append(Problem(str(text), str(error)))
        return None
    path = next((p for s in base.AUDIO_SUFFIXES if (p := text.with_suffix(s)).is_file()), text.with_suffix(".flac"))
    return _Pair(str(text), text.stem, path, about)


def _from_tar(tar: Path, problems: list[Problem]) -> Iterator[_Pair]:
    """Yield the pairs of a tar: first by their headers, so that what is in the cache already is not read again."""
    where = unpacked.folder(tar)
    try:
        with tarfile.open(tar, "r:") as archive:
            members = {m.name: m for m in archive.getmembers() if m.isfile()}
            for name, member in members.items():
                if PurePosixPath(name).suffix.lower() not in base.AUDIO_SUFFIXES:
                    continue
                at = f"{tar}, {name}"
                text = members.get(str(PurePosixPath(name).with_suffix(".json")))
                if text is None:
                    problems.append(Problem(at, "missing: no JSON beside it"))
                    continue
                try:
                    about = json.loads(_bytes(archive, text))
                except ValueError as error:
                    problems.append(Problem(f"{tar}, {text.name}", f"is not JSON: {error}"))
                    continue
                target = where / name.replace("/", "_")
                if not (target.is_file() and target.stat().st_size == member.size):
                    unpacked.put(where, target.name, _bytes(archive, member))
                yield _Pair(at, f"{tar.stem}/{PurePosixPath(name).stem}", target, about)
    except (tarfile.TarError, EOFError) as error:
        problems.append(Problem(str(tar), f"is not a whole tar: {error}; copy or download it again"))


def _bytes(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = archive.extractfile(member)
    return b"" if file is None else file.read()


def _clip(pair: _Pair, split: str, problems: list[Problem]) -> Iterator[Clip]:
    if not isinstance(pair.about, dict):
        problems.append(Problem(pair.name, "is not a JSON object"))
        return
    texts = pair.about.get("text")
    written = [texts] if isinstance(texts, str) else texts if isinstance(texts, list) else []
    captions = tuple(dict.fromkeys(t.strip() for t in written if isinstance(t, str) and t.strip()))
    if not captions:
        problems.append(Problem(pair.name, 'has no caption: its "text" is empty'))
        return
    seconds = base.probe(pair.path, problems)
    if seconds is None:
        return
    original = pair.about.get("original_data")
    original = original if isinstance(original, dict) else {}
    licence = str(original.get("license") or original.get("licence") or base.NOT_STATED)
    number = str(original.get("id") or original.get("fname") or "")
    yield Clip(
        id=f"{CORPUS.name}/{split}/{number or pair.key}",
        path=str(pair.path),
        captions=captions,
        corpus=CORPUS.name,
        split=SPLITS[split],
        licence=licence,
        duration_s=seconds,
        recording=number,
        source_url=str(original.get("download_url") or ""),
        trainable=base.may_train(licence),
    )


CORPUS = Corpus(
    name="freesound_laion",
    licence="each sound has its own (in its JSON where the preparation kept it); the collection is for research only",
    citation="Y. Wu, K. Chen, T. Zhang et al., Large-Scale Contrastive Language-Audio Pretraining, ICASSP 2023",
    url="https://github.com/LAION-AI/audio-dataset",
    splits=("train", "val", "test", "valid"),
    reader=read,  # full or without overlap, 515,581 or 460,801 sounds: what is there depends on the version
)
