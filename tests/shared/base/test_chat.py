"""Answers to prompts that share their beginning."""

import torch

from shared.base import chat
from shared.base.chat import GenerationConfig, generate, generate_behind_a_text
from shared.lora.layer import apply_lora
from tests.models import random_weights


def test_what_prompts_share_is_read_once_and_the_answers_are_the_same(tiny_base, monkeypatch):
    text = torch.randint(4, 200, (90,), generator=torch.Generator().manual_seed(1)).tolist()
    prompts = [[*text, *end] for end in ([5, 6, 7], [5, 9], [11, 12, 13, 14], [5])]
    config = GenerationConfig(12)
    read = []
    generated = chat._generated

    def counting(base, ids, mask, *arguments, **options):
        cached = options.get("past_key_values")
        read.append(ids.shape[1] - (cached.get_seq_length() if cached else 0))
        return generated(base, ids, mask, *arguments, **options)

    for weights in (None, random_weights(tiny_base, ("down_proj", "q_proj"), 4)):
        with apply_lora(tiny_base.model, weights):
            wanted = [generate(tiny_base, [prompt], config)[0] for prompt in prompts]
            monkeypatch.setattr(chat, "_generated", counting)
            read.clear()
            assert generate_behind_a_text(tiny_base, prompts, config) == wanted
            assert read == [90, 4] and len(set(wanted)) > 1
            monkeypatch.setattr(chat, "can_share_prefix", lambda _: False)
            read.clear()
            assert generate_behind_a_text(tiny_base, prompts, config) == wanted and read == [90, 3, 2, 4, 1]
            assert generate_behind_a_text(tiny_base, prompts[:1], config) == wanted[:1]
            short = [[5, 6, 7], [5, 9]]
            assert generate_behind_a_text(tiny_base, short, config) == [
                generate(tiny_base, [p], config)[0] for p in short
            ]
            same = [prompts[0], prompts[0]]
            assert generate_behind_a_text(tiny_base, same, config) == wanted[:1] * 2
            monkeypatch.undo()
