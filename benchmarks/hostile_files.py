"""Hostile files: sounds cut, changed, and with headers that lie, things that are no sound, names that lead out.

`files(seed, count)` gives the same bytes for the same seed. Half a dozen containers that people have, and the rarer
ones that libsndfile opens as well, for whatever can be opened can be attacked.
"""

from __future__ import annotations

import io
import json
import re
import struct
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import soundfile

from open_elsa.sound.coded import same_serial

RATE = 16_000
#: The sounds that are spoiled: suffix, container, codec, channels.
STARTS = (
    ("wav", "WAV", "PCM_16", 1), ("wav", "WAVEX", "PCM_24", 4), ("wav", "WAV", "IMA_ADPCM", 1),
    ("wav", "WAV", "MS_ADPCM", 2), ("wav", "WAV", "GSM610", 1), ("wav", "WAV", "ULAW", 2),
    ("flac", "FLAC", "PCM_16", 4), ("flac", "FLAC", "PCM_24", 1), ("ogg", "OGG", "VORBIS", 1),
    ("ogg", "OGG", "VORBIS", 4), ("opus", "OGG", "OPUS", 4), ("mp3", "MP3", "MPEG_LAYER_III", 1),
    ("mp3", "MP3", "MPEG_LAYER_III", 2), ("aiff", "AIFF", "PCM_24", 4), ("aif", "AIFF", "IMA_ADPCM", 1),
    ("caf", "CAF", "PCM_16", 4), ("caf", "CAF", "ALAC_16", 2), ("w64", "W64", "PCM_16", 4),
    ("rf64", "RF64", "PCM_16", 4), ("au", "AU", "PCM_16", 4), ("au", "AU", "G721_32", 1),
    ("mat", "MAT4", "PCM_16", 4), ("mat", "MAT5", "PCM_16", 4), ("nist", "NIST", "PCM_16", 4),
    ("pvf", "PVF", "PCM_16", 4), ("htk", "HTK", "PCM_16", 1), ("avr", "AVR", "PCM_16", 2),
    ("sds", "SDS", "PCM_16", 1), ("paf", "PAF", "PCM_24", 4), ("svx", "SVX", "PCM_16", 1),
    ("voc", "VOC", "PCM_16", 2), ("sf", "IRCAM", "PCM_16", 4), ("xi", "XI", "DPCM_16", 1),
    ("wve", "WVE", "ALAW", 1),
)  # fmt: skip
#: Where headers keep their numbers: container -> (what stands before, bytes from there, size).
FIELDS = {
    "WAV": ((b"RIFF", 4, 4), (b"fmt ", 4, 4), (b"fmt ", 8, 2), (b"fmt ", 10, 2), (b"fmt ", 12, 4), (b"fmt ", 16, 4),
            (b"fmt ", 20, 2), (b"fmt ", 22, 2), (b"fmt ", 24, 2), (b"fmt ", 26, 2), (b"data", 4, 4)),
    "RF64": ((b"ds64", 4, 4), (b"ds64", 8, 8), (b"ds64", 16, 8), (b"ds64", 24, 8), (b"ds64", 32, 4)),
    "FLAC": ((b"fLaC", 5, 3), (b"fLaC", 8, 2), (b"fLaC", 10, 2), (b"fLaC", 18, 4), (b"fLaC", 21, 5)),
    "OGG": ((b"OggS", 5, 1), (b"OggS", 6, 8), (b"OggS", 18, 4), (b"OggS", 26, 1), (b"\x01vorbis", 11, 1),
            (b"\x01vorbis", 12, 4), (b"\x01vorbis", 28, 1), (b"OpusHead", 9, 1), (b"OpusHead", 10, 2),
            (b"OpusHead", 12, 4), (b"OpusHead", 16, 2), (b"OpusHead", 18, 3)),
    "MP3": ((b"\xff", 1, 3), (b"Xing", 4, 12), (b"Info", 4, 12), (b"LAME", 9, 20)),
    "AIFF": ((b"FORM", 4, 4), (b"COMM", 4, 4), (b"COMM", 8, 2), (b"COMM", 10, 4), (b"COMM", 14, 2), (b"COMM", 16, 10),
             (b"SSND", 4, 4), (b"SSND", 8, 4), (b"SSND", 12, 4)),
    "CAF": ((b"desc", 4, 8), (b"desc", 12, 8), (b"desc", 20, 4), (b"desc", 24, 4), (b"desc", 28, 4), (b"desc", 32, 4),
            (b"desc", 36, 4), (b"desc", 40, 4), (b"data", 4, 8), (b"pakt", 4, 8), (b"pakt", 12, 8), (b"kuki", 4, 8)),
    "W64": ((b"riff", 16, 8), (b"fmt ", 16, 8), (b"fmt ", 26, 2), (b"fmt ", 28, 4), (b"data", 16, 8)),
    "AU": ((b".snd", 4, 4), (b".snd", 8, 4), (b".snd", 12, 4), (b".snd", 16, 4), (b".snd", 20, 4)),
}  # fmt: skip
FIELDS["WAVEX"] = FIELDS["WAV"]
#: Names that lead out of a folder, stand for something else, or are too long, where they are taken as they are.
NAMES = (
    "../../../../etc/passwd", "..\\..\\secret.wav", "/etc/shadow", "C:\\Windows\\system32\\config.wav", "..", ".", "/",
    "", "a\0.wav", "a\r\nX-Injected: 1.wav", "%2e%2e%2fsecret.wav", "~/.ssh/id_rsa", "file:///etc/passwd",
    "|cat /etc/passwd", "$(touch x).wav", "`id`.wav", "-rf.wav", "--help", "sound.wav/", "sound.wav/../../x.wav",
    "\u202egnp.wav", "🔊" * 60 + ".wav", "x" * 5000 + ".wav", ".wav", "sound.raw", "._sound.sd2", "sound.sd2",
    "con.wav", "decoded.npy", "server_decoder.py", "sound.wav -> ../secret.wav",
    "<script>alert(1)</script>.wav", "\ud800.wav",
)  # fmt: skip
#: Numbers that nobody writes in earnest.
_EXTREMES = (b"\x00", b"\xff", b"\x7f", b"\x80", b"\x01")
#: Pages and texts that come where a sound was asked for.
_PAGE = b"<!DOCTYPE html><html><head><title>404 Not Found</title></head><body>not a sound</body></html>\n"


@dataclass(frozen=True)
class HostileFile:
    """A file to send or to index: what is wrong with it, what it is called, its bytes."""

    way: str
    name: str
    data: bytes

    @property
    def safe_name(self) -> str:
        """The name, of letters that a folder can hold, and with its suffix."""
        return re.sub(r"[^a-z0-9.]+", "_", self.name[-40:].lower()).lstrip(".") or "nameless"


def files(seed: int, count: int) -> list[HostileFile]:
    """Give so many files: first those made by hand (`by_hand`, `bombs`), then changed sounds, in every way in turn."""
    return [*by_hand(), *bombs()][:count] + changed(seed, count - len(by_hand()) - len(bombs()))


def changed(seed: int, count: int) -> list[HostileFile]:
    """Give so many sounds changed by chance, in every way in turn; none for a count below one."""
    rng = np.random.default_rng(seed)
    found: list[HostileFile] = []
    ways = list(_WAYS)
    while len(found) < count:
        k = len(found)
        suffix, container, codec, channels = STARTS[int(rng.integers(len(STARTS)))]
        way = ways[k % len(ways)]
        data = _WAYS[way](sound(container, codec, channels), container, rng)
        found.append(HostileFile(way, f"{container.lower()}.{suffix}", data))
    return found


@cache
def by_hand() -> tuple[HostileFile, ...]:
    """Files that chance would not make, the same each time; the last are harmless sounds with hostile names."""
    made = [
        *_not_sounds(), *_wavs(), *_oggs(), *_flacs(), *_id3s(),
        *(HostileFile("a hostile name", name, sound("WAV", "PCM_16", 1)) for name in NAMES),
    ]  # fmt: skip
    wrong = [("FLAC", "PCM_16", 4), ("OGG", "VORBIS", 1), ("MP3", "MPEG_LAYER_III", 1), ("AIFF", "PCM_24", 4)]
    made += [HostileFile("a wrong suffix", f"{c}.wav", sound(c, codec, n)) for c, codec, n in wrong]
    return tuple(made)


@cache
def bombs() -> tuple[HostileFile, ...]:
    """Small files of very much silence; making them takes some seconds."""
    made = {
        "an hour of silence": silent_flac(8000, 1, 3600),
        "eight minutes of silence, 768 MB when decoded": silent_flac(96_000, 4, 500),
        "eight channels of silence": silent_flac(8000, 8, 60),
    }
    return tuple(HostileFile(way, "bomb.flac", content) for way, content in made.items())


@cache
def sound(container: str, codec: str, channels: int, seconds: float = 0.6) -> bytes:
    """A tone in noise as the bytes of a file, the same each time."""
    n = round(RATE * seconds)
    noise = 0.05 * np.random.default_rng(7).standard_normal((n, channels))
    tone = 0.3 * np.sin(2 * np.pi * 440 * np.arange(n) / RATE)
    out = io.BytesIO()
    soundfile.write(out, tone[:, None] + noise, RATE, format=container, subtype=codec)
    data = out.getvalue()
    if container == "MAT5":  # its first line says when it was made
        data = b"MATLAB 5.0 MAT-file".ljust(116) + data[116:]
    return same_serial(data) if container == "OGG" else data


# -- sounds changed by chance ------------------------------------------------------------------------------------------


def _cut(data: bytes, _: str, rng: np.random.Generator) -> bytes:
    return data[: int(rng.integers(1, len(data)))]


def _cut_in_header(data: bytes, _: str, rng: np.random.Generator) -> bytes:
    return data[: int(rng.integers(1, 120))]


def _flipped(data: bytes, first: int, last: int, count: int, rng: np.random.Generator) -> bytes:
    out = bytearray(data)
    for at in rng.integers(first, min(last, len(out)), count):
        out[at] ^= int(rng.integers(1, 256))
    return bytes(out)


def _header(data: bytes, _: str, rng: np.random.Generator) -> bytes:
    return _flipped(data, 0, 96, int(rng.integers(1, 5)), rng)


def _body(data: bytes, _: str, rng: np.random.Generator) -> bytes:
    return _flipped(data, 64, len(data), 1 + len(data) // 200, rng)


def _field(data: bytes, container: str, rng: np.random.Generator) -> bytes:
    """One number of the header at its greatest, least or any value."""
    places = [
        (data.find(before) + after, size) for before, after, size in FIELDS.get(container, ()) if before in data
    ] or [(int(rng.integers(4, 60)), 4)]
    at, size = places[int(rng.integers(len(places)))]
    which = int(rng.integers(len(_EXTREMES) + 1))
    value = rng.bytes(size) if which == len(_EXTREMES) else _EXTREMES[which] + _EXTREMES[which % 2] * (size - 1)
    if rng.integers(2):
        value = value[::-1]
    return data[:at] + value + data[at + size :]


def _deleted(data: bytes, _: str, rng: np.random.Generator) -> bytes:
    at = int(rng.integers(8, len(data)))
    return data[:at] + data[at + int(rng.integers(1, 2000)) :]


def _repeated(data: bytes, _: str, rng: np.random.Generator) -> bytes:
    """A piece of the file, mostly of its header, over and over."""
    at = int(rng.integers(0, 60))
    piece = data[at : at + int(rng.integers(4, 400))]
    return data[:at] + piece * int(rng.integers(2, 200)) + data[at:]


def _blanked(data: bytes, _: str, rng: np.random.Generator) -> bytes:
    at, size = int(rng.integers(16, len(data))), int(rng.integers(16, 4000))
    return data[:at] + _EXTREMES[int(rng.integers(2))] * min(size, len(data) - at) + data[at + size :]


def _grafted(data: bytes, _: str, rng: np.random.Generator) -> bytes:
    """The head of one file on the body of another."""
    _, container, codec, channels = STARTS[int(rng.integers(len(STARTS)))]
    at = int(rng.integers(8, 200))
    return data[:at] + sound(container, codec, channels)[at:]


def _right_checksums(data: bytes, container: str, rng: np.random.Generator) -> bytes:
    """Packets of Ogg changed under checksums that are right again, so that they reach the decoder; else the body."""
    if container != "OGG":
        return _body(data, container, rng)
    out, at, pages = bytearray(data), 0, []
    while at < len(out):
        segments = out[at + 26]
        begin = at + 27 + segments
        at = begin + sum(out[at + 27 : begin])
        pages.append((begin, at))
    for _ in range(int(rng.integers(1, 12))):
        begin, end = pages[int(rng.integers(len(pages)))]
        if end > begin:
            out[int(rng.integers(begin, end))] = int(rng.integers(256))
    return same_serial(bytes(out))


_WAYS: dict[str, Callable[[bytes, str, np.random.Generator], bytes]] = {
    "cut short": _cut,
    "cut in its header": _cut_in_header,
    "bytes of the header changed": _header,
    "bytes of the body changed": _body,
    "a number of the header at an extreme": _field,
    "a stretch left out": _deleted,
    "a piece over and over": _repeated,
    "a stretch blanked": _blanked,
    "a head on another's body": _grafted,
    "changed under right checksums": _right_checksums,
}


# -- made by hand ------------------------------------------------------------------------------------------------------


def _not_sounds() -> list[HostileFile]:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in (("../../outside.wav", sound("WAV", "PCM_16", 1)), ("zeros.wav", bytes(10_000_000))):
            entry = zipfile.ZipInfo(name)  # of 1980: by a name alone it would be of now
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, content)
    deflated = zlib.compressobj(9, zlib.DEFLATED, 31)
    things = {
        "empty.wav": b"", "one.wav": b"R", "zeros.wav": bytes(4096), "ones.flac": b"\xff" * 4096, "page.wav": _PAGE,
        "text.wav": "No sound, only words: ä ö ü.\n".encode() * 200, "half.mp3": b"\xc3" * 3000,
        "data.wav": json.dumps({"sound": [0.0] * 500}).encode(), "archive.zip": packed.getvalue(),
        "archive.wav": packed.getvalue(), "bomb.flac": deflated.compress(bytes(20_000_000)) + deflated.flush(),
        "picture.wav": b"\x89PNG\r\n\x1a\n" + bytes(200), "program.wav": b"\x7fELF\x02\x01\x01" + bytes(500),
        "paper.wav": b"%PDF-1.7\n" + bytes(500), "film.m4a": b"\0\0\0\x20ftypM4A " + bytes(500),
        "list.m3u": b"#EXTM3U\n/etc/passwd\n../../secret.wav\n", "list.wav": b"[playlist]\nFile1=/etc/passwd\n",
        "bomb.xml": b'<!DOCTYPE a [<!ENTITY b "ha"><!ENTITY c "&b;&b;&b;">]><a>&c;</a>', "link": b"../../../etc/passwd",
        "script.wav": b"#!/bin/sh\ntouch x\n", "pickle.npy": b"\x93NUMPY\x01\x00v\x00{'descr': '|O', }\n",
        "pickle.wav": b"cos\nsystem\n(S'touch x'\ntR.", "riff.wav": b"RIFF", "rifx.wav": b"RIFX\0\0\0\x04WAVE",
        "wave.wav": b"RIFF\xff\xff\xff\xffWAVE", "avi.wav": b"RIFF\0\1\0\0AVI LIST" + bytes(300),
        "id3.mp3": b"ID3\x04\0\0\x7f\x7f\x7f\x7f", "flac.flac": b"fLaC", "oggs.ogg": b"OggS" + bytes(24),
        "nist.nist": b"NIST_1A\n   1024\nsample_count -i 99999999999\nchannel_count -i 4\nend_head\n".ljust(1024),
        "midi.mid": b"MThd\0\0\0\x06\0\1\0\1\0\x60MTrk" + bytes(100), "noise.mp3": b"\xff\xfb\x90\x64" + bytes(413),
    }  # fmt: skip
    return [HostileFile("no sound", name, data) for name, data in things.items()]


def _chunk(name: bytes, data: bytes) -> bytes:
    return name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)


def wav(*chunks: bytes, kind: int = 3, channels: int = 1, rate: int = RATE, bits: int = 32) -> bytes:
    """A WAV file of a format chunk and whatever follows."""
    align = channels * bits // 8 & 0xFFFF
    form = struct.pack("<HHIIHH", kind, channels, rate, rate * align & 0xFFFFFFFF, align, bits)
    body = b"WAVE" + _chunk(b"fmt ", form) + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _wavs() -> list[HostileFile]:
    numbers = np.sin(np.arange(RATE // 2) / 7).astype("<f4")
    data = _chunk(b"data", numbers.tobytes())
    nested = b""
    for _ in range(2000):
        nested = _chunk(b"LIST", b"INFO" + nested)

    def with_value(value: float, at: int = 5000) -> bytes:
        changed = numbers.copy()
        changed[at] = value
        return wav(_chunk(b"data", changed.tobytes()))

    whole = sound("WAV", "PCM_16", 1)
    made = {
        "one sample is not a number": with_value(np.nan), "the last sample is infinite": with_value(np.inf, -1),
        "a sample of 1e38": with_value(1e38), "samples all denormal": wav(_chunk(b"data", (numbers * 1e-40).tobytes())),
        "LIST chunks nested 2000 deep": wav(nested, data), "100,000 chunks": wav(_chunk(b"junk", b"") * 100_000, data),
        "20,000 format chunks": b"RIFF\0\0\0\0WAVE" + _chunk(b"fmt ", wav()[20:36]) * 20_000 + data,
        "data before format": b"RIFF\0\0\0\0WAVE" + data + wav()[12:36], "no data chunk": wav(),
        "two data chunks": wav(data, data), "a data chunk of none": wav(_chunk(b"data", b"")),
        "a cue chunk of four billion": wav(_chunk(b"cue ", b"\xff" * 64), data),
        "a sampler chunk of four billion": wav(_chunk(b"smpl", b"\xff" * 64), data),
        "an instrument chunk too short": wav(_chunk(b"inst", b"\xff"), data),
        "a broadcast chunk too short": wav(_chunk(b"bext", b"\xff" * 20), data),
        "no channel": wav(data, channels=0), "65,535 channels": wav(data, channels=65535),
        "1,024 channels": wav(data, channels=1024), "three channels": wav(data, channels=3),
        "25 channels": wav(data, channels=25), "0 Hz": wav(data, rate=0), "1 Hz": wav(data, rate=1),
        "four billion Hz": wav(data, rate=0xFFFFFFFF), "768,000 Hz": wav(data, rate=768_000),
        "no bits": wav(data, bits=0, kind=1), "255 bits": wav(data, bits=255, kind=1),
        "an unknown codec": wav(data, kind=0xABCD), "MPEG in WAV": wav(data, kind=0x55),
        "a length of two gigabytes": whole[:40] + b"\xff\xff\xff\x7f" + whole[44:],
        "a length of four gigabytes": whole[:40] + b"\xff\xff\xff\xff" + whole[44:],
        "a length of one more": whole[:40] + struct.pack("<I", len(whole) + 4096) + whole[44:],
        "silence": wav(_chunk(b"data", bytes(64_000))), "one sample": wav(_chunk(b"data", b"\0\0\0\x3f")),
        "half a sample": wav(_chunk(b"data", b"\0\0")), "a sound twice": whole * 2,
        "a sound after junk": b"\r\n" * 50 + whole,
        "an archive after a sound": whole + b"PK\x03\x04" + bytes(100),
    }  # fmt: skip
    return [HostileFile(way, "made.wav", content) for way, content in made.items()]


def _oggs() -> list[HostileFile]:
    vorbis, opus = sound("OGG", "VORBIS", 1), sound("OGG", "OPUS", 4)
    first = vorbis[: 27 + vorbis[26] + sum(vorbis[27 : 27 + vorbis[26]])]
    pages = [at.start() for at in re.finditer(b"OggS", vorbis)]
    ends = [len(vorbis), *pages[:0:-1]]
    end = pages[-1] + 6  # where the last page says how many samples there are
    made = {
        "the first page 500 times": first * 500, "the first page alone": first, "no first page": vorbis[len(first) :],
        "a checksum wrong": vorbis[:22] + b"\0\0\0\0" + vorbis[26:], "two streams in turn": vorbis + opus,
        "a page left out": vorbis[: pages[-2]] + vorbis[pages[-1] :], "no last page": vorbis[: pages[-1]],
        "pages backwards": b"".join(vorbis[a:b] for a, b in zip(pages[::-1], ends, strict=True)),
        "every lacing value 255": same_serial(vorbis[:26] + b"\xff" + b"\xff" * 255 + bytes(255 * 255)),
        "an end at 2^62 samples": same_serial(vorbis[:end] + b"\xff" * 7 + b"\x3f" + vorbis[end + 8 :]),
        "an Opus head of 255 channels": same_serial(opus.replace(opus[28:38], b"OpusHead\x01\xff", 1)),
        "Opus in mapping family 255": same_serial(opus[:46] + b"\xff" + opus[47:]),
    }  # fmt: skip
    return [HostileFile(way, "made.ogg", content) for way, content in made.items()]


def flac_header(rate: int, channels: int, frames: int, *blocks: tuple[int, bytes]) -> bytes:
    """A FLAC header that promises so many samples of 16 bits, and metadata blocks of (kind, content)."""
    numbers = rate << 44 | (channels - 1) << 41 | 15 << 36 | frames
    info = struct.pack(">HH", 4096, 4096) + bytes(6) + numbers.to_bytes(8, "big") + bytes(16)
    parts = [(0, info), *blocks]
    heads = [
        bytes([kind | 128 * (k == len(parts) - 1)]) + len(b).to_bytes(3, "big") for k, (kind, b) in enumerate(parts)
    ]
    return b"fLaC" + b"".join(head + content for head, (_, content) in zip(heads, parts, strict=True))


def silent_flac(rate: int, channels: int, seconds: int) -> bytes:
    """A "bomb": silence as FLAC, about 12 bytes for every 4096 samples, whatever the number of channels."""
    out = io.BytesIO()
    with soundfile.SoundFile(out, "w", rate, channels, format="FLAC", subtype="PCM_16") as file:
        second = np.zeros((rate, channels), np.int16)
        for _ in range(seconds):
            file.write(second)
    return out.getvalue()


def _flacs() -> list[HostileFile]:
    flac = sound("FLAC", "PCM_16", 4)
    frames = flac[flac.index(b"\xff\xf8") :] if b"\xff\xf8" in flac else flac[86:]
    made = {
        "68 billion samples promised": flac_header(RATE, 4, (1 << 36) - 1) + frames,
        "no number of samples": flac_header(RATE, 4, 0) + frames, "a rate of 0": flac_header(0, 4, 9600) + frames,
        "a rate of 655,350": flac_header(655_350, 8, 1 << 35) + frames, "a header alone": flac_header(RATE, 4, 9600),
        "5,000 metadata blocks": flac_header(RATE, 4, 9600, *[(1, b"")] * 5000) + frames,
        "a picture of 16 MB promised": flac_header(RATE, 4, 9600, (6, b"\xff" * 32))[:-36] + b"\xff\xff\xff" + frames,
        "four billion comments": flac_header(RATE, 4, 9600, (4, b"\0\0\0\0\xff\xff\xff\xff")) + frames,
        "a seek table that leads nowhere": flac_header(RATE, 4, 9600, (3, b"\x7f" * 18 * 100)) + frames,
        "a cue sheet of noise": flac_header(RATE, 4, 9600, (5, bytes(range(256)) * 4)) + frames,
    }  # fmt: skip
    return [HostileFile(way, "made.flac", content) for way, content in made.items()]


def _id3s() -> list[HostileFile]:
    mp3 = sound("MP3", "MPEG_LAYER_III", 1)
    tag = b"ID3\x04\0\0\0\0\0\x0a" + bytes(10)
    made = {
        "a tag of 256 MB promised": b"ID3\x04\0\0\x7f\x7f\x7f\x7f" + mp3, "3,000 tags": tag * 3000 + mp3,
        "a tag before WAV": tag + sound("WAV", "PCM_16", 1), "a tag before FLAC": tag + sound("FLAC", "PCM_16", 4),
        "a frame of 4 GB in a tag": b"ID3\x03\0\0\0\0\x01\0APIC\xff\xff\xff\xff" + bytes(120) + mp3,
        "MP3 frames of another rate each": mp3[:400] + sound("MP3", "MPEG_LAYER_III", 2)[400:] + mp3,
    }  # fmt: skip
    return [HostileFile(way, "made.mp3", content) for way, content in made.items()]
