"""Which of these labels fits each sound best? No training, any labels.

python examples/zero_shot.py a.wav b.flac
"""

from __future__ import annotations

import sys

import open_elsa as elsa

LABELS = ["a dog", "a bird", "rain", "an engine", "a person speaking", "a bell", "footsteps", "music"]


def main(files: list[str]) -> None:
    """Print the three likeliest labels of each file."""
    for file, ranking in zip(files, elsa.load().classify(files, LABELS), strict=True):
        print(file, ", ".join(f"{label} {share:.0%}" for label, share in list(ranking.items())[:3]))


if __name__ == "__main__":
    main(sys.argv[1:])
