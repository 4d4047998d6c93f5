"""Data for eval docqa: generated documents, also put together."""

from benchmarks.docqa_data import joined, records


def test_joined_documents_have_the_same_questions_on_longer_texts():
    short = records(5, seed=3, needles=0, words=0)
    long = joined(short, 2)
    without_text = [{k: v for k, v in record.items() if k != "context"} for record in short]
    assert [{k: v for k, v in record.items() if k != "context"} for record in long] == without_text
    assert len({record["context"] for record in short}) == 5 and len({record["context"] for record in long}) == 3
    for one, two in zip(short, long, strict=True):
        assert one["context"] in two["context"]
    assert joined(short, 1) == short
