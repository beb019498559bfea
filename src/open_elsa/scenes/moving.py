"""Moving sources: where one is at every moment, and how it sounds.

A walk is straight and at constant speed. Responses are simulated for places along it, all with one diffuse tail, since
the tail is the room's and not the place's. The sound is cut into pieces that fade into each other, each heard through
the response of its place, and the pieces are added: the piecewise convolution of gpuRIR's trajectories (Diaz-Guerra,
Miguel and Beltran 2021), with cross-fades. These are raised cosines that add up to one, as neighbouring responses are
alike. The direct sound is kept apart from the rest: it runs through one delay line of changing length, so that it
neither clicks nor combs, and its pitch bends as Doppler has it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from open_elsa.errors import DataError
from open_elsa.scenes.diffuse_tail import draw_noise
from open_elsa.scenes.rooms import SPEED_OF_SOUND_M_S, RoomRanges, draw_position, plan_response, render_plan
from open_elsa.scenes.scene import Path, Room, SourcePosition
from open_elsa.sound import foa

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

#: Places along a walk are no further apart than this, by way and by angle.
STEP_M, STEP_DEG = 0.25, 7.5
#: A walk turns by this angle or changes the distance by this factor, or nobody would hear that it moves.
LEAST_TURN_DEG, LEAST_RATIO = 30.0, 2.0
#: The direct sound is what lies within this of its arrival; it fades into the rest over as long again.
_DIRECT_S = 0.0005
#: Taps and phases of the delay line's interpolation.
_TAPS, _PHASES = 32, 512


def point(position: SourcePosition) -> Float64:
    """A place as xyz in metres (3,) about the array."""
    return position.distance_m * foa.unit_vector(position.azimuth_deg, position.elevation_deg)


def moved(source: SourcePosition, xyz: Float64) -> SourcePosition:
    """The same source at xyz (3,) metres about the array."""
    azimuth, elevation = foa.angles(xyz)
    return replace(
        source, azimuth_deg=float(azimuth), elevation_deg=float(elevation), distance_m=float(np.linalg.norm(xyz))
    )


def trajectory(start: SourcePosition, path: Path, times_s: NDArray[np.floating]) -> Float64:
    """Where a source is at times (k,) in seconds of the scene: (k, 3) xyz in metres about the array."""
    done = np.clip((np.asarray(times_s, dtype=np.float64) - path.start_s) / (path.stop_s - path.start_s), 0.0, 1.0)
    first = point(start)
    walked: Float64 = first + done[:, None] * (point(path.to) - first)
    return walked


def draw_path(
    rng: np.random.Generator,
    room: Room,
    start: SourcePosition,
    ranges: RoomRanges,
    span_s: tuple[float, float],
    speed_m_s: tuple[float, float],
) -> Path | None:
    """Draw a walk from a place while its sound lasts, from span_s[0] to span_s[1] of the scene.

    It goes towards another legal place of the room at a drawn speed, stays clear of the array by the ranges' least
    distance, and turns by 30 degrees or more or halves or doubles the distance. None when 40 draws give no such walk.
    """
    first, seed = point(start), int(rng.integers(2**62))
    for _ in range(40):
        speed = float(rng.uniform(*speed_m_s))
        try:
            whole = point(draw_position(rng, room, ranges)) - first
        except DataError:
            return None
        length = float(np.linalg.norm(whole))
        lasts_s = min(length / speed, span_s[1] - span_s[0])
        if length < 1e-3 or lasts_s < 0.2:
            continue
        last = first + whole * min(1.0, speed * lasts_s / length)
        nearest = float(np.linalg.norm(_nearest(first, last)))
        near, far = sorted((start.distance_m, float(np.linalg.norm(last))))
        turned = float(foa.angular_error_deg(first, last))
        if nearest >= ranges.distance_m[0] - 1e-6 and (turned >= LEAST_TURN_DEG or far / near >= LEAST_RATIO):
            to = moved(start, last)
            rounded = SourcePosition(round(to.azimuth_deg, 3), round(to.elevation_deg, 3), round(to.distance_m, 4))
            return Path(rounded, round(span_s[0], 4), round(span_s[0] + lasts_s, 4), seed)
    return None


def render_moving(
    dry: Float32, room: Room, start: SourcePosition, path: Path, sample_rate: int, length: int
) -> Float32:
    """A dry sound (n,) that begins with the scene, walking through a room: (4, length) float32 AmbiX."""
    walk = point(path.to) - point(start)
    shares = _shares(point(start), point(path.to))
    places = [start, *(moved(start, point(start) + s * walk) for s in shares[1:])]
    lead = round(2 * _DIRECT_S * sample_rate)
    dry = np.pad(dry[:length], (0, 2 * lead))
    out = np.zeros((4, length), dtype=np.float32)
    sent = np.zeros((4, dry.size), dtype=np.float32)  # the direct sound, `lead` samples late, before its way
    first: Float32 | None = None
    # the sound or the scene may be over before the source gets to the last places
    windows = [w for w in _windows(path, shares, dry.size, sample_rate) if w[1].size and w[0] < length]
    responses = _responses(room, places[: len(windows)], path.seed, sample_rate)
    for place, response, (begin, window) in zip(places[: len(windows)], responses, windows, strict=True):
        arrival = place.distance_m / SPEED_OF_SOUND_M_S * sample_rate
        direct, rest = _split(response, arrival, sample_rate, lead)
        _add(sent, begin, _convolve_after(dry, begin, window.size, direct) * window)
        if first is None:
            first = rest
            _add(out, 0, _convolve(dry, rest, length))
            continue
        # responses on the way differ from the first one by their early reflections alone: the tail is the same
        if (other := _difference(rest, first)).shape[1]:
            _add(out, begin, _convolve(dry[begin : begin + window.size] * window, other, length - begin))
    delay = np.linalg.norm(trajectory(start, path, np.arange(length) / sample_rate), axis=1) / SPEED_OF_SOUND_M_S
    out += _delayed(sent, _emission(delay, sample_rate) + lead, length)
    return out


def _responses(room: Room, places: Sequence[SourcePosition], seed: int, sample_rate: int) -> Iterator[Float32]:
    """The responses (4, n) of the places of a walk, all with one diffuse tail."""
    plans = [plan_response(room, place, np.random.default_rng(seed), sample_rate) for place in places]
    first = min(plan.tail.first for plan in plans)
    for plan in plans:
        # a tail takes its noise from its own first frame on: begun together, all take the same
        late = plan.tail.first - first
        early = np.concatenate([np.zeros((late, plan.tail.early.shape[1])), plan.tail.early])
        tail = replace(plan.tail, first=first, early=early, late=np.concatenate([np.zeros(late), plan.tail.late]))
        yield render_plan(replace(plan, tail=tail, noise=draw_noise(np.random.default_rng(seed), tail)))


def _nearest(a: Float64, b: Float64) -> Float64:
    """The point of the line from a to b that is nearest to the array."""
    along = b - a
    share = float(np.clip(-np.dot(a, along) / np.dot(along, along), 0.0, 1.0))
    return np.asarray(a + share * along)


def _shares(a: Float64, b: Float64) -> Float64:
    """How far along a walk from a to b, 0 to 1, the places are from which it is heard: closer where it turns fast."""
    fine = np.linspace(0.0, 1.0, 513)
    points = a + fine[:, None] * (b - a)
    way = np.linalg.norm(np.diff(points, axis=0), axis=1) / STEP_M
    turn = foa.angular_error_deg(points[1:], points[:-1]) / STEP_DEG
    steps = np.concatenate([[0.0], np.cumsum(np.maximum(way, turn))])
    return np.interp(np.linspace(0.0, steps[-1], max(2, math.ceil(steps[-1]) + 1)), steps, fine)


def _windows(path: Path, shares: Float64, n: int, sample_rate: int) -> list[tuple[int, Float32]]:
    """First sample and weights of the piece of each place; over all places they add up to one at every sample."""
    at = (path.start_s + shares * (path.stop_s - path.start_s)) * sample_rate
    found = []
    for k in range(at.size):
        begin = 0 if k == 0 else min(math.ceil(at[k - 1]), n)
        end = n if k == at.size - 1 else min(math.ceil(at[k + 1]), n)
        t = np.arange(begin, end)
        weight = np.ones(t.size)
        if k > 0:
            weight *= _rise((t - at[k - 1]) / (at[k] - at[k - 1]))
        if k < at.size - 1:
            weight *= 1.0 - _rise((t - at[k]) / (at[k + 1] - at[k]))
        found.append((begin, weight.astype(np.float32)))
    return found


def _rise(x: Float64) -> Float64:
    return np.asarray(0.5 - 0.5 * np.cos(np.pi * np.clip(x, 0.0, 1.0)))


def _split(response: Float32, arrival: float, sample_rate: int, lead: int) -> tuple[Float32, Float32]:
    """The direct sound (4, 2 lead + 1), moved so that it arrives at sample `lead` exactly, and the rest (4, n)."""
    n = response.shape[1]
    flat = _DIRECT_S * sample_rate
    share = 1.0 - _rise((np.abs(np.arange(n) - arrival) - flat) / flat)
    whole = math.floor(arrival)
    first = whole - lead
    part = np.zeros((4, 2 * lead + 1), dtype=np.float32)
    low, high = max(first, 0), min(first + part.shape[1], n)
    part[:, low - first : high - first] = response[:, low:high] * share[low:high].astype(np.float32)
    size = scipy.fft.next_fast_len(4 * part.shape[1], real=True)
    # to the left by the fraction of a sample; the padding takes what the shift rings
    turn = np.exp(2j * np.pi * np.arange(size // 2 + 1) * (arrival - whole) / size)
    moved = scipy.fft.irfft(scipy.fft.rfft(part, size, axis=1) * turn, size, axis=1)[:, : part.shape[1]]
    rest = response * (1.0 - share).astype(np.float32)
    return moved.astype(np.float32), rest


def _difference(rest: Float32, first: Float32) -> Float32:
    """What a response has more than the first one, without the zeros at its end."""
    n = max(rest.shape[1], first.shape[1])
    other = np.zeros((4, n), dtype=np.float32)
    other[:, : rest.shape[1]] = rest
    other[:, : first.shape[1]] -= first
    heard = np.flatnonzero(other.any(axis=0))
    return other[:, : heard[-1] + 1 if heard.size else 0]


def _convolve(x: Float32, response: Float32, length: int) -> Float32:
    from open_elsa.scenes.render import render

    return render(x, response, length=min(length, x.size + response.shape[1] - 1))


def _convolve_after(x: Float32, begin: int, size: int, response: Float32) -> Float32:
    """Samples begin ... begin + size of x, and its past, through a short response."""
    past = min(begin, response.shape[1] - 1)
    return _convolve(x[begin - past : begin + size], response, past + size)[:, past:]


def _add(out: Float32, at: int, part: Float32) -> None:
    low, high = max(at, 0), min(at + part.shape[1], out.shape[1])
    if high > low:
        out[:, low:high] += part[:, low - at : high - at]


def _emission(delay_s: Float64, sample_rate: int) -> Float64:
    """For each sample that is heard, the (fractional) sample at which it was sent: t - d(t - d(t))."""
    t = np.arange(delay_s.size, dtype=np.float64)
    sent = t - delay_s * sample_rate
    for _ in range(2):  # the delay changes by v / c a sample, so each round gains two digits
        sent = t - np.interp(sent, t, delay_s) * sample_rate
    return sent


def _delayed(signal: Float32, at: Float64, length: int) -> Float32:
    """A signal (4, n) read at fractional samples (length,), silence outside: (4, length). Windowed sinc, 32 taps."""
    table = _sinc_table()
    base = np.floor(at).astype(np.int64)
    phase = (at - base) * _PHASES
    low = np.minimum(phase.astype(np.int64), _PHASES - 1)
    share = (phase - low).astype(np.float32)[:, None]
    padded = np.pad(signal, ((0, 0), (_TAPS, _TAPS)))
    first = np.clip(base + _TAPS - _TAPS // 2 + 1, 0, padded.shape[1] - _TAPS)
    inside = (base > -_TAPS) & (base < signal.shape[1] + _TAPS // 2)
    out = np.zeros((4, length), dtype=np.float32)
    for begin in range(0, length, 16_384):  # what is gathered at a time stays in the cache
        some = slice(begin, begin + 16_384)
        taps = table[low[some]] * (1.0 - share[some]) + table[low[some] + 1] * share[some]
        taps *= inside[some, None]
        for channel in range(4):
            blocks = np.lib.stride_tricks.sliding_window_view(padded[channel], _TAPS)[first[some]]
            out[channel, some] = np.einsum("nt,nt->n", blocks, taps)
    return out


def _sinc_table() -> Float32:
    """(phases + 1, taps) of a Hann-windowed sinc; row p reads p / phases of a sample behind the middle tap."""
    x = np.arange(_TAPS) - (_TAPS // 2 - 1) - np.arange(_PHASES + 1)[:, None] / _PHASES
    return (np.sinc(x) * np.square(np.cos(np.pi * x / (_TAPS + 1)))).astype(np.float32)
