"""Fuzzed adapters, hypernetworks and published checkpoints, and how many inputs of each kind there are."""

import json
import shutil
from pathlib import Path
from random import Random

import torch
import yaml
from safetensors.torch import load_file, save_file

from tests.campaign.harness import Wrong, command, mutate, odd, refused
from tests.campaign.texts import as_yaml, configurations, damage_file, json_lines, mutate_json, outputs, task_folders
from tests.campaign.world import World

_DTYPES = (torch.int32, torch.int8, torch.bool, torch.float16, torch.bfloat16, torch.float64, torch.uint8)


def adapters(world: World):
    """``inspect`` of an adapter with something changed; what it takes has finite norms."""

    def check(random: Random, folder: Path) -> bool:
        path = folder / "a"
        shutil.copytree(world.adapter, path)
        _change_adapter(path, random)
        done = command("inspect", path, "--json")
        if done.exit_code == 0:
            norms = json.loads(done.stdout)["norms"].values()
            if not all(0 <= norm < float("inf") for norm in norms):
                raise Wrong(f"norms {list(norms)[:3]}")
        return done.exit_code != 0

    return check


def _change_adapter(path: Path, random: Random) -> None:
    match random.randrange(6):
        case 0 | 1:
            mutate_json(path / "adapter_config.json", random)
        case 2:
            mutate_json(path / "provenance.json", random)
        case 3:
            damage_file(random.choice(sorted(path.iterdir())), random)
        case 4:
            file = path / "adapter_model.safetensors"
            save_file(_change_tensors(load_file(file), random), file)
        case _:
            file = random.choice(sorted(path.iterdir()))
            file.unlink()
            if random.random() < 0.5:
                file.mkdir() if random.random() < 0.5 else file.symlink_to(
                    random.choice((path, file, "/dev/null", "no"))
                )


def _change_tensors(state: dict[str, torch.Tensor], random: Random) -> dict[str, torch.Tensor]:
    for key in random.sample(sorted(state), random.choice((1, 1, len(state)))):
        tensor = state[key].clone()
        match random.randrange(8):
            case 0:
                tensor.view(-1)[: random.choice((1, 2))] = random.choice((float("nan"), float("inf"), 3e38))
            case 1:
                tensor = tensor.to(random.choice(_DTYPES))
            case 2:
                tensor = tensor[:0] if random.random() < 0.5 else tensor[..., :0]
            case 3:
                tensor = tensor.mT if tensor.dim() > 1 and random.random() < 0.5 else tensor[None]
            case 4:
                tensor = tensor.flatten() if random.random() < 0.5 else tensor[..., 1:]
            case 5:
                tensor = tensor * 0
            case 6:
                state[random.choice(("x", key + ".x", key[:-1], "é" * 300, "a" * 9000))] = tensor.clone()
            case _:
                tensor = tensor.to(torch.complex64)
        state[key] = tensor.contiguous()
    return state


def combined_adapters(world: World):
    """A part is taken out of a combined adapter with something changed; nothing appears but the output."""
    made = world.root / "combined"
    command("combine", world.adapter, world.adapter, "-o", made, "--max-rank", "2", "-q", codes=(0,))

    def check(random: Random, folder: Path) -> bool:
        path = folder / "in" / "a"
        shutil.copytree(made, path)
        if random.random() < 0.7:
            mutate_json(path / "provenance.json", random)
        else:
            damage_file(random.choice([file for file in sorted(path.rglob("*")) if file.is_file()]), random)
        before = sorted(folder.rglob("*"))
        verb = random.choice((["combine", "--remove", "adapter"], ["combine", "--max-rank", "1"], ["scale"]))
        factor = ["0.5"] if verb == ["scale"] else []
        done = command(*verb, path, *factor, "-o", folder / "out", "-q")
        new = [file for file in folder.rglob("*") if file not in before and not file.is_relative_to(folder / "out")]
        if new or (done.exit_code == 0) != (folder / "out").is_dir():
            raise Wrong(f"exit code {done.exit_code}, and beside the output {new}")
        return done.exit_code != 0

    return check


def hypernetworks(world: World):
    """A checkpoint with something changed is loaded and used; what it writes is finite, or nothing."""
    from d2l.model import D2LModel
    from shared.lora.adapter import adapter_config, write_adapter
    from t2l.model import T2LModel

    def use(path: Path, kind: str) -> None:
        if kind == "d2l":
            model = D2LModel.from_pretrained(path, world.base)
            weights = model.generate(model.chunk("The ferry leaves at six.")[:2], max_rank=4).weights
        else:
            model = T2LModel.from_pretrained(path, base=world.base)
            features = torch.full((2, model.config.hypernetwork.feature_size), 0.1)
            weights = model.hypernetwork.write(_features(features, model.config.features)).detach().unbind()[0]
        config = adapter_config(weights, "x")
        write_adapter(path.parent / "out", weights, config, card="", provenance={})

    def check(random: Random, folder: Path) -> bool:
        kind, path = random.choice(("d2l", "t2l", "mlp")), folder / "h"
        shutil.copytree(world.networks[kind], path)
        match random.randrange(5):
            case 0 | 1 | 2:
                mutate_json(path / "config.json", random)
            case 3:
                damage_file(random.choice(sorted(path.iterdir())), random)
            case _:
                file = path / "model.safetensors"
                save_file(_change_tensors(load_file(file), random), file)
        return refused(lambda: use(path, "d2l" if kind == "d2l" else "t2l"))

    return check


def _features(rows: torch.Tensor, kind: str):
    from t2l.encoder import stack_features

    return stack_features([rows], kind)


def published(world: World):
    """A published checkpoint with something changed is imported; nothing in it runs."""
    from d2l.importing import import_d2l
    from t2l.importing import import_t2l
    from tests.shared.importing.hostile import Call, hostile_zip

    def check(random: Random, folder: Path) -> bool:
        path, ran = folder / "run", folder / "it-ran"
        shutil.copytree(world.published, path)
        file = path / "hypermod.pt"
        match random.randrange(6):
            case 0:
                mutate_json(path / "adapter_config.json", random)
            case 1:
                arguments = yaml.safe_load((path / "args.yaml").read_text())
                (path / "args.yaml").write_text(as_yaml(mutate(arguments, random)), errors="replace")
            case 2:
                damage_file(random.choice(sorted(path.iterdir())), random)
            case 3:
                state = _change_tensors(dict(torch.load(file)), random)
                torch.save(state, file, _use_new_zipfile_serialization=random.random() < 0.7)
            case 4:
                content = {"a": Call(Path.touch, ran), "b": torch.ones(2)}
                hostile_zip(file, random.choice((content, [content], Call(print, content))))
            case _:
                torch.save({key: odd(random) for key in random.sample(world.published_keys, 5)}, file)
        as_d2l = random.random() < 0.2
        result = refused(lambda: import_d2l(file) if as_d2l else import_t2l(file, path))
        if ran.exists():
            raise Wrong("something in the checkpoint ran")
        return result

    return check


KINDS = {
    "adapters": (adapters, 3000),
    "combined adapters": (combined_adapters, 400),
    "hypernetworks": (hypernetworks, 1500),
    "published checkpoints": (published, 1200),
    "training configurations": (configurations, 1500),
    "JSON Lines and SQuAD": (json_lines, 2600),
    "task folders": (task_folders, 700),
    "outputs": (outputs, 500),
}
