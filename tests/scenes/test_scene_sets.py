"""Sets of scenes where something is odd: unmeasurable rooms, clips mended midway, texts with strange characters."""

from __future__ import annotations

import json
import pickle
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import soundfile

from open_elsa.errors import DataError
from open_elsa.scenes.measured import MeasuredRooms, open_measured
from open_elsa.scenes.rewriting import Answer, Prompt, rewrite, scene_sets
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


class Echo:
    """A language model that answers the first of every two prompts with the truth, the second with a lie."""

    name = identity = "echo"
    batch_size = 100
    concurrency = 1

    def complete(self, prompts: Sequence[Prompt]) -> list[Answer]:
        true, lie = "A dog is heard far away on the left.", "A dog is heard on the right."
        return [Answer(lie if n % 2 else true) for n, _ in enumerate(prompts)]


def test_rewritten_captions_lie_beside_the_scenes(tmp_path: Path, rooms: MeasuredRooms) -> None:
    folder = tmp_path / "s"
    made = make_scenes(folder, [clip(sound(tmp_path / "dog.wav"))], rooms, scenes=3, recipe=SHORT)
    before = (folder / "scenes.parquet").read_bytes()
    with pytest.raises(DataError, match=r"no rewritten captions.*elsa captions rewrite"):
        SceneSet.open(folder, rewritten=True)[0]
    captions = scene_sets.captions_of(made)
    assert len(captions) == sum(len(scene.captions) for scene in made)
    report = rewrite(captions, Echo())
    assert 0 < report.rewritten < len(captions)
    path = scene_sets.save(made, report, {"model": "echo"})
    opened = SceneSet.open(folder, rewritten=True)
    texts = [text for scene in opened for text in scene.captions]
    assert texts == [c.text for c in report.captions] and "A dog is heard far away on the left." in texts
    assert [s.id for s in opened] == [s.id for s in made] and np.array_equal(opened.render(0), made.render(0))
    assert [s.captions for s in SceneSet.open(folder)] == [s.captions for s in made]
    assert (folder / "scenes.parquet").read_bytes() == before
    stored = pq.read_table(path)
    assert json.loads(stored.schema.metadata[b"made"])["model"] == "echo"
    assert set(stored["writer"].to_pylist()) == {"rewrite:echo", "grammar"}

    other = make_scenes(tmp_path / "o", [clip(sound(tmp_path / "dog.wav"))], rooms, scenes=3, seed=5, recipe=SHORT)
    path.rename(other.folder / path.name)
    with pytest.raises(DataError, match="is of other scenes"):
        SceneSet.open(other.folder, rewritten=True)[0]
    (other.folder / path.name).write_bytes(b"PAR1")
    with pytest.raises(DataError, match=r"rewritten.parquet cannot be read"):
        SceneSet.open(other.folder, rewritten=True)[0]
    with pytest.raises(DataError, match="1 captions"):
        scene_sets.save(other, rewrite(captions[:1], Echo()), {})
