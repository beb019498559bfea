"""ESC-50 in its official layout: meta/esc50.csv and audio/*.wav, licence per clip from the LICENSE file beside it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from open_elsa.corpora import base, labels
from open_elsa.corpora.base import Corpus, Problem
from open_elsa.scenes.scene import Clip

#: Our fixed use of the five official folds. One original stays in one fold, save for two that hold two classes each
#: (131943 and 134049, folds 2 and 3): none crosses into test.
SPLIT_OF_FOLD = {"1": "train", "2": "train", "3": "val", "4": "test", "5": "train"}
FOLDS = tuple(f"fold{n}" for n in range(1, 6))

_CREDIT = re.compile(
    r"\[(?P<id>[\w-]+)\.ogg\]:\s+clip derived from (?P<title>.*?) \((?P<url>https?://\S+)\)"
    r" by .*\[(?P<licence>[^\]]+)\]"
)
_SET_LICENCE = "CC-BY-NC-3.0"
_ESC10_LICENCE = "CC-BY-3.0"


def credits(root: Path) -> dict[str, tuple[str, str, str]]:
    """Clip id → (licence, page of the original, title) from the data set's LICENSE; empty if it is not there."""
    path = root / "LICENSE"
    if not path.is_file():
        return {}
    text = path.read_text(encoding="utf-8", errors="replace")
    return {m["id"]: (m["licence"], m["url"], m["title"]) for m in _CREDIT.finditer(text)}


def read(root: Path, splits: frozenset[str] | None, problems: list[Problem]) -> Iterator[Clip]:
    """Yield the clips of `splits`: train, val, test, or fold1 to fold5."""
    meta = base.need(root, ["meta/esc50.csv"], CORPUS)
    credit = credits(root)
    for line, row in base.table(meta, ("filename", "fold", "category")):
        fold = row["fold"]
        if fold not in SPLIT_OF_FOLD:
            problems.append(Problem(f"{meta}, line {line}", f"fold {fold!r} is not one of 1 to 5"))
            continue
        if splits is not None and not splits & {SPLIT_OF_FOLD[fold], f"fold{fold}"}:
            continue
        path = root / "audio" / row["filename"]
        seconds = base.probe(path, problems)
        if seconds is None:
            continue
        fallback = _ESC10_LICENCE if row.get("esc10", "").lower() == "true" else _SET_LICENCE
        licence, url, title = credit.get(path.stem, (fallback, "", ""))
        named = labels.esc50(row["category"], title)
        yield Clip(
            id=f"esc50/{path.stem}",
            path=str(path),
            captions=named.captions,
            corpus=CORPUS.name,
            split=SPLIT_OF_FOLD[fold],
            licence=licence,
            duration_s=seconds,
            label=named.label,
            recording=row.get("src_file", ""),
            source_url=url,
            trainable=base.may_train(licence),
        )


CORPUS = Corpus(
    name="esc50",
    licence="CC-BY-NC-3.0 as a set (ESC-10: CC-BY-3.0); each clip has its own licence",
    citation="K. J. Piczak, ESC: Dataset for Environmental Sound Classification, ACM Multimedia 2015",
    url="https://github.com/karolpiczak/ESC-50",
    splits=("train", "val", "test", *FOLDS),
    reader=read,
    expected={"train": 1200, "val": 400, "test": 400},
)
