"""The spatial sets of the DCASE challenges: TAU-NIGENS Spatial Sound Events 2020 and 2021, STARSS22 and STARSS23.

Layout: `foa_dev/**/NAME.wav` and `metadata_dev/**/NAME.csv`, flat or in folders that are named after the split
(dev-train, dev-test-tau …), and `foa_eval/` with `metadata_eval/` where labels were published. The CSV has no header:
frame (100 ms, from 0), class, source, azimuth, elevation and, since STARSS23, distance in cm.
Channels are W, Y, Z, X with the gains 1, sin φ cos θ, sin θ, cos φ cos θ: AmbiX; azimuth counts counter-clockwise, 90°
is left. So say the sets' own READMEs (STARSS23 as kept in lixinghe1999/localization, dataset/STARSS23/README.md;
STARSS22 in huggingface.co/datasets/Fhrozen/dcase22_task3; soundata/soundata, soundata/datasets/tau2020sse_nigens.py and
tau2021sse_nigens.py), and sharathadavanne/seld-dcase2020, cls_feature_class.py takes X from the fourth channel.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from open_elsa.corpora import base
from open_elsa.corpora.base import Problem
from open_elsa.corpora.spatial import SoundEvent, SpatialCorpus, SpatialRecording, foa_header
from open_elsa.errors import DataError

FRAME_S = 0.1
_COLUMNS = ("frame", "class", "source", "azimuth", "elevation")
_NAME = re.compile(r"fold(?P<fold>\d+)_room(?P<room>\d+)_mix\d+")

CLASSES_2020 = (
    *("alarm", "crying baby", "crash", "barking dog", "running engine", "female scream", "female speech"),
    *("burning fire", "footsteps", "knocking on door", "male scream", "male speech", "ringing phone", "piano"),
)
CLASSES_2021 = tuple(c for c in CLASSES_2020 if c not in ("running engine", "burning fire"))
CLASSES_STARSS = (
    *("female speech", "male speech", "clapping", "telephone", "laughter", "domestic sounds", "footsteps"),
    *("door", "music", "musical instrument", "water tap", "bell", "knock"),
)


@dataclass(frozen=True)
class Layout:
    """How one of the sets differs from the others: its classes, and which split a fold is where folders do not say."""

    name: str
    classes: tuple[str, ...]
    splits: tuple[str, ...]
    split_of_fold: Mapping[str, str]
    licence: str

    def read(self, root: Path, splits: frozenset[str] | None, problems: list[Problem]) -> Iterator[SpatialRecording]:
        """Yield one recording a file; a group such as dev-train stands for dev-train-sony and dev-train-tau."""
        kinds = [kind for kind in ("dev", "eval") if (root / f"foa_{kind}").is_dir()]
        if not kinds:
            raise DataError(f"{root} is not {self.name}: it has neither foa_dev nor foa_eval; unpack the FOA archives")
        if "dev" in kinds and not (root / "metadata_dev").is_dir():
            raise DataError(f"{root} has foa_dev but no metadata_dev; unpack metadata_dev.zip beside it")
        for kind in kinds:
            sounds = base.audio_index(root / f"foa_{kind}")
            labels = {p.stem: p for p in sorted((root / f"metadata_{kind}").rglob("*.csv"))}
            for stem in sorted({*sounds, *labels}):
                path = sounds[stem][0] if stem in sounds else None
                split = self._split(kind, path or labels[stem], stem)
                if split is None:
                    problems.append(Problem(str(path or labels[stem]), "is in no split: neither folder nor fold says"))
                elif splits is None or any(split == s or split.startswith(f"{s}-") for s in splits):
                    table = labels.get(stem)
                    yield from self._recording(root / f"foa_{kind}", path, table, stem, split, problems)

    def _split(self, kind: str, path: Path, stem: str) -> str | None:
        if kind == "eval":
            return "eval"
        if (folder := path.parent.name) in self.splits:
            return folder
        match = _NAME.match(stem)
        return self.split_of_fold.get(match["fold"]) if match else None

    def _recording(
        self, folder: Path, path: Path | None, table: Path | None, stem: str, split: str, problems: list[Problem]
    ) -> Iterator[SpatialRecording]:
        if path is None:
            problems.append(Problem(str(folder / f"{stem}.wav"), f"missing; {table} labels it"))
            return
        if table is None and split != "eval":
            problems.append(Problem(str(path), f"missing: no labels {stem}.csv for it"))
            return
        header = foa_header(path, problems)
        if header is None:
            return
        try:
            events = None if table is None else self.events(table)
        except DataError as error:
            problems.append(Problem(str(table), str(error)))
            return
        match = _NAME.match(stem)
        yield SpatialRecording(
            id=f"{self.name}/{split}/{stem}",
            path=str(path),
            convention="ambix",
            sample_rate=header.sample_rate,
            duration_s=header.duration_s,
            events=events,
            corpus=self.name,
            split=split,
            licence=self.licence,
            room_id=f"room{match['room']}" if match else "",
        )

    def events(self, table: Path) -> tuple[SoundEvent, ...]:
        """Read the labels of a recording: frames that follow each other at one place become one event.

        Raises DataError, with the line, for a class that the set does not have and for what is not a row of numbers.
        """
        runs: dict[tuple[float, ...], list[int]] = {}
        for line, row in base.rows(table, _COLUMNS, optional=("distance",)):
            where = f"{table}, line {line}"
            try:
                frame, kind, source = (int(row[c]) for c in _COLUMNS[:3])
                place = (float(row["azimuth"]), float(row["elevation"]))
            except ValueError:
                raise DataError(f"{where}: expected whole numbers and angles, got {', '.join(row.values())}") from None
            if not 0 <= kind < len(self.classes) or frame < 0:
                raise DataError(
                    f"{where}: class {kind} in frame {frame}; {self.name} has classes 0 to {len(self.classes) - 1}"
                )
            runs.setdefault((kind, source, *place, _distance_cm(row, where)), []).append(frame)
        events = [e for key, frames in runs.items() for e in self._runs(key, sorted(set(frames)))]
        return tuple(sorted(events, key=lambda e: (e.start_s, e.end_s, e.label, e.azimuth_deg, e.track or 0)))

    def _runs(self, key: tuple[float, ...], frames: list[int]) -> Iterator[SoundEvent]:
        kind, source, azimuth, elevation, distance_cm = key
        start = frames[0]
        for frame, following in zip(frames, [*frames[1:], -1], strict=True):
            if following != frame + 1:
                yield SoundEvent(
                    label=self.classes[int(kind)],
                    start_s=round(start * FRAME_S, 6),
                    end_s=round((frame + 1) * FRAME_S, 6),
                    azimuth_deg=azimuth,
                    elevation_deg=elevation,
                    distance_m=distance_cm / 100 if distance_cm > 0 else None,
                    track=int(source),
                )
                start = following


def _distance_cm(row: dict[str, str], where: str) -> float:
    text = row.get("distance", "")
    try:
        return float(text) if text else 0.0
    except ValueError:
        raise DataError(f"{where}: distance is {text!r}, not a number of centimetres") from None


_NIGENS_SPLITS = ("dev-train", "dev-val", "dev-test", "eval")
_STARSS_SPLITS = ("dev-train-sony", "dev-train-tau", "dev-test-sony", "dev-test-tau", "eval", "dev-train", "dev-test")
_NIGENS_COUNTS = {"dev-train": 400, "dev-val": 100, "dev-test": 100}

TAU_NIGENS_2020 = SpatialCorpus(
    name="tau_nigens_2020",
    licence="CC-BY-NC-4.0",
    citation="A. Politis, S. Adavanne, T. Virtanen, A Dataset of Reverberant Spatial Sound Scenes with Moving Sources "
    "for Sound Event Localization and Detection, DCASE Workshop 2020",
    url="https://zenodo.org/records/4064792",
    splits=_NIGENS_SPLITS,
    reader=Layout(
        "tau_nigens_2020",
        CLASSES_2020,
        _NIGENS_SPLITS,
        {"1": "dev-test", "2": "dev-val", **dict.fromkeys("3456", "dev-train")},
        "CC-BY-NC-4.0",
    ).read,
    classes=CLASSES_2020,
    expected=_NIGENS_COUNTS,
)
TAU_NIGENS_2021 = SpatialCorpus(
    name="tau_nigens_2021",
    licence="CC-BY-NC-4.0",
    citation="A. Politis, S. Adavanne, D. Krause et al., A Dataset of Dynamic Reverberant Sound Scenes with "
    "Directional Interferers for Sound Event Localization and Detection, DCASE Workshop 2021",
    url="https://zenodo.org/records/5476980",
    splits=_NIGENS_SPLITS,
    reader=Layout(
        "tau_nigens_2021",
        CLASSES_2021,
        _NIGENS_SPLITS,
        {**dict.fromkeys("1234", "dev-train"), "5": "dev-val", "6": "dev-test"},
        "CC-BY-NC-4.0",
    ).read,
    classes=CLASSES_2021,
    expected=_NIGENS_COUNTS,
)
_STARSS_FOLDS = {"3": "dev-train", "4": "dev-test"}
STARSS22 = SpatialCorpus(
    name="starss22",
    licence="MIT",
    citation="A. Politis, K. Shimada, P. Sudarsanam et al., STARSS22: A Dataset of Spatial Recordings of Real Scenes "
    "with Spatiotemporal Annotations of Sound Events, DCASE Workshop 2022",
    url="https://zenodo.org/records/6600531",
    splits=_STARSS_SPLITS,
    reader=Layout("starss22", CLASSES_STARSS, _STARSS_SPLITS, _STARSS_FOLDS, "MIT").read,
    classes=CLASSES_STARSS,
    expected={"dev-train-sony": 40, "dev-train-tau": 27, "dev-test-sony": 30, "dev-test-tau": 24},
)
STARSS23 = SpatialCorpus(
    name="starss23",
    licence="MIT",
    citation="K. Shimada, A. Politis, P. Sudarsanam et al., STARSS23: An Audio-Visual Dataset of Spatial Recordings of "
    "Real Scenes with Spatiotemporal Annotations of Sound Events, NeurIPS 2023",
    url="https://zenodo.org/records/7880637",
    splits=_STARSS_SPLITS,
    reader=Layout("starss23", CLASSES_STARSS, _STARSS_SPLITS, _STARSS_FOLDS, "MIT").read,
    classes=CLASSES_STARSS,
    expected={"dev-train-sony": 40, "dev-train-tau": 50, "dev-test-sony": 30, "dev-test-tau": 48},
)
CORPORA = (TAU_NIGENS_2020, TAU_NIGENS_2021, STARSS22, STARSS23)
