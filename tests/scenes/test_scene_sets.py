"""Sets of scenes where something is odd: unmeasurable rooms, clips mended midway, texts with strange characters."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import soundfile

from open_elsa.errors import DataError
from open_elsa.scenes.measured import MeasuredRooms, open_measured
from open_elsa.scenes.scene import Clip
from open_elsa.scenes.synthesis import SceneRecipe, SceneSet, make_scenes

RATE = 8_000
SHORT = SceneRecipe(duration_s=0.5, snr_db=None)


@pytest.fixture()
def rooms(tmp_path: Path) -> MeasuredRooms:
    """One response with so much noise that no decay can be measured, at 16 kHz, of a room of unknown size."""
    rng = np.random.default_rng(0)
    samples = 0.008 * rng.standard_normal((16_000, 4))
    samples[160] = (1.0, 0.9, 0.1, 0.0)
    folder = tmp_path / "rooms" / "Vault"
    folder.mkdir(parents=True)
    soundfile.write(folder / "a.wav", samples, 16_000, subtype="FLOAT")
    (folder / "positions.csv").write_text("file,azimuth_deg,elevation_deg,distance_m\na.wav,90,0,3\n")
    return open_measured(tmp_path / "rooms", sample_rate=RATE)


def clip(path: Path, caption: str = "a dog") -> Clip:
    return Clip(path.stem, str(path), (caption,), "tiny", "test", "CC0", 0.5, label=path.stem)


def sound(path: Path) -> Path:
    soundfile.write(path, 0.1 * np.random.default_rng(1).standard_normal(RATE // 2), RATE)
    return path


def test_what_cannot_be_measured_is_unknown_and_never_a_word(tmp_path: Path, rooms: MeasuredRooms) -> None:
    assert np.isnan(rooms[0].acoustics.t30_s)
    make_scenes(tmp_path / "s", [clip(sound(tmp_path / "dog.wav"))], rooms, scenes=4, recipe=SHORT)
    made = SceneSet.open(tmp_path / "s")  # finds the rooms by itself, at the set's own rate
    for i, scene in enumerate(made):
        truth = made.truth(i)
        assert (truth["t30_s"], truth["floor_area_m2"]) == (None, None)
        assert truth["words"]["reverberation"] is None
        assert truth["words"]["room_size"] is None
        assert (scene.words.direction, scene.words.distance) == ("left", "far")
        assert np.isfinite(made.render(i)).all()
    assert json.loads(json.dumps(made.truth(0), allow_nan=False)) == made.truth(0)
    assert np.array_equal(pickle.loads(pickle.dumps(made)).render(0), made.render(0))


def test_a_clip_that_was_mended_before_the_set_was_finished_is_taken_in(tmp_path: Path, rooms: MeasuredRooms) -> None:
    clips = [clip(sound(tmp_path / "dog.wav")), clip(tmp_path / "cat.wav", "a cat")]
    for _ in range(2):  # nothing has changed the second time
        with pytest.raises(DataError, match=r"more than 0 clips[\s\S]*cat.wav"):
            make_scenes(tmp_path / "s", clips, rooms, per_clip=2, recipe=SHORT, max_problems=0)
    sound(tmp_path / "cat.wav")
    made = make_scenes(tmp_path / "s", clips, rooms, per_clip=2, recipe=SHORT, max_problems=0)
    assert (len(made), made.problems) == (4, {})


def test_an_export_goes_on_after_a_kill_inside_a_letter(tmp_path: Path, rooms: MeasuredRooms) -> None:
    strange = clip(sound(tmp_path / "dog.wav"), "a dog in a caf\u00e9")
    made = make_scenes(tmp_path / "s", [strange], rooms, scenes=3, recipe=SHORT)
    made.export(tmp_path / "out")
    whole = (tmp_path / "out" / "truth.jsonl").read_bytes()
    first, second, _ = whole.splitlines(keepends=True)
    (tmp_path / "out" / "truth.jsonl").unlink()
    at = second.index("\u00e9".encode()) + 1
    (tmp_path / "out" / ".truth.unfinished.jsonl").write_bytes(first + second[:at])
    kept = (tmp_path / "out" / "000000.flac").stat().st_mtime_ns
    made.export(tmp_path / "out")
    assert (tmp_path / "out" / "truth.jsonl").read_bytes() == whole
    assert (tmp_path / "out" / "000000.flac").stat().st_mtime_ns == kept
