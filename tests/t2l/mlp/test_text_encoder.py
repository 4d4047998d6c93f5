"""Plain text encoders: pooling, length, and encoders that bring code of their own."""

import json
import sys

import pytest
import torch
from safetensors.torch import save_file

from shared.errors import HyperLoraError, InputError
from t2l.mlp.text_encoder import load_plain_encoder
from tests.cli.conftest import hyperlora  # noqa: F401  fixture
from tests.models import make_tokenizer
from tests.reference import REFERENCE, error, needs_reference, read_case

WIDTH = 48

# Written for transformers 4 as the code of gte-large-en-v1.5 is: position numbers and rotary tables are buffers that
# the checkpoint does not hold, and the model calls a method that transformers 5 no longer has.
CONFIGURATION = """
from pathlib import Path
from transformers import PretrainedConfig
Path("MARKER").touch()

class OwnConfig(PretrainedConfig):
    model_type = "own"
    def __init__(self, hidden_size=48, **options):
        self.hidden_size = hidden_size
        super().__init__(**options)
"""
MODELLING = """
import torch
from torch import nn
from transformers import PreTrainedModel
from transformers.modeling_outputs import BaseModelOutput
from .configuration_own import OwnConfig
from tests.models import make_tokenizer

class Rotary(nn.Module):
    def __init__(self, width):
        super().__init__()
        frequencies = 1 / (10000 ** (torch.arange(0, width, 2).float() / width))
        self.register_buffer("inv_freq", frequencies, persistent=False)
        table = torch.outer(torch.arange(64).float(), self.inv_freq).cos().repeat(1, 2)
        self.register_buffer("cos_cached", table, persistent=False)

class OwnModel(PreTrainedModel):
    config_class = OwnConfig
    base_model_prefix = "new"
    def __init__(self, config):
        super().__init__(config)
        self.embeddings = nn.Embedding(300, config.hidden_size)
        self.register_buffer("position_ids", torch.arange(64), persistent=False)
        self.rotary = Rotary(config.hidden_size)
        self.post_init()
    def _init_weights(self, module):
        pass
    def forward(self, input_ids, attention_mask):
        bias = self.get_extended_attention_mask(attention_mask, input_ids.shape)
        x = self.embeddings(input_ids) * self.rotary.cos_cached[self.position_ids[: input_ids.shape[1]]]
        weights = (x @ x.mT + bias[:, 0]).softmax(-1)
        return BaseModelOutput(last_hidden_state=weights @ x)
"""


@pytest.fixture
def own_code(tmp_path, monkeypatch):
    """An encoder directory with code; the code leaves a mark when it runs. Yields the directory and its embedding."""
    import transformers.dynamic_module_utils as dynamic

    monkeypatch.setattr(dynamic, "HF_MODULES_CACHE", str(tmp_path / "modules"))
    monkeypatch.syspath_prepend(str(tmp_path / "modules"))
    path = tmp_path / f"gte-own-{tmp_path.name.replace('_', '-')}"
    path.mkdir()
    (path / "configuration_own.py").write_text(CONFIGURATION.replace("MARKER", str(tmp_path / "ran")))
    (path / "modeling_own.py").write_text(MODELLING)
    own = {"AutoConfig": "configuration_own.OwnConfig", "AutoModel": "modeling_own.OwnModel"}
    config = {"model_type": "own", "hidden_size": WIDTH, "architectures": ["OwnModel"], "auto_map": own}
    (path / "config.json").write_text(json.dumps(config))
    make_tokenizer().save_pretrained(path)
    torch.manual_seed(0)
    table = torch.randn(300, WIDTH)
    save_file({"embeddings.weight": table}, path / "model.safetensors", metadata={"format": "pt"})
    yield path, table
    for name in [name for name in sys.modules if name.startswith("transformers_modules")]:
        del sys.modules[name]


def test_code_runs_only_when_it_is_trusted(own_code, tmp_path):
    path, table = own_code
    with pytest.raises(InputError, match="needs code of its own") as caught:
        load_plain_encoder(str(path), "cls")
    assert "--trust-remote-code" in caught.value.hint and not (tmp_path / "ran").exists()

    encoder = load_plain_encoder(str(path), "cls", trust_remote_code=True)
    ids = torch.tensor(encoder.tokenizer("Sort the words.")["input_ids"])
    frequencies = 10000 ** (-torch.arange(0, WIDTH, 2) / WIDTH)
    x = table[ids] * torch.outer(torch.arange(len(ids)).float(), frequencies).cos().repeat(1, 2)
    state = (x @ x.mT).softmax(-1)[:1] @ x
    assert error(encoder.embed(["Sort the words"])[0], state / state.norm() * WIDTH**0.5) < 1e-6
    assert (tmp_path / "ran").exists()


@needs_reference
def test_the_command_says_so(own_code, hyperlora, tmp_path):  # noqa: F811
    path, _ = own_code
    folder, _ = read_case("t2l", "gemma_sft")
    assert hyperlora("hypernet", "import", folder, "-o", "h").exit_code == 0
    arguments = ["t2l", "Sort the words", "--hypernet", "h", "--text-encoder", path, "-o", "out"]
    done = hyperlora(*arguments)
    assert done.exit_code == 2 and "needs code of its own" in done.stderr and "--trust-remote-code" in done.stderr
    assert not (tmp_path / "ran").exists() and not (tmp_path / "out").exists()
    done = hyperlora(*arguments, "--trust-remote-code")
    assert done.exit_code == 0, done.stderr


@needs_reference
def test_length_and_emptiness():
    encoder = load_plain_encoder(str(REFERENCE / "base_models" / "tiny-gte-a"), "cls")
    with pytest.raises(InputError, match="empty"):
        encoder.embed(["  \n"])
    with pytest.raises(InputError, match="has .* tokens"):
        encoder.embed(["word " * 500])
    assert torch.equal(encoder.embed(["a b\n"])[0], encoder.embed([" a b."])[0])
    assert not torch.equal(encoder.embed(["a b"])[0], encoder.embed(["a\nb"])[0])


def test_no_such_encoder(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        load_plain_encoder(str(tmp_path / "none"), "cls")
    (tmp_path / "empty").mkdir()
    with pytest.raises(HyperLoraError, match="cannot load"):
        load_plain_encoder(str(tmp_path / "empty"), "cls")
