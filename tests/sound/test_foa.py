"""The ambisonics contract: signs, angles, rotation, conventions, intensity."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from open_elsa.errors import AudioError, ConventionError
from open_elsa.sound import foa

RATE = 16_000
AZIMUTHS = st.floats(-180, 180)
ELEVATIONS = st.floats(-90, 90)
COORDINATES = st.tuples(*[st.floats(-1, 1)] * 3).filter(lambda v: sum(x * x for x in v) > 1e-2)


def noise(seed: int = 0, n: int = 800) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(n).astype(np.float32) * 0.1


def test_axes_are_ahead_left_up() -> None:
    np.testing.assert_allclose(foa.unit_vector(0, 0), [1, 0, 0], atol=1e-12)
    np.testing.assert_allclose(foa.unit_vector(90, 0), [0, 1, 0], atol=1e-12)  # +90 degrees is left, +y
    np.testing.assert_allclose(foa.unit_vector(0, 90), [0, 0, 1], atol=1e-12)


def test_gains_are_acn_sn3d() -> None:
    np.testing.assert_allclose(foa.gains(30, 0), [1, 0.5, 0, np.sqrt(0.75)], atol=1e-12)
    np.testing.assert_allclose(foa.gains(90, 30), [1, np.sqrt(0.75), 0.5, 0], atol=1e-12)
    assert foa.gains(np.zeros((2, 3)), np.zeros((2, 3))).shape == (2, 3, 4)


@given(AZIMUTHS, st.floats(-89.9, 89.9))
def test_angles_invert_unit_vector(azimuth_deg: float, elevation_deg: float) -> None:
    azimuth, elevation = foa.angles(3.0 * foa.unit_vector(azimuth_deg, elevation_deg))
    assert -180 < azimuth <= 180
    assert (
        foa.angular_error_deg(foa.unit_vector(azimuth, elevation), foa.unit_vector(azimuth_deg, elevation_deg)) < 1e-6
    )
    assert abs(elevation - elevation_deg) < 1e-6


def test_angles_of_straight_behind_is_plus_180() -> None:
    assert foa.angles([-1.0, -0.0, 0.0])[0] == 180.0


def test_angular_error_is_exact_where_arccos_is_not() -> None:
    assert foa.angular_error_deg([1, 0, 0], foa.unit_vector(1e-7, 0)) == pytest.approx(1e-7, rel=1e-6)
    assert foa.angular_error_deg([1, 0, 0], [-2, 0, 0]) == pytest.approx(180.0)
    # Not a difference of azimuths: near the pole 180 degrees of azimuth are little.
    assert foa.angular_error_deg(foa.unit_vector(0, 89), foa.unit_vector(180, 89)) == pytest.approx(2.0)


@settings(deadline=None, max_examples=60)
@given(AZIMUTHS, ELEVATIONS, COORDINATES, st.floats(-360, 360))
def test_encode_rotate_intensity_gives_the_rotated_direction(
    azimuth_deg: float, elevation_deg: float, axis: tuple[float, float, float], angle_deg: float
) -> None:
    matrix = foa.rotation_about(axis, angle_deg)
    scene = foa.rotate(foa.encode(noise(), azimuth_deg, elevation_deg), matrix)
    heard = foa.intensity_direction(scene, RATE)
    expected = matrix @ foa.unit_vector(azimuth_deg, elevation_deg)
    assert foa.angular_error_deg(heard, expected) < 1e-3


@given(st.floats(-180, 180), ELEVATIONS, st.floats(-180, 180))
def test_yaw_and_pitch_move_a_source_ahead_to_those_angles(yaw: float, pitch: float, roll: float) -> None:
    ahead = foa.rotation_matrix(yaw, pitch, roll) @ np.array([1.0, 0, 0])
    np.testing.assert_allclose(ahead, foa.unit_vector(yaw, pitch), atol=1e-9)


def test_roll_lifts_the_left() -> None:
    np.testing.assert_allclose(foa.rotation_matrix(0, 0, 90) @ [0, 1, 0], [0, 0, 1], atol=1e-12)


def test_rotation_about_an_axis_keeps_the_axis_and_w() -> None:
    axis = np.array([1.0, 2.0, -0.5])
    matrix = foa.rotation_about(axis, 77)
    np.testing.assert_allclose(matrix @ axis, axis, atol=1e-12)
    scene = foa.encode(noise(), 10, 20)
    np.testing.assert_array_equal(foa.rotate(scene, matrix)[0], scene[0])
    np.testing.assert_allclose(foa.rotate(foa.rotate(scene, matrix), matrix.T), scene, atol=1e-6)


@pytest.mark.parametrize("bad", [np.eye(4), 2 * np.eye(3), np.diag([1.0, -1.0, 1.0])])
def test_rotate_refuses_what_is_no_rotation(bad: np.ndarray) -> None:
    with pytest.raises(ConventionError, match="rotation matrix"):
        foa.rotate(foa.encode(noise(), 0, 0), bad)


@pytest.mark.parametrize("axis", [(0, 0, 0), (1, 0), (np.nan, 0, 1)])
def test_rotation_about_no_axis_is_refused(axis: tuple[float, ...]) -> None:
    with pytest.raises(ConventionError, match="axis"):
        foa.rotation_about(axis, 10)


def test_mirror_swaps_left_and_right() -> None:
    np.testing.assert_allclose(foa.mirror(foa.encode(noise(), 40, 10)), foa.encode(noise(), -40, 10), atol=1e-7)


def test_mono_is_w_not_the_mean() -> None:
    behind = foa.encode(noise(), -135, 0)
    np.testing.assert_array_equal(foa.mono(behind), behind[0])


@settings(deadline=None, max_examples=40)
@given(st.sampled_from(foa.CONVENTIONS), st.integers(0, 2**31), st.integers(1, 50))
def test_conventions_round_trip(convention: str, seed: int, n: int) -> None:
    there = np.random.default_rng(seed).uniform(-1, 1, (4, n)).astype(np.float32)
    np.testing.assert_allclose(foa.from_convention(foa.to_convention(there, convention), convention), there, atol=1e-6)
    np.testing.assert_allclose(foa.to_convention(foa.from_convention(there, convention), convention), there, atol=1e-6)


def test_fuma_and_n3d_by_hand() -> None:
    ambix = np.array([[1.0], [0.2], [0.3], [0.4]], dtype=np.float32)  # W Y Z X
    np.testing.assert_allclose(foa.to_convention(ambix, "fuma")[:, 0], [np.sqrt(0.5), 0.4, 0.2, 0.3], atol=1e-7)
    root3 = np.sqrt(3.0)
    np.testing.assert_allclose(foa.to_convention(ambix, "N3D")[:, 0], [1, 0.2 * root3, 0.3 * root3, 0.4 * root3], 1e-6)


@pytest.mark.parametrize(
    ("capsule", "azimuth_deg", "sign"), [("FLU", 45, 1), ("FRD", -45, -1), ("BLD", 135, -1), ("BRU", -135, 1)]
)
def test_a_cardioid_hears_its_own_axis_fully_and_the_opposite_not_at_all(
    capsule: str, azimuth_deg: float, sign: int
) -> None:
    elevation_deg = sign * np.degrees(np.arctan(np.sqrt(0.5)))  # the corner of a cube
    row = foa.CAPSULES.index(capsule)
    facing = foa.to_convention(foa.encode(np.ones(1), azimuth_deg, elevation_deg), "a-format")
    away = foa.to_convention(foa.encode(np.ones(1), azimuth_deg + 180, -elevation_deg), "a-format")
    assert facing[row, 0] == pytest.approx(1.0, abs=1e-6)
    assert away[row, 0] == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("channels", [4, 9, 16, 25])
def test_higher_orders_keep_their_first_four_channels(channels: int) -> None:
    signal = np.random.default_rng(1).uniform(-1, 1, (channels, 8)).astype(np.float32)
    np.testing.assert_array_equal(foa.from_convention(signal, "ambix"), signal[:4])
    assert foa.from_convention(signal, "n3d")[1, 0] == pytest.approx(signal[1, 0] / np.sqrt(3), rel=1e-6)


def test_unknown_conventions_and_shapes_are_refused() -> None:
    with pytest.raises(ConventionError, match="ambix, fuma, n3d, wxyz-sn3d, wxyz-n3d, a-format"):
        foa.from_convention(np.zeros((4, 8)), "stereo")
    with pytest.raises(AudioError, match=r"pass samples\.T"):
        foa.from_convention(np.zeros((800, 4)), "ambix")
    with pytest.raises(AudioError, match="A-format has 4"):
        foa.from_convention(np.zeros((9, 800)), "a-format")
    with pytest.raises(AudioError, match=r"pass samples\.T"):
        foa.rotate(np.zeros((800, 4)), np.eye(3))
    with pytest.raises(AudioError, match="one mono signal"):
        foa.encode(np.zeros((2, 8)), 0)


def test_stft_of_a_tone_peaks_in_its_bin_and_counts_its_frames() -> None:
    tone = np.sin(2 * np.pi * 1000 * np.arange(RATE) / RATE)
    frequencies_hz, spectrum = foa.stft(tone, RATE, n_fft=400, hop=100)
    assert spectrum.shape == (1, 201, 1 + RATE // 100)
    assert frequencies_hz[np.argmax(np.abs(spectrum[0, :, 80]))] == 1000.0
    with pytest.raises(AudioError, match="need samples"):
        foa.stft(np.zeros((4, 0)), RATE)


def test_active_intensity_of_a_plane_wave_is_its_power_towards_the_source() -> None:
    scene = foa.encode(noise(), 60, -20)
    active = foa.active_intensity(scene, RATE, 256, 64)
    _, spectrum = foa.stft(scene[0], RATE, 256, 64)
    np.testing.assert_allclose(active, foa.unit_vector(60, -20)[:, None, None] * np.abs(spectrum) ** 2, atol=1e-4)
    assert np.abs(foa.reactive_intensity(scene, RATE, 256, 64)).max() < 1e-4 * np.abs(active).max()


def test_reactive_intensity_shows_two_opposite_waves_out_of_phase() -> None:
    t = np.arange(3200) / RATE
    scene = foa.encode(np.sin(2000 * np.pi * t), 0) + foa.encode(np.cos(2000 * np.pi * t), 180)
    middle = (slice(None), slice(20, 30), slice(5, 10))
    active = foa.active_intensity(scene, RATE, 400, 400)[middle]
    reactive = foa.reactive_intensity(scene, RATE, 400, 400)[middle]
    assert np.abs(reactive[0]).max() > 100 * np.abs(active).max()  # standing wave along x: all energy swings


def test_intensity_direction_of_silence_is_zero_and_an_empty_band_is_refused() -> None:
    np.testing.assert_array_equal(foa.intensity_direction(np.zeros((4, 800)), RATE), np.zeros(3))
    with pytest.raises(AudioError, match="no bin"):
        foa.intensity_direction(np.zeros((4, 800)), RATE, 7, 8)
