"""Reading sound files through libsndfile, with every failure turned into a clear AudioError."""

from __future__ import annotations

import contextlib
import difflib
import math
import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from open_elsa.errors import AudioError

#: How names of sound files end, in small letters: what folders are searched for, and what is a file, not a sentence.
SUFFIXES = (".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".amb", ".caf", ".w64", ".rf64")

#: Sample rates outside this range are taken for a mistake.
MIN_RATE_HZ, MAX_RATE_HZ = 1_000, 768_000

#: Samples beyond this, 200 dB over full scale, are taken for damage: more than integers of 32 bits taken for floats,
#: and a few powers of ten below where sums of their squares leave float32.
LOUDEST = 1e10

#: What stands in the comment of the ambisonic files that we write, by convention.
COMMENTS = {
    "ambix": "AmbiX first-order ambisonics: ACN channel order W Y Z X, SN3D",
    "n3d": "First-order ambisonics: ACN channel order W Y Z X, N3D",
    "fuma": "FuMa first-order ambisonics: channel order W X Y Z, W at -3 dB",
    "wxyz-sn3d": "First-order ambisonics: channel order W X Y Z, SN3D",
    "wxyz-n3d": "First-order ambisonics: channel order W X Y Z, N3D",
    "a-format": "Tetrahedral A-format: capsules FLU FRD BLD BRU",
}

#: Files are read and written in blocks of so many samples per channel.
BLOCK_FRAMES = 1 << 16

_UNKNOWN_FRAMES = 1 << 48  # libsndfile reports about 2**63 where a header doesn't say
#: Containers that seek to the exact sample and keep every one.
LOSSLESS = {"WAV", "WAVEX", "RF64", "W64", "FLAC", "AIFF", "CAF", "AU"}
_MP3_KBIT = {  # by MPEG version 1 or not, then by the header's index
    True: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 0),
    False: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160, 0),
}


@dataclass(frozen=True)
class AudioInfo:
    """What the header of a sound file says; frames counts samples per channel, comment is its free text."""

    path: str
    channels: int
    sample_rate: int
    frames: int
    duration_s: float
    format: str
    subtype: str = ""
    comment: str = ""


def check_rate(sample_rate: float, where: str) -> int:
    """Return the sample rate as an int, or raise AudioError when it isn't a whole number in 1000..768000 Hz."""
    whole = isinstance(sample_rate, (int, float, np.integer, np.floating)) and float(sample_rate).is_integer()
    if not whole or not MIN_RATE_HZ <= sample_rate <= MAX_RATE_HZ:
        raise AudioError(
            f"{where}: a sample rate must be a whole number of {MIN_RATE_HZ}..{MAX_RATE_HZ} Hz, got {sample_rate!r}"
        )
    return int(sample_rate)


def peak(samples: NDArray[Any]) -> float:
    """Give the largest magnitude of samples of any shape, zero for none and NaN where one of them is NaN."""
    # without a copy of |samples|
    return max(float(np.max(samples)), -float(np.min(samples))) if samples.size else 0.0


def check_finite(samples: NDArray[Any], sample_rate: int, where: str, start_frame: int = 0) -> float:
    """Return the peak of samples (c, n), or raise AudioError naming the first that is NaN, infinite or absurd."""
    found = peak(samples)
    if not math.isfinite(found):
        bad = ~np.isfinite(samples).all(axis=0)
        first_s = (start_frame + int(np.argmax(bad))) / sample_rate
        raise AudioError(
            f"{where}: {int(bad.sum())} samples are NaN or infinite, the first at {first_s:.3f} s;"
            " repair the recording, or set them to zero if they can be spared"
        )
    if found > LOUDEST:
        first_s = (start_frame + int(np.argmax((np.abs(samples) > LOUDEST).any(axis=0)))) / sample_rate
        raise AudioError(
            f"{where}: samples reach {found:.3g} at {first_s:.3f} s, where full scale is 1: the file is damaged or"
            " holds no sound; repair the recording, or scale it down"
        )
    return found


class StraightFile(soundfile.SoundFile):  # type: ignore[misc]
    """A file that soundfile neither seeks in after every block nor waits for the disk with.

    Seeking changes the samples that follow in Opus and MP3. Whoever writes syncs the finished file: libsndfile would do
    so just before it writes the end of it.
    """

    def seekable(self) -> bool:
        """False, whatever the file: soundfile asks before it seeks."""
        return False

    def flush(self) -> None:
        """Nothing: closing writes what is left."""


class AudioReader:
    """A sound file open for reading in order, block by block; a context manager.

    channels, sample_rate in Hz, frames (samples per channel). Raises AudioError when the file is missing, a folder, not
    permitted, empty, not a sound, or cut off.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        head = _first_bytes(self.path)
        try:
            self._file = StraightFile(os.fspath(self.path))
        except PermissionError as error:
            raise AudioError(f"{self.path}: no permission to read it; check its owner and mode") from error
        except (soundfile.SoundFileError, OSError, TypeError, ValueError) as error:
            raise AudioError(f"{self.path}: {_why_not_audio(self.path, head, error)}") from error
        try:
            self.channels = int(self._file.channels)
            self.sample_rate = check_rate(self._file.samplerate, str(self.path))
            self.notes = self._check_complete()
            self.frames = self._count_frames()
            if self.frames == 0:
                raise AudioError(f"{self.path}: the file has a header but no samples")
        except BaseException:
            self._file.close()
            raise
        self._position = 0

    def __enter__(self) -> AudioReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def info(self) -> AudioInfo:
        """Give what the header says."""
        f = self._file
        seconds = self.frames / self.sample_rate
        return AudioInfo(
            str(self.path), self.channels, self.sample_rate, self.frames, seconds, f.format, f.subtype, f.comment or ""
        )

    def read(self, frames: int) -> NDArray[np.float32]:
        """Read the next frames as (channels, frames) float32; raises AudioError when the file ends before its time."""
        # In blocks: a header that lies about its length must not make us allocate it.
        blocks = [self._block(min(BLOCK_FRAMES * 16, frames - at)) for at in range(0, frames, BLOCK_FRAMES * 16)]
        if not blocks:
            return self._nothing()
        return np.ascontiguousarray((blocks[0] if len(blocks) == 1 else np.concatenate(blocks, axis=0)).T)

    def skip(self, frames: int) -> None:
        """Go forward: by seeking where that is exact to the sample, else by decoding, so that crops equal windows."""
        if frames > 0 and self._file.format in LOSSLESS:
            try:
                self._file.seek(self._position + frames)
            except soundfile.SoundFileError as error:
                raise self._cut_off(self._position) from error
            self._position += frames
            return
        for at in range(0, frames, BLOCK_FRAMES):
            self._block(min(BLOCK_FRAMES, frames - at))

    def _nothing(self) -> NDArray[np.float32]:
        return np.zeros((self.channels, 0), dtype=np.float32)

    def _block(self, frames: int) -> NDArray[np.float32]:
        try:
            block: NDArray[np.float32] = self._file.read(frames, dtype="float32", always_2d=True)
        except soundfile.SoundFileError as error:
            raise self._cut_off(self._position) from error
        except OSError as error:
            raise AudioError(f"{self.path}: reading failed: {error}") from error
        if len(block) < frames:
            raise self._cut_off(self._position + len(block))
        check_finite(block.T, self.sample_rate, str(self.path), self._position)
        self._position += frames
        return block

    def _cut_off(self, frames: int) -> AudioError:
        promised, got = self.frames / self.sample_rate, frames / self.sample_rate
        return AudioError(
            f"{self.path}: the {self._file.format} file is cut off or damaged: of the {promised:.2f} s that its header"
            f" promises, only the first {got:.2f} s are known to be good; copy or download it again, or save its good"
            " part with another program"
        )

    def _check_complete(self) -> tuple[str, ...]:
        """Find a cut that libsndfile only mentions in its log (WAV), or can't know (Ogg); returns notes."""
        if self._file.format == "OGG" and not _ogg_has_last_page(self.path):
            return ("the Ogg stream has no last page: its end may be cut off",)
        sizes = re.search(r"^\s*data : (\d+) \(should be (\d+)\)", self._file.extra_info, re.MULTILINE)
        if not sizes:
            return ()
        promised, got = int(sizes[1]), int(sizes[2])
        if promised >= 0x7FFF0000:  # programs that write WAV into a pipe don't know its length
            return ()
        if promised > got + 8 * self.channels:
            raise AudioError(
                f"{self.path}: the WAV file is cut off: its header promises {promised} bytes of sound, {got} are there;"
                " copy or download it again, or save its good part with another program"
            )
        return ()

    def _count_frames(self) -> int:
        frames = int(self._file.frames)
        guessed = self._file.format == "MP3" and self._mp3_without_length()
        if not guessed and 0 <= frames < _UNKNOWN_FRAMES:
            return frames
        counted = 0
        try:
            while got := len(self._file.read(BLOCK_FRAMES, dtype="float32", always_2d=True)):
                counted += got
            self._file.seek(0)
        except soundfile.SoundFileError as error:
            self.frames = counted
            raise self._cut_off(counted) from error
        return counted

    def _mp3_without_length(self) -> bool:
        """Tell whether libsndfile had to guess the length; raises where its guess would lose the end."""
        head = _after_id3(self.path)
        if any(tag in head for tag in (b"Xing", b"Info", b"VBRI")):
            return False
        if _mp3_bit_rate_varies(head):
            raise AudioError(
                f"{self.path}: an MP3 of variable bit rate that doesn't state its length, so its end would be lost;"
                " write it anew, e.g. ffmpeg -i in.mp3 out.flac"
            )
        return True


def info(path: str | Path) -> AudioInfo:
    """Read the header of a sound file; raises AudioError as AudioReader does."""
    with AudioReader(path) as reader:
        return reader.info()


def _first_bytes(path: Path) -> bytes:
    """Read the first 64 KiB through Python, whose errors say more than libsndfile's."""
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):  # reading might never end
            raise AudioError(f"{path}: is a pipe or a device, not a file; write the sound to a file first")
        with path.open("rb") as f:
            head = f.read(1 << 16)
    except FileNotFoundError as error:
        raise AudioError(f"{path}: there is no such file{_near_match(path)}") from error
    except IsADirectoryError as error:
        raise AudioError(f"{path}: is a folder, not a sound file; pass the files in it") from error
    except PermissionError as error:
        raise AudioError(f"{path}: no permission to read it; check its owner and mode") from error
    except (OSError, ValueError) as error:
        raise AudioError(f"{path}: cannot be opened: {error}") from error
    if not head:
        raise AudioError(f"{path}: the file is empty (0 bytes)")
    return head


def _near_match(path: Path) -> str:
    try:
        names = [entry.name for entry in path.parent.iterdir()]
    except FileNotFoundError:
        return f", nor its folder {path.parent}"
    except OSError:
        return ""
    near = difflib.get_close_matches(path.name, names, n=1)
    return f"; did you mean {path.parent / near[0]}?" if near else f" in {path.parent}"


def _why_not_audio(path: Path, head: bytes, error: Exception) -> str:
    if head[4:8] == b"ftyp":
        return "MP4/AAC cannot be read here; convert it first, e.g. ffmpeg -i in.m4a out.flac"
    if path.suffix.lower() in {".raw", ".pcm"}:
        return "headerless samples cannot be read; pass (samples, sample_rate), or convert the file to .wav"
    text = head[:4096]
    if b"\0" not in text and sum(byte >= 32 or byte in b"\t\r\n" for byte in text) > 0.95 * len(text):
        with contextlib.suppress(UnicodeDecodeError):
            text.decode("utf-8", errors="strict" if len(head) <= 4096 else "ignore")
            return f"holds text, not sound (it begins {text[:24].decode('utf-8', 'replace')!r})"
    reason = getattr(error, "error_string", "") or str(error)
    return f"is not a sound file that can be read (WAV, FLAC, Ogg, Opus, MP3 …): {reason}"


def _ogg_has_last_page(path: Path) -> bool:
    with path.open("rb") as f:
        f.seek(max(0, path.stat().st_size - (1 << 16)))
        tail = f.read()
    at = tail.rfind(b"OggS")
    return at >= 0 and at + 5 < len(tail) and bool(tail[at + 5] & 4)


def _after_id3(path: Path) -> bytes:
    with path.open("rb") as f:
        tag = f.read(10)
        size = sum((byte & 127) << shift for byte, shift in zip(tag[6:10], (21, 14, 7, 0), strict=False))
        f.seek(10 + size if tag[:3] == b"ID3" else 0)
        return f.read(1 << 16)


def _mp3_bit_rate_varies(head: bytes) -> bool:
    """Follow the chain of MPEG layer III frames from the first one and compare their bit rates."""
    at, seen = max(0, head.find(b"\xff")), set()
    while at + 4 <= len(head) and head[at] == 0xFF and head[at + 1] & 0xE6 == 0xE2:
        mpeg1, half = head[at + 1] & 0x18 == 0x18, head[at + 1] & 0x18 == 0
        kbit, rate = _MP3_KBIT[mpeg1][head[at + 2] >> 4], (44100, 48000, 32000, 0)[(head[at + 2] >> 2) & 3]
        if not kbit or not rate:
            break
        seen.add(kbit)
        rate = rate if mpeg1 else rate // 4 if half else rate // 2
        at += (144 if mpeg1 else 72) * kbit * 1000 // rate + ((head[at + 2] >> 1) & 1)
    return len(seen) > 1
