"""The shipped model as people get it; skipped in a checkout that carries no weights."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

import open_elsa
from open_elsa.model import checkpoints
from open_elsa.model.elsa import Features, SmallFrontEnd
from open_elsa.sound import audio, foa
from open_elsa.using.embedder import Embedder

WEIGHTS = Path(open_elsa.__file__).parent / "weights" / "elsa-small" / "model.safetensors"
pytestmark = pytest.mark.skipif(not WEIGHTS.is_file(), reason="no weights in this checkout")

EMBED = """
import hashlib, numpy as np, open_elsa, torch
torch.set_num_threads(1)
x = np.random.default_rng(0).normal(0, 0.1, (4, 96000)).astype(np.float32)
model = open_elsa.load()
vectors = model.embed_audio([(x, 48000)]).tobytes() + model.embed_text(["a dog barking on the left"]).tobytes()
print(hashlib.sha256(vectors).hexdigest())
"""


IMPORTS = """
import sys, numpy as np, open_elsa
x = np.random.default_rng(0).normal(0, 0.1, (4, 48000)).astype(np.float32)
model = open_elsa.load()
model.embed_audio([(x, 48000)]), model.locate([(x[0], 48000)]), model.embed_text(["a dog barking on the left"])
slow = "transformers scipy matplotlib pyarrow pyroomacoustics huggingface_hub torch._dynamo sympy"
print([name for name in slow.split() if name in sys.modules])
"""


@pytest.fixture(scope="module")
def model() -> Embedder:
    return open_elsa.load()


def test_two_processes_give_the_same_bits() -> None:
    digests = {
        subprocess.run([sys.executable, "-c", EMBED], check=True, capture_output=True, text=True).stdout.strip()
        for _ in range(2)
    }
    assert len(digests) == 1 and len(digests.pop()) == hashlib.sha256().digest_size * 2


def test_nothing_is_imported_that_embedding_does_not_need() -> None:
    found = subprocess.run([sys.executable, "-c", IMPORTS], check=True, capture_output=True, text=True).stdout
    assert found.strip() == "[]"


def plain_features(sound: Tensor, front_end: SmallFrontEnd, heard: Tensor) -> Features:
    """Both transforms of (4, n) at 32 kHz by their formulas alone, in float64, every product of the mel banks.

    heard: (n,) what the semantic encoder hears.
    """
    x, heard = sound.double(), heard.double()
    emphasised = heard[1:] - 0.97 * heard[:-1]
    window = front_end.log_mel.window.double()
    spectrum = torch.stft(emphasised, 1024, 320, 800, window, pad_mode="reflect", return_complex=True)
    log_mel = ((front_end.log_mel.mel.double() @ spectrum.abs().square() + 1e-5).log() + 4.5) / 5
    window = front_end.intensity.window.double()
    spectrum = torch.stft(x, 1024, 320, window=window, pad_mode="constant", return_complex=True)
    w, xyz = spectrum.transpose(1, 2)[..., : front_end.intensity.stop][[0, 3, 1, 2]].split([1, 3])
    bank = front_end.intensity.bank.double()
    cross = w.conj() * xyz
    pressure, velocity = w[0].abs().square() @ bank, xyz.abs().square().sum(0) @ bank
    # velocity as strong as pressure in each band over the whole sound, by 15 dB at most
    gain = (pressure.sum(0) / velocity.sum(0)).clamp(10**-1.5, 10**1.5)
    cross_bands, velocity = (cross @ bank.to(cross.dtype)) * gain.sqrt(), velocity * gain
    energy = 0.5 * (pressure + velocity) + 1e-8 * (1 + pressure.amax())
    level = torch.log(pressure + 1e-6 * pressure.amax() + 1e-12)
    ratio = torch.log((velocity + energy * 1e-3) / (pressure + energy * 1e-3))
    rows = [*(cross_bands.real / energy), *(cross_bands.imag / energy), 0.25 * (level - level.mean()), 0.25 * ratio]
    single = [*cross.real, *cross.imag, w[0].abs().square(), xyz.abs().square().sum(0)]
    bins = torch.stack([x[:, 4:260].sum(0) for x in single])  # 125 Hz to 8.1 kHz
    triangles = bank[4:260] / bank[4:260].sum(1, keepdim=True)
    of_bins = (triangles @ gain.log()).exp()
    bins = bins * torch.stack([of_bins.sqrt()] * 6 + [torch.ones_like(of_bins), of_bins])
    bins = bins / (bins[6].mean() + 1e-12)
    return Features(*(x.float()[None] for x in (log_mel[None], torch.stack(rows), bins)))


def test_the_quick_way_says_what_the_plain_way_says(model: Embedder) -> None:
    """Folded, in another memory layout, on two threads: within 1e-5 of the stored weights taken at their word."""
    noise = np.random.default_rng(3).normal(0, 0.1, (2, 96_000)).astype(np.float32)
    bursts = noise * np.exp(-(np.arange(96_000) % 24_000) / 6000).astype(np.float32)
    sound = foa.encode(bursts[0], 70, 20) + foa.encode(bursts[1], -120) + 0.01 * noise[[0, 1, 1, 0]]
    plain = checkpoints.load()
    plain.spatial.training = True  # planes stay as they are; there is no dropout, and its parts keep their statistics
    with torch.inference_mode():
        x, spatial = torch.from_numpy(audio.resample(sound, 48000, 32000)), torch.tensor([True])
        u = plain.encode_features(plain_features(x, plain.front_end, x[0]), spatial).direction[0]
        ahead = u[0] * x[3] + u[1] * x[1] + u[2] * x[2]
        features = plain_features(x, plain.front_end, 0.65 * x[0] + 0.35 * ahead)
        wanted = plain.encode_features(features, spatial).embedding
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        found = model.embed_audio([(sound, 48000)])
    finally:
        torch.set_num_threads(threads)
    np.testing.assert_allclose(found, wanted.numpy(), atol=1e-5)


def test_alone_and_in_a_batch_of_32(model: Embedder) -> None:
    rng = np.random.default_rng(1)
    sounds = [(rng.normal(0, 0.1, (4 if i % 4 else 1, 48000)).astype(np.float32), 48000) for i in range(32)]
    together = Embedder(model.model, batch_size=32).embed_audio(sounds)
    alone = np.concatenate([model.embed_audio([s]) for s in sounds[:6]])
    np.testing.assert_allclose(together[:6], alone, atol=1e-5)


def test_it_hears_the_side(model: Embedder) -> None:
    rng = np.random.default_rng(2)
    bursts = np.concatenate([rng.normal(0, 0.1, 4800) * np.exp(-np.arange(4800) / 800) for _ in range(20)])
    left, right = ((foa.encode(bursts, azimuth), 48000) for azimuth in (90, -90))
    places = model.locate([left, right])
    for place, azimuth in zip(places, (90, -90), strict=True):
        assert place.azimuth_deg is not None and place.elevation_deg is not None
        said = foa.unit_vector(place.azimuth_deg, place.elevation_deg)
        assert foa.angular_error_deg(said, foa.unit_vector(azimuth, 0)) < 15
    texts = model.embed_text(["a sound coming from the left", "a sound coming from the right"])
    assert model.similarity(model.embed_audio([left, right]), texts).argmax(1).tolist() == [0, 1]
