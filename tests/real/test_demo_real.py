from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest

from open_elsa.app import demo


@pytest.mark.real
def test_no_recording_of_the_demo_is_a_training_clip(shared_data: Path) -> None:
    """By Freesound number and by file name: what trained the model isn't what it is shown."""
    rows = demo.credits_of_sounds()
    numbers = {m.group(1) for row in rows if (m := re.search(r"/sounds/(\d+)/", row["source"]))}
    names = {Path(row["original_path"].split("#")[0]).stem for row in rows if "#" not in row["original_path"]}
    with (shared_data / "clips.csv").open(encoding="utf-8", newline="") as file:
        for clip in csv.DictReader(file):
            same_number = clip["recording"].split(".")[0] in numbers
            # "rain" alone is a common file name: what counts is the recording, so the collection is compared as well
            same_name = Path(clip["path"]).stem in names - {"rain"}
            assert not same_number and not same_name, clip["path"]
            assert (
                "opensfx" not in clip["source"] and "plee" not in clip["source"] and "homedecor" not in clip["source"]
            )
