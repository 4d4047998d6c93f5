"""``hyperlora train``: a hypernetwork from a config file."""

from pathlib import Path
from typing import Annotated

import typer

from cli import options, output
from cli.loading import load_base
from cli.progress import ProgressReporter


def train(
    config: Annotated[Path, typer.Argument(help="JSON or YAML configuration.", show_default=False)],
    output_dir: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            help="Run directory: state, metrics, and the result in hypernet/, adapter/ or writer.safetensors.",
        ),
    ],
    base: options.Base = None,
    max_seconds: Annotated[
        float | None, typer.Option(min=1, help="Stop after this time; the same command continues.", show_default=False)
    ] = None,
    max_steps: Annotated[
        int | None, typer.Option(min=1, help="Instead of training.max_steps.", show_default=False)
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Instead of training.seed and data.seed.", show_default=False)
    ] = None,
    device: options.Device = "auto",
    dtype: options.Dtype = "auto",
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Train (or continue) a hypernetwork, or a question writer, on a frozen base model.

    Example: hyperlora train examples/train-d2l.yaml -o runs/d2l --max-seconds 540
    """
    data = read_config(config)
    kind = data.get("kind")
    for part, name, value in (("training", "max_steps", max_steps), ("training", "seed", seed), ("data", "seed", seed)):
        if value is not None:
            _set(data, part, name, value)
    from shared.paths import check_output

    for made in ("hypernet", "adapter"):  # now, rather than after the training
        check_output(output_dir / made, force=True, what=made)
    from shared.base.device import tune_malloc

    tune_malloc()
    if kind == "d2l":
        from d2l.training.train import D2LTrainConfig as TrainConfig
        from d2l.training.train import train_d2l as run
    elif kind == "t2l":
        from t2l.training.train import T2LTrainConfig as TrainConfig
        from t2l.training.train import train_t2l as run
    elif kind == "writer":
        from d2l.training.writer import WriterTrainConfig as TrainConfig
        from d2l.training.writer import train_writer as run
    else:
        from shared.errors import InputError

        raise InputError(f"{config} has no kind that can be trained", "its first line must be kind: d2l, t2l or writer")
    parsed = TrainConfig.from_dict(data)
    loaded = load_base(base, device, dtype)
    with ProgressReporter() as reporter:
        *trained, result = run(parsed, loaded, output_dir, max_seconds=max_seconds, reporter=reporter)
    if not result.is_main:
        return
    if kind == "writer":
        from d2l.study.writer import WRITER_FILE, save_writer

        made, following = WRITER_FILE, None
        save_writer(output_dir, trained[0])
    elif kind == "t2l" and parsed.objective.mode == "multitask":
        from t2l.training.train import write_multitask_adapter

        made, following = "adapter", ("hyperlora", "ask", output_dir / "adapter", "YOUR QUESTION")
        write_multitask_adapter(output_dir / made, trained[1], parsed, loaded)
    else:
        from shared.hypernetwork.checkpoint import save_trained

        made, following = "hypernet", ("hyperlora", kind, "INPUT", "--hypernet", output_dir / "hypernet")
        built, hypernetwork = trained
        save_trained(
            output_dir / made,
            built.to_dict(),
            hypernetwork,
            parsed.to_dict(),
            result,
            parsed.trained_on,
            files=result.files,
        )
    target = str(output_dir / made)
    output.note(f"step {result.step} of {parsed.training.max_steps}, {result.seconds:.0f} s")
    output.result(target, {"hypernetwork" if made == "hypernet" else made: target, **_facts(result)})
    if not result.finished:
        output.next_step(remark="the same command, to continue")
    elif following is None:
        output.next_step(remark=f"copy {target} beside a document hypernetwork's model.safetensors")
    else:
        output.next_step(*following)


def _set(data: dict, part: str, name: str, value: int) -> None:
    from shared.errors import InputError

    if not isinstance(data.setdefault(part, {}), dict):
        raise InputError(f"{part} must hold a mapping")
    data[part][name] = value


def _facts(result) -> dict:
    return {"step": result.step, "finished": result.finished, "seconds": result.seconds, **result.metrics}


def read_config(path: Path) -> dict:
    """A mapping from a JSON or YAML file.

    Raises:
        InputError: missing file, or something else in it.
    """
    import yaml

    from shared.errors import InputError
    from shared.text import check_text

    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"config {path} does not exist", "examples/ has recipes") from None
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from None
    except Exception as error:  # the parser raises its own errors, and others for odd numbers, dates and keys
        raise InputError(f"{path} is not valid YAML: {' '.join(str(error).split())[:200]}") from None
    if not isinstance(data, dict):
        raise InputError(f"{path} must hold a mapping")
    check_text(data, f"config {path}")
    return data
