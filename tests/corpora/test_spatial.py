"""Data sets that are spatial already: labels, channels and angles, on tiny trees in their real layouts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from open_elsa import corpora
from open_elsa.corpora import dcase, hearing, tut2018
from open_elsa.corpora.spatial import SoundEvent, SpatialRecording
from open_elsa.errors import DataError
from open_elsa.sound import foa

from . import trees


def heard_deg(recording: SpatialRecording, event: SoundEvent) -> float:
    """Angle between the label of an event and where it is heard."""
    sound = recording.sound(event.start_s, event.end_s - event.start_s)
    found = foa.intensity_direction(sound.samples, sound.sample_rate)
    return float(foa.angular_error_deg(found, foa.unit_vector(event.azimuth_deg, event.elevation_deg)))


def by_id(name: str, root: Path, **options: object) -> tuple[dict[str, SpatialRecording], list[str]]:
    loaded = corpora.recordings(name, root, **options)  # type: ignore[arg-type]
    return {r.id: r for r in loaded.recordings}, [str(p) for p in loaded.problems]


def test_starss23(tmp_path: Path) -> None:
    trees.starss(tmp_path)
    trees.wave(tmp_path / "foa_dev" / "dev-test-tau" / "fold4_room2_mix001.wav", 90)
    (tmp_path / "metadata_dev" / "dev-test-tau").mkdir()
    (tmp_path / "metadata_dev" / "dev-test-tau" / "fold4_room2_mix001.csv").write_text("0,6,0,90,0,100\n")
    trees.wave(tmp_path / "foa_eval" / "mix001.wav", 0)
    found, problems = by_id("starss23", tmp_path)
    assert problems == []
    scene = found["starss23/dev-train-sony/fold3_room21_mix001"]
    man, other, music = scene.events or ()
    assert (man.label, man.start_s, man.end_s, man.distance_m, man.track) == ("male speech", 0.0, 0.5, 1.8, 1)
    assert (other.azimuth_deg, other.elevation_deg, other.start_s, other.end_s) == (10, -20, 0.5, 1.0)
    assert (music.label, music.start_s, music.end_s, music.distance_m) == ("music", 0.7, 0.8, None)
    assert (scene.room_id, scene.licence, scene.split) == ("room21", "MIT", "dev-train-sony")
    assert scene.at(0.75) == (other, music)
    assert list(scene.alone()) == [man]
    assert [(e.start_s, e.end_s) for e in scene.alone(0.15)] == [(0.0, 0.5), (0.5, 0.7), (0.8, 1.0)]
    assert heard_deg(scene, man) < 1.0  # +90 is left, up is up, W Y Z X
    assert found["starss23/eval/mix001"].events is None
    assert list(by_id("starss23", tmp_path, splits=["dev-train"])[0]) == [scene.id]
    assert list(by_id("starss23", tmp_path, splits=["dev-test-tau"])[0]) == ["starss23/dev-test-tau/fold4_room2_mix001"]
    left = found["starss23/dev-test-tau/fold4_room2_mix001"]
    assert heard_deg(left, (left.events or ())[0]) < 1.0
    report = corpora.check("starss23", tmp_path)
    assert report.found == {"dev-test-tau": 1, "dev-train-sony": 1, "eval": 1}
    assert report.short()["dev-train-tau"] == (0, 50)


def test_starss22_has_no_distance(tmp_path: Path) -> None:
    (scene,) = corpora.recordings("starss22", trees.starss(tmp_path, 22)).recordings
    assert {e.distance_m for e in scene.events or ()} == {None}


def test_a_moving_source_is_a_chain_of_events(tmp_path: Path) -> None:
    table = tmp_path / "a.csv"
    table.write_text("".join(f"{n},0,3,{5 * (n // 2)},0\n" for n in range(6)) + "9,0,3,0,0\n")
    layout = dcase.Layout("x", dcase.CLASSES_2021, (), {}, "")
    events = layout.events(table)
    assert [(e.start_s, e.end_s, e.azimuth_deg) for e in events] == [
        (0.0, 0.2, 0.0),
        (0.2, 0.4, 5.0),
        (0.4, 0.6, 10.0),
        (0.9, 1.0, 0.0),
    ]
    assert {(e.label, e.track) for e in events} == {("alarm", 3)}


def test_tau_nigens_2020_is_flat_and_split_by_fold(tmp_path: Path) -> None:
    for fold in (1, 2, 6):
        name = f"fold{fold}_room1_mix001_ov1"
        trees.wave(tmp_path / "foa_dev" / f"{name}.wav", 30)
        (tmp_path / "metadata_dev").mkdir(exist_ok=True)
        (tmp_path / "metadata_dev" / f"{name}.csv").write_text("0,4,0,30,0\n1,4,0,30,0\n")
    trees.wave(tmp_path / "foa_eval" / "mix001.wav", 30)
    (tmp_path / "metadata_eval").mkdir()
    (tmp_path / "metadata_eval" / "mix001.csv").write_text("0,13,0,-180,0\n")
    found, problems = by_id("tau_nigens_2020", tmp_path)
    assert problems == []
    assert [r.split for r in found.values()] == ["dev-test", "dev-val", "dev-train", "eval"]
    assert [[e.label for e in r.events or ()] for r in found.values()] == [["running engine"]] * 3 + [["piano"]]
    assert (found["tau_nigens_2020/eval/mix001"].events or ())[0].azimuth_deg == 180.0


def test_tau_nigens_2021_in_folders(tmp_path: Path) -> None:
    name = "fold5_room1_mix001"
    trees.wave(tmp_path / "foa_dev" / "dev-val" / f"{name}.wav", 30)
    (tmp_path / "metadata_dev" / "dev-val").mkdir(parents=True)
    (tmp_path / "metadata_dev" / "dev-val" / f"{name}.csv").write_text("0,4,0,30,0\n")
    (scene,) = corpora.recordings("tau_nigens_2021", tmp_path).recordings
    assert (scene.split, [e.label for e in scene.events or ()]) == ("dev-val", ["female scream"])


def test_dcase_sets_name_what_is_wrong(tmp_path: Path) -> None:
    trees.starss(tmp_path)
    sounds, labels = tmp_path / "foa_dev" / "dev-train-sony", tmp_path / "metadata_dev" / "dev-train-sony"
    for number, text in ((2, "0,13,0,0,0\n"), (3, "0,1,0,0\n"), (4, "0,1,0,left,0\n"), (5, "0,1,0,0,95\n")):
        trees.wave(sounds / f"fold3_room21_mix00{number}.wav", 0)
        (labels / f"fold3_room21_mix00{number}.csv").write_text(text)
    trees.tone(sounds / "fold3_room21_mix006.wav")
    (labels / "fold3_room21_mix006.csv").write_text("0,1,0,0,0\n")
    (labels / "fold3_room21_mix007.csv").write_text("0,1,0,0,0\n")
    trees.wave(sounds / "fold3_room21_mix008.wav", 0)
    trees.wave(tmp_path / "foa_dev" / "other.wav", 0)
    found, problems = by_id("starss23", tmp_path)
    assert len(found) == 1
    told = "\n".join(problems)
    for text in (
        "line 1: class 13 in frame 0; starss23 has classes 0 to 12",
        "line 1: 4 columns where 5 are expected",
        "got 0, 1, 0, left, 0",
        "elevation must lie in -90..90 degrees, got 95",
        "mix006.wav: has 1 channels; ambisonics has 4",
        "mix007.wav: missing; ",
        "mix008.wav: missing: no labels fold3_room21_mix008.csv",
        "other.wav: is in no split",
    ):
        assert text in told
    with pytest.raises(DataError, match="more than 3 missing or broken"):
        corpora.recordings("starss23", tmp_path, max_problems=3)
    with pytest.raises(DataError, match="neither foa_dev nor foa_eval"):
        corpora.recordings("starss23", sounds)
    with pytest.raises(DataError, match="no split dev-val"):
        corpora.recordings("starss23", tmp_path, splits=["dev-val"])
    (tmp_path / "metadata_dev").rename(tmp_path / "elsewhere")
    with pytest.raises(DataError, match="has foa_dev but no metadata_dev"):
        corpora.recordings("starss23", tmp_path)


@pytest.mark.parametrize("convention", ["ambix", "n3d", "fuma", "wxyz-sn3d", "wxyz-n3d"])
def test_tut2018_hears_its_convention(tmp_path: Path, convention: str) -> None:
    found, problems = by_id("tut2018_ansyn", trees.tut2018(tmp_path, convention))
    assert problems == []
    scene = found["tut2018_ansyn/ov1_split1-test/test_0_desc_30_100"]
    assert scene.convention == convention
    event = (scene.events or ())[0]
    assert (event.label, event.azimuth_deg, event.elevation_deg, event.distance_m) == ("speech", 60, 20, 2)
    assert heard_deg(scene, event) < 1.0
    power = np.mean(np.square(scene.sound().samples), axis=1)
    assert power[1:].sum() / power[0] == pytest.approx(1.0, rel=0.01)  # SN3D inside, whatever it was


def test_tut2018_real_and_splits(tmp_path: Path) -> None:
    trees.tut2018(tmp_path, "ambix", "real")
    found, _ = by_id("tut2018_real", tmp_path)
    assert {e.label for r in found.values() for e in r.events or ()} == {"dog bark"}
    assert [r.split for r in found.values()] == ["split8-test", "split8-train"]
    assert list(by_id("tut2018_real", tmp_path, splits=["train"])[0]) == [
        "tut2018_real/ov1_split8-train/train_0_desc_30_100"
    ]
    assert list(by_id("tut2018_real", tmp_path, splits=["split8-test"])[0]) == [
        "tut2018_real/ov1_split8-test/test_0_desc_30_100"
    ]


def test_tut2018_hears_it_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tut2018, "_LISTEN_TO", 3)  # the first recording is enough
    assert [r.convention for r in by_id("tut2018_ansyn", trees.tut2018(tmp_path, "fuma"))[0].values()] == [
        "fuma",
        "fuma",
    ]


def test_tut2018_refuses_labels_of_other_files(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"agree with the labels in no order \(median error of 6 events: W Y Z X: \d+°"):
        corpora.recordings("tut2018_ansyn", trees.tut2018(tmp_path, "ambix", azimuth_sign=-1))


def test_tut2018_names_what_is_wrong(tmp_path: Path) -> None:
    trees.tut2018(tmp_path, "ambix")
    tables = tmp_path / "desc_ov1_split1"
    head = "sound_event_recording,start_time,end_time,ele,azi\n"
    for number, row in ((1, "a001.wav,1,0.5,0,0,1"), (2, "a001.wav,0,1,0,x,1"), (3, "a001.wav,0,1,0,0")):
        (tables / f"test_{number}.csv").write_text(head.strip() + ",dist\n" + row + "\n")
        trees.wave(tmp_path / "wav_ov1_split1_30db" / f"test_{number}.wav", 0)
    (tables / "test_4.csv").write_text(head.strip() + ",dist\n")
    found, problems = by_id("tut2018_ansyn", tmp_path)
    assert len(found) == 2
    told = "\n".join(problems)
    for text in ("must end after it starts", "got a001.wav, 0, 1, 0, x, 1", "5 columns where 6", "test_4.wav: missing"):
        assert text in told
    tables.rename(tmp_path / "elsewhere")
    with pytest.raises(DataError, match="has no labels: there is no folder"):
        corpora.recordings("tut2018_ansyn", tmp_path)
    with pytest.raises(DataError, match="no wav_ov1_split1_30db"):
        corpora.recordings("tut2018_ansyn", tmp_path / "elsewhere")


def test_spatial_librispeech(tmp_path: Path) -> None:
    rows = [
        trees.spatial_librispeech_row(0),
        trees.spatial_librispeech_row(1, split="test", lite_version=True),
        trees.spatial_librispeech_row(2),
        trees.spatial_librispeech_row(3, **{"speech/azimuth": None}),
    ]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "metadata.parquet")
    trees.wave(tmp_path / "ambisonics" / "000000.flac", 90, -30)
    trees.wave(tmp_path / "audio_files" / "test" / "000001.flac", 90, -30)
    trees.wave(tmp_path / "ambisonics" / "000003.flac", 90, -30)
    found, problems = by_id("spatial_librispeech", tmp_path)
    scene = found["spatial_librispeech/train/000000"]
    (event,) = scene.events or ()
    assert (event.label, event.distance_m, event.end_s) == ("woman speaking", 1.5, 0.5)
    assert event.azimuth_deg == pytest.approx(90)  # radians there
    assert heard_deg(scene, event) < 1.0
    assert (scene.floor_area_m2, scene.volume_m3, scene.room_id) == (24.5, None, "7")
    assert scene.t30_mid_s == pytest.approx(0.4)
    assert "000002.flac: missing" in problems[0]
    assert "sample 000003: has no place" in problems[1]
    assert list(by_id("spatial_librispeech", tmp_path, splits=["lite"])[0]) == ["spatial_librispeech/test/000001"]
    pq.write_table(pa.table({"sample_id": [1], "split": ["train"]}), tmp_path / "metadata.parquet")
    with pytest.raises(DataError, match="lacks the column speech/azimuth, speech/elevation, speech/distance"):
        corpora.recordings("spatial_librispeech", tmp_path)
    (tmp_path / "metadata.parquet").write_bytes(b"PAR1")
    with pytest.raises(DataError, match="is not a whole Parquet file"):
        corpora.recordings("spatial_librispeech", tmp_path)
    (tmp_path / "metadata.parquet").unlink()
    with pytest.raises(DataError, match=r"has no metadata.parquet"):
        corpora.recordings("spatial_librispeech", tmp_path)


def test_hearing_needs_something_to_hear(tmp_path: Path) -> None:
    (scene,) = corpora.recordings("starss23", trees.starss(tmp_path)).recordings
    heard = hearing.convention([scene])
    assert (heard.convention, heard.events) == ("ambix", 1)
    assert heard.median_error_deg["W Y Z X"] < 1.0
    assert heard.dipole_to_w == pytest.approx(1.0, rel=0.01)
    with pytest.raises(DataError, match="cannot be heard"):
        hearing.convention([replace(scene, events=None)])
    ahead = trees.wave(tmp_path / "ahead.wav", 0)
    tilted = replace(scene, path=str(ahead), events=(SoundEvent("x", 0.0, 0.5, 0.0, -50.0),))
    with pytest.raises(DataError, match=r"in no order .*W Y Z X: 50°, W X Y Z: 140°"):  # the better is not good enough
        hearing.convention([tilted])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"end_s": 0.0}, "must end after it starts"),
        ({"azimuth_deg": float("nan")}, "azimuth must be an angle"),
        ({"elevation_deg": 91.0}, "elevation must lie"),
        ({"distance_m": 0.0}, "distance must be positive"),
    ],
)
def test_events_are_checked(values: dict[str, float], message: str) -> None:
    with pytest.raises(DataError, match=message):
        SoundEvent(**{"label": "x", "start_s": 0.0, "end_s": 1.0, "azimuth_deg": 0.0, "elevation_deg": 0.0, **values})


def test_clips_and_recordings_are_asked_for_by_their_own_functions(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"read it with corpora.recordings\(\)"):
        corpora.load("starss23", tmp_path)
    with pytest.raises(DataError, match=r"read it with corpora.load\(\)"):
        corpora.recordings("esc50", tmp_path)
