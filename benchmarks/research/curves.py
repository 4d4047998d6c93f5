"""Learning curves at equal time: trains variants of one configuration and plots their held-out losses.

python -m benchmarks.research.curves benchmarks/research/configs/curves-d2l.yaml -o runs/curves-d2l --plot curves.png
python -m benchmarks.research.curves benchmarks/research/configs/curves-d2l.yaml -o runs/curves-d2l --report

The file holds ``base`` (a training configuration) and ``variants``: name -> dotted keys that differ from it. Every
variant is a run of ``hyperlora train`` in a folder of its own; a variant whose run is complete is not run again.
"""

import argparse
import copy
import json
import os
import subprocess
import sys
from pathlib import Path

import yaml


def with_changes(base: dict, changes: dict) -> dict:
    """The configuration with dotted keys replaced."""
    result = copy.deepcopy(base)
    for key, value in changes.items():
        *parents, last = key.split(".")
        place = result
        for parent in parents:
            place = place.setdefault(parent, {})
        place[last] = value
    return result


def train(config: dict, folder: Path, seconds: float) -> None:
    """One run of so many seconds, unless it is there."""
    if (folder / "hypernet").exists() or (folder / "adapter").exists():
        return
    if not (folder / "state").exists():
        (folder / "metrics.jsonl").unlink(missing_ok=True)  # of a run that was killed before it saved anything
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    command = [sys.executable, "-m", "cli.app", "train", str(folder / "config.yaml"), "-o", str(folder)]
    subprocess.run([*command, "--max-seconds", str(seconds), "--quiet"], check=True, env=dict(os.environ))


def curve(folder: Path) -> list[dict]:
    """Held-out records of a run, each with the seconds of the training record before it."""
    result, seconds, before = [], 0.0, 0.0
    for line in (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines():
        record = json.loads(line)
        if record["kind"] == "train":
            if before + record["seconds"] < seconds:  # a run that goes on counts from nothing again
                before = seconds
            seconds = before + record["seconds"]
        else:
            result.append({**record, "seconds": seconds})
    return result


def plot(curves: dict[str, list[dict]], path: Path) -> None:
    """Two panels over minutes: the right input's adapter, and another's."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 2, figsize=(11, 4.2), sharex=True)
    for axis, key, title in zip(
        axes, ("adapter_nll", "other_nll"), ("right adapter", "another's adapter"), strict=True
    ):
        for number, (name, records) in enumerate(curves.items()):
            style = ("-", "--", ":")[number // 10 % 3]
            # One LoRA for all tasks has no other description.
            points = [(r["seconds"] / 60, r[key]) for r in records if key in r]
            axis.plot(*zip(*points, strict=True) if points else ([], []), style, label=name, marker=".")
        axis.set_title(title)
        axis.set_xlabel("minutes")
    axes[0].set_ylabel("held-out loss, nats per token")
    axes[1].legend(fontsize=7, loc="center left", bbox_to_anchor=(1, 0.5))
    figure.savefig(path, dpi=130, bbox_inches="tight")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=480)
    parser.add_argument("--only", nargs="*", help="these variants")
    parser.add_argument("--report", action="store_true", help="train nothing")
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--json", type=Path, help="write the curves")
    options = parser.parse_args()
    config = yaml.safe_load(options.config.read_text(encoding="utf-8"))
    names = [name for name in config["variants"] if not options.only or name in options.only]
    curves = {}
    for name in names:
        folder = options.output / name.replace(" ", "-").replace("/", "-")
        if not options.report:
            train(
                with_changes(config["base"], config["variants"][name] or {}),
                folder,
                options.seconds,
            )
        if (folder / "metrics.jsonl").exists() and (records := curve(folder)):
            curves[name] = records
    for name, records in curves.items():
        last = records[-1]
        facts = {key: round(value, 3) for key, value in last.items() if isinstance(value, float)}
        print(f"{name:28} step {last['step']:5}", *(f"{key} {value}" for key, value in facts.items()))
    if options.plot:
        plot(curves, options.plot)
    if options.json:
        options.json.write_text(json.dumps(curves, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
