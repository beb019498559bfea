"""Published results rest on sets of one still source a scene: their ids, rows and sound stay what they were."""

from __future__ import annotations

import hashlib
import json
import platform
from pathlib import Path

import numpy as np
import pytest
import soundfile

from open_elsa.scenes.render import render
from open_elsa.scenes.scene import Clip, RoomResponse, SourcePosition
from open_elsa.scenes.synthesis import SceneRecipe, SceneSet, make_scenes
from open_elsa.sound.acoustics import Acoustics

RATE = 8_000
IDS = [
    "d6ddd5e4904e116a", "69c23e04273511b0", "b2a0ca90a6fe41b6", "1ac9cc1f4af13528", "9bff07ddd4d07add",
    "4723115494254ac5", "d5124b1326408687", "070df73aa1396c19", "1ee4dc02b77465c4", "e9c5b0363109665a",
    "bd43aa822a9274ae", "d34abbb44cedf5fe",
]  # fmt: skip
TABLE = "b12ae7c9b4eb93f9f144a7f43112c736a3d12b1e3ed0f4e19044beab785b98f6"
SOUNDS = "d93f7fd57d31e164fde2635b1c1495228e171f8ea8a4718e19b79b5348a16228"
FINGERPRINTS = [
    4.2414541, 10.2320833, 2.6869596, 0.5024918, -1.2069384, 7.8079507, 19.9209738, -4.8384278, 10.6148468, 12.5606808,
    3.9495071, 5.7682719,
]  # fmt: skip


class Rooms:
    """Six responses that no simulator made, so that a better simulator changes nothing here."""

    sample_rate = RATE
    folder = None

    def __init__(self) -> None:
        self.ids = [f"r{n}" for n in range(6)]

    def __len__(self) -> int:
        return len(self.ids)

    def index(self, response_id: str) -> int:
        return self.ids.index(response_id)

    def response(self, i: int) -> np.ndarray:
        n = 2_400
        decay = np.exp(-np.arange(n) / 300.0)
        noise = np.random.default_rng([7, i]).standard_normal((4, n)) * decay * 0.1
        noise[:, 40] += (1.0, *np.array([0.8, -0.1, 0.3]) * (-1) ** i)
        return noise.astype(np.float32)

    def __getitem__(self, i: int) -> RoomResponse:
        place = SourcePosition(-150.0 + 60.0 * i, -30.0 + 15.0 * i, 0.5 + 0.6 * i)
        known = Acoustics(
            t30_s=0.15 + 0.25 * i, drr_db=3.0, edt_s=0.3, c50_db=9.0, t30_bands_s=(0.3,) * 20, drr_bands_db=(3.0,) * 20
        )
        area = 20.0 + 30.0 * i
        return RoomResponse(None, place, RATE, self.response(i), 0.005, known, 0, "fixed", f"room{i // 3}", area)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> SceneSet:
    folder = tmp_path_factory.mktemp("golden")
    clips = []
    for n, (name, seconds) in enumerate([("dog", 0.4), ("rain", 3.0), ("bell", 0.7), ("cow", 1.5)]):
        x = np.zeros(round((seconds + 1.0) * RATE), dtype=np.float32)
        x[RATE // 2 : RATE // 2 + round(seconds * RATE)] = 0.1 * np.random.default_rng(n).standard_normal(
            round(seconds * RATE)
        )
        soundfile.write(folder / f"{name}.wav", x, RATE)
        captions = (f"a {name}", name)
        clips.append(
            Clip(f"c{n}", str(folder / f"{name}.wav"), captions, "tiny", "test", "CC0", seconds + 1.0, label=name)
        )
    return make_scenes(folder / "set", clips, Rooms(), scenes=12, seed=20_261_126, recipe=SceneRecipe(duration_s=1.0))


def digest_of_table(folder: Path) -> str:
    """Hash of every row, independent of how Parquet packs them."""
    import pyarrow.parquet as pq

    rows = pq.read_table(folder / "scenes.parquet").to_pylist()
    return hashlib.sha256(json.dumps(rows, sort_keys=True).encode()).hexdigest()


def fingerprint(sound: np.ndarray) -> float:
    """A number that any change of the sound moves, and another machine's rounding doesn't."""
    probe = np.random.default_rng(99).standard_normal(sound.shape)
    return float(np.sum(probe * sound))


def test_ids_and_rows_are_those_of_the_published_sets(made: SceneSet) -> None:
    assert [scene.id for scene in made] == IDS
    assert digest_of_table(made.folder) == TABLE
    assert set(made.manifest["recipe"]) == {
        *("duration_s", "level_dbfs", "snr_db", "clean_share", "captions_per_scene", "brief_share", "lead_s")
    }
    assert made.manifest["version"] == 1


def test_sound_is_that_of_the_published_sets(made: SceneSet) -> None:
    assert [fingerprint(made.render(i)) for i in range(len(made))] == pytest.approx(FINGERPRINTS, rel=1e-5, abs=1e-6)
    told = hashlib.sha256(b"".join(made.render(i).tobytes() for i in range(len(made)))).hexdigest()
    if platform.machine() == "x86_64":  # elsewhere the last bit may be rounded otherwise
        assert told == SOUNDS


def test_one_still_source_is_one_convolution_bit_for_bit(made: SceneSet) -> None:
    for i, scene in enumerate(made):
        noise = None if scene.snr_db is None else (scene.snr_db, np.random.default_rng(scene.seed))
        response = made.bank.response(made.bank.index(scene.response_id))
        assert np.array_equal(made.render(i), render(made.dry(i), response, noise=noise, length=RATE))
