from __future__ import annotations

import json
from pathlib import Path

import pytest

from open_elsa import corpora
from open_elsa.corpora import audiocaps, clotho, elsa_clips, esc50
from open_elsa.errors import DataError

from . import trees


def test_esc50_official_layout(tmp_path: Path) -> None:
    trees.esc50(tmp_path)
    clips = {c.id: c for c in corpora.load("esc50", tmp_path).clips}
    assert len(clips) == 5
    baby = clips["esc50/2-5555-A-0"]
    assert (baby.label, baby.split, baby.recording) == ("crying baby", "train", "5555")
    assert "a baby crying" in baby.captions
    assert "crying baby" in baby.captions
    assert baby.duration_s == pytest.approx(0.3)
    assert not baby.trainable  # the set's licence, as nothing says better
    assert clips["esc50/1-100032-A-0"].trainable  # ESC-10 is CC-BY


def test_esc50_by_fold_and_split(tmp_path: Path) -> None:
    trees.esc50(tmp_path)
    assert [c.label for c in corpora.load("esc50", tmp_path, splits=["fold4"]).clips] == ["sea waves"]
    assert [c.label for c in corpora.load("esc50", tmp_path, splits=["val"]).clips] == ["dog"]
    with pytest.raises(DataError, match="no split dev; it has train, val, test"):
        corpora.load("esc50", tmp_path, splits=["dev"])


def test_esc50_takes_licence_and_title_from_its_licence_file(tmp_path: Path) -> None:
    trees.esc50(tmp_path)
    page = "http://www.freesound.org/people/x/sounds/5555/"
    (tmp_path / "LICENSE").write_text(
        f"- [2-5555-A-0.ogg]: clip derived from Baby crying loud (2).wav ({page}) by someone (else) [CC0]\n"
    )
    clip = next(iter(corpora.load("esc50", tmp_path, splits=["fold2"]).clips))
    assert (clip.licence, clip.source_url, clip.trainable) == ("CC0", page, True)
    assert "baby crying loud" in clip.captions
    assert esc50.credits(tmp_path / "nowhere") == {}


def test_missing_and_broken_files_are_named_and_counted(tmp_path: Path) -> None:
    trees.esc50(tmp_path)
    gone, text = tmp_path / "audio" / "1-100032-A-0.wav", tmp_path / "audio" / "4-888-A-0.wav"
    gone.unlink()
    text.write_text("not a sound")
    loaded = corpora.load("esc50", tmp_path, max_problems=2)
    assert len(loaded.clips) == 3
    assert [Path(p.path) for p in loaded.problems] == [gone, text]
    with pytest.raises(DataError, match=r"more than 1 missing or broken[\s\S]*1-100032-A-0.wav: missing"):
        corpora.load("esc50", tmp_path, max_problems=1)
    report = corpora.check("esc50", tmp_path)
    assert report.found == {"train": 2, "val": 1}
    assert [len(report.missing), len(report.broken)] == [1, 1]
    assert report.short()["val"] == (1, 400)
    assert not report.complete


def test_clips_stops_at_the_first_problem(tmp_path: Path) -> None:
    trees.esc50(tmp_path)
    (tmp_path / "audio" / "3-777-A-0.wav").unlink()
    with pytest.raises(DataError, match="3-777"):
        list(esc50.CORPUS.clips(tmp_path))


def test_folder_with_csv(tmp_path: Path) -> None:
    trees.tone(tmp_path / "a" / "dog.wav")
    trees.tone(tmp_path / "cat.flac")
    (tmp_path / "captions.csv").write_text(
        "﻿path,caption,caption_2,licence,label,split,recording\n"
        'a/dog.wav,"a dog, barking",woof,CC0,dog,test,r1\n'
        "cat.flac,a cat,,,,,\n"
    )
    dog, cat = corpora.load(tmp_path).clips
    assert dog.captions == ("a dog, barking", "woof")
    assert (dog.licence, dog.label, dog.split, dog.recording) == ("CC0", "dog", "test", "r1")
    assert (cat.captions, cat.split, cat.licence) == (("a cat",), "train", "not stated")
    assert [c.id for c in corpora.load("folder", tmp_path, splits=["test"]).clips] == [dog.id]


def test_folder_with_jsonl(tmp_path: Path) -> None:
    trees.tone(tmp_path / "dog.wav")
    rows = [{"path": "dog.wav", "captions": ["a dog", "barking"], "label": None}, {"path": "dog.wav"}]
    (tmp_path / "captions.jsonl").write_text("\n".join(json.dumps(r) for r in rows) + "\nnot json\n[1]\n")
    loaded = corpora.load(tmp_path)
    assert loaded.clips[0].captions == ("a dog", "barking")
    reasons = [str(p) for p in loaded.problems]
    assert ["line 2" in reasons[0], "line 3" in reasons[1], "line 4" in reasons[2]] == [True] * 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "neither captions.csv nor captions.jsonl"),
        ("file,caption\nx.wav,dog\n", "lacks the column path; its first line has: file, caption"),
        ("path,caption\n,dog\n", "line 2: has no path"),
        ("path,caption\nx.wav,\n", "line 2: has no caption for x.wav"),
        ("path,caption\nx.wav,dog\n", "missing; named in .*line 2"),
        ('path,caption\nx.wav,"dog\n', "line"),
        ('path,"caption\nx.wav,dog\n', "line 1: unexpected end of data"),
    ],
)
def test_folder_errors_say_where(tmp_path: Path, text: str | None, message: str) -> None:
    if text is not None:
        (tmp_path / "captions.csv").write_text(text)
    with pytest.raises(DataError, match=message):
        corpora.load(tmp_path)


def test_a_caption_may_hold_any_character(tmp_path: Path) -> None:
    trees.tone(tmp_path / "dog.wav")
    text = json.dumps({"path": "dog.wav", "caption": "a dog\u2028barking"}, ensure_ascii=False)
    (tmp_path / "captions.jsonl").write_text(text + "\r\n", encoding="utf-8")
    loaded = corpora.load(tmp_path)
    assert loaded.clips[0].captions == ("a dog\u2028barking",)
    assert loaded.problems == []


def test_one_row_twice_is_a_problem(tmp_path: Path) -> None:
    trees.tone(tmp_path / "dog.wav")
    (tmp_path / "captions.csv").write_text("path,caption\ndog.wav,a dog\ndog.wav,a dog\n")
    assert "already taken" in corpora.load(tmp_path).problems[0].reason


def test_unknown_names_and_folders(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"known: audiocaps, audioset_strong, clotho, .*starss23.*, or name a folder"):
        corpora.load("esc51", tmp_path)
    with pytest.raises(DataError, match="neither a folder nor a data set"):
        corpora.load(tmp_path / "nowhere")
    with pytest.raises(DataError, match="Give the folder"):
        corpora.load("esc50")
    with pytest.raises(DataError, match=r"no folder .*get it from https"):
        corpora.load("esc50", tmp_path / "nowhere")


def test_elsa_clips(tmp_path: Path) -> None:
    head = "path,source,licence,seconds,label,title,caption,label_kind,split,fold,recording,trainable"
    rows = [
        "audio/esc50/dog/1-1-A.opus,esc50,CC0,5.0,dog,poodle barking,,curated,train,1.0,100032.0,True",
        "audio/deb-0ad/camel_1.ogg,deb-0ad,CC-BY-SA-3.0,1.0,actor fauna animal camel,,,filename,train,,,True",
        "audio/deb-0ad/house.ogg,deb-0ad,CC-BY-SA-3.0,1.0,interface select building sel house,,,filename,train,,,True",
        "audio/scaper/voice.ogg,scaper-clips,CC,1.0,human_voice,,,curated,test,,,False",
        "audio/scaper/voice.ogg,scaper-clips,CC,1.0,human_voice,,,curated,test,,,False",
        "audio/gone.ogg,fsdd,CC,1.0,spoken digit 1,,,curated,train,,,True",
    ]
    (tmp_path / "clips.csv").write_text("\n".join([head, *rows]) + "\n")
    for row in rows[:4]:
        path = tmp_path / row.split(",")[0]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"header is read later")
    loaded = corpora.load(tmp_path)
    dog, camel, voice = loaded.clips
    assert (dog.id, dog.label, dog.recording, dog.corpus) == ("esc50/dog/1-1-A", "dog", "100032", "esc50")
    assert "poodle barking" in dog.captions
    assert camel.label == "camel"
    assert (voice.trainable, voice.split) == (False, "test")
    assert elsa_clips.unnamed(tmp_path) == ["audio/deb-0ad/house.ogg"]
    assert "line 7" in loaded.problems[0].reason


def test_audiocaps_names_of_many_tools(tmp_path: Path) -> None:
    head = "audiocap_id,youtube_id,start_time,caption\n"
    (tmp_path / "dataset").mkdir()
    (tmp_path / "dataset" / "train.csv").write_text(
        head + "1,aaa,130,Water pours\n2,-bbb,20,A dog\n3,ccc,0,A cat\n4,ddd,7,A bell\n5,gone,1,Rain\n"
    )
    (tmp_path / "dataset" / "test.csv").write_text(head + "".join(f"{n},aaa,130,Caption {n}\n" for n in range(6, 11)))
    for name in (
        "train/aaa_130.wav",
        "test/aaa_130.flac",
        "audio/Y-bbb.wav",
        "audio/3.wav",
        "audio/ddd_7000_17000.wav",
    ):
        trees.tone(tmp_path / name)
    loaded = corpora.load("audiocaps", tmp_path)
    files = {c.id: Path(c.path).relative_to(tmp_path).as_posix() for c in loaded.clips}
    assert files == {
        "audiocaps/train/aaa_130": "train/aaa_130.wav",
        "audiocaps/train/-bbb_20": "audio/Y-bbb.wav",
        "audiocaps/train/ccc_0": "audio/3.wav",
        "audiocaps/train/ddd_7": "audio/ddd_7000_17000.wav",
        "audiocaps/test/aaa_130": "test/aaa_130.flac",
    }
    assert loaded.clips[-1].captions == tuple(f"Caption {n}" for n in range(6, 11))
    assert "gone_1: missing" in str(loaded.problems[0])
    assert len(audiocaps.captions(tmp_path / "dataset" / "test.csv")[("aaa", 130)]) == 5


def test_clotho_official_layout(tmp_path: Path) -> None:
    five = ",".join(f"caption_{n}" for n in range(1, 6))
    (tmp_path / "clotho_captions_development.csv").write_text(f'file_name,{five}\nrain 1.wav,"a, b",c,d,e,f\n')
    (tmp_path / "clotho_metadata_development.csv").write_bytes(
        b"file_name,keywords,sound_id,sound_link,start_end_samples,manufacturer,license\n"
        b"rain 1.wav,caf\xe9,77,https://x.org/77,[0],me,http://creativecommons.org/licenses/by/3.0/\n"
    )
    trees.tone(tmp_path / "development" / "rain 1.wav")
    (clip,) = corpora.load("clotho", tmp_path, splits=["train"]).clips
    assert clip.captions == ("a, b", "c", "d", "e", "f")
    assert (clip.split, clip.recording, clip.source_url) == ("train", "77", "https://x.org/77")
    assert clip.trainable
    assert [c.id for c in corpora.load("clotho", tmp_path, splits=["development"]).clips] == [clip.id]


def test_clotho_one_row_a_caption(tmp_path: Path) -> None:
    table = tmp_path / "evaluation_captions.csv"
    table.write_text("fname,raw_text,text\na.wav,Two birds.,two birds\na.wav,A bird.,a bird\n")
    assert clotho.captions(table) == {"a.wav": ("Two birds.", "A bird.")}
    with pytest.raises(DataError, match="expected the folder"):
        corpora.load("clotho", tmp_path)
    trees.tone(tmp_path / "clotho_audio_evaluation" / "evaluation" / "a.flac")
    (clip,) = corpora.load("clotho", tmp_path).clips
    assert (clip.split, clip.trainable) == ("test", False)
