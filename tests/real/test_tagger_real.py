"""The tagger that training starts from, on real recordings: the architecture and its front end fit its weights."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
import soundfile
import soxr
import torch

from open_elsa.model.semantic import MobileNetEncoder

pytestmark = pytest.mark.real

# ESC-50 class -> the AudioSet label that must be among the three strongest
EXPECTED = {
    "dog": "Dog",
    "rooster": "Crowing, cock-a-doodle-doo",
    "rain": "Rain",
    "church bells": "Church bell",
    "chainsaw": "Chainsaw",
    "sneezing": "Sneeze",
    "siren": "Siren",
    "clock alarm": "Alarm clock",
    "crow": "Crow",
    "frog": "Frog",
    "snoring": "Snoring",
    "thunderstorm": "Thunder",
}


@torch.no_grad()
def test_the_strongest_tags_of_real_sounds(shared_data: Path) -> None:
    encoder = MobileNetEncoder(with_tags=True).eval()
    encoder.load_tagger(shared_data / "weights" / "mn04_as_mAP_432.pt")
    with (shared_data / "weights" / "audioset_labels.csv").open(newline="") as file:
        names = [row["display_name"] for row in csv.DictReader(file)]
    with (shared_data / "clips.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["source"] == "esc50"]
    hits = clips = 0
    for label, expected in EXPECTED.items():
        files = [row["path"] for row in rows if row["label"].replace("_", " ") == label][:5]
        assert files, f"no {label} among the clips"
        batch = torch.stack([read_32k(shared_data / name) for name in files])
        top = encoder.tags(batch).topk(3, dim=1).indices
        hits += int((top == names.index(expected)).any(1).sum())
        clips += len(files)
    assert hits >= 0.75 * clips, f"{hits} of {clips}"


def read_32k(path: Path) -> torch.Tensor:
    samples, rate = soundfile.read(path, dtype="float32")
    resampled = torch.from_numpy(soxr.resample(samples, rate, 32000))
    return torch.nn.functional.pad(resampled, (0, 160_000))[:160_000]
