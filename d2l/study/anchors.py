"""Questions that no document answers, with the base model's own replies: what a loaded document must leave as it is."""

import hashlib
import json
from contextlib import suppress
from pathlib import Path

import torch

from d2l.questions import question_messages
from d2l.study.unrelated import UNRELATED
from shared.base.chat import GenerationConfig, chat_ids, generate
from shared.base.model import BaseModel, weights_digest
from shared.metrics import spread
from shared.paths import home
from shared.training.losses import TopTokens
from shared.training.packed import PlainPrompts, Prompt
from shared.training.refine import Anchor
from shared.work_folder import remove_left_overs, whole_file

FORMAT = 2
#: In a hypernetwork's checkpoint directory, for the base model that it ships with.
ANCHORS_FILE = "anchors.safetensors"
#: Questions, tokens of the base's reply to each, and how many of the likeliest tokens are kept at each of those.
NUMBER, REPLY_TOKENS, TOP_K = 240, 12, 16
_BATCH = 32


def anchors(
    base: BaseModel, *, system: str | None = None, shipped: Path | None = None, root: Path | None = None
) -> list[Anchor]:
    """Anchors of a base model. They are the same for every document: made once, then read from ``HYPERLORA_HOME``.

    Args:
        system: message that the questions are asked with.
        shipped: a checkpoint directory that may hold them; used if they are this base model's own.
        root: folder of the kept anchors.
    """
    facts = [FORMAT, weights_digest(base.model), str(base.placement.dtype), system, NUMBER, REPLY_TOKENS, TOP_K]
    digest = hashlib.sha256(json.dumps(facts).encode()).hexdigest()
    file = (root or home() / "anchors") / f"{digest[:32]}.safetensors"
    remove_left_overs(file.parent)  # a run that finds its anchors writes nothing here
    found = (_read(shipped / ANCHORS_FILE, digest) if shipped else None) or _read(file, digest)
    if found is None:
        found = _made(base, system)
        _keep(file, digest, found)
    return found


@torch.no_grad()
def _made(base: BaseModel, system: str | None) -> list[Anchor]:
    # Without the request for a short answer: its states would be those of the document's own questions.
    questions = [chat_ids(base, question_messages(q, system=system)) for q in spread(UNRELATED, NUMBER)]
    result: list[Anchor] = []
    for start in range(0, len(questions), _BATCH):
        part = questions[start : start + _BATCH]
        replies = generate(base, part, GenerationConfig(REPLY_TOKENS))
        answers = [base.tokenizer(reply, add_special_tokens=False)["input_ids"][:REPLY_TOKENS] for reply in replies]
        prompts = [Prompt(question, answer) for question, answer in zip(part, answers, strict=True) if answer]
        if not prompts:
            continue
        top = TopTokens.of(PlainPrompts(base, prompts).logits().cpu(), TOP_K)
        lengths = [len(prompt.answer) for prompt in prompts]
        parts = zip(prompts, top.index.split(lengths), top.log_probs.split(lengths), strict=True)
        result += [Anchor(prompt, TopTokens(index, log_probs)) for prompt, index, log_probs in parts]
    return result


def _read(file: Path, digest: str) -> list[Anchor] | None:
    """Kept anchors, ``None`` if there are none or those of something else; a damaged file counts as absent."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, framework="pt") as opened:
            if (
                digest not in (opened.metadata() or {}).get("digest", "").split()
            ):  # a shipped file has one for each dtype
                return None
            tensors = {name: opened.get_tensor(name) for name in ("lengths", "ids", "index", "log_probs")}
        lengths = tensors["lengths"].tolist()
        ids = iter(tensors["ids"].split([length for pair in lengths for length in pair]))
        answers = [answer for _, answer in lengths]
        tops = zip(tensors["index"].split(answers), tensors["log_probs"].split(answers), strict=True)
        return [Anchor(Prompt(next(ids).tolist(), next(ids).tolist()), TopTokens(*top)) for top in tops]
    except (OSError, SafetensorError, KeyError, ValueError, RuntimeError, StopIteration):
        return None


def _keep(file: Path, digest: str, found: list[Anchor]) -> None:
    """Write anchors; a full disk or a read-only home only means that they will be made again."""
    from safetensors.torch import save_file

    if not found:
        return
    prompts = [anchor.prompt for anchor in found]
    top = TopTokens.concat([anchor.top for anchor in found])
    tensors = {
        "lengths": torch.tensor([[len(p.question), len(p.answer)] for p in prompts]),
        "ids": torch.tensor([token for p in prompts for token in (*p.question, *p.answer)]),
        "index": top.index.contiguous(),
        "log_probs": top.log_probs.contiguous(),
    }
    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with whole_file(file) as temporary:
            save_file(tensors, temporary, metadata={"digest": digest})
