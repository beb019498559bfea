"""Measured rooms: the recordings beside the checkout, and folders made up here."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from open_elsa.scenes.measured import open_measured
from open_elsa.sound import foa
from open_elsa.sound.acoustics import DIRECT_WINDOW_S


@pytest.mark.real
def test_labels_agree_with_the_direct_sound(shared_data: Path) -> None:
    rooms = open_measured(shared_data / "measured-rooms" / "LabR", floor_area_m2={"LabR": 53.4})
    assert len(rooms) == 30
    errors, ratios = [], []
    for i, item in enumerate(rooms):
        start, stop = (round((item.arrival_s + s) * rooms.sample_rate) for s in (-DIRECT_WINDOW_S, DIRECT_WINDOW_S))
        direct = item.response[:, start:stop].astype(np.float64)
        heard = direct[[3, 1, 2]] @ direct[0]
        truth = foa.unit_vector(item.position.azimuth_deg, item.position.elevation_deg)
        errors.append(float(foa.angular_error_deg(heard, truth)))
        ratios.append(item.acoustics.t30_s / (rooms.published_t30_s(i) or np.nan))
        assert item.floor_area_m2 == 53.4
    assert np.median(errors) < 10.0
    assert np.median(ratios) == pytest.approx(1.0, abs=0.08)


@pytest.mark.real
def test_t30_of_the_church_agrees_with_its_publishers(shared_data: Path) -> None:
    rooms = open_measured(shared_data / "measured-rooms" / "MainChurch")
    ratios = [rooms[i].acoustics.t30_s / (rooms.published_t30_s(i) or np.nan) for i in range(len(rooms))]
    assert np.abs(np.array(ratios) - 1).max() < 0.05


@pytest.mark.real
def test_a_room_buried_in_noise_has_no_t30(shared_data: Path) -> None:
    rooms = open_measured(shared_data / "measured-rooms" / "Vislab")
    assert np.isnan(rooms[0].acoustics.t30_s)


@pytest.mark.real
def test_all_rooms_open_together(shared_data: Path) -> None:
    rooms = open_measured(shared_data / "measured-rooms")
    assert len(rooms) == 190
    assert len(set(rooms.ids)) == 190
    assert rooms[rooms.index("MainChurch/ls02")].position.azimuth_deg == pytest.approx(-30.0)
