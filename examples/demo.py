"""The main job on real input: a PDF and a sentence become adapters that change what a language model says.

Run with ``make demo``, or ``python examples/demo.py --pages 6``. Everything happens on this machine, without a network.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from make_brief import DEMO_QUESTIONS, write_brief

TASK = "Decide whether a product review is positive or negative. Answer with Positive or Negative."
TASK_INPUTS = (
    "Title: Broke after two days\n\nReview: The handle came off in my hand and the shop will not answer my mails.",
    "Title: Best kettle so far\n\nReview: Boils in a minute, quiet, and it looks lovely in the kitchen.",
)


def hyperlora(*arguments: str) -> str:
    """Run a command as a user would, and return what it prints."""
    print("$ hyperlora " + " ".join(f'"{a}"' if " " in a else a for a in arguments))
    program = Path(sys.executable).with_name("hyperlora")
    started = time.perf_counter()
    done = subprocess.run([program, *arguments], stdout=subprocess.PIPE, text=True, check=True)
    print(f"{done.stdout.rstrip()}\n[{time.perf_counter() - started:.1f} s]\n", flush=True)
    return done.stdout


def folder_size(path: Path) -> str:
    return f"{sum(file.stat().st_size for file in path.iterdir()) / 1e6:.2f} MB"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pages", type=int, default=6)
    parser.add_argument("--keep", type=Path, help="write the files here and keep them")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        brief, adapter, task = folder / "brief.pdf", folder / "brief-adapter", folder / "sentiment"
        print(f"1. Write the MegaMart weekly brief ({options.pages} pages)\n")
        write_brief(brief, pages=options.pages)

        print("2. Turn it into an adapter\n")
        hyperlora("d2l", str(brief), "-o", str(adapter), "--force")
        print(f"adapter directory: {folder_size(adapter)}\n")

        print("3. Ask, with zero context tokens, beside the same model without the adapter\n")
        for question in DEMO_QUESTIONS:
            text = question["question"]
            hyperlora(
                "ask", str(adapter), f"{text}\nAnswer in a few words.", "--compare", "--max-new-tokens", "32", "-q"
            )
            print(f"the brief says: {question['answer']}\n")

        print("4. Turn a sentence into a task adapter and use it\n")
        hyperlora("t2l", TASK, "-o", str(task), "--force")
        print(f"adapter directory: {folder_size(task)}\n")
        for text in TASK_INPUTS:
            hyperlora("ask", str(task), text, "--compare", "--max-new-tokens", "24", "-q")


if __name__ == "__main__":
    main()
