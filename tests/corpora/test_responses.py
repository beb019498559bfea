"""Response banks of others, brought into the folder layout of measured rooms."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from open_elsa.corpora import responses
from open_elsa.errors import DataError
from open_elsa.scenes.measured import open_measured
from open_elsa.scenes.scene import Clip
from open_elsa.scenes.scene_set import open_bank
from open_elsa.scenes.synthesis import SceneRecipe, make_scenes
from open_elsa.sound import foa

from . import trees

RATE = 16_000


def response(
    azimuth_deg: float, elevation_deg: float, delay: int = 300, convention: str = "ambix"
) -> NDArray[np.float64]:
    """A direct sound from a place, then a diffuse tail; (4, n)."""
    rng = np.random.default_rng(1)
    n = RATE // 2
    tail = 0.02 * rng.standard_normal((4, n)) * 10 ** (-3 * np.arange(n) / RATE / 0.3) * [[1], [0.6], [0.6], [0.6]]
    tail[:, : delay + 40] = 0
    tail[:, delay] = foa.gains(azimuth_deg, elevation_deg)
    return foa.to_convention(tail, convention).astype(np.float64)


def direct(samples: NDArray[np.float32]) -> tuple[float, float]:
    """Where the first 2 ms come from."""
    start = round(0.010 * RATE)
    azimuth, elevation = foa.angles(foa.intensity_direction(samples[:, start - 8 : start + 24], RATE, n_fft=64))
    return float(azimuth), float(elevation)


def sofa(
    path: Path,
    data: NDArray[np.float64],
    source: Sequence[Sequence[float]],
    *,
    kind: str = "cartesian",
    listener: Sequence[float] = (1.0, 1.0, 1.2),
    view: Sequence[float] = (1.0, 0.0, 0.0),
    named: tuple[str, str] | None = None,
    convention: str = "SingleRoomSRIR",
    data_type: str = "FIR",
) -> Path:
    h5py = pytest.importorskip("h5py")
    with h5py.File(path, "w") as file:
        file.attrs.update({"Conventions": np.bytes_("SOFA"), "SOFAConventions": convention, "DataType": data_type})
        file.attrs["License"] = "CC-BY 4.0"
        file["Data.IR"] = data
        if named:
            file["Data.IR"].attrs.update({"ChannelOrdering": named[0], "Normalization": named[1]})
        file["Data.SamplingRate"] = [float(RATE)]
        file["Data.Delay"] = np.zeros((1, data.shape[1]))
        for name, value, type_ in (
            ("SourcePosition", source, kind),
            ("ListenerPosition", [listener], "cartesian"),
            ("ListenerView", [view], "cartesian"),
            ("ListenerUp", [(0.0, 0.0, 1.0)], "cartesian"),
            ("RoomCornerA", [(0.0, 0.0, 0.0)], "cartesian"),
            ("RoomCornerB", [(8.0, 5.0, 3.0)], "cartesian"),
        ):
            file[name] = np.asarray(value, dtype=np.float64)
            file[name].attrs["Type"] = np.bytes_(type_)
    return path


def test_sofa_becomes_measured_rooms(tmp_path: Path) -> None:
    data = np.stack([response(90, 0, 300), response(-45, 30, 50)])
    places = [(1.0, 3.0, 1.2), (1 + 2**0.5, 1 - 2**0.5, 1.2 + 2 * np.tan(np.pi / 6))]
    out = responses.import_sofa(sofa(tmp_path / "hall.sofa", data, places), tmp_path / "hall", convention="ambix")
    rooms = open_bank(out)
    assert rooms.ids == ["hall/000000", "hall/000001"]
    left, up = rooms[0], rooms[1]
    assert (left.position.azimuth_deg, left.position.elevation_deg, left.position.distance_m) == pytest.approx(
        (90, 0, 2)
    )
    assert (up.position.azimuth_deg, up.position.elevation_deg) == pytest.approx((-45, 30))
    assert (left.floor_area_m2, left.arrival_s) == (40.0, 0.010)
    for made in (left, up):
        assert direct(made.response) == pytest.approx((made.position.azimuth_deg, made.position.elevation_deg), abs=0.5)
        assert np.abs(made.response[0]).argmax() == round(0.010 * RATE)
    assert left.response[0].max() == pytest.approx(1.0, abs=1e-6)  # gains stay
    assert (out / "source.txt").read_text() == "License: CC-BY 4.0\n"


def test_sofa_of_a_turned_listener(tmp_path: Path) -> None:
    """The microphone looks to +y: a source on +y is ahead of it."""
    path = sofa(tmp_path / "a.sofa", response(0, 0)[None], [(1.0, 4.0, 1.2)], view=(0.0, 1.0, 0.0))
    place = open_measured(responses.import_sofa(path, tmp_path / "a", convention="ambix"))[0].position
    assert (place.azimuth_deg, place.elevation_deg, place.distance_m) == pytest.approx((0, 0, 3))


def test_sofa_with_spherical_positions_around_the_origin(tmp_path: Path) -> None:
    path = sofa(
        tmp_path / "a.sofa", response(-60, 10)[None], [(300.0, 10.0, 2.5)], kind="spherical", listener=(0, 0, 0)
    )
    made = open_measured(responses.import_sofa(path, tmp_path / "a", convention="ambix"))[0]
    assert (made.position.azimuth_deg, made.position.elevation_deg) == pytest.approx((-60, 10))
    assert direct(made.response) == pytest.approx((-60, 10), abs=0.5)


@pytest.mark.parametrize(
    ("named", "convention"),
    [(("acn", "sn3d"), "ambix"), (("ACN", "N3D"), "n3d"), (("fuma", "fuma"), "fuma"), (("fuma", "n3d"), "wxyz-n3d")],
)
def test_ambisonics_drir_says_its_convention(tmp_path: Path, named: tuple[str, str], convention: str) -> None:
    data = response(120, -20, convention=convention)[None, :, None, :]
    options = {"named": named, "convention": "AmbisonicsDRIR", "data_type": "FIRE"}
    place = (1 + 2 * np.cos(2 * np.pi / 3), 1 + 2 * np.sin(2 * np.pi / 3), 1.2 - 2 * np.tan(np.pi / 9))
    path = sofa(tmp_path / "a.sofa", data, [place], **options)  # type: ignore[arg-type]
    made = open_measured(responses.import_sofa(path, tmp_path / "a"))[0]
    assert direct(made.response) == pytest.approx((120, -20), abs=0.5)
    peak = made.response[:, round(0.010 * RATE)]
    assert peak[0] == pytest.approx(1.0, abs=1e-5)
    assert np.linalg.norm(peak[1:]) == pytest.approx(1.0, abs=1e-5)  # SN3D inside, whatever it was


def test_sofa_names_what_is_wrong(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    good = sofa(tmp_path / "good.sofa", response(0, 0)[None], [(3.0, 1.0, 1.2)])
    out = tmp_path / "out"
    with pytest.raises(DataError, match="does not say what its 4 channels are"):
        responses.import_sofa(good, out)
    (tmp_path / "text.sofa").write_text("no")
    with pytest.raises(DataError, match="cannot be read as SOFA"):
        responses.import_sofa(tmp_path / "text.sofa", out)
    with pytest.raises(DataError, match="cannot be read as SOFA"):
        responses.import_sofa(tmp_path / "gone.sofa", out)
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["x"] = [1]
    with pytest.raises(DataError, match="HDF5, but not SOFA"):
        responses.import_sofa(tmp_path / "other.h5", out)
    with h5py.File(good, "a") as file:
        del file["SourcePosition"]
    with pytest.raises(DataError, match="lacks SourcePosition; its convention is SingleRoomSRIR"):
        responses.import_sofa(good, out, convention="ambix")
    two = sofa(tmp_path / "ears.sofa", response(0, 0)[None, :2], [(3.0, 1.0, 1.2)])
    with pytest.raises(DataError, match="has 2 receivers"):
        responses.import_sofa(two, out, convention="ambix")
    many = sofa(tmp_path / "many.sofa", np.zeros((1, 4, 10, 3)), [(3.0, 1.0, 1.2)], data_type="FIR-E")
    with pytest.raises(DataError, match="has 3 emitters"):
        responses.import_sofa(many, out, convention="ambix")
    here = sofa(tmp_path / "here.sofa", response(0, 0)[None], [(1.0, 1.0, 1.2)])
    with pytest.raises(DataError, match="measurement 0: distance_m must lie"):
        responses.import_sofa(here, out, convention="ambix")
    silent = sofa(tmp_path / "silent.sofa", np.zeros((1, 4, 100)), [(3.0, 1.0, 1.2)])
    with pytest.raises(DataError, match="response 000000 is silent"):
        responses.import_sofa(silent, out, convention="ambix")
    assert sorted(p.suffix for p in tmp_path.iterdir() if p.is_dir() or p.name.startswith(".")) == []  # nothing is left
    out.mkdir()
    with pytest.raises(DataError, match="exists; name a folder that does not"):
        responses.import_sofa(silent, out, convention="ambix")


def test_sofa_without_h5py_says_how_to_mend_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "h5py", None)
    with pytest.raises(DataError, match="pip install h5py"):
        responses.import_sofa(tmp_path / "a.sofa", tmp_path / "out")


def bank(folder: Path, rows: str, convention: str = "fuma") -> Path:
    folder.mkdir()
    soundfile.write(folder / "a.wav", response(50, 0, convention=convention).T, RATE, subtype="FLOAT")
    (folder / "positions.csv").write_text(rows)
    return folder


def test_files_in_other_conventions_and_angles(tmp_path: Path) -> None:
    source = bank(tmp_path / "fuma", "file,azimuth_deg,elevation_deg,distance_m,floor_area_m2\na.wav,-50,0,2,12\n")
    made = open_measured(responses.import_files(source, tmp_path / "out", convention="fuma", clockwise=True))[0]
    assert (made.position.azimuth_deg, made.floor_area_m2) == (50, 12.0)
    assert direct(made.response) == pytest.approx((50, 0), abs=0.5)
    x, y = 2 * np.cos(np.radians(50)), 2 * np.sin(np.radians(50))
    (source / "positions.csv").write_text(f"file,x_m,y_m,z_m\na.wav,{x},{y},0\n")
    place = open_measured(responses.import_files(source, tmp_path / "xyz", convention="fuma"))[0].position
    assert (place.azimuth_deg, place.distance_m) == pytest.approx((50, 2))


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("file,azimuth\na.wav,1\n", "lacks the column 'azimuth_deg'; it needs x_m, y_m, z_m or azimuth_deg"),
        ("file,x_m,y_m,z_m\nb.wav,1,0,0\n", "line 2: there is no file"),
        ("file,x_m,y_m,z_m\na.wav,1,0,up\n", "line 2: could not convert"),
        ("file,azimuth_deg,elevation_deg,distance_m\na.wav,1,99,1\n", "line 2: elevation_deg must lie"),
        ("azimuth_deg\n1\n", "lacks the column file"),
    ],
)
def test_files_name_what_is_wrong(tmp_path: Path, rows: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        responses.import_files(bank(tmp_path / "a", rows), tmp_path / "out", convention="fuma")
    assert not (tmp_path / "out").exists()


def test_scenes_are_made_in_an_imported_room(tmp_path: Path) -> None:
    source = bank(tmp_path / "fuma", "file,azimuth_deg,elevation_deg,distance_m\na.wav,50,0,2\n")
    rooms = open_bank(responses.import_files(source, tmp_path / "rooms", convention="fuma"))
    sound = trees.tone(tmp_path / "dog.wav", seconds=1.0)
    clip = Clip("dog", str(sound), ("a dog barking",), "x", "train", "CC0", 1.0)
    scenes = make_scenes(tmp_path / "scenes", [clip], rooms, scenes=2, seed=1, recipe=SceneRecipe(duration_s=1.0))
    assert scenes.truth(0)["azimuth_deg"] == 50
    assert scenes.render(0).shape == (4, RATE)
