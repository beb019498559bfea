"""The data sets of captioned sounds, each on a tiny tree in its real layout."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from open_elsa import corpora
from open_elsa.corpora import labels
from open_elsa.corpora.base import Corpus, may_train
from open_elsa.errors import DataError
from open_elsa.scenes.scene import Clip
from open_elsa.sound import audio

from . import trees


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ELSA_CACHE", str(tmp_path / "cache"))


def load(name: str, root: Path, **options: object) -> tuple[dict[str, Clip], list[str]]:
    loaded = corpora.load(name, root, **options)  # type: ignore[arg-type]
    return {c.id: c for c in loaded.clips}, [str(p) for p in loaded.problems]


def pair(number: int, folder: Path, **original: object) -> None:
    """One sound as LAION's preprocess_freesound.py leaves it."""
    about = {
        "text": [f"title {number}.", "A dog barks."],
        "tag": ["dog"],
        "original_data": {
            "tags": ["dog"],
            "description": "A dog barks. It is mine.",
            "username": "x",
            "download_url": f"https://freesound.org/apiv2/sounds/{number}/download/",
            "title": f"title {number}.wav",
            "id": number,
            **original,
        },
    }
    trees.tone(folder / f"{number}.flac")
    (folder / f"{number}.json").write_text(json.dumps(about))


def pack(tar: Path, folder: Path) -> None:
    tar.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(tar, "w") as archive:
        for path in sorted(folder.iterdir()):
            archive.add(path, path.name)


def test_freesound_of_laion_in_folders_and_tars(tmp_path: Path) -> None:
    root = tmp_path / "laion"
    pair(1, root / "test", license="http://creativecommons.org/licenses/by/3.0/")
    pair(2, tmp_path / "pack", license="http://creativecommons.org/licenses/by-nc/3.0/")
    pair(3, tmp_path / "pack")
    pack(root / "train" / "name0.tar", tmp_path / "pack")
    (root / "train" / "sizes.json").write_text('{"name0.tar": 2}')
    clips, problems = load("freesound_laion", root)
    assert problems == []
    one, two, three = (clips[f"freesound_laion/{s}/{n}"] for s, n in (("test", 1), ("train", 2), ("train", 3)))
    assert one.captions == ("title 1.", "A dog barks.")
    assert (one.split, one.recording, one.trainable) == ("test", "1", True)
    assert one.source_url.endswith("/1/download/")
    assert [two.trainable, three.licence, three.trainable] == [False, "not stated", False]
    assert audio.read(two.path).duration_s == pytest.approx(0.3)
    written = Path(two.path).stat().st_mtime_ns
    assert list(load("freesound_laion", root, splits=["train"])[0]) == [two.id, three.id]
    assert Path(two.path).stat().st_mtime_ns == written  # not copied again


def test_freesound_of_laion_names_what_is_wrong(tmp_path: Path) -> None:
    root = tmp_path / "laion"
    for number in (1, 2, 3, 4, 5):
        pair(number, root)
    (root / "2.json").write_text("{")
    (root / "3.flac").unlink()
    (root / "4.json").write_text('{"text": []}')
    (root / "5.flac").write_bytes((root / "5.flac").read_bytes()[:60])
    broken = root / "name1.tar"
    pack(broken, root)
    broken.write_bytes(broken.read_bytes()[: broken.stat().st_size // 3])
    clips, problems = load("freesound_laion", root)
    assert "freesound_laion/train/1" in clips
    told = "\n".join(problems)
    for text in (
        "2.json, line 1: is not JSON",
        "3.flac: missing",
        '4.json: has no caption: its "text" is empty',
        "5.flac:",
    ):
        assert text in told
    assert "name1.tar: is not a whole tar" in told
    report = corpora.check("freesound_laion", root)
    assert (report.complete, len(report.missing)) == (False, 1)
    with pytest.raises(DataError, match=r"neither \*.tar nor pairs"):
        corpora.load("freesound_laion", tmp_path)


def wavcaps(root: Path) -> None:
    entries = {
        "FreeSound/fsd_final.json": {
            "id": "180913",
            "file_name": "UK Mello.wav",
            "href": "/people/Tempouser/sounds/180913/",
            "tags": ["ringtone"],
            "duration": 0.3,
            "caption": "A traditional ringtone is playing.",
        },
        "SoundBible/sb_final.json": {"id": "2219", "href": "2219-Airplane.html", "caption": "An airplane is landing."},
        "BBC_Sound_Effects/bbc_final.json": {
            "id": "07066104",
            "caption": "Someone uses a rip saw.",
            "download_link": "u",
        },
        "AudioSet_SL/as_final.json": {
            "id": "Yb0RFKhbpFJA.wav",
            "caption": "Wind and a man speaking.",
            "duration": 10.0,
        },
    }
    for name, entry in entries.items():
        path = root / "json_files" / name
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps({"num_captions_per_audio": 1, "data": [entry]}))
        stem = entry["id"].removesuffix(".wav")
        trees.tone(root / "Zip_files" / path.parent.name / "mnt" / f"{stem}.flac")


def test_wavcaps(tmp_path: Path) -> None:
    wavcaps(tmp_path)
    clips, problems = load("wavcaps", tmp_path)
    assert problems == []
    free, wind = clips["wavcaps/FreeSound/180913"], clips["wavcaps/AudioSet_SL/Yb0RFKhbpFJA"]
    assert free.captions == ("A traditional ringtone is playing.",)
    assert free.source_url == "https://freesound.org/people/Tempouser/sounds/180913/"
    assert (wind.recording, wind.split, wind.trainable) == ("b0RFKhbpFJA", "train", False)
    assert {c.trainable for c in clips.values()} == {False}
    assert list(load("wavcaps", tmp_path, splits=["SoundBible"])[0]) == ["wavcaps/SoundBible/2219"]


def test_wavcaps_names_what_is_wrong(tmp_path: Path) -> None:
    wavcaps(tmp_path)
    table = tmp_path / "json_files" / "SoundBible" / "sb_final.json"
    known = json.loads(table.read_text())["data"][0]
    table.write_text(
        json.dumps([known, {"id": "gone", "caption": "x"}, {"caption": "x"}, {**known, "caption": ""}, known])
    )
    clips, problems = load("wavcaps", tmp_path, splits=["SoundBible"])
    assert len(clips) == 1
    told = "\n".join(problems)
    for text in (
        "SoundBible/gone: missing: no audio for",
        "entry 3: has no id",
        "entry 4: has no caption",
        "already taken",
    ):
        assert text in told
    table.write_text('{"data": 1}')
    with pytest.raises(DataError, match="not a table of WavCaps"):
        corpora.load("wavcaps", tmp_path)
    with pytest.raises(DataError, match=r"no json_files/SUBSET/\*.json"):
        corpora.load("wavcaps", table.parent)


def fsd50k(root: Path) -> Path:
    truth, about = root / "FSD50K.ground_truth", root / "FSD50K.metadata"
    for folder in (truth, about / "collection"):
        folder.mkdir(parents=True)
    (truth / "vocabulary.csv").write_text(
        "0,Bark,/m/05tny_\n1,Dog,/m/0bt9lr\n2,Electric_guitar,/m/02sgy\n3,Guitar,/m/0342h\n4,Rain,/m/06mb1\n"
    )
    (truth / "dev.csv").write_text(
        'fname,labels,mids,split\n64760,"Electric_guitar,Guitar","/m/02sgy,/m/0342h",train\n'
        '16399,"Bark,Dog","/m/05tny_,/m/0bt9lr",val\n'
    )
    (truth / "eval.csv").write_text('fname,labels,mids\n37199,"Bark,Dog,Rain","/m/05tny_,/m/0bt9lr,/m/06mb1"\n')
    (about / "collection" / "collection_eval.csv").write_text(
        'fname,labels,mids\n37199,"Bark,Rain","/m/05tny_,/m/06mb1"\n'
    )
    licences = {"64760": "by/3.0/", "16399": "by-nc/3.0/", "37199": "sampling+/1.0/"}
    info = {
        n: {
            "title": "Old bark.wav",
            "description": "",
            "tags": [],
            "license": f"http://creativecommons.org/licenses/{x}",
        }
        for n, x in licences.items()
    }
    (about / "dev_clips_info_FSD50K.json").write_text(json.dumps({n: info[n] for n in ("64760", "16399")}))
    (about / "eval_clips_info_FSD50K.json").write_text(json.dumps({"37199": {**info["37199"], "uploader": "me"}}))
    for name in ("dev_audio/64760", "dev_audio/16399", "eval_audio/37199"):
        trees.tone(root / f"FSD50K.{name}.wav")
    return root


def test_fsd50k(tmp_path: Path) -> None:
    clips, problems = load("fsd50k", fsd50k(tmp_path))
    assert problems == []
    guitar, bark, both = (clips[f"fsd50k/{key}"] for key in ("train/64760", "val/16399", "test/37199"))
    assert (guitar.label, guitar.captions, guitar.trainable) == ("electric guitar", ("electric guitar",), True)
    assert bark.captions == ("old bark", "bark")  # the title says what the label says
    assert "by-nc" in bark.licence
    assert [bark.trainable, both.trainable] == [False, False]
    assert both.captions == ("bark and rain", "bark with rain")  # as people chose, without the ontology's parents
    assert [c.split for c in clips.values()] == ["train", "val", "test"]
    assert list(load("fsd50k", tmp_path, splits=["dev"])[0]) == [guitar.id, bark.id]
    assert list(load("fsd50k", tmp_path, splits=["eval"])[0]) == [both.id]
    assert corpora.check("fsd50k", tmp_path).short()["test"] == (1, 10_231)


def test_fsd50k_names_what_is_wrong(tmp_path: Path) -> None:
    fsd50k(tmp_path)
    table = tmp_path / "FSD50K.ground_truth" / "dev.csv"
    with table.open("a") as file:
        file.write("1,Bark,/m/05tny_,train\n2,Yodel,/m/x,train\n64760,Bark,/m/05tny_,train\n3,Bark,/m/05tny_,dev\n")
    (tmp_path / "FSD50K.dev_audio" / "16399.wav").write_bytes(b"")
    clips, problems = load("fsd50k", tmp_path, splits=["dev"])
    assert len(clips) == 1
    told = "\n".join(problems)
    for text in ("1.wav: missing", "Yodel is not in vocabulary.csv", "already taken", "split is 'dev'", "0 bytes"):
        assert text in told
    table.write_text("fname,tags\n")
    with pytest.raises(DataError, match="lacks the column labels, mids, split"):
        corpora.load("fsd50k", tmp_path)
    with pytest.raises(DataError, match=r"is not fsd50k: it has no FSD50K.ground_truth/dev.csv"):
        corpora.load("fsd50k", tmp_path / "FSD50K.dev_audio")
    (tmp_path / "FSD50K.ground_truth" / "eval.csv").write_text("fname,labels,mids\n")
    with pytest.raises(DataError, match="no usable clip of fsd50k"):
        corpora.load("fsd50k", tmp_path, splits=["eval"])


def test_vggsound(tmp_path: Path) -> None:
    rows = (
        '---g-f_I2yQ,1,people marching,test\n--0PQM4-hqg,30,"engine accelerating, revving, vroom",train\n'
        "B5KE79I2f-A,188,wind noise,train\nB5KE79I2f-A,220,wind noise,train\ngone,0,dog barking,train\n"
        "bad,soon,dog barking,train\n"
    )
    (tmp_path / "vggsound.csv").write_text(rows)
    for name in ("---g-f_I2yQ_000001.wav", "--0PQM4-hqg_30000_40000.flac", "B5KE79I2f-A_188.wav", "B5KE79I2f-A.wav"):
        trees.tone(tmp_path / "audio" / name)
    clips, problems = load("vggsound", tmp_path)
    assert list(clips) == [
        f"vggsound/{key}" for key in ("test/---g-f_I2yQ_000001", "train/--0PQM4-hqg_000030", "train/B5KE79I2f-A_000188")
    ]
    engine = clips["vggsound/train/--0PQM4-hqg_000030"]
    assert engine.captions == ("engine accelerating", "engine accelerating, revving, vroom")
    assert (engine.recording, engine.trainable) == ("--0PQM4-hqg", False)
    assert problems[0].startswith("B5KE79I2f-A_000220: missing")  # the bare name may be the other clip of that video
    assert problems[1].startswith("gone_000000: missing")
    assert "line 6: expected a start in seconds" in problems[2]
    (tmp_path / "vggsound.csv").write_text("a,1,dog\n")
    with pytest.raises(DataError, match="line 1: 3 columns where 4 are expected: id, start, label, split"):
        corpora.load("vggsound", tmp_path)


def test_audioset_strong(tmp_path: Path) -> None:
    head = "segment_id\tstart_time_seconds\tend_time_seconds\tlabel\n"
    (tmp_path / "audioset_train_strong.tsv").write_text(
        head + "s9d-2nhuJCQ_30000\t2.627\t3.237\t/m/053hz1\ns9d-2nhuJCQ_30000\t0.0\t9.9\t/m/05zppz\n"
        "b0RFKhbpFJA_0\t0.0\t1.0\t/m/x\nc0RFKhbpFJA_0\t0.0\t1.0\t/t/dd00125\ngone_10000\t0\t1\t/m/053hz1\n"
    )
    (tmp_path / "audioset_eval_strong.tsv").write_text(
        head + "zzz_5000\t0.5\t1\t/m/053hz1\nzzz_5000\tx\t1\t/m/053hz1\n"
    )
    names = "/m/053hz1\tCheering\n/m/05zppz\tMale speech, man speaking\n/t/dd00125\tInside, small room\n"
    (tmp_path / "mid_to_display_name.tsv").write_text(names)
    for name in ("s9d-2nhuJCQ_30000", "Yzzz", "Yc0RFKhbpFJA", "b0RFKhbpFJA"):
        trees.tone(tmp_path / "audio" / f"{name}.wav")
    clips, problems = load("audioset_strong", tmp_path)
    crowd, cheering = clips.values()
    assert crowd.captions == ("male speech and cheering", "male speech with cheering")  # the longest first
    assert (crowd.id, crowd.label, crowd.split) == ("audioset_strong/train/s9d-2nhuJCQ_30000", "male speech", "train")
    assert (cheering.captions, cheering.split, cheering.recording) == (("cheering",), "test", "zzz")
    assert len(problems) == 3  # a segment that is labelled as a room only is left out
    told = "\n".join(problems)
    for text in (
        "no name is known for /m/x",
        "gone_10000: missing",
        "line 3: is not an",
    ):
        assert text in told
    assert list(load("audioset_strong", tmp_path, splits=["eval"])[0]) == [cheering.id]
    (tmp_path / "mid_to_display_name.tsv").unlink()
    with pytest.raises(DataError, match=r"no mid_to_display_name.tsv or class_labels_indices.csv or ontology.json"):
        corpora.load("audioset_strong", tmp_path)
    (tmp_path / "ontology.json").write_text('[{"id": "/m/053hz1", "name": "Cheering", "child_ids": []}]')
    assert list(load("audioset_strong", tmp_path, splits=["eval"])[0]) == [cheering.id]
    (tmp_path / "ontology.json").write_text("{}")
    with pytest.raises(DataError, match="is not AudioSet's ontology"):
        corpora.load("audioset_strong", tmp_path)


def test_vctk(tmp_path: Path) -> None:
    (tmp_path / "speaker-info.txt").write_text(
        "ID  AGE  GENDER  ACCENTS  REGION COMMENTS\np225  23  F    English    Southern  England\n"
        "p226  22  M    English    Surrey\n"
    )
    audio_ = tmp_path / "wav48_silence_trimmed"
    for name in ("p225/p225_001_mic1", "p225/p225_001_mic2", "p226/p226_002_mic2", "p999/p999_001_mic1"):
        trees.tone(audio_ / f"{name}.flac")
    for name, words in (
        ("p225/p225_001", "Please call Stella.\n"),
        ("p226/p226_002", "She went far away from here.\n"),
    ):
        (tmp_path / "txt" / name).parent.mkdir(parents=True)
        (tmp_path / "txt" / f"{name}.txt").write_text(words)
    clips, problems = load("vctk", tmp_path)
    woman, man = clips["vctk/p225_001"], clips["vctk/p226_002"]
    assert woman.path.endswith("p225_001_mic1.flac")
    assert woman.captions[:2] == ('a woman says "Please call Stella"', "a woman speaking")
    assert (woman.recording, woman.licence, woman.trainable) == ("p225", "CC-BY-4.0", True)
    assert man.captions[0] == "a man speaking"  # "far away" would claim a place
    assert "p999: its speaker is not in" in problems[0]
    (tmp_path / "speaker-info.txt").write_text("ID  AGE  GENDER\n225  23  F\n226 22 X\n")
    with pytest.raises(DataError, match="line 3: expected ID AGE GENDER"):
        corpora.load("vctk", tmp_path)


def test_librispeech(tmp_path: Path) -> None:
    root = tmp_path / "LibriSpeech"
    for name in ("dev-clean/84/121123/84-121123-0000", "train-clean-100/174/1/174-1-0000"):
        trees.tone(root / f"{name}.flac")
    (root / "dev-clean/84/121123/84-121123.trans.txt").write_text(
        "84-121123-0000 GO DO YOU HEAR\n84-121123-0001 BUT IN\n"
    )
    (root / "train-clean-100/174/1/174-1.trans.txt").write_text("174-1-0000 " + "WORD " * 20 + "\n")
    (root / "SPEAKERS.TXT").write_text(
        "; remarks\n;ID  |SEX| SUBSET           |MINUTES| NAME\n84   | F | dev-clean        | 8.02  | Christie Nowak\n"
        "174  | M | train-clean-100  | 8.04  | Peter | Eastman\n"
    )
    clips, problems = load("librispeech", tmp_path)
    woman = clips["librispeech/dev-clean/84-121123-0000"]
    assert woman.captions[:2] == ('a woman says "go do you hear"', "a woman speaking")
    assert (woman.split, woman.label, woman.recording) == ("val", "woman speaking", "84")
    assert clips["librispeech/train-clean-100/174-1-0000"].captions[0] == "a man speaking"
    assert problems == [f"{root / 'dev-clean/84/121123/84-121123-0001.flac'}: missing"]
    assert list(load("librispeech", root, splits=["dev-clean"])[0]) == [woman.id]
    (root / "SPEAKERS.TXT").unlink()
    with pytest.raises(DataError, match=r"no SPEAKERS.TXT in the root, LibriSpeech"):
        corpora.load("librispeech", tmp_path)


def encoded(tmp_path: Path, suffix: str = ".flac") -> bytes:
    return trees.tone(tmp_path / f"made{suffix}").read_bytes()


def features(**columns: object) -> dict[bytes, bytes]:
    return {b"huggingface": json.dumps({"info": {"features": columns}}).encode()}


SOUND = pa.struct({"bytes": pa.binary(), "path": pa.string()})


def saved(folder: Path, table: pa.Table, licence: str = "") -> None:
    """One split as `datasets.Dataset.save_to_disk` writes it: an Arrow stream, state.json, dataset_info.json."""
    folder.mkdir(parents=True, exist_ok=True)
    with pa.OSFile(str(folder / "data-00000-of-00001.arrow"), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as w:
        w.write_table(table, max_chunksize=1)
    state = {"_data_files": [{"filename": "data-00000-of-00001.arrow"}], "_fingerprint": "c", "_split": None}
    (folder / "state.json").write_text(json.dumps(state))
    (folder / "dataset_info.json").write_text(json.dumps({"citation": "", "features": {}, "license": licence}))


def test_huggingface_saved_to_disk(tmp_path: Path) -> None:
    root, sound = tmp_path / "set", encoded(tmp_path)
    trees.tone(root / "test" / "beside.wav")
    schema = pa.schema({"audio": SOUND, "caption": pa.string(), "label": pa.int64()}).with_metadata(
        features(audio={"_type": "Audio"}, label={"names": ["dog_bark", "rain"], "_type": "ClassLabel"})
    )
    rows = [
        {"audio": {"bytes": sound, "path": "a.flac"}, "caption": "A dog barks.", "label": 0},
        {"audio": {"bytes": sound, "path": None}, "caption": None, "label": 1},
        {"audio": {"bytes": None, "path": None}, "caption": "nothing", "label": -1},
    ]
    saved(root / "train", pa.Table.from_pylist(rows, schema), "cc-by-4.0")
    saved(root / "test", pa.table({"file": ["beside.wav", "gone.wav"], "text": ["rain falls", "x"]}))
    (root / "dataset_dict.json").write_text('{"splits": ["train", "test"]}')
    clips, problems = load("huggingface", root)
    dog, rain, beside = clips.values()
    assert (dog.captions, dog.label, dog.licence, dog.trainable) == (("A dog barks.",), "dog bark", "cc-by-4.0", True)
    assert Path(dog.path).read_bytes() == sound
    assert (rain.captions, Path(rain.path).suffix) == (("rain",), ".flac")  # told by its first bytes
    assert (beside.split, beside.licence, beside.captions) == ("test", "not stated", ("rain falls",))
    assert problems[0].endswith('row 2: missing: no sound in its column "audio"')
    assert problems[1] == f"{root / 'test' / 'gone.wav'}: missing"
    assert list(load("huggingface", root, splits=["test"])[0]) == [beside.id]
    assert list(load("huggingface", root / "test")[0]) == ["test/train/data-00000-of-00001/0"]


def test_huggingface_parquet_is_unpacked_once(tmp_path: Path) -> None:
    root, sound = tmp_path / "set", encoded(tmp_path, ".wav")
    (root / "data").mkdir(parents=True)
    table = pa.table(
        {"audio": pa.array([{"bytes": sound, "path": "x.wav"}] * 2, SOUND), "captions": [["a", "b"], ["c"]]}
    )
    path = root / "data" / "validation-00000-of-00001-0123456789abcdef.parquet"
    pq.write_table(table.append_column("id", pa.array(["one", "two"])), path)
    clips, _ = load("huggingface", root)
    assert [(c.id, c.split, c.captions) for c in clips.values()] == [
        ("set/val/one", "val", ("a", "b")),
        ("set/val/two", "val", ("c",)),
    ]
    assert list(load("huggingface", root, splits=["validation"])[0]) == list(clips)
    cached = Path(clips["set/val/one"].path)
    before = cached.stat().st_mtime_ns
    assert load("huggingface", root)[0] == clips
    assert cached.stat().st_mtime_ns == before
    cached.unlink()
    assert load("huggingface", root)[0] == clips  # the cache may go at any time
    longer = pa.table({"audio": pa.array([{"bytes": encoded(tmp_path), "path": "y.flac"}], SOUND), "caption": ["new"]})
    pq.write_table(longer, path)
    (new,) = load("huggingface", root)[0].values()
    assert (new.captions, Path(new.path).parent == cached.parent) == (("new",), False)  # another table, another folder


def test_huggingface_names_what_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"neither dataset_dict.json nor state.json nor \*.parquet"):
        corpora.load("huggingface", tmp_path)
    pq.write_table(pa.table({"speech": ["x"], "caption": ["x"]}), tmp_path / "train-00000-of-00001.parquet")
    with pytest.raises(DataError, match="has no column of audio; its columns: speech, caption"):
        corpora.load("huggingface", tmp_path)
    broken = tmp_path / "train-00000-of-00001.parquet"
    broken.write_bytes(b"PAR1 and then nothing")
    with pytest.raises(DataError, match="is not a whole Arrow or Parquet table"):
        corpora.load("huggingface", tmp_path)
    pq.write_table(pa.table({"audio": pa.array([b"no sound", b"RIFF"]), "caption": ["a", "b"]}), broken)
    with pytest.raises(DataError, match=r"no usable clip of huggingface[\s\S]*00000000.wav"):
        corpora.load("huggingface", tmp_path)
    broken.unlink()
    (tmp_path / "dataset_dict.json").write_text("{}")
    with pytest.raises(DataError, match="names no splits"):
        corpora.load("huggingface", tmp_path)


@pytest.mark.parametrize(
    ("licence", "free"),
    [
        ("CC0", True),
        ("http://creativecommons.org/publicdomain/zero/1.0/", True),
        ("http://creativecommons.org/licenses/by/3.0/", True),
        ("CC-BY-SA-4.0", True),
        ("Attribution", True),
        ("http://creativecommons.org/licenses/by-nc/3.0/", False),
        ("Attribution Noncommercial", False),
        ("http://creativecommons.org/licenses/sampling+/1.0/", False),
        ("CC-BY-ND-4.0", False),
        ("academic use only", False),
        ("not stated", False),
        ("of the video; labels: CC-BY-4.0 for research", False),
    ],
)
def test_which_licences_let_shipped_weights_learn(licence: str, free: bool) -> None:
    assert may_train(licence) is free


def test_names_become_words() -> None:
    def said(*names: str, title: str = "") -> tuple[str, ...]:
        named = labels.spoken(list(names), title)
        return named.captions if named else ()

    assert said("Dog")[0] == "a dog barking"
    assert said("Sound effect (generic)") == ("sound effect",)
    assert said("Rain", "Thunder", "Wind") == ("rain, thunder and wind", "rain with thunder")
    assert said("Inside, small room", "Reverberation") == ()
    assert said("Cupboard open or close", "Background music")[0] == "cupboard opening or closing and music"
    assert said("Yodeling", title="my yodeling from far away.wav") == ("yodeling",)


def test_every_data_set_says_what_it_is() -> None:
    for name, corpus in corpora.corpora().items():
        assert name == corpus.name
        assert corpus.licence
        if isinstance(corpus, Corpus) and name in ("folder", "elsa_clips", "huggingface"):
            continue  # whatever the user has
        assert corpus.citation
        assert corpus.url.startswith("https://")
        assert set(corpus.expected) <= set(corpus.splits)


def test_a_text_in_another_encoding_is_an_error_not_a_crash(tmp_path: Path) -> None:
    (tmp_path / "vggsound.csv").write_bytes("caf\xe9,1,x,train\n".encode("latin-1"))
    with pytest.raises(DataError, match="cannot be read as UTF-8"):
        corpora.load("vggsound", tmp_path)


def test_a_folder_without_permission_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pq.write_table(pa.table({"audio": [encoded(tmp_path)], "caption": ["a"]}), tmp_path / "train.parquet")
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ELSA_CACHE", str(tmp_path / "file" / "below"))
    with pytest.raises(DataError, match="set ELSA_CACHE to a folder with room"):
        corpora.load("huggingface", tmp_path)


def test_tars_cannot_write_outside_the_cache(tmp_path: Path) -> None:
    root = tmp_path / "set"
    root.mkdir()
    sound = encoded(tmp_path)
    with tarfile.open(root / "a.tar", "w") as archive:
        for name, data in (("../../out.flac", sound), ("../../out.json", b'{"text": ["a dog"]}')):
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    (clip,) = load("freesound_laion", root)[0].values()
    assert (tmp_path / "cache") in Path(clip.path).resolve().parents
