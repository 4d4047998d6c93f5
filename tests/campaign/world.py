"""The tiny models, adapters, checkpoints and data that the campaign changes, made once in a temporary folder."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
import yaml
from safetensors.torch import save_file

from shared.base.model import BaseModel
from shared.hypernetwork.checkpoint import save_checkpoint
from shared.hypernetwork.network import HyperNetwork
from shared.lora.adapter import adapter_config, write_adapter
from t2l.mlp.hypernetwork import MLPHyperNetwork, MLPHyperNetworkConfig
from t2l.training.train import T2LObjective, T2LTrainConfig
from tests.models import (
    T2L_ARCHITECTURE,
    TEXT,
    d2l_train_config,
    load,
    make_base,
    make_d2l,
    random_weights,
    t2l_train_config,
    write_model,
)


@dataclass(frozen=True)
class World:
    """Where everything is.

    Attributes:
        networks: hypernetwork checkpoints by kind: ``d2l``, ``t2l`` (the base is its own text encoder), ``mlp``.
        published: a Text-to-LoRA run of the published form.
        configs: training configurations that run, by kind.
    """

    root: Path
    base: BaseModel
    base_path: Path
    adapter: Path
    networks: dict[str, Path]
    published: Path
    published_keys: list[str]
    tasks: Path
    document: Path
    requests: Path
    configs: dict[str, Path]
    t2l_config: dict[str, Any]


def make_world(root: Path) -> World:
    """Build it, in a few seconds."""
    base_path = make_base(root / "base")
    base = load(base_path)
    adapter = root / "adapter"
    weights = random_weights(base, ("down_proj",), 2)
    provenance = {
        "kind": "d2l",
        "command": "hyperlora d2l x",
        "source": {"files": [{"name": "x", "sha256": "0"}], "tokens": 5},
        "versions": {"torch": "2"},
    }
    write_adapter(adapter, weights, adapter_config(weights, str(base_path)), card="# card", provenance=provenance)
    tasks = _make_tasks(root / "tasks")
    configs = {"d2l": d2l_train_config().to_dict(), "t2l": _t2l_training(root, tasks)}
    for kind, config in configs.items():
        (root / f"{kind}.json").write_text(json.dumps(config | {"kind": kind}))
    (root / "harbour.txt").write_text(TEXT)
    lines = [json.dumps({"description": text}) for text in ("Say yes or no", "Sort the words", "Name the town")]
    (root / "requests.jsonl").write_text("\n".join(lines))
    published, keys = _make_published(root / "published", base, base_path)
    return World(
        root,
        base,
        base_path,
        adapter,
        _make_networks(root, base, base_path),
        published,
        keys,
        tasks,
        root / "harbour.txt",
        root / "requests.jsonl",
        {kind: root / f"{kind}.json" for kind in configs},
        configs["t2l"],
    )


def _make_networks(root: Path, base: BaseModel, base_path: Path) -> dict[str, Path]:
    torch.manual_seed(0)
    built = T2L_ARCHITECTURE.build(base, base.spec.hidden_size)
    config = replace(built, text_encoder=str(base_path), pooling="last_token", features="pooled")
    network = HyperNetwork(config.hypernetwork)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    save_checkpoint(root / "t2l", config.to_dict(), network.state_dict(), card="")
    mlp = _mlp_config(base)
    settings = replace(config, hypernetwork=mlp).to_dict()
    save_checkpoint(root / "mlp", settings, MLPHyperNetwork(mlp).state_dict(), card="")
    return {"d2l": write_model(make_d2l(base), root / "d2l"), "t2l": root / "t2l", "mlp": root / "mlp"}


def _mlp_config(base: BaseModel) -> MLPHyperNetworkConfig:
    from shared.base.targets import find_targets

    torch.manual_seed(0)
    return MLPHyperNetworkConfig(
        tuple(find_targets(base.model, ("q_proj", "v_proj"))),
        r=2,
        feature_size=base.spec.hidden_size,
        latent_size=16,
        head_in_size=8,
        offset=True,
        scaling=2.0,
    )


def _make_published(path: Path, base: BaseModel, base_path: Path) -> tuple[Path, list[str]]:
    """A run of Text-to-LoRA: its names and layouts are ours."""
    path.mkdir()
    state = MLPHyperNetwork(_mlp_config(base)).state_dict()
    torch.save(state, path / "hypermod.pt")
    arguments = {
        "training_task": "sft",
        "model_dir": str(base_path),
        "hypernet_latent_size": 16,
        "head_in_size": 8,
        "shared_AB_head": False,
        "autoreg_gen": False,
        "learnable_pos_emb": False,
        "pred_z_score": False,
        "emb_model": "",
        "lr": 0.1,
    }
    (path / "args.yaml").write_text(yaml.safe_dump(arguments))
    lora = {"peft_type": "LORA", "r": 2, "lora_alpha": 4, "target_modules": ["q_proj", "v_proj"], "bias": "none"}
    (path / "adapter_config.json").write_text(json.dumps(lora))
    return path, sorted(state)


def _make_tasks(path: Path) -> Path:
    (path / "examples").mkdir(parents=True)
    records, descriptions = [], {}
    for name, split in (("upper", "train"), ("double", "train"), ("reverse", "held_out")):
        records.append({"task": name, "family": "procedural", "metric": "exact", "split": split, "labels": None})
        descriptions[name] = {"train": [f"{name} the text", f"please {name} it"], "held_out": [f"what {name} does"]}
        rows = [{"input": f"word {n}", "output": name, "split": "train" if n % 3 else "test"} for n in range(9)]
        (path / "examples" / f"{name}.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (path / "tasks.jsonl").write_text("\n".join(map(json.dumps, records)))
    (path / "descriptions.json").write_text(json.dumps(descriptions))
    return path


def _t2l_training(root: Path, tasks: Path) -> dict[str, Any]:
    """Descriptions are encoded already, with random numbers: no text encoder is loaded."""
    config: T2LTrainConfig = t2l_train_config(tasks, root)
    texts = [
        text
        for parts in json.loads((tasks / "descriptions.json").read_text()).values()
        for p in parts.values()
        for text in p
    ]
    generator = torch.Generator().manual_seed(0)
    save_file({text: torch.randn(4, 384, generator=generator).half() for text in texts}, root / "c.safetensors")
    assert isinstance(config.objective, T2LObjective)
    return config.to_dict()
