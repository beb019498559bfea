"""The recipes: readable as JSON, and elsa-base's numbers are the paper's."""

from __future__ import annotations

import dataclasses
import json

import pytest

from open_elsa.errors import ConfigError
from open_elsa.model import config as model_config
from open_elsa.training.recipes import RECIPES, elsa_base, elsa_small, elsa_tiny, recipe


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_the_json_says_everything(name: str) -> None:
    config = recipe(name)
    raw = json.loads(config.to_json())
    assert config.name == name
    assert raw == json.loads(json.dumps(dataclasses.asdict(config)))
    assert model_config.ElsaConfig.from_json(json.dumps(raw["model"])) == config.model
    assert config.to_json() != dataclasses.replace(config, seed=config.seed + 1).to_json()


def test_elsa_base_is_the_papers() -> None:
    config = elsa_base()
    place, align = config.stages
    assert (place.kind, place.batch_size, place.optimizer, place.lr) == ("place", 1024, "lamb", 1e-3)
    assert (align.kind, align.batch_size, align.optimizer, align.lr) == ("align", 2304, "adamw", 5e-5)
    assert align.weight_decay == 0  # Adam
    assert align.all_negatives
    assert align.steps * align.batch_size == pytest.approx(40 * 1_357_278, rel=1e-3)
    assert place.steps * place.batch_size == pytest.approx(100 * 160_000, rel=1e-3)
    assert align.data.spatial_share == pytest.approx(890_038 / 1_357_278, abs=1e-3)
    assert place.data.spatial_share == 1
    assert (config.rooms, config.model) == (8952, model_config.elsa_base())
    assert {place.regression, align.regression, place.bands} == {1.0}


def test_stage_1_hears_spatial_sounds_only() -> None:
    for config in (elsa_small(), elsa_tiny(), elsa_base()):
        assert [stage.kind for stage in config.stages][:2] == ["place", "align"]
        assert config.stages[0].data.spatial_share == 1
        assert 0 < config.stages[1].data.spatial_share < 1


def test_shipped_weights_learn_from_free_clips_only() -> None:
    assert elsa_small().freely_licensed_only


@pytest.mark.parametrize("share", [1.5, -0.1])
def test_a_blend_that_cannot_be_is_refused(share: float) -> None:
    place, align = elsa_tiny().stages
    with pytest.raises(ConfigError, match=r"stage 2 of elsa-tiny blends by .* share in 0..1"):
        dataclasses.replace(elsa_tiny(), stages=(place, dataclasses.replace(align, blend=share)))


def test_the_text_is_read_against_what_the_finished_model_hears() -> None:
    for config in (elsa_small(), recipe("elsa-small-where"), recipe("elsa-small-read")):
        *_, recall, last = config.stages
        assert (recall.kind, last.kind, last.blend) == ("recall", "read", 1.0)
        # nothing that a scene was heard with changes between the two: it is heard once
        assert (recall.data, recall.scenes, recall.bank) == (last.data, last.scenes, last.bank)


def test_an_unknown_recipe_names_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"elsa-huge.*elsa-small"):
        recipe("elsa-huge")
