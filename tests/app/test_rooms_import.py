"""The command `elsa rooms import`: SOFA files and folders become rooms that scenes are made in."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from open_elsa.corpora import responses
from open_elsa.scenes.scene_set import SceneSet, open_bank
from open_elsa.sound import foa

RATE = 16_000
Run = Callable[..., tuple[int, str, str]]


def response(azimuth_deg: float, convention: str = "ambix") -> np.ndarray:
    """A direct sound and a tail, (4, n)."""
    n = RATE // 2
    tail = 0.02 * np.random.default_rng(1).standard_normal((4, n)) * 10 ** (-3 * np.arange(n) / RATE / 0.3)
    tail[:, :340] = 0
    tail[:, 300] = foa.gains(azimuth_deg, 0)
    return foa.to_convention(tail, convention)


def sofa(path: Path) -> Path:
    h5py = pytest.importorskip("h5py")
    with h5py.File(path, "w") as file:
        file.attrs.update({"Conventions": "SOFA", "SOFAConventions": "SingleRoomSRIR", "DataType": "FIR"})
        file["Data.IR"] = np.stack([response(90), response(-45)])
        file["Data.SamplingRate"] = [float(RATE)]
        file["SourcePosition"] = np.asarray([(0.0, 2.0, 0.0), (1.0, -1.0, 0.0)])
        file["ListenerPosition"] = np.zeros((1, 3))
    return path


def folder(path: Path) -> Path:
    path.mkdir()
    soundfile.write(path / "a.wav", response(50, "fuma").T, RATE, subtype="FLOAT")
    (path / "positions.csv").write_text("file,azimuth_deg,elevation_deg,distance_m\na.wav,-50,0,2\n")
    return path


def test_sofa_files_become_rooms_for_scenes(run: Run, tmp_path: Path) -> None:
    files = [sofa(tmp_path / "hall.sofa"), sofa(tmp_path / "st.mary.sofa")]
    words = ("rooms", "import", tmp_path / "rooms", *files, "--convention", "ambix", "--floor-area-m2", 85)
    code, out, err = run(*words, "--json")
    assert code == 0 and not err
    assert json.loads(out) == {
        "bank": str(tmp_path / "rooms"),
        "responses": 4,
        "rooms": {"hall": 2, "st.mary": 2},
    }
    bank = open_bank(tmp_path / "rooms")
    assert bank.ids == ["hall/000000", "hall/000001", "st.mary/000000", "st.mary/000001"]
    assert bank[0].position.azimuth_deg == pytest.approx(90) and bank[0].floor_area_m2 == 85
    # as from Python
    alone = responses.import_sofa(files[0], tmp_path / "hall", convention="ambix", floor_area_m2=85.0)
    assert (alone / "positions.csv").read_text() == (tmp_path / "rooms" / "hall" / "positions.csv").read_text()
    assert all(np.array_equal(open_bank(alone).response(i), bank.response(i)) for i in range(2))

    (tmp_path / "sounds").mkdir()
    soundfile.write(tmp_path / "sounds" / "dog.wav", 0.1 * np.random.default_rng(0).standard_normal(RATE), RATE)
    (tmp_path / "sounds" / "captions.csv").write_text("path,caption\ndog.wav,a dog\n")
    made = ("scenes", "make", tmp_path / "s", "--clips", tmp_path / "sounds", "--bank", tmp_path / "rooms")
    code, out, err = run(*made, "--scenes", 3, "--duration-s", 0.5)
    assert code == 0 and "3 scenes" in out
    assert SceneSet.open(tmp_path / "s")[0].response_id in bank.ids


def test_a_folder_in_another_convention(run: Run, tmp_path: Path) -> None:
    source = folder(tmp_path / "bath")
    code, out, err = run("rooms", "import", tmp_path / "rooms", source, "--convention", "fuma", "--clockwise")
    assert code == 0 and not err and "1 responses of 1 rooms" in out
    made = open_bank(tmp_path / "rooms")[0]
    assert made.position.azimuth_deg == 50
    start = round(0.010 * RATE)
    azimuth, _ = foa.angles(foa.intensity_direction(made.response[:, start - 8 : start + 24], RATE, n_fft=64))
    assert float(azimuth) == pytest.approx(50, abs=0.5)


def test_what_cannot_be_imported_is_one_line_and_leaves_nothing(run: Run, tmp_path: Path) -> None:
    source, hall = folder(tmp_path / "bath"), sofa(tmp_path / "hall.sofa")
    (tmp_path / "text.sofa").write_text("no")
    (tmp_path / "x").mkdir()
    for words, said, code in (
        ((), "at least one", 2),
        ((source,), "--convention", 2),
        ((source, "--convention", "b-format"), "b-format", 1),
        ((hall,), "does not say what its 4 channels are", 1),
        ((tmp_path / "gone.sofa",), "there is no file", 1),
        ((tmp_path / "text.sofa",), "cannot be read as SOFA", 1),
        ((hall, tmp_path / "x" / "hall.sofa", "--convention", "ambix"), "the same room", 2),
        ((hall, hall, "--convention", "ambix"), "the same room", 2),
        ((tmp_path / "x", "--convention", "ambix"), "positions.csv", 1),
    ):
        found, out, err = run("rooms", "import", tmp_path / "rooms", *words)
        assert (found, out) == (code, "") and said in err and err.count("\n") == 1, err
    rooms = tmp_path / "rooms"
    assert not rooms.exists() or not list(rooms.iterdir())
    assert run("rooms", "import", rooms, hall, "--convention", "ambix")[0] == 0
    found, _, err = run("rooms", "import", rooms, hall, "--convention", "ambix")
    assert found == 1 and "exists" in err
