"""Published T2L checkpoints: the golden cases of the reference implementation."""

import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from shared.base.model import read_architecture
from shared.errors import InputError
from shared.hypernetwork.checkpoint import save_checkpoint
from shared.hypernetwork.features import ContextFeatures
from shared.importing.source import find_published
from shared.lora.adapter import adapter_config, write_adapter
from shared.lora.layer import apply_lora
from t2l.encoder import encode_descriptions, load_encoder_of
from t2l.importing import import_t2l
from t2l.mlp.hypernetwork import MLPHyperNetwork
from t2l.model import T2LModel
from tests.models import load, make_base
from tests.reference import REFERENCE, TOLERANCE, cases, error, needs_reference, read_case

pytestmark = needs_reference


def import_case(name, directory, base=True):
    """Import, save, load."""
    path, facts = read_case("t2l", name)
    architecture = read_architecture(str(REFERENCE / facts["base_model"])) if base else None
    imported = import_t2l(path / "hypermod.pt", path, architecture)
    save_checkpoint(directory, imported.config.to_dict(), imported.state, card="", dtype="float32")
    return T2LModel.from_pretrained(directory)


@pytest.fixture(scope="module", params=cases("t2l"))
def case(request, tmp_path_factory):
    path, facts = read_case("t2l", request.param)
    return facts, path, import_case(request.param, tmp_path_factory.mktemp("imported") / request.param)


def golden_embedding(path, name):
    rows = load_file(path / "task_emb.safetensors")[name]
    return ContextFeatures(rows[:, None], torch.ones(len(rows), 1, dtype=torch.bool))


def encoder_of(model):
    return load_encoder_of(model.config, str(REFERENCE / model.config.text_encoder))


def test_the_task_embedding_from_text(case):
    facts, path, model = case
    encoder = encoder_of(model)
    assert encoder.tokenizer(facts["task"]["formatted"])["input_ids"] == facts["task"]["token_ids"]
    row = encode_descriptions(encoder, [facts["task"]["description"]])[0]
    assert error(row, load_file(path / "task_emb.safetensors")["text"]) < 1e-6


@torch.no_grad()
def test_intermediate_values(case):
    _, path, model = case
    golden, network = load_file(path / "intermediate_random.safetensors"), model.hypernetwork
    seen = {name: [] for name in ("task_encoder", "mixer", "mlp1", "mlp3")}
    for name, outputs in seen.items():
        getattr(network, name).register_forward_hook(lambda *_, out=outputs: out.append(_[-1]))
    network(golden_embedding(path, "random"))
    assert error(seen["task_encoder"][0], golden["random.encoded_task_emb"]) < TOLERANCE
    halves = ["A", "B"] if model.config.hypernetwork.shared_head else [""]
    for index, module in enumerate(model.config.hypernetwork.modules):
        for name, key in (("mixer", "mixer_out"), ("mlp1", "mlp1_out")):
            assert error(seen[name][index][0], golden[f"random.{module}.{key}"]) < TOLERANCE
        for offset, half in enumerate(halves):
            ours = seen["mlp3"][index * len(halves) + offset][0]
            assert error(ours, golden[f"random.{module}.head_in{'_' * bool(half)}{half}"]) < TOLERANCE


def compare_with_golden(weights, folder, scaling):
    golden = load_file(folder / "adapter_model.safetensors")
    assert len(golden) == 2 * len(weights)
    worst = 0.0
    for name, factors in weights.items():
        for half in ("lora_A", "lora_B"):
            tensor = getattr(factors, half) / (scaling if half == "lora_B" else 1)
            worst = max(worst, error(tensor, golden[f"base_model.model.{name}.{half}.weight"]))
    return worst


def test_generated_factors(case):
    facts, path, model = case
    assert model.config.hypernetwork.scaling == pytest.approx(16 / 8**0.5)
    random = model.hypernetwork.write(golden_embedding(path, "random")).unbind()[0]
    spoken = T2LModel(model.config, model.hypernetwork, text_encoder=encoder_of(model))
    text = spoken.generate([facts["task"]["description"]])[0].weights
    for name, weights in (("random", random), ("text", text)):
        assert compare_with_golden(weights, path / f"lora_{name}", facts["lora"]["scaling"]) < TOLERANCE


def test_a_batch_equals_one_by_one(case):
    _, path, model = case
    both = [golden_embedding(path, name).hidden_states for name in ("random", "text")]
    batch = model.hypernetwork.write(ContextFeatures(torch.cat(both), torch.ones(2, 1, dtype=torch.bool))).unbind()
    for name, weights in zip(("random", "text"), batch, strict=True):
        assert compare_with_golden(weights, path / f"lora_{name}", 16 / 8**0.5) < TOLERANCE


@torch.no_grad()
def test_logits_live_and_reloaded_with_peft(case, tmp_path):
    from peft import PeftModel

    facts, path, model = case
    golden, ids = load_file(path / "logits.safetensors"), torch.tensor([facts["prompt"]["ids"]])
    base = load(str(REFERENCE / facts["base_model"]))
    assert error(base.model(ids).logits, golden["base"]) < 1e-6
    for name in ("random", "text"):
        weights = model.hypernetwork.write(golden_embedding(path, name)).unbind()[0]
        with apply_lora(base.model, weights):
            assert error(base.model(ids).logits, golden[f"with_{name}"]) < TOLERANCE
        write_adapter(tmp_path / name, weights, adapter_config(weights, "base", None), card="", provenance={})
        reloaded = PeftModel.from_pretrained(load(str(REFERENCE / facts["base_model"])).model, tmp_path / name)
        assert error(reloaded(ids).logits, golden[f"with_{name}"]) < TOLERANCE


@pytest.mark.parametrize("name", cases("t2l"))
def test_the_order_of_the_heads_decides_the_rows_of_the_layer_types(name, tmp_path):
    """The golden numbers notice swapped rows; the configuration's own list of modules has no say."""
    path, facts = read_case("t2l", name)
    for file in ("hypermod.pt", "args.yaml"):
        shutil.copy(path / file, tmp_path)
    reversed_list = (
        (path / "adapter_config.json").read_text().replace('"q_proj"', '"X"').replace('"v_proj"', '"q_proj"')
    )
    (tmp_path / "adapter_config.json").write_text(reversed_list.replace('"X"', '"v_proj"'))
    imported = import_t2l(tmp_path / "hypermod.pt", tmp_path)
    network = imported.config.build_network().eval()
    network.load_state_dict(imported.state)

    def deviation():
        weights = network.write(golden_embedding(path, "random")).unbind()[0]
        return compare_with_golden(weights, path / "lora_random", facts["lora"]["scaling"])

    assert deviation() < TOLERANCE
    with torch.no_grad():
        table = network.layer_type_encoder[0].weight
        table.copy_(table.flip(0))
    assert deviation() > 0.05


def test_import_without_a_base_is_checked_when_one_is_given(tmp_path):
    alone = import_case("gemma_sft", tmp_path / "h", base=False)
    with_base = import_case("gemma_sft", tmp_path / "with")
    assert set(alone.config.hypernetwork.targets) == set(with_base.config.hypernetwork.targets)
    assert (alone.config.base.hidden_size, alone.config.base.num_hidden_layers) == (64, 4)
    T2LModel.from_pretrained(tmp_path / "h", base=str(REFERENCE / "base_models" / "tiny-gemma2-a"))
    with pytest.raises(InputError, match="target layers"):
        T2LModel.from_pretrained(tmp_path / "h", base=str(REFERENCE / "base_models" / "tiny-llama-a"))


def test_a_base_that_does_not_match_is_refused(tmp_path):
    path, _ = read_case("t2l", "llama_recon_zscore")
    for base in (make_base(tmp_path / "other"), REFERENCE / "base_models" / "tiny-gemma2-a"):
        with pytest.raises(InputError):
            import_t2l(path / "hypermod.pt", path, read_architecture(str(base)))


def test_an_encoder_of_another_width_is_refused(tmp_path):
    import_case("gemma_sft", tmp_path / "h")
    other = str(REFERENCE / "base_models" / "tiny-llama-a")
    model = T2LModel.from_pretrained(tmp_path / "h", text_encoder=other)
    with pytest.raises(InputError, match="64 numbers"):
        model.generate(["Sort the words"])


def edited(tmp_path, state=None, **changes):
    """A copy of a golden case with other arguments and, if given, other tensors."""
    path, _ = read_case("t2l", "llama_shared_autoreg")
    shutil.copy(path / "adapter_config.json", tmp_path)
    lines = (path / "args.yaml").read_text().splitlines()
    for name, value in changes.items():
        lines = [f"{name}: {value}" if line.startswith(f"{name}:") else line for line in lines]
    (tmp_path / "args.yaml").write_text("\n".join(lines))
    if state is None:
        shutil.copy(path / "hypermod.pt", tmp_path)
    else:
        torch.save(state, tmp_path / "hypermod.pt")
    return tmp_path


def test_the_base_model_as_its_own_text_encoder(tmp_path):
    """An empty emb_model: the base's last hidden state, behind its final norm, at the last token."""
    path, _ = read_case("t2l", "llama_shared_autoreg")
    state = torch.load(path / "hypermod.pt", weights_only=True)
    state["task_encoder.mlp.0.weight"] = torch.randn(16, 64)
    folder = edited(tmp_path, state, emb_model="null")
    config = import_t2l(folder / "hypermod.pt", folder).config
    assert (config.pooling, config.text_encoder) == ("last_token", "base_models/tiny-llama-a")
    encoder = load_encoder_of(config, str(REFERENCE / config.text_encoder), dtype="float32")
    assert load_encoder_of(config, str(REFERENCE / config.text_encoder)).model.dtype == torch.bfloat16
    base = load(str(REFERENCE / config.text_encoder))
    ids = torch.tensor([base.tokenizer("Sort the words.")["input_ids"]])
    with torch.no_grad():
        last = base.model(ids, output_hidden_states=True).hidden_states[-1][:, -1]
    row = encode_descriptions(encoder, [" Sort the words\n"])[0]
    assert error(row, last / last.norm() * 8) < 1e-6


@pytest.mark.parametrize("emb_model", ["''", "null", "base_models/tiny-gte-a"])
@pytest.mark.parametrize("encoder_type", ["linear", "vq"])
def test_stated_encoder_type_is_ignored_as_by_the_reference(tmp_path, emb_model, encoder_type):
    folder = edited(tmp_path, emb_model=emb_model, encoder_type=encoder_type, head_use_bias="false")
    config = import_t2l(folder / "hypermod.pt", folder).config
    assert config.hypernetwork.task_encoder == "linear" and config.hypernetwork.head_bias


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"use_one_hot_task_emb": "true"}, "by number"),
        ({"emb_model": "Salesforce/SFR-Embedding-Mistral"}, "not supported"),
        ({"training_task": "other"}, "training_task"),
        ({"training_task": "recon"}, "z-scores"),
        ({"hypernet_latent_size": "1000000000000"}, "latent_size 1000000000000"),
        ({"head_in_size": "1000000000000"}, "head_in_size"),
        ({"shared_AB_head": "false"}, "shared_AB_head"),
        ({"learnable_pos_emb": "false"}, "learnable_pos_emb"),
        ({"autoreg_gen": "false"}, "autoreg_gen"),
        ({"model_dir": "[a, b]"}, "model_dir"),
        ({"model_dir": "7"}, "model_dir"),
        ({"model_dir": '"x\\nlicense: mit"'}, "no name of a model"),
        ({"emb_model": '"gte\\nlicense: mit"'}, "no name of a model"),
    ],
)
def test_contradictions_and_unsupported_variants_are_refused(tmp_path, changes, message):
    folder = edited(tmp_path, **changes)
    with pytest.raises(InputError, match=message) as caught:
        import_t2l(folder / "hypermod.pt", folder)
    assert "\n" not in caught.value.message and len(caught.value.message) < 300


@pytest.mark.parametrize("encoder", ["discrete", "vq", "softmax"])
def test_other_task_encoders_are_told_by_their_tensors(tmp_path, encoder):
    """A checkpoint of that kind, heads created as v, q: the import gives back the network with its rows sorted."""
    path, _ = read_case("t2l", "llama_shared_autoreg")
    golden = import_t2l(path / "hypermod.pt", path)
    codes = 64 if encoder == "discrete" else 32
    config = golden.config.hypernetwork.replace(task_encoder=encoder, num_codes=codes)
    network = MLPHyperNetwork(config)
    state = {key: torch.randn_like(tensor) for key, tensor in network.state_dict().items()}
    published = {key: tensor for key, tensor in state.items() if not key.startswith("heads.")}
    for module in ("v_proj", "q_proj"):
        published |= {key: tensor for key, tensor in state.items() if key.startswith(f"heads.{module}.")}
    if encoder == "discrete":
        mixer = state["mixer.1.weight"]
        published["mixer.1.weight"] = torch.cat([mixer[:, :-2], mixer[:, -1:], mixer[:, -2:-1]], dim=1)
    else:
        published["layer_type_encoder.0.weight"] = state["layer_type_encoder.0.weight"].flip(0)
    if encoder == "vq":
        published |= {"task_encoder.cluster_size": torch.zeros(32), "task_encoder.embed_avg": torch.zeros(16, 32)}
    folder = edited(tmp_path, published)
    imported = import_t2l(folder / "hypermod.pt", folder)
    assert imported.config.hypernetwork.replace(latent_size=32) == config
    assert set(imported.state) == set(state)
    assert all(torch.equal(imported.state[key], state[key]) for key in state)


def test_where_the_files_are(tmp_path):
    """Released: side by side. While training: the weights of each step in a folder of their own."""
    path, _ = read_case("t2l", "gemma_sft")
    run = tmp_path / "run"
    for step in (9, 10):
        (run / "checkpoints" / f"it_{step}").mkdir(parents=True)
        shutil.copy(path / "hypermod.pt", run / "checkpoints" / f"it_{step}")
    with pytest.raises(InputError, match=r"args\.yaml"):
        find_published(str(run))
    for file in ("args.yaml", "adapter_config.json"):
        shutil.copy(path / file, run)
    last, first = (run / "checkpoints" / f"it_{step}" / "hypermod.pt" for step in (10, 9))
    for source, file in ((run, last), (first, first), (first.parent, first), (path, path / "hypermod.pt")):
        found = find_published(str(source))
        assert found.file.samefile(file) and found.folder.samefile(path if source == path else run)
        assert set(found.sha256()) == {"hypermod.pt", "args.yaml", "adapter_config.json"}
    save_file({"x": torch.zeros(1)}, tmp_path / "model.safetensors")
    with pytest.raises(InputError, match="holds neither"):
        find_published(str(tmp_path))
