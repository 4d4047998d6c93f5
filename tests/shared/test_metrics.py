"""Metrics, and directories that may be replaced."""

import json

import pytest

from shared.errors import InputError
from shared.metrics import exact_match, output_match, spread
from shared.paths import whole_directory


@pytest.mark.parametrize(
    ("prediction", "output", "plain", "verbatim"),
    [
        ("A", "A", 1, 1),
        ("a.", "A", 1, 0),
        ("", "A", 0, 0),  # SQuAD's normalisation removes articles and would call this right
        ("The", "A", 0, 0),
        (" no  effect\n", "no effect", 1, 0),
        ("b, a", "b a", 0, 0),
        ("HELLO", "hello", 1, 0),
        ("hello\n", "hello", 1, 1),
    ],
)
def test_a_tasks_output_is_matched_with_its_articles(prediction, output, plain, verbatim):
    assert output_match(prediction, ["x", output]) == plain
    assert output_match(prediction, ["x", output], verbatim=True) == verbatim


def test_squad_normalisation_is_for_document_questions():
    assert exact_match("The cat.", ["cat"]) == 1


@pytest.mark.parametrize(
    ("config", "ours"),
    [
        ({"kind": "d2l", "hypernetwork": {}}, True),
        ({"step": 1, "training": {}}, True),
        ({"model_type": "llama"}, False),
    ],
)
def test_force_does_not_delete_somebody_elses_model(tmp_path, config, ours):
    target = tmp_path / "out"
    target.mkdir()
    (target / "config.json").write_text(json.dumps(config))
    (target / "model.safetensors").write_text("weights")
    if ours:
        with whole_directory(target, force=True) as temporary:
            (temporary / "new").write_text("x")
        assert [file.name for file in target.iterdir()] == ["new"]
    else:
        with pytest.raises(InputError, match="will not be deleted"), whole_directory(target, force=True):
            pass
        assert (target / "model.safetensors").exists()


def test_a_spread_is_even_and_never_more_than_there_is():
    assert spread("abcdefghi", 3) == ("a", "d", "g") and spread("abcde", 2) == ("a", "c")
    assert spread("abc", 5) == spread("abc", None) == tuple("abc")
