"""Anchors: the base's own replies, kept exactly."""

import shutil

import torch

from d2l.study import anchors as anchors_module
from d2l.study.anchors import ANCHORS_FILE, anchors
from shared.training.packed import PlainPrompts


def test_anchors_are_the_bases_own_replies_and_made_once(tiny_base, tmp_path, monkeypatch):
    monkeypatch.setattr(anchors_module, "NUMBER", 6)
    made = anchors(tiny_base, root=tmp_path)
    assert 1 <= len(made) <= 6
    for anchor in made:
        with torch.no_grad():
            logits = PlainPrompts(tiny_base, [anchor.prompt]).logits()
        assert logits.argmax(-1).tolist() == anchor.top.index[:, 0].tolist()  # greedy replies, batch or not
        assert anchor.top.loss(logits).item() < 1e-4
    monkeypatch.setattr(anchors_module, "generate", None)
    again = anchors(tiny_base, root=tmp_path)
    assert [a.prompt for a in again] == [a.prompt for a in made]
    assert all(torch.equal(a.top.log_probs, b.top.log_probs) for a, b in zip(made, again, strict=True))
    (file,) = tmp_path.iterdir()
    shipped = tmp_path / "checkpoint"
    shipped.mkdir()
    shutil.copy(file, shipped / ANCHORS_FILE)
    assert [a.prompt for a in anchors(tiny_base, shipped=shipped, root=tmp_path / "none")] == [a.prompt for a in made]
    monkeypatch.setattr(anchors_module, "_made", lambda base, system: [])
    assert anchors(tiny_base, system="another", shipped=shipped, root=tmp_path / "none") == []  # not those of the file
    file.write_bytes(file.read_bytes()[:-8])
    monkeypatch.undo()
    monkeypatch.setattr(anchors_module, "NUMBER", 6)
    assert [a.prompt for a in anchors(tiny_base, root=tmp_path)] == [a.prompt for a in made]


def test_a_home_that_cannot_be_written_does_not_matter(tiny_base, tmp_path, monkeypatch):
    monkeypatch.setattr(anchors_module, "NUMBER", 2)
    (tmp_path / "file").write_text("")
    assert anchors(tiny_base, root=tmp_path / "file")
