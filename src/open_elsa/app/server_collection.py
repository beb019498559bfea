"""The collection behind the service: its files and nothing else, as sound, as pictures, and as a map."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch
from matplotlib.image import imsave
from numpy.typing import NDArray

from open_elsa.errors import DataError
from open_elsa.evals import projection
from open_elsa.model.features import kaldi_mel_bank
from open_elsa.search.index import Index
from open_elsa.sound import audio
from open_elsa.sound.audio import Sound

#: Points of the map: a larger collection shows a sample of its windows, always the same.
MAP_POINTS = 1500
#: The longest part of a file that is sent or drawn, in seconds.
LONGEST_S = 120.0
_MEL_BANDS, _FFT, _COLUMNS, _FLOOR_DB = 96, 1024, 600, 80.0


class NotInCollectionError(DataError):
    """A file that the collection doesn't list, or that is no longer below its root."""


class Collection:
    """The files of an index, by their names in it.

    No other file can be reached: a name is looked up among those listed, and where it leads must lie below the root,
    so that a symlink put there after indexing leads nowhere.
    """

    def __init__(self, index: Index) -> None:
        self.index = index
        self.files = frozenset(index.files)
        self._root = index.root.resolve()
        self._rows = index.rows()
        self._names = np.asarray(self._rows["file"].to_pylist(), dtype=object)
        self._starts_s = self._rows["start_s"].to_numpy()

    def path(self, file: str) -> Path:
        """Where a listed file is; raises NotInCollectionError, which says the name but never a path of this machine."""
        if file not in self.files:
            raise NotInCollectionError(f"the collection has no file {file[:200]!r}; use a name as /search gives it")
        try:
            path = (self._root / file).resolve(strict=True)
        except (OSError, RuntimeError):  # RuntimeError: symlinks in a circle
            raise NotInCollectionError(f"{file!r} is no longer there; index the folder again") from None
        if not path.is_relative_to(self._root) or not path.is_file():
            raise NotInCollectionError(f"{file!r} leads out of the collection and is not read")
        return path

    def part(self, file: str, start_s: float, end_s: float | None) -> Sound:
        """A part of a listed file, mono or AmbiX; to the end, and at most LONGEST_S, where end_s is None."""
        path = self.path(file)
        if end_s is not None and not 0 < end_s - start_s <= LONGEST_S:
            raise DataError(f"end_s must lie 0 to {LONGEST_S:g} s after start_s, got {start_s:g} to {end_s:g}")
        span = LONGEST_S if end_s is None else end_s - start_s
        convention = self.index.origin.convention
        return audio.read(path, convention=convention, start_s=start_s, duration_s=span)

    def vector(self, file: str, start_s: float) -> NDArray[np.float32]:
        """The vector (d,) of the window of a file that starts nearest to start_s."""
        self.path(file)
        rows = np.flatnonzero(self._names == file)
        nearest = np.abs(self._starts_s[rows] - start_s).argmin()
        return np.asarray(self.index.vectors_of(rows[nearest : nearest + 1])[0])

    def map(self) -> dict[str, Any]:
        """Place windows on a page so that what is alike lies together: {"points", "method"}; x and y in -1..1."""
        table, rows = self._rows, np.arange(len(self.index))
        if len(rows) > MAP_POINTS:
            rows = np.sort(np.random.default_rng(0).choice(rows, MAP_POINTS, replace=False))
        vectors = self.index.vectors_of(rows)
        if len(rows) >= projection.FEWEST:
            places, method = projection.project(vectors)
        else:
            places, method = _principal(vectors), "PCA"
        shown = table.select(["file", "start_s", "end_s"]).take(rows).to_pylist()
        points = [{**row, "x": float(x), "y": float(y)} for row, (x, y) in zip(shown, places, strict=True)]
        return {"points": points, "method": method}


def wav(sound: Sound) -> bytes:
    """A sound as a 16-bit WAV file; what is beyond full scale is clipped."""
    out = io.BytesIO()
    samples = np.clip(sound.samples, -1.0, 1.0).T
    soundfile.write(out, samples, sound.sample_rate, format="WAV", subtype="PCM_16")
    return out.getvalue()


def peaks(sound: Sound, n: int) -> list[list[float]]:
    """The least and greatest value of W in each of n equal stretches (fewer where there are fewer samples)."""
    w = sound.w
    edges = np.linspace(0, len(w), min(n, len(w)) + 1).astype(int)[:-1]
    both = np.stack([np.minimum.reduceat(w, edges), np.maximum.reduceat(w, edges)], axis=1)
    return [[round(float(low), 4), round(float(high), 4)] for low, high in both]


def spectrogram(sound: Sound) -> bytes:
    """W's log-mel spectrogram as PNG: 96 bands from 0 Hz to half the rate, low ones below; 80 dB to its loudest."""
    w = torch.from_numpy(np.ascontiguousarray(sound.w, np.float32))
    hop = max(_FFT // 4, len(w) // _COLUMNS)
    w = torch.nn.functional.pad(w, (_FFT // 2, _FFT // 2))
    with torch.inference_mode():
        frames = w.unfold(0, _FFT, hop) * torch.hann_window(_FFT)
        power = torch.fft.rfft(frames).abs().square()
        rate = sound.sample_rate
        bank = kaldi_mel_bank(_MEL_BANDS, n_fft=_FFT, sample_rate=rate, min_hz=0.0, max_hz=rate / 2)
        decibels = 10.0 * (power @ bank.T + 1e-10).log10().T.numpy()
    out = io.BytesIO()
    top = float(decibels.max())
    imsave(out, decibels, vmin=top - _FLOOR_DB, vmax=top, cmap="magma", origin="lower", format="png")
    return out.getvalue()


def _principal(vectors: NDArray[np.float32]) -> NDArray[np.float64]:
    """The first two principal components of few vectors (n, d): (n, 2), scaled to -1..1."""
    centred = vectors.astype(np.float64) - vectors.mean(axis=0) if len(vectors) else vectors.astype(np.float64)
    places = np.zeros((len(vectors), 2))
    if len(vectors) > 1:
        _, _, axes = np.linalg.svd(centred, full_matrices=False)
        found = centred @ axes[:2].T
        places[:, : found.shape[1]] = found
    return places / max(float(np.abs(places).max(initial=0.0)), 1e-12)
