"""Fuzzed adapters, hypernetworks, published checkpoints, configurations, JSON Lines and task folders."""

import json
import shutil
from pathlib import Path
from random import Random

import torch
import yaml
from safetensors.torch import load_file, save_file

from tests.campaign.harness import Wrong, command, damage, mutate, odd, refused
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
            _mutate_json(path / "adapter_config.json", random)
        case 2:
            _mutate_json(path / "provenance.json", random)
        case 3:
            _damage(random.choice(sorted(path.iterdir())), random)
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


def _mutate_json(file: Path, random: Random) -> None:
    file.write_text(json.dumps(mutate(json.loads(file.read_text()), random)), errors="replace")


def _damage(file: Path, random: Random) -> None:
    file.write_bytes(damage(file.read_bytes(), random))


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
                _mutate_json(path / "config.json", random)
            case 3:
                _damage(random.choice(sorted(path.iterdir())), random)
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
                _mutate_json(path / "adapter_config.json", random)
            case 1:
                arguments = yaml.safe_load((path / "args.yaml").read_text())
                (path / "args.yaml").write_text(_as_yaml(mutate(arguments, random)), errors="replace")
            case 2:
                _damage(random.choice(sorted(path.iterdir())), random)
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


def _as_yaml(data: object) -> str:
    try:
        return yaml.safe_dump(data)
    except yaml.YAMLError:
        return repr(data)


def configurations(world: World):
    """A training configuration with something changed is read and built."""
    from cli.commands.train import read_config
    from d2l.training.train import D2LTrainConfig
    from d2l.training.writer import WriterTrainConfig
    from t2l.training.train import T2LTrainConfig

    kinds = {"d2l": D2LTrainConfig, "t2l": T2LTrainConfig, "writer": WriterTrainConfig}
    junk = [
        "{",
        "- a",
        "a: &a [*a]",
        "? [1]\n: 2",
        "!!int x",
        "!!timestamp 2020-99-99",
        "1: 2\nkind: d2l",
        "\t",
        "a: !!python/x y",
    ]

    def check(random: Random, folder: Path) -> bool:
        kind, file = random.choice(sorted(kinds)), folder / "c.yaml"
        data = kinds[kind]().to_dict() if kind != "t2l" else world.t2l_config
        match random.randrange(8):
            case 0:
                file.write_text(random.choice(junk))
            case 1:
                file.write_bytes(damage(_as_yaml(json.loads(json.dumps(data))).encode(), random))
            case _:
                file.write_text(_as_yaml(mutate(data | {"kind": kind}, random)), errors="replace")

        def build() -> None:
            read = read_config(file)
            read.get("kind")
            config = kinds[kind].from_dict(read)
            if kinds[kind].from_dict(json.loads(json.dumps(config.to_dict()))) != config:
                raise Wrong("the configuration does not survive being written")

        return refused(build)

    return check


def json_lines(world: World):
    """Requests, examples, questions and document QA with something changed."""
    from d2l.questions import read_docqa, read_questions
    from shared.text import check_text
    from t2l.descriptions import read_requests
    from t2l.tasks import read_examples

    readers = {
        "requests": (read_requests, {"description": "Say yes or no", "name": "one"}),
        "examples": (lambda file: read_examples(file), {"input": "a", "output": "b"}),
        "questions": (
            lambda file: read_questions(Path(file)),
            {"question": "Who?", "answer": "Ann", "answers": ["Ann"]},
        ),
        "docqa": (
            lambda file: read_docqa(Path(file)),
            {"context": "c", "question": "q", "answers": ["a"], "study": True},
        ),
    }
    squad = {"data": [{"paragraphs": [{"context": "c", "qas": [{"question": "q", "answers": [{"text": "a"}]}]}]}]}

    def check(random: Random, folder: Path) -> bool:
        name = random.choice((*readers, "squad"))
        file = folder / ("x.json" if name == "squad" else "x.jsonl")
        if name == "squad":
            read, lines = read_docqa, [json.dumps(mutate(squad, random))]
        else:
            read, record = readers[name]
            lines = [json.dumps(record | ({"name": f"n{n}"} if name == "requests" else {})) for n in range(3)]
            lines.insert(random.randrange(4), json.dumps(mutate(record, random)))
        content = "\n".join(lines).encode(errors="replace")
        file.write_bytes(damage(content, random) if random.random() < 0.25 else content)

        def use() -> None:
            # Whatever is taken is text throughout: it goes to tokenizers and into files.
            for item in read(Path(file) if name == "squad" else str(file)):
                check_text([value for value in vars(item).values() if isinstance(value, str)], name)

        return refused(use)

    return check


def task_folders(world: World):
    """A data directory of tasks with something changed."""
    from t2l.tasks import read_tasks

    def check(random: Random, folder: Path) -> bool:
        path = folder / "tasks"
        shutil.copytree(world.tasks, path)
        files = [file for file in sorted(path.rglob("*")) if file.is_file()]
        file = random.choice(files)
        match random.randrange(4):
            case 0:
                _damage(file, random)
            case 1:
                file.unlink()
            case _:
                lines = file.read_text().splitlines()
                if file.suffix == ".jsonl":
                    number = random.randrange(len(lines))
                    lines[number] = json.dumps(mutate(json.loads(lines[number]), random))
                    file.write_text("\n".join(lines), errors="replace")
                else:
                    _mutate_json(file, random)

        def use() -> None:
            for task in read_tasks(path):
                texts = [task.name, task.family, task.split, *task.descriptions, *(task.labels or ())]
                texts += [text for example in (*task.train, *task.test) for text in (example.input, *example.outputs)]
                if not all(isinstance(text, str) for text in texts):
                    raise Wrong("a task with something that is no text")

        return refused(use)

    return check


def outputs(world: World):
    """Names of outputs, and what may already be there: whatever happens, nothing foreign is lost."""
    from shared.paths import whole_directory

    names = [
        "a",
        "ä" * 127,
        "x" * 255,
        "x" * 256,
        "-x",
        " ",
        "a/b/c",
        "link",
        "file",
        "file/x",
        "..",
        "a\nb",
        "caf\udce9",
        ".",
    ]

    def check(random: Random, folder: Path) -> bool:
        (folder / "file").write_text("precious")
        (folder / "target").mkdir()
        (folder / "link").symlink_to(folder / random.choice(("target", "nowhere", "file", "link")))
        path = folder / random.choice(names)
        foreign = {}
        if (
            random.random() < 0.6
            and path.name not in (".", "..", "file", "link")
            and len(path.name) < 256
            and path.parent == folder
        ):
            shutil.copytree(world.adapter, path)
            if random.random() < 0.5:
                other = path / random.choice(("notes.txt", "adapter_model.bin", "model.safetensors", ".env"))
                other.write_text("precious")
                foreign[other] = "precious"

        def write() -> None:
            with whole_directory(path, force=random.random() < 0.7) as new:
                (new / "adapter_config.json").write_text("{}")

        result = refused(write)
        foreign[folder / "file"] = "precious"
        if any(not file.is_file() or file.read_text() != text for file, text in foreign.items()):
            raise Wrong(f"lost a file in {path}")
        if [name for name in folder.iterdir() if name.name.startswith(".hyperlora")]:
            raise Wrong("something was left over")
        return result

    return check


KINDS = {
    "adapters": (adapters, 3000),
    "hypernetworks": (hypernetworks, 1500),
    "published checkpoints": (published, 1200),
    "training configurations": (configurations, 1500),
    "JSON Lines and SQuAD": (json_lines, 2600),
    "task folders": (task_folders, 700),
    "outputs": (outputs, 500),
}
