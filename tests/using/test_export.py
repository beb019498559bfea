"""ONNX: the same numbers as torch for any batch and length, the same windows of long files, and clear refusals."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from fake import FakeModel

from open_elsa.app import cli
from open_elsa.errors import CheckpointError, ConfigError, DataError
from open_elsa.model import checkpoints
from open_elsa.model.card import ModelCard
from open_elsa.model.config import elsa_tiny
from open_elsa.model.elsa import build
from open_elsa.sound import audio, foa
from open_elsa.using import export
from open_elsa.using.embedder import Embedder, load
from open_elsa.using.onnx_model import load_onnx

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxscript")
pytest.importorskip("onnxruntime")

CARD = ModelCard("elsa-tiny", "For tests.", "elsa train elsa-tiny", "2026-11-25", "a core", 0, ())


@pytest.fixture(scope="module")
def torch_model(tmp_path_factory: pytest.TempPathFactory) -> Embedder:
    torch.manual_seed(0)
    model = build(elsa_tiny())
    for parameter in model.parameters():  # what starts at zero must count too
        if parameter.requires_grad and not parameter.any():
            torch.nn.init.normal_(parameter, std=0.2)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm1d | torch.nn.BatchNorm2d):
            torch.nn.init.normal_(module.running_mean, std=0.1)
    return load(checkpoints.save(tmp_path_factory.mktemp("tiny") / "model", model.eval(), CARD))


@pytest.fixture(scope="module")
def exported(torch_model: Embedder, tmp_path_factory: pytest.TempPathFactory) -> export.Exported:
    return export.export_onnx(torch_model, tmp_path_factory.mktemp("onnx") / "tiny")


def test_what_is_written(torch_model: Embedder, exported: export.Exported) -> None:
    names = ["README.md", "audio.onnx", "config.json", "onnx.json", "text.onnx", "tokenizer.json"]
    assert sorted(path.name for path in exported.folder.iterdir()) == names
    assert not [path for path in exported.folder.parent.iterdir() if path != exported.folder], "nothing half made stays"
    assert exported.bytes == sum(path.stat().st_size for path in exported.folder.iterdir())
    about = json.loads((exported.folder / "onnx.json").read_text())
    assert about["weights_sha256"] == torch_model.weights_sha256
    assert about["largest_difference"] == {"audio": exported.audio_difference, "text": exported.text_difference}
    assert 0 < exported.audio_difference < 1e-4 and 0 < exported.text_difference < 1e-4
    graph = onnx.load(str(exported.folder / "audio.onnx")).graph
    audio_in, spatial_in = ([d.dim_param or d.dim_value for d in i.type.tensor_type.shape.dim] for i in graph.input)
    assert audio_in[1] == 4 and isinstance(audio_in[2], str), "any length"
    assert isinstance(audio_in[0], str) and spatial_in == [audio_in[0]], "any batch"
    assert [o.name for o in graph.output] == list(export.OUTPUTS)


@pytest.mark.parametrize("samples", [32000, 41237, 76800, 128000])
def test_any_length_and_batch(torch_model: Embedder, exported: export.Exported, samples: int) -> None:
    run = export.session(exported.folder / "audio.onnx").run
    for count in (1, 3):
        sounds, spatial = export._sounds(torch_model.model, samples / 32000, count, seed=samples)
        with torch.inference_mode():
            true = torch_model.model.encode_audio(sounds, spatial)
        found = run(None, {"audio": sounds.numpy(), "spatial": spatial.numpy()})
        for name, values in zip(export.OUTPUTS, found, strict=True):
            assert export.difference(values, getattr(true, name)) < 1e-4, name
        assert np.ptp(found[0], axis=0).max() > 0.01 or count == 1, "different sounds, different vectors"


def test_files_give_what_torch_gives(torch_model: Embedder, exported: export.Exported, tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    noise = (0.1 * rng.standard_normal(11 * 16000) * np.linspace(0.2, 1, 11 * 16000)).astype(np.float32)
    audio.write(tmp_path / "long.wav", foa.encode(noise, 60, 10), 16000)  # 4 s windows: cut, resampled
    audio.write(tmp_path / "short.wav", noise[None, :5000], 16000)  # mono, repeated up to a second
    files = [tmp_path / "long.wav", tmp_path / "short.wav"]
    onnx_model = load_onnx(exported.folder)
    assert onnx_model.weights_sha256 == torch_model.weights_sha256 and onnx_model.name == "elsa-tiny"
    ours, theirs = torch_model.embed_windows(files), onnx_model.embed_windows(files)
    assert [(w.start_s, w.end_s, w.source) for w in ours] == [(w.start_s, w.end_s, w.source) for w in theirs]
    assert len(ours) == 6
    np.testing.assert_allclose([w.vector for w in theirs], [w.vector for w in ours], atol=1e-4)
    for a, b in zip(torch_model.analyse(files), onnx_model.analyse(files), strict=True):
        np.testing.assert_allclose(a.embedding, b.embedding, atol=1e-4)
        assert a.location.known == b.location.known
        for name, value in dataclasses.asdict(a.location).items():
            if value is not None:
                assert abs(value - getattr(b.location, name)) < 1e-2, name
    texts = ["rain", "a dog barking on the left " * 30, "a bird above me"]
    np.testing.assert_allclose(torch_model.embed_text(texts), onnx_model.embed_text(texts), atol=1e-4)
    labels = ["a dog", "the rain"]
    assert list(torch_model.classify(files, labels)[0]) == list(onnx_model.classify(files, labels)[0])


def test_a_graph_that_differs_is_not_kept(torch_model: Embedder, exported: export.Exported, tmp_path: Path) -> None:
    bias = torch_model.model.what[0].bias
    with torch.no_grad():
        bias[0] += 0.5
    try:
        with pytest.raises(CheckpointError, match=r"audio\.onnx differs from torch"):
            export.check(torch_model, exported.folder)
    finally:
        with torch.no_grad():
            bias[0] -= 0.5
    export.check(torch_model, exported.folder)


def test_nan_is_a_difference() -> None:
    assert not export.difference(np.array([np.nan]), torch.tensor([1.0])) <= export.TOLERANCE


def test_nothing_is_left_of_an_export_that_fails(
    torch_model: Embedder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise CheckpointError("differs")

    monkeypatch.setattr(export, "_export", fail)
    with pytest.raises(CheckpointError, match="differs"):
        export.export_onnx(torch_model, tmp_path / "out")
    assert not list(tmp_path.iterdir())
    assert torch.backends.mha.get_fastpath_enabled()


def test_refusals(torch_model: Embedder, exported: export.Exported, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="fake cannot be exported"):
        export.export_onnx(Embedder(FakeModel()), tmp_path / "fake")
    with pytest.raises(DataError, match="not an empty folder"):
        export.export_onnx(torch_model, exported.folder)
    with pytest.raises(CheckpointError, match=r"no onnx\.json; make one with"):
        load_onnx(tmp_path)
    for name in ("text.onnx", "tokenizer.json"):
        broken = tmp_path / name
        shutil.copytree(exported.folder, broken)
        (broken / name).unlink()
        with pytest.raises(CheckpointError, match=f"no {name}"):
            load_onnx(broken)
    (broken / "tokenizer.json").write_bytes((exported.folder / "tokenizer.json").read_bytes())
    (broken / "audio.onnx").write_bytes(b"not a graph")
    with pytest.raises(CheckpointError, match=r"audio\.onnx cannot be run"):
        load_onnx(broken)
    for text, says in (("{", "cannot be read"), ('{"format_version": 9}', "cannot be read")):
        (broken / "onnx.json").write_text(text)
        with pytest.raises(CheckpointError, match=says):
            load_onnx(broken)
    about = json.loads((exported.folder / "onnx.json").read_text()) | {"format_version": 9}
    (broken / "onnx.json").write_text(json.dumps(about))
    with pytest.raises(CheckpointError, match="version 9, this one reads 1"):
        load_onnx(broken)


def test_the_command_line(
    torch_model: Embedder, exported: export.Exported, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    audio.write(tmp_path / "a.wav", foa.encode(0.1 * np.random.default_rng(0).standard_normal(64000), -40), 16000)

    def vectors(*words: object) -> list[list[float]]:
        assert cli.main(["embed", *map(str, words), "--json"]) == 0
        return [row["vector"] for row in json.loads(capsys.readouterr().out)]

    for what in ((tmp_path / "a.wav", "--windows"), ("--text", "a dog")):
        ours = vectors(*what, "--model", torch_model.folder)
        theirs = vectors(*what, "--model", exported.folder, "--engine", "onnx")
        np.testing.assert_allclose(ours, theirs, atol=1e-4)
    assert cli.main(["embed", "a.wav", "--engine", "onnx"]) == 2 and "--model" in capsys.readouterr().err
    assert cli.main(["export", "onnx", "--model", str(torch_model.folder), "--out", str(exported.folder)]) == 1
    assert "not an empty folder" in capsys.readouterr().err
