"""Rebuild src/open_elsa/app/demo_sounds from Debian packages: which recording came from where, and what was done to it.

Needs a Debian or Ubuntu machine (apt-get, dpkg) and this package's environment:

    python tools/fetch_demo_sounds.py

Each recording is folded to mono, resampled to 48 kHz, trimmed, set to a peak of -3 dBFS, faded over 10 ms and written
as Ogg Opus, with its credits in credits.csv. None of these recordings was used to train the shipped model.
"""

from __future__ import annotations

import csv
import hashlib
import io
import struct
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

OUT = Path(__file__).parents[1] / "src" / "open_elsa" / "app" / "demo_sounds"
RATE = 48000
COLUMNS = (
    "file", "title", "label", "caption", "package", "original_path", "author", "licence", "source", "sha256_original",
)  # fmt: skip

OPENSFX = "openttd-opensfx 1.0.3-2"
CATALOGUE = "usr/share/games/openttd/baseset/opensfx/opensfx.cat"
"""OpenTTD's container of WAV files; every entry names its author and licence."""


@dataclass(frozen=True)
class Pick:
    """One recording: its name here, the Debian package and path, and the piece we take (start and end in seconds)."""

    name: str
    title: str
    caption: str
    package: str
    path: str
    author: str
    licence: str
    source: str
    entry: int | None = None  # of the OpenSFX catalogue
    start_s: float = 0.0
    end_s: float | None = None


def _freesound(user: str, number: int) -> str:
    return f"https://freesound.org/people/{user}/sounds/{number}/"


def _opensfx(entry: int, name: str, title: str, caption: str, author: str, licence: str, source: str) -> Pick:
    return Pick(name, title, caption, OPENSFX, f"{CATALOGUE}#{entry}", author, licence, source, entry)


PICKS = (
    _opensfx(59, "airplane", "Landing Jet 5 (Close).wav", "an airplane passing", "bigpickle51; edited by Wuzzy",
             "CC-BY-3.0", _freesound("bigpickle51", 219469)),
    _opensfx(38, "horse", "20060419.horse.neigh.wav", "a horse neighing", "dobroide; edited by Wuzzy",
             "CC-BY-3.0", _freesound("dobroide", 18229)),
    _opensfx(66, "bird", "Bird Noise - 1.wav", "a bird chirping", "SpaceJoe; edited by Wuzzy",
             "CC0-1.0", _freesound("SpaceJoe", 507257)),
    _opensfx(67, "lion", "elaine-growl.wav", "a lion roaring", "Elaine Miller; edited by Wuzzy",
             "CC0-1.0", _freesound("Miselaineous", 63668)),
    _opensfx(4, "steam_whistle", "steam train horn 01.wav", "a steam train whistling", "eliasheuninck; edited by Wuzzy",
             "CC-BY-3.0", _freesound("eliasheuninck", 170464)),
    _opensfx(7, "ship_horn", "msfinmarken_Bergen.aif", "the horn of a ship", "Leon Milo; edited by Wuzzy",
             "CC-BY-3.0", _freesound("milo", 23452)),
    _opensfx(29, "applause", "Approx 850 - Enthusiast Audience.wav", "an audience clapping",
             "lonemonk; edited by Wuzzy",
             "CC-BY-3.0", _freesound("lonemonk", 31169)),
    _opensfx(24, "helicopter", "helicopterRaw_16sec.wav", "a helicopter flying", "Lorenzo Sutton; edited by Wuzzy",
             "CC-BY-SA-3.0", "https://archive.org/details/helicopterRaw_16sec"),
    _opensfx(25, "engine", "file0375.mp3", "an old engine starting", "saphix; edited by Wuzzy",
             "CC0-1.0", _freesound("saphix", 36794)),
    _opensfx(33, "jackhammer", "air hammer half close.wav", "a jackhammer", "Bluesy1905; edited by Wuzzy",
             "CC-BY-3.0", _freesound("Bluesy1905", 344934)),
    Pick("doorbell", "homedecor_doorbell.ogg", "a doorbell ringing", "minetest-mod-homedecor 20210327.1-2",
         "usr/share/games/minetest/mods/homedecor/homedecor_electrical/sounds/homedecor_doorbell.ogg",
         "Vanessa Ezekowitz", "CC-BY-SA-4.0", "https://gitlab.com/VanessaE/homedecor_modpack"),
    Pick("rain", "rain.ogg", "rain falling", "plee-the-bear-data 0.6.0-8",
         "usr/share/games/plee-the-bear/sound/weather/rain.ogg", "the authors of Plee the Bear", "CC-BY-SA-3.0",
         "https://plee-the-bear.sourceforge.net", start_s=2.0, end_s=8.0),
)  # fmt: skip


def main() -> None:
    """Download the packages, cut the recordings, write them and credits.csv."""
    OUT.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for package in sorted({pick.package.split()[0] for pick in PICKS}):
            subprocess.run(["apt-get", "download", package], cwd=folder, check=True, stderr=subprocess.DEVNULL)
            archive = next(folder.glob(f"{package}_*.deb"))
            subprocess.run(["dpkg", "-x", archive, folder / package], check=True)
        rows = [_make(pick, folder) for pick in PICKS]
    with (OUT / "credits.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _make(pick: Pick, folder: Path) -> dict[str, str]:
    original = (folder / pick.package.split()[0] / pick.path.split("#")[0]).read_bytes()
    if pick.entry is not None:
        original = catalogue_entry(original, pick.entry)
    samples, rate = soundfile.read(io.BytesIO(original), dtype="float64", always_2d=True)
    mono = samples[int(pick.start_s * rate) : None if pick.end_s is None else int(pick.end_s * rate)].mean(axis=1)
    target = OUT / f"{pick.name}.ogg"
    soundfile.write(target, _prepare(mono, rate), RATE, format="OGG", subtype="OPUS")
    print(f"{target.name}: {len(mono) / rate:.2f} s, {target.stat().st_size / 1000:.0f} kB")
    values = (
        target.name, pick.title, pick.name.replace("_", " "), pick.caption, pick.package, pick.path, pick.author,
        pick.licence, pick.source, hashlib.sha256(original).hexdigest(),
    )  # fmt: skip
    return dict(zip(COLUMNS, values, strict=True))


def _prepare(mono: NDArray[np.float64], rate: int) -> NDArray[np.float32]:
    signal = soxr.resample(mono, rate, RATE, quality="HQ")
    loud = np.flatnonzero(np.abs(signal) > 1e-3 * np.abs(signal).max())  # 60 dB below the peak is silence
    signal = signal[loud[0] : loud[-1] + 1]
    fade = np.hanning(2 * RATE // 100)[: RATE // 100]
    signal[: len(fade)] *= fade
    signal[-len(fade) :] *= fade[::-1]
    return np.asarray(10 ** (-3 / 20) * signal / np.abs(signal).max(), dtype=np.float32)


def catalogue_entry(data: bytes, index: int) -> bytes:
    """The WAV file at `index` of an OpenTTD catalogue: a table of (offset, size), then name, NUL and RIFF data."""
    (offset,) = struct.unpack_from("<I", data, 8 * index)
    start = data.index(b"RIFF", offset & 0x7FFFFFFF)
    (size,) = struct.unpack_from("<I", data, start + 4)
    return data[start : start + 8 + size]


if __name__ == "__main__":
    main()
