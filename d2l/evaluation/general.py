"""What an adapter breaks: general questions, with and without some document loaded."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from d2l.model import D2LModel
from d2l.questions import QA, question_messages
from shared.base.chat import GenerationConfig, chat_ids, generate
from shared.lora.layer import apply_lora
from shared.lora.weights import LoraWeights
from shared.metrics import answer_recall, mean

# None of them is among the unrelated questions of training (``d2l.study.unrelated.UNRELATED``).
GENERAL = (
    ("What is the capital of Italy?", ("Rome",)),
    ("What is the capital of Japan?", ("Tokyo",)),
    ("What is the capital of Egypt?", ("Cairo",)),
    ("What is the largest ocean on Earth?", ("Pacific", "Pacific Ocean")),
    ("What is the largest planet in the solar system?", ("Jupiter",)),
    ("How many legs does a spider have?", ("eight", "8")),
    ("How many months are there in a year?", ("12", "twelve")),
    ("What is the chemical symbol of gold?", ("Au",)),
    ("What is the chemical formula of water?", ("H2O", "H₂O")),
    ("Who painted the Mona Lisa?", ("Leonardo da Vinci", "da Vinci")),
    ("Who developed the theory of relativity?", ("Albert Einstein", "Einstein")),
    ("What gas do plants take in for photosynthesis?", ("carbon dioxide", "CO2")),
    ("Which organ pumps blood through the body?", ("heart",)),
    ("What is the currency of the United Kingdom?", ("pound", "pound sterling", "British pound", "pounds")),
    ("On which continent is Kenya?", ("Africa",)),
    ("What is the tallest mountain in the world?", ("Everest", "Mount Everest")),
    ("What is 9 plus 4?", ("13", "thirteen")),
    ("Which animal is known as man's best friend?", ("dog", "dogs")),
    ("What colour do you get when you mix blue and yellow?", ("green",)),
    ("In which country is the Eiffel Tower?", ("France",)),
    ("What is the first month of the year?", ("January",)),
    ("Which season comes after winter?", ("spring",)),
    ("What do bees make?", ("honey",)),
    ("What is frozen water called?", ("ice",)),
)


@dataclass(frozen=True)
class GeneralResult:
    """Shares of general questions whose answer contains the right one.

    Attributes:
        base: without any adapter.
        bias: with the LoRA alone that does not depend on a document; ``None`` if there is none.
        adapter: mean over the documents' adapters; ``by_document`` has each.
        relative_loss: 1 - adapter / base; ``None`` if the base knows none.
        unchanged: share of answers that are the base's own, word for word.
    """

    base: float
    bias: float | None
    adapter: float
    by_document: list[float]
    relative_loss: float | None
    unchanged: float
    questions: int


def evaluate_general(
    model: D2LModel,
    documents: Sequence[str],
    *,
    study: Callable[[str], Sequence[QA]] | None = None,
    max_new_tokens: int = 32,
    on_progress: Callable[[int, int], None] | None = None,
) -> GeneralResult:
    """Ask every question of ``GENERAL`` plainly, without an adapter and with that of each document.

    Args:
        study: the pairs that a document is studied with; not studied by default.
    """
    own = _replies(model, None, max_new_tokens)
    base = _share(own)
    bias = model.hypernetwork.bias()
    shares, same = [], []
    for number, text in enumerate(documents):
        pairs = study(text) if study else ()
        replies = _replies(model, model.generate(model.chunk(text), pairs=pairs).weights, max_new_tokens)
        shares.append(_share(replies))
        same.append(mean([float(one == two) for one, two in zip(replies, own, strict=True)]))
        if on_progress:
            on_progress(number + 1, len(documents))
    adapter = mean(shares)
    return GeneralResult(
        base,
        None if bias is None else general_share(model, bias, max_new_tokens),
        adapter,
        shares,
        1 - adapter / base if base else None,
        mean(same),
        len(GENERAL),
    )


def general_share(model: D2LModel, lora: LoraWeights | None, max_new_tokens: int = 32) -> float:
    """Share of ``GENERAL`` that the base answers right, with an adapter or (``None``) without."""
    return _share(_replies(model, lora, max_new_tokens))


def _replies(model: D2LModel, lora: LoraWeights | None, max_new_tokens: int) -> list[str]:
    base = model.base
    prompts = [chat_ids(base, question_messages(q, system=model.config.question_system)) for q, _ in GENERAL]
    with apply_lora(base.model, lora and lora.to(base.device)):
        return [
            reply
            for start in range(0, len(prompts), 8)
            for reply in generate(base, prompts[start : start + 8], GenerationConfig(max_new_tokens))
        ]


def _share(replies: list[str]) -> float:
    return mean([answer_recall(reply, answers) for reply, (_, answers) in zip(replies, GENERAL, strict=True)])
