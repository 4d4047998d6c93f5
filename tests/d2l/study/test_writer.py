"""Windows over a document, the pairs that are read from a reply, and the writer that decodes them."""

import time

import pytest
import torch

from d2l.questions import QA
from d2l.study.pairs import named_words, pair_line, prompt_text
from d2l.study.windows import LONGEST_SENTENCE, MAX_SENTENCES, WINDOW_CHARACTERS
from d2l.study.writer import (
    QuestionWriter,
    Window,
    check_pairs,
    cut_windows,
    drop_ambiguous,
    parse_pairs,
    save_writer,
)
from d2l.synthetic import long_document, synthetic_document
from shared.errors import InputError
from tests.models import random_weights

REPORT = """\
Weekly Brief
Prepared for store managers.

1. Summary
- Milk costs $3.29 in the Southwest region this week, and that is the lowest price
of the year.
- Stores should push the kits.
2. Southwest region
2.1 Supply disruptions
An avocado shortage has reached the Southwest region because of a dock workers' strike at the
port of Manzanillo. It concerns 37 stores.
2.2 Prices
Product Last week This week
whole milk $3.49 $3.29
tomato soup $1.79 $3.39
lemon sorbet $4.99 $4.69
brown rice $2.10 $2.20
All others stay.
Page 1 of 2

Weekly Brief
3. Northeast region
Product: jam
Price: $2
"""


def by_text(windows):
    return {window.text: window.context for window in windows}


def test_windows_carry_the_headings_they_stand_under():
    found = by_text(cut_windows(REPORT))
    milk = "- Milk costs $3.29 in the Southwest region this week, and that is the lowest price of the year."
    assert found["Prepared for store managers."] == "Weekly Brief"
    assert found[f"{milk}\n- Stores should push the kits."] == "Weekly Brief > 1. Summary"
    (strike,) = [text for text in found if "Manzanillo" in text]
    assert "strike at the port of Manzanillo. It concerns 37 stores." in strike
    assert found[strike] == "Weekly Brief > 2. Southwest region > 2.1 Supply disruptions"
    prices = "Weekly Brief > 2. Southwest region > 2.2 Prices"
    assert found["tomato soup $1.79 $3.39"] == found["brown rice $2.10 $2.20"]
    assert found["whole milk $3.49 $3.29"] == f"{prices} > Product Last week This week"
    assert found["All others stay."] == "Weekly Brief > 2. Southwest region > 2.2 Prices"
    assert found["Price: $2"] == "Weekly Brief > 3. Northeast region > Product: jam"
    assert not any("Page 1" in text for text in found)


def test_markdown_headings_nest_and_a_given_title_comes_first():
    text = "# Guide\n\nAn opening line.\n\n## Tides\n\nHigh water is at noon.\n\n## Winds\n\nThey blow from the west.\n"
    assert by_text(cut_windows(text, title="Harbour")) == {
        "An opening line.": "Harbour > Guide",
        "High water is at noon.": "Harbour > Guide > Tides",
        "They blow from the west.": "Harbour > Guide > Winds",
    }
    assert by_text(cut_windows(text))["High water is at noon."] == "Guide > Tides"


def test_numbered_lines_in_a_row_are_a_list():
    found = cut_windows("Steps for the night shift\n\n1. Close the valve\n2. Ring the bell\n3. Write the log\n")
    assert "2. Ring the bell" in " ".join(f"{window.context} {window.text}" for window in found)


DOCUMENTS = [
    REPORT,
    *(
        synthetic_document(index, seed=3, split=split).context
        for index in range(40)
        for split in ("train", "validation")
    ),
    long_document(0, seed=3, split="train", target_words=300).context,
    "One word",
    "A heading\n\nAnother heading",
    "no stop and no end " * 60,
    "x" * 1000,
    "",
    "\r\n\r\nWindows lines.\r\nA second one.\r\n",
]


@pytest.mark.parametrize("text", DOCUMENTS, ids=range(len(DOCUMENTS)))
def test_windows_cover_the_text_once(text):
    windows = cut_windows(text)
    position, left_out = 0, []
    for window in windows:
        assert window.start >= position and window.stop > window.start
        left_out.append(text[position : window.start])
        position = window.stop
        assert window.text.split() == text[window.start : window.stop].split()
        assert len(window.text) <= max(WINDOW_CHARACTERS, LONGEST_SENTENCE)
        assert len(window.text.splitlines()) <= MAX_SENTENCES
    # What no window holds is a heading of a later one, or a page number.
    headings = " ".join(window.context for window in windows)
    for line in "".join([*left_out, text[position:]]).splitlines():
        words = line.strip("#|[] :\t").strip()
        assert not words or words.startswith("Page ") or " ".join(words.split()) in headings or not windows


def test_a_reply_is_read_strictly():
    window = Window("Obama instructed Eric Holder, the US attorney general, in  2013.", "News > Justice")
    reply = """A: Obama Q: Who instructed Eric Holder?
A: eric holder Q: Whom did Obama instruct?
A: eric holder Q: Whom did Obama instruct?
A: 2014 Q: When did Obama instruct him?
A: Hold Q: What is part of a name?
A: the US attorney general Q: What is the US attorney general?
A: 2013 Q: What year?
A: 2013 Q: In which year was it
1. A: 2013 Q: In which year did Obama instruct Holder? A: Eric Holder Q: Who was attorney general in the US?
Q: Who is it?
A: Q: What is missing here?"""
    assert [(qa.answer, qa.question) for qa in parse_pairs(reply, window)] == [
        ("Obama", "Who instructed Eric Holder?"),
        ("eric holder", "Whom did Obama instruct?"),
        ("2013", "In which year did Obama instruct Holder?"),
        ("Eric Holder", "Who was attorney general in the US?"),
    ]
    assert all(qa.kind == "written" for qa in parse_pairs(reply, window))
    assert parse_pairs("", window) == []


def test_pairs_read_back_as_they_were_written():
    window = Window("The ferry Ilse leaves Kirkvik at 6:40 am.")
    pair = QA("When does the ferry Ilse leave Kirkvik?", ("6:40 am",), "written")
    assert parse_pairs(pair_line(pair), window) == [pair]
    assert prompt_text(window).endswith("at 6:40 am.\n")
    assert named_words(pair.question, window) == 3 and named_words("What does it do?", window) == 0


def test_one_question_with_two_answers_names_its_heading_or_goes():
    south = Window("milk $3", "Brief > 2. Southwest region")
    north = Window("milk $4", "Brief > 3. Northeast region")
    bare = Window("milk $5. The shop opens at 8 am. The other one at 9 am.")
    ask = "What does milk cost?"
    written = [
        [QA(ask, ("$3",), "written"), QA("Who sells the milk?", ("Ann",), "written")],
        [QA(ask, ("$4",), "written"), QA("Who sells the milk?", ("Ann Lee",), "written")],
        [QA("When does the shop open?", ("8 am",), "written"), QA("When does the shop open?", ("9 am",), "written")],
    ]
    found = drop_ambiguous(written, [south, north, bare])
    assert [[qa.question for qa in pairs] for pairs in found] == [
        [f"In Southwest region: {ask}", "Who sells the milk?"],
        [f"In Northeast region: {ask}", "Who sells the milk?"],
        [],
    ]


WINDOWS = [
    Window("The ferry leaves at six.", "Timetable"),
    Window("It carries salted herring! The keeper writes totals in blue ink."),
    Window("Milk: $3", "Prices > Southwest region"),
    Window("Short."),
]


@pytest.fixture(scope="module")
def writer(tiny_base):
    return QuestionWriter(tiny_base, random_weights(tiny_base, ("q_proj", "down_proj"), 2))


def test_replies_do_not_depend_on_the_batch(writer):
    together = writer.replies(WINDOWS, samples=3, max_pairs=1, batch_size=12)
    alone = [writer.replies([window], samples=3, max_pairs=1, batch_size=1)[0] for window in reversed(WINDOWS)]
    assert together == alone[::-1]
    assert len({reply for own in together for reply in own}) > 4  # samples differ
    assert writer.replies(WINDOWS, samples=2, max_pairs=1) == [own[:2] for own in together]
    other = writer.replies(WINDOWS, samples=3, max_pairs=1, seed=1)
    assert [own[0] for own in other] == [own[0] for own in together] and other != together


def test_replies_have_their_form_and_answers_from_the_text_in_its_order(writer):
    from d2l.study.pairs import find_answer

    for window, own in zip(WINDOWS, writer.replies(WINDOWS, samples=4, max_pairs=3), strict=True):
        for reply in own:
            lines = reply.removesuffix("\n").split("\n")
            assert 1 <= len(lines) <= 3
            answers = [line.removeprefix("A: ").split(" Q:")[0] for line in lines]
            assert all(line.startswith("A: ") and " Q:" in line for line in lines), reply
            places = [find_answer(answer, window.text) for answer in answers]
            assert min(places) >= 0 and places == sorted(places), reply


def test_answers_are_whole_words_and_numbers_within_a_sentence(tiny_base):
    from d2l.study.reply import spans_of

    text = "It cut 20,000 (3.29%) by SaveRight. Its half-year\nmilk $3.49"
    answers = {
        tiny_base.tokenizer.decode(span.ids[: number + 1])[1:]
        for span in spans_of(tiny_base.tokenizer, text)
        for number, stop in enumerate(span.stops)
        if stop
    }
    assert {
        "20,000",
        "3.29%",
        "by SaveRight",
        "cut 20,000 (3.29%) by SaveRight",
        "half-year",
        "milk",
        "$3.49",
    } <= answers
    assert not answers & {
        "20",
        "000",
        "3.29",
        "3",
        "It",
        "Its",
        "by",
        "by SaveRight. Its half",
        "half-year milk",
        "3.49",
    }
    assert not any("\n" in answer or answer.endswith((" ", ".", "(")) for answer in answers)


def test_the_decoding_loop_is_the_models_own(writer, monkeypatch):
    """Its cache, padding and rows that leave give what transformers' greedy generation gives."""
    import d2l.study.writer
    from d2l.study.pairs import prompt_ids
    from shared.base.chat import GenerationConfig, generate
    from shared.lora.layer import apply_lora

    def free(replies, logits, temperature):
        for row, reply in zip(logits, replies, strict=True):
            reply.ids.append(int(row.argmax()))
            reply.done = len(reply.ids) == 3 + 5 * len(reply.spans)

    monkeypatch.setattr(d2l.study.writer, "step_all", free)
    base = writer.base
    for window, (reply,) in zip(WINDOWS, writer.replies(WINDOWS), strict=True):
        with apply_lora(base.model, writer.lora):
            prompt = prompt_ids(base.tokenizer, prompt_text(window))
            (expected,) = generate(base, [prompt], GenerationConfig(max_new_tokens=80))
        assert expected.startswith(reply.strip()) and reply.strip()


def test_write_returns_the_usable_pairs_of_all_replies_once(writer, monkeypatch):
    lines = ["A: six Q: When does the ferry leave?\n", "A: six Q: When does the ferry leave?\nA: five Q: Is it five?\n"]
    monkeypatch.setattr(writer, "_decode", lambda prompts, rows, _: lines * (len(rows) // 2))
    done = []
    found = writer.write(WINDOWS[:2], samples=2, batch_size=2, on_progress=lambda *state: done.append(state))
    assert found == [[QA("When does the ferry leave?", ("six",), "written")], []]
    assert done == [(1, 2), (2, 2)]
    assert writer.write([]) == []
    with pytest.raises(InputError, match="at least 1"):
        writer.write(WINDOWS, samples=0)


def test_saved_and_loaded(tiny_base, tiny_gemma, tmp_path):
    assert QuestionWriter.load(tmp_path, tiny_base) is None
    weights = random_weights(tiny_base, ("q_proj",), 2, dtype=torch.bfloat16)
    path = save_writer(tmp_path, weights)
    loaded = QuestionWriter.load(tmp_path, tiny_base)
    assert loaded.identity == QuestionWriter(tiny_base, weights).identity
    with pytest.raises(InputError, match="in the adapter"):
        QuestionWriter.load(tmp_path, tiny_gemma)
    path.write_bytes(b"no tensors")
    with pytest.raises(InputError, match="safetensors"):
        QuestionWriter.load(tmp_path, tiny_base)


def test_checking_keeps_what_the_base_answers_alike(tiny_base, monkeypatch):
    import d2l.study.writer

    pairs = [[QA("When does the ferry leave?", ("six",))], [], [QA("What?", ("$3",)), QA("Where?", ("Milk",))]]
    windows = [WINDOWS[0], WINDOWS[3], WINDOWS[2]]
    assert check_pairs(tiny_base, windows, pairs, threshold=0.0) == [[True], [], [True, True]]
    monkeypatch.setattr(d2l.study.writer, "generate", lambda base, prompts, config: ["at six"] * len(prompts))
    assert check_pairs(tiny_base, windows, pairs) == [[True], [], [False, False]]


@pytest.mark.parametrize(
    "text",
    ["# a" + " " * 40_000 + "b\nText.", "the ferry goes on to the island where she lives\n" * 20_000, "a\n\n" * 40_000],
)
def test_windows_are_cut_in_linear_time(text):
    started = time.process_time()
    assert cut_windows(text)
    assert time.process_time() - started < 5
