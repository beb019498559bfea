"""Language models on this machine: a folder that transformers reads, or a GGUF file through xllamacpp. No network."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from open_elsa.errors import ConfigError, LanguageModelError
from open_elsa.scenes.rewriting.models import Answer, NoAnswer, Prompt, Sampling, read_completion

_EDGE_BYTES = 1024 * 1024


def fingerprint(paths: Sequence[Path]) -> str:
    """Hash of files by name, size and their first and last megabyte: enough to tell weights apart, without a long read.

    Raises LanguageModelError for a file that cannot be read.
    """
    told = hashlib.sha256()
    for path in paths:
        try:
            size = path.stat().st_size
            with path.open("rb") as f:
                told.update(f"{path.name} {size}\n".encode() + f.read(_EDGE_BYTES))
                f.seek(max(0, size - _EDGE_BYTES))
                told.update(f.read())
        except OSError as error:
            raise LanguageModelError(f"{path} cannot be read: {error.strerror or error}") from error
    return told.hexdigest()[:16]


class LocalTransformers:
    """A text-generation model in a folder of this machine, as `save_pretrained` writes it, with its tokenizer.

    Prompts go through the tokenizer's chat template where it has one, else as plain text. Every row of a batch draws
    from its own seed. device: "cpu" or "cuda". Raises LanguageModelError for a folder that holds no such model.
    """

    concurrency = 1

    def __init__(
        self, folder: str | Path, *, sampling: Sampling | None = None, device: str = "cpu", batch_size: int = 8
    ) -> None:
        if batch_size < 1:
            raise ConfigError(f"batch_size must be at least 1, got {batch_size}")
        self.folder, self.sampling, self.device, self.batch_size = (
            Path(folder),
            sampling or Sampling(),
            device,
            batch_size,
        )
        if not (self.folder / "config.json").is_file():
            raise LanguageModelError(f"{folder} holds no model of transformers (there is no config.json)")
        files = sorted(
            p for p in self.folder.iterdir() if p.is_file() and p.suffix in (".json", ".safetensors", ".bin")
        )
        self.name = self.folder.resolve().name
        self.identity = f"transformers {fingerprint(files)} {json.dumps(asdict(self.sampling), sort_keys=True)}"
        self._loaded: tuple[Any, Any] | None = None

    def _load(self) -> tuple[Any, Any]:
        """Tokenizer and model, read at the first question."""
        if self._loaded is None:
            from transformers import AutoModelForCausalLM, AutoTokenizer

            try:
                tokenizer = AutoTokenizer.from_pretrained(self.folder, local_files_only=True, padding_side="left")
                model: Any = AutoModelForCausalLM.from_pretrained(self.folder, local_files_only=True)
                model = model.to(self.device).eval()
            except (OSError, ValueError, KeyError, ImportError, RuntimeError) as error:
                raise LanguageModelError(
                    f"{self.folder} cannot be used as a language model: {' '.join(str(error).split())[:300]}"
                ) from error
            if tokenizer.pad_token is None:
                if tokenizer.eos_token is None:
                    raise LanguageModelError(f"{self.folder}: the tokenizer has no token that ends a text")
                tokenizer.pad_token = tokenizer.eos_token
            self._loaded = tokenizer, model
        return self._loaded

    def complete(self, prompts: Sequence[Prompt]) -> list[Answer]:
        """Answer the prompts as one batch; see `LanguageModel`."""
        import torch

        tokenizer, model = self._load()
        texts = [_as_text(tokenizer, prompt) for prompt in prompts]
        options = {"add_special_tokens": not tokenizer.chat_template, "verbose": False}
        rows = tokenizer(texts, **options)["input_ids"]
        room = getattr(model.config, "max_position_embeddings", None) or 2**31
        answers: list[Answer] = [Answer("", 0, cut=True)] * len(rows)
        fits = [i for i, row in enumerate(rows) if 0 < len(row) < room]  # the rest is longer than the model can read
        if not fits:
            return answers
        longest = max(len(rows[i]) for i in fits)
        batch = tokenizer([texts[i] for i in fits], padding=True, return_tensors="pt", **options).to(self.device)
        limit = min(self.sampling.max_tokens, room - longest)
        with torch.inference_mode():
            out = model.generate(
                **batch,
                max_new_tokens=limit,
                do_sample=False,
                num_beams=1,
                temperature=None,
                top_p=None,
                top_k=None,
                pad_token_id=tokenizer.pad_token_id,
                logits_processor=[_Draw(self.sampling, [prompts[i].seed for i in fits])],
            )
        ends = _ends(model, tokenizer)
        for i, row in zip(fits, out[:, batch["input_ids"].shape[1] :].tolist(), strict=True):
            stop = next((n for n, token in enumerate(row) if token in ends), None)
            said = row if stop is None else row[:stop]
            text = tokenizer.decode(said, skip_special_tokens=True)
            answers[i] = Answer(text, len(rows[i]) + len(said), cut=stop is None)
        return answers


def _as_text(tokenizer: Any, prompt: Prompt) -> str:
    if not tokenizer.chat_template:
        return f"{prompt.system}\n\n{prompt.user}\n"
    try:
        return str(tokenizer.apply_chat_template(prompt.messages, tokenize=False, add_generation_prompt=True))
    except Exception:  # templates raise what they like: some know no system's turn
        one = [{"role": "user", "content": f"{prompt.system}\n\n{prompt.user}"}]
        return str(tokenizer.apply_chat_template(one, tokenize=False, add_generation_prompt=True))


def _ends(model: Any, tokenizer: Any) -> set[int]:
    own = model.generation_config.eos_token_id
    ids = own if isinstance(own, list) else [own]
    return {i for i in [*ids, tokenizer.eos_token_id] if i is not None}


class _Draw:
    """Draws each row's next token from its own generator, as noise that the greedy choice then finds (Gumbel's trick).

    Thus an answer does not depend on the other rows of its batch.
    """

    def __init__(self, sampling: Sampling, seeds: Sequence[int]) -> None:
        import torch

        self._sampling = sampling
        self._generators = [torch.Generator().manual_seed(seed) for seed in seeds]

    def __call__(self, input_ids: Any, scores: Any) -> Any:
        import torch

        if self._sampling.temperature == 0.0:
            return scores
        logits = scores.float() / self._sampling.temperature
        if self._sampling.top_p < 1.0:
            ordered, order = logits.softmax(-1).sort(descending=True)
            beyond = ordered.cumsum(-1) - ordered >= self._sampling.top_p
            logits = logits.masked_fill(beyond.scatter(-1, order, beyond), float("-inf"))
        draws = torch.stack([torch.rand(logits.shape[-1], generator=g) for g in self._generators])
        noise = -torch.log(-torch.log(draws.clamp(1e-20, 1.0 - 1e-7)))
        return logits + noise.to(logits.device)


class LocalGGUF:
    """A GGUF file, run by llama.cpp through the package xllamacpp (optional: `pip install open-elsa[gguf]`).

    concurrency: sequences computed at once. threads: CPU threads, None leaves it to llama.cpp. gpu_layers: layers on
    the GPU. Raises LanguageModelError without the package or a file that is a model. With several sequences at once
    llama.cpp's sums depend on what shares a batch, so the answers are only repeatable through the cache.
    """

    batch_size = 1

    def __init__(
        self,
        path: str | Path,
        *,
        sampling: Sampling | None = None,
        concurrency: int = 4,
        context: int = 1024,
        threads: int | None = None,
        gpu_layers: int = 0,
    ) -> None:
        if concurrency < 1 or context < 64:
            raise ConfigError(f"concurrency must be at least 1 and context at least 64, got {concurrency}, {context}")
        self.path, self.sampling, self.concurrency = Path(path), sampling or Sampling(), concurrency
        self.name = self.path.stem
        mark = fingerprint([self.path])
        with self.path.open("rb") as f:
            if f.read(4) != b"GGUF":
                raise LanguageModelError(f"{path} is no GGUF file")
        self.identity = f"gguf {mark} {json.dumps(asdict(self.sampling), sort_keys=True)}"
        try:
            import xllamacpp
        except ImportError as error:
            raise LanguageModelError(
                "GGUF models need the package xllamacpp: pip install xllamacpp (or open-elsa[gguf])"
            ) from error
        self._params = params = xllamacpp.CommonParams()
        params.model.path = str(self.path)
        params.n_ctx, params.n_parallel, params.n_gpu_layers = context * concurrency, concurrency, gpu_layers
        params.hostnames, params.port, params.ui, params.verbosity = ["127.0.0.1"], 0, False, -1
        params.offline, params.warmup = True, False
        if threads is not None:
            params.cpuparams.n_threads = threads
        self._server: Any = None
        self._loading = threading.Lock()

    def _load(self) -> Any:
        """llama.cpp with the model, read at the first question."""
        with self._loading:
            if self._server is None:
                import xllamacpp

                try:
                    self._server = xllamacpp.Server(self._params)
                except Exception as error:
                    raise LanguageModelError(f"llama.cpp cannot load {self.path}: {error}") from error
        return self._server

    def complete(self, prompts: Sequence[Prompt]) -> list[Answer]:
        """Answer each prompt; see `LanguageModel`."""
        return [self._answer(prompt) for prompt in prompts]

    def _answer(self, prompt: Prompt) -> Answer:
        server = self._load()
        try:
            value = server.handle_chat_completions(
                {"messages": prompt.messages, "seed": prompt.seed, **asdict(self.sampling)}
            )
        except Exception as error:
            raise NoAnswer(f"llama.cpp failed: {error}") from error
        return read_completion(value)
