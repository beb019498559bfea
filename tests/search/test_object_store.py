from __future__ import annotations

import urllib.request
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from bucket import Bucket

from open_elsa.errors import DataError
from open_elsa.search.index import Index
from open_elsa.sound import audio
from open_elsa.using.embedder import Embedder


@pytest.fixture(scope="module")
def store() -> Iterator[Bucket]:
    made = Bucket()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**made.environment, "AWS_ALLOW_HTTP": "true"}.items():
            patch.setenv(name, value)
        urllib.request.urlopen(urllib.request.Request(f"{made.url}/sounds", method="PUT"))
        yield made
    made.server.shutdown()


def test_an_index_in_an_object_store(store: Bucket, folder: Path, embedder: Embedder, tmp_path: Path) -> None:
    url = "s3://sounds/index"
    with pytest.raises(DataError, match="no index"):
        Index.open(url, embedder)
    made = Index.build(folder, embedder, out=url)
    here = Index.build(folder, embedder, out=tmp_path / "here")
    assert made.report.added == 3 and made.rows().equals(here.rows())
    found = Index.open(url, embedder)
    np.testing.assert_array_equal(found.vectors, here.vectors)
    (hit,) = found.search("a low tone", k=1)
    assert hit.file == "low.wav" and Path(hit.path) == (folder / "low.wav").resolve()
    audio.write(folder / "new.wav", audio.read(folder / "low.wav").samples[:, :16000], 16000)
    (folder / "high.wav").rename(folder / "higher.wav")
    again = Index.build(folder, embedder, out=url)
    assert (again.report.added, again.report.moved, again.report.unchanged) == (1, 1, 2)
    assert Index.open(url, embedder).files == ["deep/middle.flac", "higher.wav", "low.wav", "new.wav"]
    assert not (folder / "elsa-index").exists() and not Path("s3:").exists()


def test_a_bucket_that_does_not_answer(store: Bucket, folder: Path, embedder: Embedder) -> None:
    with pytest.raises(DataError, match="s3://nowhere/index: the index cannot be opened"):
        Index.build(folder, embedder, out="s3://nowhere/index")
    options = {"aws_endpoint": "http://127.0.0.1:9", "allow_http": "true", "client_max_retries": "0"}
    with pytest.raises(DataError, match="cannot be opened"):
        Index.open("s3://sounds/index", embedder, options=options)
