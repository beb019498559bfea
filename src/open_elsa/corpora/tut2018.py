"""TUT Sound Events 2018: REAL, ANSYN and RESYN, first-order ambisonics with stationary sources.

Layout: `wav_ov{1,2,3}_split{n}_30db/{train,test}_…_desc_….wav` and the same names with .csv in `desc_ov{…}_split{n}/`;
the CSV has a header and sound_event_recording, start, end, elevation, azimuth, distance (seconds, degrees, metres). A
class is the name of the event's file without its number, in REAL the second number of an UrbanSound8K file.
Layout, columns and classes: sharathadavanne/seld-net, README.md and cls_feature_class.py (x is the cosine of azimuth, y
the sine). Neither says in which order and with which gains the channels lie, nor did any other document that we
could read; so the convention is heard from the set's own labels (see `hearing`), and a set whose channels agree with
them in no order is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from open_elsa.corpora import base, hearing
from open_elsa.corpora.base import Problem
from open_elsa.corpora.spatial import SoundEvent, SpatialCorpus, SpatialRecording, foa_header
from open_elsa.errors import DataError

#: UrbanSound8K's classes by number; REAL uses eight of them.
URBANSOUND = (
    *("air conditioner", "car horn", "children playing", "dog bark", "drilling"),
    *("engine idling", "gun shot", "jackhammer", "siren", "street music"),
)
_FOLDER = re.compile(r"wav_ov(?P<overlap>\d)_split(?P<split>\d)_(?P<snr>\d+)db$")
_COLUMNS = ("sound_event_recording", "start", "end", "elevation", "azimuth")
_LICENCE = "TUT licence: non-commercial, with attribution"
#: How many stretches with one sound are listened to for the convention.
_LISTEN_TO = 20


def read(
    root: Path, splits: frozenset[str] | None, problems: list[Problem], *, name: str
) -> Iterator[SpatialRecording]:
    """Yield one recording a file; split "split1-test" is the test part of the first cross-validation split."""
    folders = [(m, p) for p in sorted(root.glob("wav_ov*_split*_*db")) if (m := _FOLDER.search(p.name)) and p.is_dir()]
    if not folders:
        raise DataError(f"{root} is not TUT Sound Events 2018: it has no wav_ov1_split1_30db or the like")
    convention, stretches = "", 0
    waiting: list[SpatialRecording] = []
    for recording in _unheard(folders, splits, problems, name):
        if convention:
            yield replace(recording, convention=convention)
            continue
        waiting.append(recording)
        stretches += sum(1 for _ in recording.alone())
        if stretches >= _LISTEN_TO:
            convention = hearing.convention(waiting).convention
            yield from (replace(r, convention=convention) for r in waiting)
            waiting = []
    if waiting:
        heard = hearing.convention(waiting).convention
        yield from (replace(r, convention=heard) for r in waiting)


def _unheard(
    folders: list[tuple[re.Match[str], Path]], splits: frozenset[str] | None, problems: list[Problem], name: str
) -> Iterator[SpatialRecording]:
    for match, sounds in folders:
        tables = sounds.parent / f"desc_ov{match['overlap']}_split{match['split']}"
        if not tables.is_dir():
            raise DataError(f"{sounds} has no labels: there is no folder {tables}")
        for table in sorted(tables.glob("*.csv")):
            part = "train" if table.name.startswith("train") else "test"
            split = f"split{match['split']}-{part}"
            if splits is not None and not splits & {split, part}:
                continue
            header = foa_header(sounds / f"{table.stem}.wav", problems)
            if header is None:
                continue
            try:
                labelled = events(table, urbansound=name == "tut2018_real")
            except DataError as error:
                problems.append(Problem(str(table), str(error)))
                continue
            yield SpatialRecording(
                id=f"{name}/ov{match['overlap']}_{split}/{table.stem}",
                path=header.path,
                convention="ambix",
                sample_rate=header.sample_rate,
                duration_s=header.duration_s,
                events=labelled,
                corpus=name,
                split=split,
                licence=_LICENCE,
            )


def events(table: Path, *, urbansound: bool) -> tuple[SoundEvent, ...]:
    """Read the labels of a recording; raises DataError, with the line, for what is not a row of them."""
    found = []
    lines = base.rows(table, (*_COLUMNS, "distance"))
    for track, (line, row) in enumerate(lines, start=-1):
        if track < 0:  # the header, whose names differ between the sets
            continue
        where = f"{table}, line {line}"
        try:
            start, end, elevation, azimuth, distance = (float(row[c]) for c in (*_COLUMNS[1:], "distance"))
        except ValueError:
            raise DataError(f"{where}: expected times and angles, got {', '.join(row.values())}") from None
        label = _label(Path(row["sound_event_recording"]).stem, urbansound, where)
        found.append(SoundEvent(label, start, end, azimuth, elevation, distance, track))
    return tuple(sorted(found, key=lambda e: (e.start_s, e.track or 0)))


def _label(stem: str, urbansound: bool, where: str) -> str:
    if not urbansound:
        return stem[:-3] if stem[-3:].isdigit() else stem
    number = stem.split("-")[1] if stem.count("-") >= 1 else ""
    if not number.isdigit() or int(number) >= len(URBANSOUND):
        raise DataError(f"{where}: {stem!r} is not the name of an UrbanSound8K file (ID-CLASS-…)")
    return URBANSOUND[int(number)]


def _corpus(kind: str, record: str) -> SpatialCorpus:
    name = f"tut2018_{kind}"
    numbers = (1, 8, 9) if kind == "real" else (1, 2, 3)
    return SpatialCorpus(
        name=name,
        licence=_LICENCE,
        citation="S. Adavanne, A. Politis, J. Nikunen, T. Virtanen, Sound Event Localization and Detection of "
        "Overlapping Sources Using Convolutional Recurrent Neural Networks, IEEE JSTSP 13(1), 2018",
        url=f"https://zenodo.org/records/{record}",
        splits=("train", "test", *(f"split{n}-{part}" for n in numbers for part in ("train", "test"))),
        reader=partial(read, name=name),
    )


CORPORA = (_corpus("real", "1237793"), _corpus("ansyn", "1237703"), _corpus("resyn", "1237707"))
