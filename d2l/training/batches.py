"""Training data of document hypernetworks: contexts of one or more chunks, each with questions and answers."""

import random
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

import torch
from torch import Tensor

from d2l.chunking import Chunk, chunk_text
from d2l.questions import PUBLISHABLE, QA, Context, question_messages, read_docqa
from d2l.study.unrelated import UNRELATED
from d2l.synthetic import needle_document, noise, synthetic_document
from d2l.training.contexts import annotated_context, as_context, continuation, generated_context, well_annotated
from d2l.training.studied import StudyPrompts
from shared.base.chat import GenerationConfig, answer_ids, chat_ids, generate, pad_answers
from shared.base.model import BaseModel
from shared.config import Config
from shared.errors import InputError

_OWN_ANSWERS_AT_A_TIME = 32  # all at once take 12 GB
_NOISE_WORDS = 0.75  # of a chunk's tokens, at most: a word has more than one token


@dataclass(frozen=True)
class D2LDataConfig(Config):
    """What a training step consists of.

    Attributes:
        chunks_per_step: chunks encoded in a step.
        max_chunks: contexts of 1 to this many chunks, a power of two; all contexts of a step have equally many.
        single_chunk_share: share of steps whose contexts have one chunk.
        questions_per_chunk: questions drawn per chunk.
        synthetic, real, needles: relative frequencies of the sources; a context has one needle at most, and real
            documents have as many chunks as they are long.
        haystacks: share of the contexts of several chunks that are one needle in chunks of noise.
        unanswerable: share of the questions without an answer in their document that are asked.
        unrelated: share of chunks with one more question that no document answers; its target is the base's own answer.
        continued: share of chunks with one more request, to continue a passage of theirs word for word, or to recite
            the beginning.
        studied: share of the steps in which some wordings become rows and others are asked (``d2l.training.studied``).
        study_pairs: questions of a chunk that become rows, at most.
        silent: questions that no document answers whose rows such a step has, 233 at most.
        annotated: JSONL of sentences with several questions on each fact, for such steps.
        annotated_share: share of their documents that are made of these; the others are generated.
        stated: share of the questions without a request for a short answer whose target is a whole sentence that
            names what was asked about (where there is one).
        docqa: JSONL of real document QA; only ``PUBLISHABLE`` sets are used.
    """

    chunks_per_step: int = 8
    max_chunks: int = 8
    single_chunk_share: float = 0.4
    questions_per_chunk: int = 4
    max_answer_tokens: int = 32
    synthetic: float = 0.55
    real: float = 0.3
    needles: float = 0.15
    haystacks: float = 0.3
    unanswerable: float = 0.1
    unrelated: float = 0.25
    continued: float = 0.1
    stated: float = 0.7
    studied: float = 0.0
    study_pairs: int = 8
    silent: int = 32
    annotated: str | None = None
    annotated_share: float = 0.5
    docqa: str | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        power_of_two = self.max_chunks >= 1 and not self.max_chunks & (self.max_chunks - 1)
        if not power_of_two or self.chunks_per_step < 1 or self.chunks_per_step % self.max_chunks:
            raise InputError("data.max_chunks must be a power of two that divides data.chunks_per_step")
        if not 0 <= self.silent <= len(UNRELATED):
            raise InputError(f"data.silent must be 0 to {len(UNRELATED)}")


@dataclass
class D2LBatch:
    """One training step's tensors.

    Attributes:
        chunks: chunks of all contexts, those of one context next to each other.
        num_contexts: contexts in the batch.
        ids, mask: prompts with answers, (rows, T).
        targets: the tokens that count, (rows, T) bool.
        context_index: each row's context, (rows,).
        study: what the contexts are studied with; empty for the text alone.
    """

    chunks: list[Chunk]
    num_contexts: int
    ids: Tensor
    mask: Tensor
    targets: Tensor
    context_index: Tensor
    teacher_prompts: list[list[int]] = field(default_factory=list)
    study: StudyPrompts = StudyPrompts()

    def __len__(self) -> int:
        return len(self.chunks)

    def to(self, device: torch.device) -> "D2LBatch":
        return D2LBatch(
            self.chunks,
            self.num_contexts,
            self.ids.to(device),
            self.mask.to(device),
            self.targets.to(device),
            self.context_index.to(device),
            self.teacher_prompts,
            self.study,
        )


class D2LData:
    """Makes batch number i, the same on every machine and in every run with the same configuration."""

    def __init__(
        self,
        config: D2LDataConfig,
        base: BaseModel,
        chunk_tokens: int,
        split: str = "train",
        with_teacher: bool = False,
        own_answers: list[str] | None = None,
    ) -> None:
        """own_answers: the base's answers to ``UNRELATED``, where another ``D2LData`` has asked for them already."""
        self.config, self.base, self.chunk_tokens, self.split = config, base, chunk_tokens, split
        self.tokenizer, self.with_teacher = base.tokenizer, with_teacher
        self.own_answers: list[str] = own_answers or []
        if (config.unrelated or config.studied) and not own_answers:
            prompts = [chat_ids(base, question_messages(question)) for question in UNRELATED]
            brief = GenerationConfig(max_new_tokens=config.max_answer_tokens - 1)
            for start in range(0, len(prompts), _OWN_ANSWERS_AT_A_TIME):
                self.own_answers += generate(base, prompts[start : start + _OWN_ANSWERS_AT_A_TIME], brief)
        # By number of chunks, so that a context can be filled with documents that fit.
        self.real: dict[int, list[list[_Part]]] = {}
        if config.docqa and config.real:
            for context in read_docqa(Path(config.docqa)):
                if context.dataset not in PUBLISHABLE or len(context.text) > 6 * chunk_tokens * config.max_chunks:
                    continue
                parts = self._cut(context)
                if len(parts) <= config.max_chunks:
                    self.real.setdefault(len(parts), []).append(parts)
            if not self.real:
                raise InputError(f"{config.docqa} has no usable context of at most {config.max_chunks} chunks")
        self.annotated: list[Context] = []
        if config.annotated and config.studied:
            self.annotated = well_annotated(read_docqa(Path(config.annotated)))
            if not self.annotated:
                raise InputError(f"{config.annotated} has no sentence with several questions")

    def _cut(self, context: Context) -> list["_Part"]:
        """A document in its chunks, the questions with the first of them."""
        chunks = chunk_text(self.tokenizer, context.text, self.chunk_tokens)
        questions = [context.questions, *[()] * (len(chunks) - 1)]
        study = [context.study, *[()] * (len(chunks) - 1)]
        return [
            _Part(chunk, asked, len(chunks), context.text, studied)
            for chunk, asked, studied in zip(chunks, questions, study, strict=True)
        ]

    def document(self, index: int, *, needles: bool = True) -> Context:
        """Generated document number ``index``, of one chunk; with or without needles among them."""
        rng = random.Random(f"{self.config.seed}/{self.split}/{index}")
        config = self.config
        weights = (config.synthetic, config.needles if needles else 0.0)
        if rng.choices(("synthetic", "needle"), weights if any(weights) else (1, 0))[0] == "needle":
            return self._needle(rng, index, 0.0)
        while True:
            context = as_context(synthetic_document(index, seed=config.seed, split=self.split))
            if len(self.tokenizer(context.text, add_special_tokens=False)["input_ids"]) <= self.chunk_tokens:
                return context
            index += 1 << 40  # too long for a chunk: the next one of a range of its own

    def _needle(self, rng: random.Random, index: int, least: float) -> Context:
        """A needle in noise that fits a chunk, its words at least this share of the chunk's tokens."""
        words = int(rng.uniform(least, _NOISE_WORDS) * self.chunk_tokens)
        while True:
            document = needle_document(index, seed=self.config.seed, num_words=words, split=self.split)
            context = as_context(document)
            if not words or len(self._cut(context)) == 1:
                return context
            words = max(0, words - 8)

    def _parts(self, rng: random.Random, index: int, count: int) -> list["_Part"]:
        """Documents that fill one context of ``count`` chunks."""
        config = self.config
        if count > 1 and rng.random() < config.haystacks:
            words = int(rng.uniform(0.3, _NOISE_WORDS) * self.chunk_tokens)
            hay = [Context(noise(words, start=rng.randrange(5)), ()) for _ in range(count)]
            hay[rng.randrange(count)] = self._needle(rng, index, 0.3)
            return [part for context in hay for part in self._cut(context)[:1]]
        real_share = config.real / (config.synthetic + config.real + config.needles) if self.real else 0.0
        parts: list[_Part] = []
        needle_at = rng.randrange(count)
        while len(parts) < count:
            room = count - len(parts)
            lengths = [length for length in self.real if length <= room]
            if lengths and rng.random() < real_share:
                # Every length is as likely as any other: long documents are rarer in the data.
                parts += rng.choice(self.real[rng.choice(lengths)])
            else:
                context = self.document(index + len(parts), needles=len(parts) == needle_at)
                parts += self._cut(context)[:1]
        return parts

    def _studied_parts(self, rng: random.Random, count: int) -> list["_Part"]:
        """Documents of one chunk with questions to study, that fill one context of ``count`` chunks."""
        parts: list[_Part] = []
        left = rng.sample(self.annotated, len(self.annotated))  # none twice: its halves would be others
        while len(parts) < count:
            if left and rng.random() < self.config.annotated_share:
                number = rng.randint(1, 6)
                context, left = annotated_context(left[:number], rng), left[number:]
            else:
                context = generated_context(rng.randrange(1 << 40), seed=self.config.seed, split=self.split)
            cut = self._cut(context)
            if len(cut) == 1 and context.study and context.questions:
                parts += cut
        return parts

    def _words(self, chunk: Chunk) -> list[str]:
        return self.tokenizer.decode(chunk.ids[chunk.start : chunk.stop]).split()

    def batch(self, step: int) -> D2LBatch:
        """Batch number ``step``."""
        config = self.config
        rng = random.Random(f"{config.seed}/{self.split}/step/{step}")
        per_context = 1
        if config.max_chunks > 1 and rng.random() >= config.single_chunk_share:
            per_context = 2 ** rng.randint(1, config.max_chunks.bit_length() - 1)
        system = rng.choice((None, ""))
        prompts, answers, index, teachers = [], [], [], []
        parts: list[_Part] = []
        studied = config.studied > 0 and rng.random() < config.studied
        for begin in range(0, config.chunks_per_step, per_context):
            first = step * config.chunks_per_step + begin
            parts += self._studied_parts(rng, per_context) if studied else self._parts(rng, first, per_context)
        study = StudyPrompts()
        if studied:
            pairs = [rng.sample(part.study, min(config.study_pairs, len(part.study))) for part in parts]
            own = [list(chain(*pairs[at : at + per_context])) for at in range(0, len(pairs), per_context)]
            silent = rng.sample(list(zip(UNRELATED, self.own_answers, strict=True)), config.silent)
            study = StudyPrompts.of(self.base, own, silent, system)
        for position, part in enumerate(parts):
            askable = [q for q in part.questions if q.kind != "unanswerable" or rng.random() < config.unanswerable]
            number = min(config.questions_per_chunk * part.num_chunks, len(askable))
            questions = [(qa, system, rng.random() < 0.5) for qa in rng.sample(askable, number)]
            if config.unrelated and rng.random() < config.unrelated:
                number = rng.randrange(len(UNRELATED))
                own = QA(UNRELATED[number], (self.own_answers[number],), "unrelated")
                questions.append((own, None, False))  # as it was asked when the base gave this answer
            if config.continued and rng.random() < config.continued:
                questions.append((continuation(rng, self._words(part.chunk), per_context == 1), system, False))
            for qa, system_message, short in questions:
                stated = not short and qa.stated and rng.random() < config.stated
                prompt = chat_ids(self.base, question_messages(qa.question, system=system_message, short=short))
                answer = answer_ids(self.tokenizer, qa.stated if stated else qa.answer)[: config.max_answer_tokens]
                prompts.append(prompt)
                answers.append(answer)
                index.append(position // per_context)
                if self.with_teacher:
                    messages = question_messages(qa.question, context=part.document, system=system_message, short=short)
                    teachers.append(chat_ids(self.base, messages))
        ids, mask, targets = pad_answers(prompts, answers, self.tokenizer.pad_token_id)
        contexts = config.chunks_per_step // per_context
        chunks = [part.chunk for part in parts]
        return D2LBatch(chunks, contexts, ids, mask, targets, torch.tensor(index), teachers, study)


@dataclass(frozen=True)
class _Part:
    """One chunk of a document; its questions are asked on the whole of it.

    Attributes:
        num_chunks: of the document.
        document: its text.
        study: questions that it may be studied with.
    """

    chunk: Chunk
    questions: tuple[QA, ...]
    num_chunks: int
    document: str
    study: tuple[QA, ...] = ()
