"""Fuzzed configurations, JSON Lines, task folders and output names."""

import json
import shutil
from pathlib import Path
from random import Random

import yaml

from tests.campaign.harness import Wrong, damage, mutate, refused
from tests.campaign.world import World


def mutate_json(file: Path, random: Random) -> None:
    file.write_text(json.dumps(mutate(json.loads(file.read_text()), random)), errors="replace")


def damage_file(file: Path, random: Random) -> None:
    file.write_bytes(damage(file.read_bytes(), random))


def as_yaml(data: object) -> str:
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
                file.write_bytes(damage(as_yaml(json.loads(json.dumps(data))).encode(), random))
            case _:
                file.write_text(as_yaml(mutate(data | {"kind": kind}, random)), errors="replace")

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
                damage_file(file, random)
            case 1:
                file.unlink()
            case _:
                lines = file.read_text().splitlines()
                if file.suffix == ".jsonl":
                    number = random.randrange(len(lines))
                    lines[number] = json.dumps(mutate(json.loads(lines[number]), random))
                    file.write_text("\n".join(lines), errors="replace")
                else:
                    mutate_json(file, random)

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
