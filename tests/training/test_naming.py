"""The tagger's names: sounds are made that it would call by them, and the model's likeness goes to the bridge's."""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path

import pytest
import torch
from rich.console import Console
from torch import nn

from open_elsa.errors import CheckpointError, ConfigError, DataError, TrainingError
from open_elsa.model.config import elsa_tiny as tiny_model
from open_elsa.model.elsa import ElsaSmall, build
from open_elsa.model.tag_names import meanings, name_texts, sound_tags, text_tags
from open_elsa.training import naming
from open_elsa.training.examples import TrainData
from open_elsa.training.naming import Namer, likeness_loss, made_sounds
from open_elsa.training.recipes import StageConfig, elsa_small_left_out, elsa_tiny
from open_elsa.training.train import train

NAMES = ["Dog", "Rain", "Church bell", "Vacuum cleaner", "Siren", "Speech"]


@pytest.fixture
def model() -> ElsaSmall:
    torch.manual_seed(0)
    made = build(tiny_model())
    assert isinstance(made, ElsaSmall)
    return made.eval()


def sounds(width: int, n: int, seed: int) -> torch.Tensor:
    """Features of sounds, which lie in twelve of their many dimensions, as those of real sounds lie in few."""
    return 0.3 * torch.randn(n, 12, generator=torch.Generator().manual_seed(seed)) @ directions(width)


def directions(width: int) -> torch.Tensor:
    """Twelve orthogonal directions, the first six of which the tagger listens to."""
    return torch.linalg.qr(torch.randn(width, 12, generator=torch.Generator().manual_seed(1)))[0].T


def namer_for(model: ElsaSmall, seed: int = 0) -> Namer:
    """A tagger whose logit k is eight times the k-th direction of its features, less three."""
    width = model.semantic.dim
    classifier = nn.Linear(width, len(NAMES))
    with torch.no_grad():
        classifier.weight.copy_(8 * directions(width)[: len(NAMES)])
        classifier.bias.fill_(-3.0)
    return Namer(classifier, NAMES, sounds(width, 40, 2), seed=seed)


def test_made_sounds_are_what_the_tagger_calls_by_the_name(model: ElsaSmall) -> None:
    namer = namer_for(model)
    wanted = torch.arange(len(NAMES)).repeat(naming.PER_NAME)
    logits = namer.classifier(namer.made)
    said = logits.gather(1, wanted[:, None])
    assert torch.equal(logits.argmax(1), wanted) and (said > 1.0).all()
    assert (said < 7.0).all()  # no further than the name asks, whatever the steps would still allow
    assert torch.equal(namer.made, namer_for(model).made) and not torch.equal(namer.made, namer_for(model, 5).made)


def test_made_sounds_stay_among_the_features(model: ElsaSmall) -> None:
    features = torch.randn(200, 8) * torch.tensor([3.0, 1, 1, 1, 1, 1, 1, 0.001])
    classifier = nn.Linear(8, 2)
    with torch.no_grad():
        classifier.weight.copy_(torch.tensor([[1.0, 0, 0, 0, 0, 0, 0, 1.0], [0, 1.0, 0, 0, 0, 0, 0, 1.0]]))
        classifier.bias.fill_(-3.0)
    made = made_sounds(classifier, features, 2, 0)
    assert made[:, 7].abs().max() < 0.5  # where no sound ever goes, none is made: the spread there is a thousandth
    with pytest.raises(TrainingError, match="at least two clips, got 1"):
        made_sounds(classifier, features[:1], 2, 0)


def test_likeness_is_least_where_cosines_are_the_same() -> None:
    true = torch.tensor([[0.9, 0.1, 0.0], [0.0, 0.6, 0.5]])
    assert float(likeness_loss(true, true)) == pytest.approx(0.0, abs=1e-6)
    assert float(likeness_loss(true.roll(1, 1), true)) > 1.0


def test_texts_and_sounds_meet_at_their_names() -> None:
    tags = sound_tags(torch.tensor([[2.0, -8, -8, -8, -8, -8], [-9.0] * 6]))
    assert tags[0].tolist() == [1, 0, 0, 0, 0, 0] and not tags[1].any()
    said = text_tags(meanings(["the sound of a puppy", "the sound of hoovering"]), meanings(name_texts(NAMES)))
    assert said.argmax(1).tolist() == [0, 3]


def test_a_sound_of_no_clip_learns_its_name(model: ElsaSmall) -> None:
    namer, width = namer_for(model), model.semantic.dim
    wanted = torch.arange(len(NAMES)).repeat(20)
    heard = sounds(width, len(wanted), 3) + 0.8 * directions(width)[wanted]
    called = namer.classifier(heard).argmax(1)
    heard, wanted = heard[called == wanted], wanted[called == wanted]
    assert len(wanted) > 100
    model.semantic.from_log_mel = lambda mel: mel  # type: ignore[method-assign]  # the features themselves come in
    batch = sounds(width, 8, 4)

    def right() -> float:
        model.eval()
        with torch.no_grad():
            said = nn.functional.normalize(model.what(heard), dim=1)
            texts = nn.functional.normalize(model.text(namer.texts)[0], dim=1)
        return float(((said @ texts.T).argmax(1) == wanted).float().mean())

    before = right()
    model.train()
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], 2e-3)
    torch.manual_seed(4)
    for _ in range(60):
        loss = namer.loss(model, batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert before < 0.35 and right() > 0.6  # by chance one in six


def test_a_step_compares_each_name_with_its_own_meaning(model: ElsaSmall) -> None:
    namer = namer_for(model)
    tokens, which = namer._some(model)
    assert sorted(which.tolist()) == list(range(len(NAMES)))
    read = model.text.read(tokens)[0]
    alone = model.text([namer.texts[k] for k in which])[0]
    torch.testing.assert_close(read, alone, atol=1e-4, rtol=0)


def test_names_need_a_tagger_that_stays(anechoic: TrainData, tmp_path: Path) -> None:
    config = elsa_small_left_out()
    with pytest.raises(ConfigError, match="tagger_lr 0"):
        dataclasses.replace(config, stages=(dataclasses.replace(config.stages[0], tagger_lr=0.1),))
    with pytest.raises(ConfigError, match="kind 'align'"):
        dataclasses.replace(config, stages=(StageConfig("place", 1, 8, 1e-3, config.stages[0].data, names=1.0),))
    with pytest.raises(TrainingError, match="give the tagger and its outputs' names"):
        train(config, anechoic, tmp_path, console=Console(file=io.StringIO()))
    with pytest.raises(DataError, match="no label names"):
        Namer.of(tmp_path / "tagger.pt", tmp_path / "labels.csv", anechoic.store)
    (tmp_path / "labels.csv").write_text("display_name\n" + "name\n" * naming.OUTPUTS)
    with pytest.raises(CheckpointError, match="no tagger weights"):
        Namer.of(tmp_path / "tagger.pt", tmp_path / "labels.csv", anechoic.store)


def test_a_stage_takes_the_names_in(anechoic: TrainData, tmp_path: Path, model: ElsaSmall) -> None:
    tiny = elsa_tiny()
    stage = dataclasses.replace(tiny.stages[1], steps=2, tagger_lr=0.0, names=1.0)
    config = dataclasses.replace(tiny, name="named", stages=(stage,))
    console = Console(file=io.StringIO())
    train(config, anechoic, tmp_path, console=console, namer=namer_for(model))
    assert '"names": ' in (tmp_path / "metrics.jsonl").read_text()
