"""Other people's room responses, made into a folder that `scenes.measured.open_measured` and every command read.

`import_sofa` takes a SOFA file (AES69, HDF5), `import_files` a folder of sound files with a table of positions, in any
ambisonic convention. What differs is mended on the way in, once: channels become AmbiX, positions become azimuth,
elevation and distance from a microphone that faces +x, and the direct sound comes to 10 ms after the start, where
`open_measured` expects it. Gains are kept.

SOFA: conventions SingleRoomSRIR, SingleRoomMIMOSRIR with one emitter (sofacoustics/SOFAtoolbox,
SOFAtoolbox/conventions/*.csv) and AmbisonicsDRIR (A. Pérez-López, J. De Muynke, AES 144, 2018), which alone states its
channel order and gains; for the others the caller says what the channels are.
"""

from __future__ import annotations

import csv
import math
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from open_elsa.corpora import base
from open_elsa.errors import ConventionError, DataError
from open_elsa.scenes.measured import POSITIONS
from open_elsa.scenes.scene import SourcePosition
from open_elsa.sound import audio, foa
from open_elsa.sound.acoustics import estimate_arrival
from open_elsa.sound.files import check_rate

ARRIVAL_S = 0.010
_COLUMNS = ("file", "azimuth_deg", "elevation_deg", "distance_m", "floor_area_m2")
#: (ChannelOrdering, Normalization) of AmbisonicsDRIR → our name.
_NAMED = {
    ("acn", "sn3d"): "ambix",
    ("acn", "n3d"): "n3d",
    ("fuma", "fuma"): "fuma",
    ("fuma", "maxn"): "fuma",
    ("fuma", "sn3d"): "wxyz-sn3d",
    ("fuma", "n3d"): "wxyz-n3d",
}
_DEFAULT_CORNERS = ((0.0, 0.0, 0.0), (1.0, 2.0, 3.0))  # what SOFA's own tools write where nobody measured


@dataclass(frozen=True)
class _Response:
    """One response in AmbiX, (4, n), and where its source is."""

    name: str
    samples: NDArray[np.float32]
    sample_rate: int
    position: SourcePosition
    floor_area_m2: float | None = None


def import_sofa(
    path: str | Path, out: str | Path, *, convention: str | None = None, floor_area_m2: float | None = None
) -> Path:
    """Make the responses of a SOFA file a folder of measured responses; returns it.

    convention: what the channels are, if the file does not say it. floor_area_m2: of the room, if the file has no
    corners. Needs h5py. Raises DataError for a file that is damaged, not SOFA, or not ambisonic, and for an `out` that
    exists; nothing is left half-written.
    """
    try:
        import h5py
    except ImportError:
        raise DataError("reading SOFA needs h5py: pip install h5py") from None
    source = Path(path)
    try:
        with h5py.File(source) as file:
            return _write(_sofa(file, source, convention, floor_area_m2), Path(out), _terms(file.attrs))
    except OSError as error:
        raise DataError(f"{source} cannot be read as SOFA (HDF5): {error}") from None


def import_files(folder: str | Path, out: str | Path, *, convention: str, clockwise: bool = False) -> Path:
    """Make a folder of ambisonic responses with a positions.csv a folder of measured responses; returns it.

    positions.csv: file and azimuth_deg, elevation_deg, distance_m, or file and x_m, y_m, z_m (from the microphone:
    ahead, left, up); optional floor_area_m2. clockwise: azimuth counts to the right. Raises DataError as `import_sofa`.
    """
    return _write(_files(Path(folder), foa.check_convention(convention), clockwise), Path(out), "")


def _files(folder: Path, convention: str, clockwise: bool) -> Iterator[_Response]:
    table = folder / POSITIONS
    for line, row in base.table(table, ["file"]):
        where = f"{table}, line {line}"
        try:
            if "x_m" in row:
                position = _position(np.array([float(row[c]) for c in ("x_m", "y_m", "z_m")]), where)
            else:
                azimuth, elevation, distance = (float(row[c]) for c in _COLUMNS[1:4])
                position = SourcePosition(-azimuth if clockwise else azimuth, elevation, distance)
            area = float(row["floor_area_m2"]) if row.get("floor_area_m2") else None
        except KeyError as error:
            raise DataError(
                f"{table} lacks the column {error}; it needs x_m, y_m, z_m or {', '.join(_COLUMNS[1:4])}"
            ) from None
        except (ValueError, ConventionError) as error:
            raise DataError(f"{where}: {error}") from None
        if not (folder / row["file"]).is_file():
            raise DataError(f"{where}: there is no file {folder / row['file']}")
        sound = audio.read(folder / row["file"], convention=convention)
        if not sound.is_spatial:
            raise DataError(f"{folder / row['file']}: is not ambisonic; a response has 4 channels or more")
        yield _Response(Path(row["file"]).stem, sound.samples, sound.sample_rate, position, area)


def _sofa(file: Any, source: Path, convention: str | None, area: float | None) -> Iterator[_Response]:
    if _text(file.attrs.get("Conventions", "")) != "SOFA":
        raise DataError(f"{source} is HDF5, but not SOFA: its attribute Conventions is not SOFA")
    if absent := [v for v in ("Data.IR", "Data.SamplingRate", "SourcePosition", "ListenerPosition") if v not in file]:
        raise DataError(
            f"{source} lacks {', '.join(absent)}; its convention is {_text(file.attrs.get('SOFAConventions', '?'))}"
        )
    responses = _one_emitter(
        np.asarray(file["Data.IR"], dtype=np.float64), _text(file.attrs.get("DataType", "")), source
    )
    count, channels, _ = responses.shape
    name = convention or _stated(file, source, channels)
    if foa.ambisonic_order(channels) is None:
        raise DataError(f"{source} has {channels} receivers; ambisonic responses have 4, 9, 16 …")
    rate = float(np.ravel(file["Data.SamplingRate"])[0])
    delay = np.broadcast_to(
        _rows(file["Data.Delay"] if "Data.Delay" in file else np.zeros((1, 1)), count), (count, channels)
    )
    if np.ptp(delay, axis=1).max(initial=0.0) > 0:
        raise DataError(f"{source}: Data.Delay differs between the channels of one response")
    places = _relative_places(file, source, count)
    area = area if area is not None else _floor_area(file)
    for m in range(count):
        signal = np.pad(responses[m], ((0, 0), (max(0, round(float(delay[m, 0]))), 0)))
        position = _position(places[m], f"{source}, measurement {m}")
        yield _Response(f"{m:06d}", foa.from_convention(signal, name), check_rate(rate, str(source)), position, area)


def _one_emitter(responses: NDArray[np.float64], data_type: str, source: Path) -> NDArray[np.float64]:
    """Bring Data.IR to (measurements, receivers, samples): FIR is that, FIRE has E before N, FIR-E after it."""
    if responses.ndim == 4:
        axis = 2 if data_type.upper() == "FIRE" else 3
        if responses.shape[axis] != 1:
            raise DataError(f"{source} has {responses.shape[axis]} emitters a measurement; only one can be read")
        responses = responses.squeeze(axis)
    if responses.ndim != 3 or 0 in responses.shape:
        raise DataError(
            f"{source}: Data.IR has shape {responses.shape}; (measurements, receivers, samples) is expected"
        )
    return responses


def _stated(file: Any, source: Path, channels: int) -> str:
    told = file["Data.IR"].attrs
    key = (_text(told.get("ChannelOrdering", "")).lower(), _text(told.get("Normalization", "")).lower())
    if key not in _NAMED:
        said = f"order {key[0] or 'not stated'}, gains {key[1] or 'not stated'}"
        raise DataError(
            f"{source} does not say what its {channels} channels are ({said}): give convention=, one of "
            f"{', '.join(foa.CONVENTIONS)}, if they are ambisonics; the signals of microphones must be encoded first"
        )
    return _NAMED[key]


def _relative_places(file: Any, source: Path, count: int) -> NDArray[np.float64]:
    """Return (count, 3) metres: the source in the listener's frame, x where ListenerView looks, z up."""
    away = _cartesian(file["SourcePosition"], source, count) - _cartesian(file["ListenerPosition"], source, count)
    view = _directions(file, "ListenerView", (1.0, 0.0, 0.0), source, count)
    up = _directions(file, "ListenerUp", (0.0, 0.0, 1.0), source, count)
    left = np.cross(up, view)
    left /= np.linalg.norm(left, axis=1, keepdims=True)
    return np.stack([np.sum(away * view, 1), np.sum(away * left, 1), np.sum(away * np.cross(view, left), 1)], axis=1)


def _directions(
    file: Any, name: str, default: tuple[float, float, float], source: Path, count: int
) -> NDArray[np.float64]:
    given = _cartesian(file[name], source, count) if name in file else np.tile(default, (count, 1))
    length = np.linalg.norm(given, axis=1, keepdims=True)
    if not np.all(length > 0):
        raise DataError(f"{source}: {name} has no direction")
    return np.asarray(given / length, dtype=np.float64)


def _cartesian(variable: Any, source: Path, count: int) -> NDArray[np.float64]:
    """Read positions as (count, 3) metres; spherical ones are azimuth (counter-clockwise), elevation, radius."""
    values = _rows(variable, count)
    if values.shape[1] != 3 or not np.isfinite(values).all():
        raise DataError(f"{source}: positions must be three finite numbers, got shape {values.shape}")
    kind = variable.attrs.get("Type")
    if kind is not None and _text(kind).lower() == "spherical":
        values = foa.unit_vector(values[:, 0], values[:, 1]) * values[:, 2:]
    return np.broadcast_to(values, (count, 3)).astype(np.float64)


def _rows(variable: Any, count: int) -> NDArray[np.float64]:
    values = np.asarray(variable, dtype=np.float64)
    values = values.reshape(values.shape[0], -1) if values.ndim > 1 else values.reshape(1, -1)
    if values.shape[0] not in (1, count):
        raise DataError(f"a variable of the SOFA file has {values.shape[0]} rows where 1 or {count} are expected")
    return values


def _floor_area(file: Any) -> float | None:
    if "RoomCornerA" not in file or "RoomCornerB" not in file:
        return None
    a, b = (np.ravel(np.asarray(file[f"RoomCorner{c}"], dtype=np.float64))[:3] for c in "AB")
    if (tuple(a), tuple(b)) == _DEFAULT_CORNERS:
        return None
    area = abs(float((b[0] - a[0]) * (b[1] - a[1])))
    return area if math.isfinite(area) and area > 0 else None


def _position(vector: NDArray[np.float64], where: str) -> SourcePosition:
    azimuth, elevation = foa.angles(vector)
    try:
        return SourcePosition(float(azimuth), float(elevation), float(np.linalg.norm(vector)))
    except ConventionError as error:
        raise DataError(f"{where}: {error}") from None


def _terms(attributes: Any) -> str:
    told = {name: _text(attributes.get(name, "")) for name in ("Title", "DatabaseName", "License", "Organization")}
    return "".join(f"{name}: {text}\n" for name, text in told.items() if text)


def _text(value: Any) -> str:
    value = np.ravel(value)[0] if np.ndim(value) else value
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _aligned(response: _Response) -> NDArray[np.float32]:
    """Move the direct sound to `ARRIVAL_S`, by whole samples, so that nothing is interpolated."""
    if audio.is_silent(response.samples) or not np.isfinite(response.samples).all():
        raise DataError(f"response {response.name} is silent or not finite; remove it")
    arrival_s = estimate_arrival(response.samples, response.sample_rate)
    shift = round((ARRIVAL_S - arrival_s) * response.sample_rate)
    moved = np.pad(response.samples, ((0, 0), (max(0, shift), 0)))
    return moved[:, max(0, -shift) :]


def _write(responses: Iterator[_Response], out: Path, terms: str) -> Path:
    """Write a folder whole or not at all: under a temporary name beside it, then renamed."""
    if out.exists():
        raise DataError(f"{out} exists; name a folder that does not")
    out.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    try:
        with (unfinished / POSITIONS).open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(_COLUMNS)
            for response in responses:
                name = f"{response.name}.wav"
                audio.write(unfinished / name, _aligned(response), response.sample_rate, subtype="FLOAT")
                place = response.position
                area = "" if response.floor_area_m2 is None else float(response.floor_area_m2)
                writer.writerow([name, place.azimuth_deg, place.elevation_deg, place.distance_m, area])
        if terms:
            (unfinished / "source.txt").write_text(terms, encoding="utf-8")
        unfinished.chmod(0o755)
        unfinished.rename(out)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return out
