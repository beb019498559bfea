"""VGGSound: the official vggsound.csv (video id, start second, label, train or test; no header) and fetched audio.

Audio anywhere under the root, named `{id}_{start, six digits}` as the official files are, `{id}_{start}`, or
`{id}_{start ms}_{end ms}`; a file in a folder named after its split is preferred.
Layout: hche11/VGGSound, README.md, example_audio/ and data/test.csv.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from open_elsa.corpora import base, labels
from open_elsa.corpora.base import Corpus, Problem
from open_elsa.scenes.scene import Clip

SPLITS = ("train", "test")


def read(root: Path, splits: frozenset[str] | None, problems: list[Problem]) -> Iterator[Clip]:
    """Yield one clip a row; its label is its caption."""
    table = base.need(root, ["vggsound.csv"], CORPUS, (".", "data"))
    index = base.audio_index(root)
    for line, row in base.rows(table, ("id", "start", "label", "split")):
        where = f"{table}, line {line}"
        if row["split"] not in SPLITS or not row["start"].isdigit():
            problems.append(
                Problem(where, f"expected a start in seconds and train or test, got {', '.join(row.values())}")
            )
            continue
        if splits is not None and row["split"] not in splits:
            continue
        path = base.segment(index, row["id"], int(row["start"]), row["split"], bare=False)
        if path is None:
            problems.append(Problem(f"{row['id']}_{int(row['start']):06d}", f"missing: no audio for {where}"))
            continue
        seconds = base.probe(path, problems)
        if seconds is None:
            continue
        first, *_ = (word.strip() for word in row["label"].split(","))  # "engine accelerating, revving, vroom"
        named = labels.common(row["label"], [first])
        yield Clip(
            id=f"vggsound/{row['split']}/{row['id']}_{int(row['start']):06d}",
            path=str(path),
            captions=named.captions,
            corpus=CORPUS.name,
            split=row["split"],
            licence="of the video; labels: CC-BY-4.0",
            duration_s=seconds,
            label=named.label,
            recording=row["id"],
            source_url=f"https://www.youtube.com/watch?v={row['id']}&t={row['start']}",
            trainable=False,
        )


CORPUS = Corpus(
    name="vggsound",
    licence="labels CC-BY-4.0; the audio belongs to its uploaders and is yours to fetch",
    citation="H. Chen, W. Xie, A. Vedaldi, A. Zisserman, VGGSound: A Large-scale Audio-Visual Dataset, ICASSP 2020",
    url="https://www.robots.ox.ac.uk/~vgg/data/vggsound/",
    splits=SPLITS,
    reader=read,
)
