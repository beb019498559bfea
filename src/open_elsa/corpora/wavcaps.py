"""WavCaps: captions in `json_files/SUBSET/*.json`, sounds as `ID.flac` in a folder of the subset's name.

A JSON is {"num_captions_per_audio": 1, "data": [...]} or the bare list; an entry has id, caption, duration, and, as its
source gives them, href, download_link, author, tags, description. Sounds may lie at any depth below a folder whose name
begins with the subset's (`Zip_files/FreeSound/`, `FreeSound_flac/`). WavCaps has no splits: all of it is `train`, and a
subset can be asked for by name. Its blacklists (sounds of other test sets) are not applied; `recording` is the id of
the source, by which overlaps are found.
Layout: XinhaoMei/WavCaps, README.md and data/json_files; the card of huggingface.co/datasets/cvssp/WavCaps.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from open_elsa.corpora import base
from open_elsa.corpora.base import Corpus, Problem
from open_elsa.errors import DataError
from open_elsa.scenes.scene import Clip

#: Subset → what is known of the sounds' licence, where an entry's `href` leads, and the counts of the card.
SUBSETS = {
    "FreeSound": ("each sound has its own, not in WavCaps; captions: academic use only", "https://freesound.org{}"),
    "BBC_Sound_Effects": ("BBC Sound Effects licence; captions: academic use only", ""),
    "SoundBible": ("of SoundBible; captions: academic use only", "https://soundbible.com/{}"),
    "AudioSet_SL": ("of the video; captions: academic use only", ""),
}


def read(root: Path, splits: frozenset[str] | None, problems: list[Problem]) -> Iterator[Clip]:
    """Yield one clip an entry, with its caption."""
    tables = {s: _tables(root, s) for s in SUBSETS}
    if not any(tables.values()):
        raise DataError(
            f"{root} is not WavCaps: it has no json_files/SUBSET/*.json (subsets: {', '.join(SUBSETS)}); get them from "
            f"{CORPUS.url}"
        )
    for subset, paths in tables.items():
        if not paths or (splits is not None and not splits & {"train", subset}):
            continue
        index = _sounds(root, subset)
        for path in paths:
            for number, entry in enumerate(_entries(path), start=1):
                yield from _clip(entry, f"{path}, entry {number}", subset, index, problems)


def _tables(root: Path, subset: str) -> list[Path]:
    folders = (root / "json_files" / subset, root / "data" / "json_files" / subset, root / subset)
    return next((found for f in folders if (found := sorted(f.glob("*.json")))), [])


def _entries(path: Path) -> list[object]:
    value = base.read_json(path)
    entries = value.get("data") if isinstance(value, dict) else value
    if not isinstance(entries, list):
        raise DataError(f'{path} is not a table of WavCaps: a list of entries, or {{"data": [...]}}, is expected')
    return entries


def _sounds(root: Path, subset: str) -> dict[str, Path]:
    """Id → sound, of every folder that is named after the subset."""
    found: dict[str, Path] = {}
    for folder in sorted(p for depth in ("*", "*/*", "*/*/*") for p in root.glob(depth) if p.is_dir()):
        if folder.name.startswith(subset):
            for stem, paths in base.audio_index(folder).items():
                found.setdefault(stem, paths[0])
    return found


def _clip(entry: object, where: str, subset: str, index: dict[str, Path], problems: list[Problem]) -> Iterator[Clip]:
    if not isinstance(entry, dict) or not entry.get("id"):
        problems.append(Problem(where, "has no id"))
        return
    number = PurePosixPath(str(entry["id"])).name
    number = number.removesuffix(".wav").removesuffix(".flac")
    caption = str(entry.get("caption") or "").strip()
    if not caption:
        problems.append(Problem(where, f"has no caption for {number}"))
        return
    path = index.get(number)
    if path is None:
        problems.append(Problem(f"{subset}/{number}", f"missing: no audio for {where}"))
        return
    seconds = base.probe(path, problems)
    if seconds is None:
        return
    licence, pages = SUBSETS[subset]
    page = str(entry.get("href") or "")
    yield Clip(
        id=f"wavcaps/{subset}/{number}",
        path=str(path),
        captions=(caption,),
        corpus=CORPUS.name,
        split="train",
        licence=licence,
        duration_s=seconds,
        recording=number.removeprefix("Y") if subset == "AudioSet_SL" else number,
        source_url=pages.format(page) if page and pages else str(entry.get("download_link") or ""),
        trainable=False,
    )


CORPUS = Corpus(
    name="wavcaps",
    licence="academic use only; the sounds keep the licences of their sources",
    citation="X. Mei, C. Meng, H. Liu et al., WavCaps: A ChatGPT-Assisted Weakly-Labelled Audio Captioning "
    "Dataset, 2023",
    url="https://huggingface.co/datasets/cvssp/WavCaps",
    splits=("train", *SUBSETS),
    reader=read,
    expected={"train": 403_050},  # the dataset card's table
)
