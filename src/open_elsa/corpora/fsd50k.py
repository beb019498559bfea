"""FSD50K in its official layout: FSD50K.ground_truth, FSD50K.metadata, FSD50K.dev_audio, FSD50K.eval_audio.

`dev.csv` (fname,labels,mids,split: train or val) and `eval.csv` (fname,labels,mids) name the clips. Their labels are
propagated up the ontology; captions are made of what people chose, `FSD50K.metadata/collection/collection_*.csv`, where
that is there. `{dev,eval}_clips_info_FSD50K.json` gives each clip's own licence, title and uploader.
Layout and counts: zenodo.org/records/4060432; LAION-AI/audio-dataset, data_preprocess/preprocess_FSD50K.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from open_elsa.corpora import base, labels
from open_elsa.corpora.base import Corpus, Problem
from open_elsa.errors import DataError
from open_elsa.scenes.scene import Clip

_TABLES = {"dev": ("fname", "labels", "mids", "split"), "eval": ("fname", "labels", "mids")}
_AUDIO = ("FSD50K.{}_audio", "clips/{}", "FSD50K.{}_audio_16k")


def read(root: Path, splits: frozenset[str] | None, problems: list[Problem]) -> Iterator[Clip]:
    """Yield one clip a row of dev.csv (train, val) and eval.csv (test)."""
    paths = {kind: base.find(root, [f"{kind}.csv"], ("FSD50K.ground_truth", "ground_truth")) for kind in _TABLES}
    if not any(paths.values()):
        base.need(root, ["FSD50K.ground_truth/dev.csv", "FSD50K.ground_truth/eval.csv"], CORPUS)
    for kind, path in paths.items():
        names = {kind, "test"} if kind == "eval" else {kind, "train", "val"}
        if path is None or (splits is not None and not splits & names):
            continue
        audio = next((f for name in _AUDIO if (f := root / name.format(kind)).is_dir()), None)
        if audio is None:
            raise DataError(f"no audio of FSD50K's {kind} set: expected the folder {root / _AUDIO[0].format(kind)}")
        about, chosen = _about(root, kind), _chosen(root, kind)
        words = _vocabulary(path.parent)
        for line, row in base.table(path, _TABLES[kind]):
            split = "test" if kind == "eval" else row["split"]
            if split not in ("train", "val", "test"):
                problems.append(Problem(f"{path}, line {line}", f"split is {split!r}, not train or val"))
                continue
            if splits is not None and not splits & {split, kind}:
                continue
            named = [name for name in row["labels"].split(",") if name]
            if unknown := [name for name in named if words and name not in words]:
                problems.append(Problem(f"{path}, line {line}", f"{', '.join(unknown)} is not in vocabulary.csv"))
                continue
            said = chosen.get(row["fname"]) or named[:1]
            yield from _clip(audio / f"{row['fname']}.wav", split, said, about.get(row["fname"], {}), problems)


def _about(root: Path, kind: str) -> dict[str, dict[str, object]]:
    path = base.find(root, [f"{kind}_clips_info_FSD50K.json"], ("FSD50K.metadata", "metadata"))
    value = {} if path is None else base.read_json(path)
    if not isinstance(value, dict):
        raise DataError(f"{path} is not FSD50K's clip information: an object by file name is expected")
    return {str(k): v for k, v in value.items() if isinstance(v, dict)}


def _chosen(root: Path, kind: str) -> dict[str, list[str]]:
    """File name → labels as people chose them, most of them leaves of the ontology."""
    path = base.find(root, [f"collection_{kind}.csv"], ("FSD50K.metadata/collection", "metadata/collection"))
    if path is None:
        return {}
    return {
        row["fname"]: [n for n in row["labels"].split(",") if n] for _, row in base.table(path, ("fname", "labels"))
    }


def _vocabulary(folder: Path) -> set[str]:
    path = folder / "vocabulary.csv"
    return {row["label"] for _, row in base.rows(path, ("index", "label", "mid"))} if path.is_file() else set()


def _clip(path: Path, split: str, said: list[str], about: dict[str, object], problems: list[Problem]) -> Iterator[Clip]:
    seconds = base.probe(path, problems)
    if seconds is None:
        return
    named = labels.spoken(
        [name.replace("_and_", " and ").replace("_", " ") for name in said], str(about.get("title", ""))
    )
    if named is None:
        problems.append(Problem(str(path), f"its labels say nothing that is heard: {', '.join(said) or 'none'}"))
        return
    licence = str(about.get("license") or base.NOT_STATED)
    yield Clip(
        id=f"fsd50k/{split}/{path.stem}",
        path=str(path),
        captions=named.captions,
        corpus=CORPUS.name,
        split=split,
        licence=licence,
        duration_s=seconds,
        label=named.label,
        recording=path.stem,
        source_url=f"https://freesound.org/s/{path.stem}/",
        trainable=base.may_train(licence),
    )


CORPUS = Corpus(
    name="fsd50k",
    licence="CC-BY-4.0 as a set; each clip has its own licence",
    citation="E. Fonseca, X. Favory, J. Pons, F. Font, X. Serra, FSD50K: an Open Dataset of Human-Labeled Sound "
    "Events, IEEE/ACM TASLP 30, 2022",
    url="https://zenodo.org/records/4060432",
    splits=("train", "val", "test", "dev", "eval"),
    reader=read,
    expected={"train": 36_796, "val": 4_170, "test": 10_231},
)
