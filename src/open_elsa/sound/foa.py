"""First-order ambisonics: plane waves, directions, rotation, conventions and intensity.

Inside the package an ambisonic signal is always AmbiX: channels W, Y, Z, X (ACN order) with SN3D gains, float32, shape
(4, n). Axes: +x ahead, +y left, +z up; azimuth counter-clockwise from above, so +90 degrees is left.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from open_elsa.errors import AudioError, ConventionError

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

#: Channel order of every ambisonic signal inside the package (ACN).
CHANNELS = ("W", "Y", "Z", "X")

#: The conventions that `from_convention` and `to_convention` know.
CONVENTIONS = ("ambix", "fuma", "n3d", "wxyz-sn3d", "wxyz-n3d", "a-format")

#: Capsules of a tetrahedral microphone, in the channel order of A-format files.
CAPSULES = ("FLU", "FRD", "BLD", "BRU")

#: Rows of an AmbiX signal that hold the x, y and z dipoles.
_XYZ_ROWS = [3, 1, 2]

# Where the capsules look: front-left-up, front-right-down, back-left-down, back-right-up, as xyz.
_CAPSULE_AXES = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]) / np.sqrt(3.0)

# An ideal cardioid capsule hears (W + axis . (X, Y, Z)) / 2; columns here are W, Y, Z, X.
_A_FROM_AMBIX = 0.5 * np.concatenate([np.ones((4, 1)), _CAPSULE_AXES[:, [1, 2, 0]]], axis=1)

# AmbiX signal -> signal in the named convention, as 4 x 4 matrices.
_FROM_AMBIX: dict[str, Float64] = {
    "ambix": np.eye(4),
    # Furse-Malham: order W X Y Z, W 3 dB down, first-order gains as in SN3D.
    "fuma": np.array([[np.sqrt(0.5), 0, 0, 0], [0, 0, 0, 1], [0, 1, 0, 0], [0, 0, 1, 0]], dtype=np.float64),
    "n3d": np.diag([1.0, np.sqrt(3.0), np.sqrt(3.0), np.sqrt(3.0)]),
    # Data sets that keep FuMa's order but not its quieter W.
    "wxyz-sn3d": np.array([[1, 0, 0, 0], [0, 0, 0, 1], [0, 1, 0, 0], [0, 0, 1, 0]], dtype=np.float64),
    "wxyz-n3d": np.array([[1, 0, 0, 0], [0, 0, 0, 3**0.5], [0, 3**0.5, 0, 0], [0, 0, 3**0.5, 0]], dtype=np.float64),
    "a-format": _A_FROM_AMBIX,
}
_TO_AMBIX = {name: np.linalg.inv(matrix) for name, matrix in _FROM_AMBIX.items()}


def unit_vector(azimuth_deg: ArrayLike, elevation_deg: ArrayLike = 0.0) -> Float64:
    """Give the unit vector (x, y, z) of a direction.

    azimuth_deg, elevation_deg: degrees, any shapes that broadcast to (...); returns (..., 3) float64.
    """
    azimuth, elevation = np.broadcast_arrays(
        np.radians(np.asarray(azimuth_deg, dtype=np.float64)), np.radians(np.asarray(elevation_deg, dtype=np.float64))
    )
    return np.stack(
        [np.cos(azimuth) * np.cos(elevation), np.sin(azimuth) * np.cos(elevation), np.sin(elevation)], axis=-1
    )


def angles(vector: ArrayLike) -> tuple[Float64, Float64]:
    """Give azimuth and elevation in degrees of vectors of any length.

    vector: (..., 3) xyz; returns azimuth in (-180, 180] and elevation in -90..90, each (...). A zero vector gives 0, 0.
    """
    v = np.asarray(vector, dtype=np.float64)
    azimuth = np.degrees(np.arctan2(v[..., 1], v[..., 0]))
    azimuth = np.where(azimuth <= -180.0, 180.0, azimuth)  # arctan2(-0.0, -1) is -pi
    elevation = np.degrees(np.arctan2(v[..., 2], np.hypot(v[..., 0], v[..., 1])))
    return azimuth, elevation


def angular_error_deg(u: ArrayLike, v: ArrayLike) -> Float64:
    """Give the great-circle angle between vectors in degrees, 0..180.

    u, v: (..., 3), any length; exact for tiny and for opposite angles: atan2(|u x v|, u . v).
    """
    a, b = np.asarray(u, dtype=np.float64), np.asarray(v, dtype=np.float64)
    cross = np.linalg.norm(np.cross(a, b), axis=-1)
    return np.asarray(np.degrees(np.arctan2(cross, np.sum(a * b, axis=-1))), dtype=np.float64)


def gains(azimuth_deg: ArrayLike, elevation_deg: ArrayLike = 0.0) -> Float64:
    """Give the AmbiX gains (W, Y, Z, X) of a plane wave from a direction.

    Degrees, broadcasting to (...); returns (..., 4) float64 with W = 1 (ACN order, SN3D).
    """
    x, y, z = np.moveaxis(unit_vector(azimuth_deg, elevation_deg), -1, 0)
    return np.stack([np.ones_like(x), y, z, x], axis=-1)


def encode(signal: ArrayLike, azimuth_deg: float, elevation_deg: float = 0.0) -> Float32:
    """Encode a mono signal as a plane wave from a direction.

    signal: (n,) full scale +-1; returns (4, n) float32 AmbiX. Raises AudioError unless the signal is one row.
    """
    mono_signal = np.asarray(signal, dtype=np.float64)
    if mono_signal.ndim != 1:
        raise AudioError(f"encode() takes one mono signal of shape (n,), got shape {mono_signal.shape}")
    return (gains(azimuth_deg, elevation_deg)[:, None] * mono_signal[None, :]).astype(np.float32)


def rotation_about(axis: ArrayLike, angle_deg: float) -> Float64:
    """Give the matrix that turns vectors about an axis, counter-clockwise when looking against the axis.

    axis: (3,) xyz of any length but zero; returns (3, 3) (Rodrigues' formula). Raises ConventionError for a zero axis.
    """
    a = np.asarray(axis, dtype=np.float64)
    length = float(np.linalg.norm(a)) if a.shape == (3,) else float("nan")
    if not (np.isfinite(length) and length > 0 and np.isfinite(angle_deg)):
        raise ConventionError(f"a rotation needs an axis (x, y, z) that isn't zero and a finite angle, got {axis!r}")
    x, y, z = a / length
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    angle = np.radians(angle_deg)
    rotation: Float64 = np.eye(3) + np.sin(angle) * cross + (1.0 - np.cos(angle)) * (cross @ cross)
    return rotation


def rotation_matrix(yaw_deg: float, pitch_deg: float = 0.0, roll_deg: float = 0.0) -> Float64:
    """Give the matrix that rolls, then pitches, then yaws the scene; a source ahead ends at (yaw, pitch).

    yaw_deg: to the left, as azimuth counts; pitch_deg: up, as elevation counts; roll_deg: what was left goes up.
    Returns (3, 3) for column vectors xyz. Raises ConventionError for angles that are not finite.
    """
    return (
        rotation_about((0, 0, 1), yaw_deg) @ rotation_about((0, -1, 0), pitch_deg) @ rotation_about((1, 0, 0), roll_deg)
    )


def rotate(foa: ArrayLike, matrix: ArrayLike) -> Float32:
    """Turn a whole ambisonic scene: a source at u is heard at matrix @ u; exact at first order.

    foa: (4, n) AmbiX; matrix: (3, 3) rotation of xyz; returns (4, n) float32.
    Raises ConventionError when the matrix is not a proper rotation (for left-right swaps use mirror()).
    """
    signal = _ambix(foa)
    r = np.asarray(matrix, dtype=np.float64)
    if r.shape != (3, 3) or not np.allclose(r @ r.T, np.eye(3), atol=1e-6) or np.linalg.det(r) < 0:
        raise ConventionError("rotate() takes a (3, 3) rotation matrix, e.g. from rotation_matrix(yaw_deg)")
    out = np.empty(signal.shape, dtype=np.float32)
    out[0] = signal[0]
    out[_XYZ_ROWS] = r @ signal[_XYZ_ROWS].astype(np.float64)
    return out


def mirror(foa: ArrayLike) -> Float32:
    """Swap left and right of a scene: azimuth changes its sign. foa: (4, n) AmbiX; returns (4, n) float32."""
    out = np.array(_ambix(foa), dtype=np.float32)
    out[1] *= -1.0
    return out


def mono(foa: ArrayLike) -> Float32:
    """Give the mono of an ambisonic signal: W, never the mean of the channels, which is a directional microphone.

    foa: (4, n) AmbiX; returns (n,) float32.
    """
    return np.array(_ambix(foa)[0], dtype=np.float32)


def check_convention(convention: str) -> str:
    """Return the convention's canonical name, or raise ConventionError that lists the known ones."""
    name = convention.lower().replace("_", "-")
    name = {"acn-sn3d": "ambix", "sn3d": "ambix", "acn-n3d": "n3d", "aformat": "a-format", "furse-malham": "fuma"}.get(
        name, name
    )
    if name not in _FROM_AMBIX:
        raise ConventionError(f"unknown ambisonic convention {convention!r}: use one of {', '.join(CONVENTIONS)}")
    return name


def ambisonic_order(channels: int) -> int | None:
    """Give the ambisonic order that has this many channels (4 -> 1, 9 -> 2, 16 -> 3), or None when no order has."""
    order = round(channels**0.5) - 1
    return order if order >= 1 and (order + 1) ** 2 == channels else None


def from_convention(signal: ArrayLike, convention: str) -> Float32:
    """Convert an ambisonic signal to AmbiX; of higher orders the first four channels are kept.

    signal: (4, n), or (9, n), (16, n) … for every convention but "a-format"; returns (4, n) float32.
    A-format: ideal coincident cardioids in the order FLU, FRD, BLD, BRU (front-left-up, front-right-down,
    back-left-down, back-right-up); a real microphone also wants its maker's correction filter.
    Raises ConventionError for an unknown name, AudioError for a channel count that no order has.
    """
    name = check_convention(convention)
    x = np.asarray(signal)
    if x.ndim != 2 or ambisonic_order(x.shape[0]) is None:
        raise AudioError(f"an ambisonic signal has shape (4, n), (9, n), (16, n) …, got {x.shape}{_transposed_hint(x)}")
    if name == "a-format" and x.shape[0] != 4:
        raise AudioError(f"tetrahedral A-format has 4 channels ({', '.join(CAPSULES)}), got {x.shape[0]}")
    if name == "ambix":
        return np.array(x[:4], dtype=np.float32)
    return (_TO_AMBIX[name] @ x[:4].astype(np.float64)).astype(np.float32)


def to_convention(foa: ArrayLike, convention: str) -> Float32:
    """Convert an AmbiX signal (4, n) to another convention, see from_convention(); returns (4, n) float32."""
    name, signal = check_convention(convention), _ambix(foa)
    if name == "ambix":
        return np.array(signal, dtype=np.float32)
    return (_FROM_AMBIX[name] @ signal.astype(np.float64)).astype(np.float32)


def stft(
    signal: ArrayLike, sample_rate: int, n_fft: int | None = None, hop: int | None = None
) -> tuple[Float64, NDArray[np.complex128]]:
    """Give the short-time spectrum of each channel: periodic Hann window, frame k centred at sample k * hop.

    signal: (c, n) or (n,); n_fft defaults to 25 ms, hop to a quarter of it. Beyond its ends the signal is zero.
    Returns the bin frequencies in Hz (bins,) and the spectrum (c, bins, frames) with frames = 1 + n // hop.
    Raises AudioError for an empty signal or sizes below 2 and 1.
    """
    x = np.atleast_2d(np.asarray(signal, dtype=np.float64))
    n_fft = round(0.025 * sample_rate) if n_fft is None else n_fft
    hop = max(1, n_fft // 4) if hop is None else hop
    if x.ndim != 2 or x.shape[1] == 0 or n_fft < 2 or hop < 1:
        raise AudioError(f"cannot transform shape {x.shape} with n_fft={n_fft} and hop={hop}: need samples, >= 2, >= 1")
    window = 0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(n_fft) / n_fft)
    padded = np.pad(x, ((0, 0), (n_fft // 2, n_fft)))
    frames = np.lib.stride_tricks.sliding_window_view(padded, n_fft, axis=1)[:, ::hop][:, : 1 + x.shape[1] // hop]
    spectrum = np.fft.rfft(frames * window, axis=-1)
    frequencies_hz = np.asarray(np.fft.rfftfreq(n_fft, 1.0 / sample_rate), dtype=np.float64)
    return frequencies_hz, np.moveaxis(spectrum, 1, 2)


def active_intensity(foa: ArrayLike, sample_rate: int, n_fft: int | None = None, hop: int | None = None) -> Float64:
    """Give the active intensity Re{W* (X, Y, Z)}, which points towards the source.

    foa: (4, n) AmbiX; n_fft and hop in samples as in stft(); returns (3 xyz, bins, frames) float64.
    Of one plane wave its direction is the source's and its length the power in the bin.
    """
    return np.asarray(_cross_spectrum(foa, sample_rate, n_fft, hop).real, dtype=np.float64)


def reactive_intensity(foa: ArrayLike, sample_rate: int, n_fft: int | None = None, hop: int | None = None) -> Float64:
    """Give the reactive intensity Im{W* (X, Y, Z)}: zero for one plane wave, large where waves interfere.

    foa: (4, n) AmbiX; n_fft and hop in samples as in stft(); returns (3 xyz, bins, frames) float64.
    """
    return np.asarray(_cross_spectrum(foa, sample_rate, n_fft, hop).imag, dtype=np.float64)


def intensity_direction(
    foa: ArrayLike,
    sample_rate: int,
    low_hz: float = 100.0,
    high_hz: float = 5000.0,
    n_fft: int | None = None,
    hop: int | None = None,
) -> Float64:
    """Give the one direction that the summed active intensity of a band points to: the plain intensity estimator.

    foa: (4, n) AmbiX; returns a unit vector (3,) xyz, or zeros when the band is silent.
    Raises AudioError when the band holds no bin at this n_fft.
    """
    n_fft = round(0.025 * sample_rate) if n_fft is None else n_fft
    frequencies = np.fft.rfftfreq(n_fft, 1.0 / sample_rate)
    band = (frequencies >= low_hz) & (frequencies <= high_hz)
    if not band.any():
        raise AudioError(f"no bin between {low_hz:g} and {high_hz:g} Hz at n_fft={n_fft}, {sample_rate} Hz")
    total = active_intensity(foa, sample_rate, n_fft, hop)[:, band].sum(axis=(1, 2))
    length = float(np.linalg.norm(total))
    return total / length if length > 0 else np.zeros(3)


def _cross_spectrum(foa: ArrayLike, sample_rate: int, n_fft: int | None, hop: int | None) -> NDArray[np.complex128]:
    _, spectrum = stft(_ambix(foa), sample_rate, n_fft, hop)
    return np.asarray(np.conj(spectrum[0]) * spectrum[_XYZ_ROWS], dtype=np.complex128)


def _ambix(foa: ArrayLike) -> NDArray[np.floating[Any]]:
    x: NDArray[Any] = np.asarray(foa)
    if x.ndim != 2 or x.shape[0] != 4:
        raise AudioError(f"an ambisonic signal must have shape (4, n), got {x.shape}{_transposed_hint(x)}")
    return x


def _transposed_hint(x: NDArray[Any]) -> str:
    if x.ndim == 2 and x.shape[0] > x.shape[1] and ambisonic_order(x.shape[1]):
        return ": it looks transposed, pass samples.T"
    return ""
