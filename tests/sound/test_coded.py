"""Coded sound in memory: FLAC exact to its bits, Opus the same bytes every time at a known loss, damage told."""

from __future__ import annotations

import io

import numpy as np
import pytest
import soundfile

from open_elsa.errors import AudioError
from open_elsa.sound import coded, foa
from open_elsa.sound.writing import whole_steps

RATE = 48_000


def plane_wave(azimuth_deg: float, seconds: float = 1.0) -> coded.Float32:
    """Noise between 200 Hz and 12 kHz from one side, (4, n), with a little diffuse noise."""
    rng = np.random.default_rng(0)
    n = round(seconds * RATE)
    spectrum, hz = np.fft.rfft(rng.standard_normal(n)), np.fft.rfftfreq(n, 1 / RATE)
    dry = np.fft.irfft(np.where((hz > 200) & (hz < 12_000), spectrum / np.maximum(hz, 200), 0), n)
    out = foa.encode(0.3 * dry / np.abs(dry).max(), azimuth_deg) + 1e-3 * rng.standard_normal((4, n))
    return np.asarray(out, dtype=np.float32)


def azimuth_deg(heard: coded.Float32) -> float:
    """Direction of the mean intensity."""
    y, x = heard[0] @ heard[1], heard[0] @ heard[3]
    return float(np.degrees(np.arctan2(y, x)))


@pytest.mark.parametrize("bits", coded.BITS)
def test_flac_is_exact_to_half_a_step_even_at_full_scale(bits: int) -> None:
    sound = np.random.default_rng(1).uniform(-1.0, 1.0, (4, 3000)).astype(np.float32)
    sound[:, :2] = 1.0, -1.0
    sound[2] = 0.0
    back = coded.decoded(coded.to_flac(sound, 8_000, bits), "a.flac")
    assert back.sample_rate == 8_000
    error = np.abs(back.samples - sound)
    step = 2.0 ** (1 - bits)
    assert error[:, 0][[0, 1, 3]].max() <= step  # +1 is one step beyond the largest number
    assert error[:, 1:].max() <= 0.5 * step + 2.0**-25
    assert coded.to_flac(sound, 8_000, bits) == coded.to_flac(sound, 8_000, bits)
    assert error[0, 1:].max() > 0.4 * step  # it is that many bits and not more


@pytest.mark.parametrize("bits", coded.BITS)
def test_whole_steps_are_the_bytes_that_libsndfile_makes_of_floats(bits: int) -> None:
    """Longer than what is rounded at once, with halves between steps, full scale and a little beyond."""
    sound = np.random.default_rng(2).uniform(-1.0, 1.0, (4, 40_001)).astype(np.float32)
    sound[:, :6] = np.array([1.0, -1.0, 1.00005, -1.00005, 0.5 * 2.0 ** (1 - bits), 1.5 * 2.0 ** (1 - bits)])
    files = []
    for samples in (whole_steps(sound, bits), np.ascontiguousarray(sound.T)):
        out = io.BytesIO()
        soundfile.write(out, samples, 8_000, subtype=f"PCM_{bits}", format="FLAC")
        files.append(out.getvalue())
    assert files[0] == files[1]
    assert np.array_equal(whole_steps(sound[:, 17:20], bits), whole_steps(sound, bits)[17:20])


def test_opus_is_the_same_bytes_every_time_and_keeps_length_order_and_direction() -> None:
    sound = plane_wave(70.0)
    first, second = coded.to_opus(sound, RATE, 256), coded.to_opus(sound, RATE, 256)
    assert first == second
    assert first[14:18] == b"ASLE"
    assert 150 < len(first) * 8 / 1000 < 400
    back = coded.decoded(first, "a.opus")
    assert back.samples.shape == sound.shape and back.sample_rate == RATE
    assert abs(azimuth_deg(back.samples) - azimuth_deg(sound)) < 2.0
    lost = back.samples - sound
    ratio_db = 10 * np.log10(np.sum(sound**2, 1) / np.sum(lost**2, 1))
    assert (ratio_db[[0, 1, 3]] > 5.0).all()  # a swapped channel or a shift by a few samples has less than 3
    fewer = coded.decoded(coded.to_opus(sound, RATE, 64), "b.opus").samples
    assert np.sum((fewer - sound) ** 2) > np.sum(lost**2)


def test_other_readers_accept_the_pages_with_the_new_checksum() -> None:
    data = coded.to_opus(plane_wave(0.0, 0.3), RATE, 128)
    assert soundfile.info(io.BytesIO(data)).subtype == "OPUS"
    page = 27 + data[26] + sum(data[27 : 27 + data[26]])
    crc = 0
    for byte in data[:22] + bytes(4) + data[26:page]:  # bit by bit, as RFC 3533 defines it
        crc ^= byte << 24
        for _ in range(8):
            crc = ((crc << 1) ^ (0x04C11DB7 if crc & 0x80000000 else 0)) & 0xFFFFFFFF
    assert data[22:26] == crc.to_bytes(4, "little")


def test_what_cannot_be_coded_or_decoded_is_told() -> None:
    sound = plane_wave(0.0, 0.1)
    for code, says in (
        (lambda: coded.to_flac(sound, RATE, 20), "16 or 24 bits, not 20"),
        (lambda: coded.to_flac(sound[:2], RATE), r"shape \(4, n\)"),
        (lambda: coded.to_flac(sound * 20, RATE), "beyond full scale"),
        (lambda: coded.to_flac(sound * np.float32(np.nan), RATE), "NaN"),
        (lambda: coded.to_opus(sound, RATE, 8), "24 to 1024 kbit/s, not 8"),
        (lambda: coded.to_opus(sound, 44_100), "not 44100; resample"),
        (lambda: coded.decoded(b"no sound", "x.tar: sample 7"), "x.tar: sample 7 cannot be decoded"),
    ):
        with pytest.raises(AudioError, match=says):
            code()
    stereo = io.BytesIO()
    soundfile.write(stereo, sound[:2].T, RATE, format="FLAC")
    with pytest.raises(AudioError, match="2 channels"):
        coded.decoded(stereo.getvalue(), "x")
