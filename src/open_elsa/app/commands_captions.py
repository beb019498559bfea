"""Commands around captions: write one, read one, teach a model to, have those of scenes rephrased."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from open_elsa.app import show
from open_elsa.app.options import Common, WithScenes
from open_elsa.app.show import UsageError, say

if TYPE_CHECKING:
    from open_elsa.scenes.rewriting import LanguageModel, Rewriter, RewriteReport
    from open_elsa.scenes.scene import SpatialCaption, SpatialWords


@dataclass(kw_only=True)
class CaptionsWrite(Common):
    """Write captions that say what is heard and where, in the words of the grammar; no language model.

    Examples:
      elsa captions write "a dog" --direction left --distance far
      elsa captions write "a dog" --direction left --room-size large --count 5 --seed 1
      elsa captions write --direction back --style brief
    """

    what: Annotated[str | None, tyro.conf.Positional, tyro.conf.arg(metavar="WHAT")] = None
    """What is heard: a label, a noun phrase or a sentence; without it the caption says only where."""
    direction: Annotated[str | None, tyro.conf.arg(metavar="WORD")] = None
    """Such as front, left, right, back."""
    elevation: Annotated[str | None, tyro.conf.arg(metavar="WORD")] = None
    """Such as up, down."""
    distance: Annotated[str | None, tyro.conf.arg(metavar="WORD")] = None
    """Such as near, far."""
    room_size: Annotated[str | None, tyro.conf.arg(metavar="WORD")] = None
    """Such as small, mid-sized, large."""
    reverberation: Annotated[str | None, tyro.conf.arg(metavar="WORD")] = None
    """Such as "acoustically dampened", "highly reverberant"."""
    style: Annotated[str, tyro.conf.arg(metavar="{full,brief}")] = "full"
    """A sentence, or a short text like a search query."""
    count: int = 1
    """How many."""
    seed: int = 0
    """Same seed, same captions."""

    def run(self) -> None:
        """Run it."""
        import numpy as np

        from open_elsa.scenes.captions import write_caption

        if self.count < 1:
            raise UsageError(f"captions write: --count must be at least 1, got {self.count}")
        words = self._words()
        if self.what is None and words.empty:
            raise UsageError("captions write: say what is heard, or where, or both")
        rng = np.random.default_rng(self.seed)
        made = [write_caption(self.what, words, rng, style=self.style) for _ in range(self.count)]
        self.show(made, lambda: print("\n".join(m.text for m in made)))

    def _words(self) -> SpatialWords:
        from open_elsa.scenes.attributes import ATTRIBUTES
        from open_elsa.scenes.scene import SpatialWords

        said = {name: word for name in ATTRIBUTES if (word := getattr(self, name)) is not None}
        for name, word in said.items():
            known = [entry.word for entry in ATTRIBUTES[name].words]
            if word not in known:
                raise UsageError(
                    f"captions write: --{name.replace('_', '-')} is one of {', '.join(known)}; not {word!r}"
                )
        return SpatialWords(**said)


@dataclass(kw_only=True)
class CaptionsRead(Common):
    """Say which spatial facts a sentence states, with which words, and of which of its sounds.

    Examples:
      elsa captions read "A dog barks far away on my left"
      elsa captions read "a dog barks on the left while a car passes from left to right"
      elsa captions read "Thunder rolls overhead, in a big hall" --json
    """

    sentence: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="SENTENCE")]
    """Any text."""

    def run(self) -> None:
        """Run it."""
        from open_elsa.scenes.captions import parse, spatial_claims, strip_claims
        from open_elsa.scenes.telling import read

        words, claims = dataclasses.asdict(parse(self.sentence)), spatial_claims(self.sentence)
        facts = dataclasses.asdict(read(self.sentence))
        value = {"words": words, "claims": claims, "facts": facts, "without": strip_claims(self.sentence)}

        def text() -> None:
            said = {n: ", ".join(repr(c.phrase) for c in claims if c.attribute == n) for n in words}
            show.table(("", "word", "said as"), [(n, w or "–", said[n]) for n, w in words.items()])
            if len(facts["sources"]) > 1:
                for source in facts["sources"]:
                    stated = {k: v for k, v in source.items() if k != "what" and v not in (None, ())}
                    print(f"{source['what'] or 'a sound'}: {', '.join(f'{k} {v}' for k, v in stated.items()) or '–'}")

        self.show(value, text)


@dataclass(kw_only=True)
class CaptionsTrain(Common):
    """Teach a finished model to write captions: a small decoder that reads its embeddings; the model stays as it is.

    Embeds scenes of the training clips in training rooms, writes sentences of each by the grammar, and fits the decoder
    to them. Put into the folder "captions" of the model's checkpoint, `elsa describe --model` uses it. A model that was
    trained further needs a new one. Interrupted, it goes on with the scenes that are embedded.

    Examples:
      elsa captions train --data my-sounds --model runs/mine/checkpoint --out runs/mine/checkpoint/captions
      elsa captions train --data my-sounds --model runs/mine/checkpoint --out captions --cache runs/mine/cache
      elsa captions train --data my-sounds --out gpt2-captions --gpt2 ~/models/gpt2
    """

    data: Path
    """Folder of captioned sounds, those that the model was trained on."""
    out: Path
    """Folder for the decoder."""
    model: Annotated[str | None, tyro.conf.arg(metavar="FOLDER")] = None
    """The model: a checkpoint folder or hub id; the shipped elsa-small by default."""
    corpus: Annotated[str | None, tyro.conf.arg(metavar="NAME")] = None
    """The data set's name, where the folder is an official layout."""
    cache: Annotated[Path | None, tyro.conf.arg(metavar="FOLDER")] = None
    """Where decoded clips, rooms and embeddings are kept; OUT/cache by default."""
    scenes: Annotated[int | None, tyro.conf.arg(metavar="INT")] = None
    """How many scenes to embed."""
    steps: Annotated[int | None, tyro.conf.arg(metavar="INT")] = None
    """How many steps to fit."""
    gpt2: Annotated[str | None, tyro.conf.arg(metavar="FOLDER")] = None
    """A GPT-2 of yours, a folder or a hub id in the hub's cache: train a prefix into it instead of a small decoder."""
    freeze_gpt2: bool = False
    """Train the prefix alone."""
    seed: Annotated[int | None, tyro.conf.arg(metavar="INT")] = None
    """Same seed, same decoder."""
    workers: int = 2
    """Processes that embed scenes."""

    def run(self) -> None:
        """Run it."""
        from open_elsa.training.caption_session import CaptionRecipe, train_captions

        for name in ("scenes", "steps", "workers"):
            if (value := getattr(self, name)) is not None and value < 1:
                raise UsageError(f"captions train: --{name} must be at least 1, got {value}")
        if self.freeze_gpt2 and self.gpt2 is None:
            raise UsageError("captions train: --freeze-gpt2 needs --gpt2")
        recipe = CaptionRecipe()
        told = {k: v for k in ("scenes", "steps", "gpt2", "seed") if (v := getattr(self, k)) is not None}
        if self.seed is not None:
            recipe = dataclasses.replace(recipe, seed=self.seed, fit=dataclasses.replace(recipe.fit, seed=self.seed))
        if self.steps is not None:
            recipe = dataclasses.replace(recipe, fit=dataclasses.replace(recipe.fit, steps=self.steps))
        if self.scenes is not None:
            recipe = dataclasses.replace(recipe, scenes=self.scenes)
        command = " ".join([f"elsa captions train --data {self.data.name}", *(f"--{k} {v}" for k, v in told.items())])
        folder = train_captions(
            self.data,
            self.out,
            checkpoint=self.model,
            corpus=self.corpus,
            cache=self.cache,
            recipe=recipe,
            gpt2=self.gpt2,
            freeze_gpt2=self.freeze_gpt2,
            processes=self.workers,
            command=command,
        )
        self.show({"captioner": folder}, lambda: print(f"captioner: {folder}"))


@dataclass(kw_only=True)
class CaptionsRewrite(WithScenes):
    """Have a language model rephrase the captions of scenes; every rewrite is read back, and refused if it is not true.

    Writes SCENES/rewritten.parquet; the scenes stay as they are. Where no rewrite is true, the caption that was there
    stays. Answers are kept in a cache: interrupted, or with a larger budget, the same command asks what is missing.

    Examples:
      elsa captions rewrite scenes --endpoint http://localhost:8000/v1 --model qwen2.5-7b-instruct
      elsa captions rewrite scenes --endpoint https://api.openai.com/v1 --model NAME --key-env OPENAI_API_KEY
      elsa captions rewrite scenes --endpoint http://localhost:8000/v1 --model qwen2.5-7b-instruct --budget 1000
      elsa captions rewrite scenes --gguf model.gguf --concurrency 2
      elsa captions rewrite scenes --local ~/models/qwen2.5-0.5b-instruct --drafts 3
      elsa captions rewrite scenes --dry-run
    """

    endpoint: Annotated[str | None, tyro.conf.arg(metavar="URL")] = None
    """An OpenAI-compatible server; most addresses end in /v1."""
    model: Annotated[str | None, tyro.conf.arg(metavar="NAME")] = None
    """The model's name at the endpoint."""
    key_env: Annotated[str | None, tyro.conf.arg(metavar="VARIABLE")] = None
    """Environment variable that holds the endpoint's key; without it no key is sent."""
    local: Annotated[Path | None, tyro.conf.arg(metavar="FOLDER")] = None
    """A text-generation model of transformers on this machine."""
    gguf: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """A GGUF file, run through xllamacpp."""
    device: str = "cpu"
    """Where --local computes: cpu, cuda."""
    budget: Annotated[int | None, tyro.conf.arg(metavar="INT")] = None
    """Prompts to send at most; the captions after them stay."""
    budget_tokens: Annotated[int | None, tyro.conf.arg(metavar="INT")] = None
    """Tokens to use; when they are spent, the captions after them stay."""
    cache: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """Where answers are kept; SCENES/rewrites.sqlite by default."""
    concurrency: int = 4
    """Requests at once; prompts a batch for --local."""
    drafts: int = 1
    """How often to ask, as long as the answer is refused."""
    kept: float = 1.0
    """Least share of what is heard that must be kept; nothing may be added either way."""
    temperature: float = 0.9
    """How freely it writes; 0 always takes the likeliest word."""
    max_tokens: int = 160
    """Longest answer."""
    timeout_s: float = 60.0
    """Longest wait for one answer of an endpoint."""
    seed: int = 0
    """Another seed, other answers."""
    dry_run: bool = False
    """Show what would be asked, and ask nothing."""
    most: int = 5
    """How many prompts, or refused answers, to print (all with --json)."""

    def run(self) -> None:
        """Run it."""
        from open_elsa.scenes.rewriting import scene_sets

        given = [n for n in ("endpoint", "local", "gguf") if getattr(self, n) is not None]
        if len(given) > 1 or not (given or self.dry_run):
            raise UsageError("captions rewrite: give one of --endpoint (with --model), --local and --gguf")
        if self.endpoint is not None and self.model is None:
            raise UsageError("captions rewrite: --endpoint needs --model, the model's name there")
        opened = self.opened()
        items = scene_sets.captions_of(opened)
        if self.dry_run:
            self._dry(items, bool(given))
            return
        with show.progress("rewriting", quiet=self.json) as tell, self._rewriter(tell) as rewriter:
            report = rewriter.run(items)
        settings = {n: getattr(self, n) for n in ("seed", "drafts", "kept", "temperature", "max_tokens")}
        path = scene_sets.save(opened, report, {"model": rewriter.model.name, **settings})
        self._tell(report, path)

    @contextlib.contextmanager
    def _rewriter(self, tell: show.Progress | None = None) -> Iterator[Rewriter]:
        from open_elsa.scenes import places
        from open_elsa.scenes.rewriting import AnswerCache, Rewriter

        if self.cache is None and places.is_url(self.scenes):
            raise UsageError("captions rewrite: name a file of this machine for the answers with --cache")
        with AnswerCache(self.cache or Path(self.scenes) / "rewrites.sqlite") as cache:
            yield Rewriter(
                self._language_model(),
                seed=self.seed,
                cache=cache,
                max_calls=self.budget,
                max_tokens=self.budget_tokens,
                drafts=self.drafts,
                kept=self.kept,
                progress=tell,
            )

    def _language_model(self) -> LanguageModel:
        from open_elsa.scenes.rewriting import Endpoint, LocalGGUF, LocalTransformers, Sampling

        sampling = Sampling(self.temperature, max_tokens=self.max_tokens)
        if self.local is not None:
            return LocalTransformers(self.local, sampling=sampling, device=self.device, batch_size=self.concurrency)
        if self.gguf is not None:
            return LocalGGUF(self.gguf, sampling=sampling, concurrency=self.concurrency)
        return Endpoint(
            self.endpoint or "",
            self.model or "",
            key_env=self.key_env,
            sampling=sampling,
            concurrency=self.concurrency,
            timeout_s=self.timeout_s,
        )

    def _dry(self, items: list[SpatialCaption], with_model: bool) -> None:
        from open_elsa.scenes.rewriting.rewriter import prompts

        asked = prompts(items, self.seed)
        known = 0
        if with_model:
            with self._rewriter() as rewriter:
                known = rewriter.known(items)
        value: dict[str, Any] = {"prompts": asked, "captions": len(items), "cached": known}

        def text() -> None:
            for prompt in asked[: self.most]:
                print(f"{prompt.system}\n{prompt.user}\n")
            print(
                f"{len(asked)} prompts for {len(items)} captions, {known} of them answered in the cache; nothing asked"
            )

        self.show(value, text)

    def _tell(self, report: RewriteReport, path: Path) -> None:
        counts = ("rewritten", "refusals", "calls", "cached", "tokens", "unanswered", "over_budget", "silent")
        value = {
            "file": path,
            "captions": len(report.captions),
            **{n: getattr(report, n) for n in counts},
            "refused": report.refused,
        }

        def text() -> None:
            print("\n".join(report.lines()))
            for refused in report.refused[: self.most]:
                say(f"elsa: refused: {refused.reason} ({refused.detail}): {' '.join(refused.answer.split())[:160]}")
            print(f"captions in {path}")

        self.show(value, text)
