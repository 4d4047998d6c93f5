"""What an adapter and an answer cost beside the base model itself, measured in one process, in turns.

python -m benchmarks.speed --json speed.json
python -m benchmarks.speed --tokens 500,2000 --turns 2

Making: ``d2l --no-study`` on generated documents against a plain pass of the base over the same batches of tokens.
Answering: time to the first token of a short question with the adapter and nothing in the prompt, and with the
text in the prompt. Decoding: tokens a second with the longest document's adapter, here and in llama.cpp. The
quickest of the turns counts, since whatever else runs only adds to a time.
"""

import argparse
import importlib.util
import json
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import torch

from cli.loading import load_d2l
from d2l.chunking import Chunk
from d2l.model import D2LModel, batches
from d2l.questions import question_messages
from d2l.synthetic import synthetic_document
from shared.base.chat import GenerationConfig, chat_ids, generate, pad_batch
from shared.base.gguf import embedded_file
from shared.base.model import BaseModel, read_architecture
from shared.export.gguf_files import write_lora_gguf
from shared.export.gguf_names import gguf_adapter
from shared.lora.layer import apply_lora
from shared.lora.weights import LoraWeights
from shared.provenance import provenance
from shared.serving.engine import Engine, EngineSettings

RANK, MEMORY = 512, 1_000_000_000  #: the command's own defaults
DECODED = 64
QUESTION = "Who is responsible for the report?"


def text_of(base: BaseModel, tokens: int) -> str:
    """Generated documents, one after the other, cut at about so many tokens."""
    parts: list[str] = []
    length = 0
    while length < tokens:
        parts.append(synthetic_document(len(parts), seed=1000, split="validation").context)
        length += len(base.tokenizer(parts[-1])["input_ids"])
    text = "\n\n".join(parts)
    return text[: len(text) * tokens // length]


@torch.no_grad()
def forward(base: BaseModel, chunks: list[Chunk], batch_tokens: int) -> None:
    """The base's decoder over all chunks, and nothing else."""
    for batch in batches(chunks, batch_tokens):
        ids, mask = pad_batch([chunk.ids for chunk in batch], base.tokenizer.pad_token_id)
        base.model.base_model(
            input_ids=ids.to(base.device), attention_mask=mask.long().to(base.device), use_cache=False
        )


def quickest(turns: int, *jobs: Callable[[], object]) -> list[float]:
    """Seconds of each job: all of them in turn, again and again, the least of each."""
    best = [float("inf")] * len(jobs)
    for _ in range(turns):
        for index, job in enumerate(jobs):
            started = time.perf_counter()
            job()
            best[index] = min(best[index], time.perf_counter() - started)
    return best


def making(model: D2LModel, text: str, turns: int) -> tuple[dict[str, float], LoraWeights]:
    """Seconds of an adapter of a text beside a plain pass over it, and the adapter."""
    chunks, batch_tokens = model.chunk(text), model.batch_tokens(MEMORY)
    made: list[LoraWeights] = []
    encoded: list[float] = []

    def adapter() -> None:
        started = time.perf_counter()
        last = [0.0]

        def on_progress(done: int, total: int) -> None:
            last[0] = time.perf_counter() - started

        lora = model.generate(chunks, max_rank=RANK, batch_tokens=batch_tokens, on_progress=on_progress)
        encoded.append(last[0])
        made[:] = [lora.weights]

    plain, whole = quickest(turns, lambda: forward(model.base, chunks, batch_tokens), adapter)
    record = {
        "tokens": sum(len(chunk.ids) for chunk in chunks),
        "forward": plain,
        "encoding": min(encoded),
        "adapter": whole,
        "ratio": whole / plain,
    }
    return record, made[0]


def answering(base: BaseModel, weights: LoraWeights, text: str, turns: int, system: str | None) -> dict[str, float]:
    """Seconds to the first token with the adapter alone, and with the text in the plain base's prompt."""
    prompts = [
        chat_ids(base, question_messages(question, system=system)) for question in (QUESTION, f"{text}\n\n{QUESTION}")
    ]
    room = base.context_window - 1
    one = GenerationConfig(max_new_tokens=1)

    def with_adapter() -> None:
        with apply_lora(base.model, weights):
            generate(base, [prompts[0]], one)

    alone, full = quickest(turns, with_adapter, lambda: generate(base, [prompts[1][-room:]], one))
    return {"prompt_tokens": len(prompts[1]), "adapter": alone, "context": full, "times": full / alone}


def decoding(base: BaseModel, weights: LoraWeights, turns: int) -> list[dict[str, object]]:
    """Tokens a second of greedy decoding behind a short prompt, with a long document's adapter and without."""
    ids = chat_ids(base, question_messages(QUESTION))

    def decode() -> None:
        prompt = torch.tensor([ids], device=base.device)
        limits = {"min_new_tokens": DECODED, "max_new_tokens": DECODED, "do_sample": False}
        base.model.generate(prompt, attention_mask=torch.ones_like(prompt), **limits)

    def with_adapter(fold: bool) -> float:
        with apply_lora(base.model, weights, fold=fold):
            return quickest(turns, decode)[0]

    found = {"base alone": quickest(turns, decode)[0], "adapter": with_adapter(False), "folded in": with_adapter(True)}
    rows = [{"engine": "hyperlora", "what": what, "per_second": DECODED / s} for what, s in found.items()]
    return rows + _llama_cpp(base, weights, ids, turns)


def _llama_cpp(base: BaseModel, weights: LoraWeights, ids: list[int], turns: int) -> list[dict[str, object]]:
    """The same by llama.cpp on the embedded base's own 4-bit file, where xllamacpp is installed."""
    file = embedded_file()
    if file is None or importlib.util.find_spec("xllamacpp") is None:
        return []
    with tempfile.TemporaryDirectory() as folder:
        lora = Path(folder) / "adapter.gguf"
        name = base.spec.name_or_path
        write_lora_gguf(lora, gguf_adapter(weights, read_architecture(name)), name="adapter", base_model=name)
        engine = Engine(EngineSettings(str(file), (str(lora),), threads=torch.get_num_threads()))
        rows = []
        try:
            for what, scale in (("base alone", 0.0), ("adapter", 1.0)):
                request = {
                    "prompt": ids,
                    "n_predict": DECODED,
                    "ignore_eos": True,
                    "temperature": 0,
                    "lora": [{"id": 0, "scale": scale}],
                }
                speeds = [
                    _post(engine, "/completion", request)["timings"]["predicted_per_second"] for _ in range(turns)
                ]
                rows.append({"engine": "llama.cpp, 4-bit base", "what": what, "per_second": max(speeds)})
        finally:
            engine.close()
    return rows


def _post(engine: Engine, path: str, request: dict) -> dict:
    headers = {"Authorization": f"Bearer {engine.key}", "Content-Type": "application/json"}
    address = f"http://{engine.host}:{engine.port}{path}"
    with urllib.request.urlopen(urllib.request.Request(address, json.dumps(request).encode(), headers)) as reply:
        return json.load(reply)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokens", default="500,2000,8000,30000", help="lengths of the documents")
    parser.add_argument("--turns", type=int, default=3, help="the longest document has one turn")
    parser.add_argument("--hypernet")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    model = load_d2l(options.hypernet, None, "auto", "auto")
    base, lengths = model.base, sorted(map(int, options.tokens.split(",")))
    made, answered = [], []
    for length in lengths:
        text = text_of(base, length)
        turns = 1 if length == lengths[-1] and len(lengths) > 1 else options.turns
        record, weights = making(model, text, turns)
        made.append(record)
        print(*(f"{k} {v:.2f}" for k, v in record.items()), flush=True)
        if record["tokens"] < base.context_window * 1.2:
            record = answering(base, weights, text, turns, model.config.question_system)
            answered.append({"tokens": made[-1]["tokens"], **record})
            print(*(f"{k} {v:.2f}" for k, v in answered[-1].items()), flush=True)
    decoded = decoding(base, weights, options.turns)
    for row in decoded:
        print(f"{row['engine']}, {row['what']}: {row['per_second']:.1f} tokens/s", flush=True)
    if options.json:
        facts = {"hypernetwork": model.name, "threads": torch.get_num_threads(), "turns": options.turns}
        options.json.write_text(
            json.dumps(
                {
                    "making": made,
                    "answering": answered,
                    "decoding": decoded,
                    "provenance": provenance(base, **facts),
                },
                indent=1,
            )
            + "\n"
        )


if __name__ == "__main__":
    main()
