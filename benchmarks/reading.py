"""Peak memory and processor time of reading a document and cutting it into chunks.

python benchmarks/reading.py big.txt
python benchmarks/reading.py --make words 100   # 100 MB of words of d2l/general.txt
python benchmarks/reading.py --make letters 2   # a million lines of one letter
"""

import argparse
import random
import resource
import tempfile
import time
from pathlib import Path

from transformers import AutoTokenizer

from d2l.chunking import chunk_text
from d2l.reader import read_document
from shared.base.gguf import converted, embedded_file


def say(what: str) -> None:
    """A line on what this process has taken so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{what}: {time.process_time():.1f} s of the processor, at most {peak:.0f} MB", flush=True)


def made(kind: str, megabytes: int, folder: str) -> str:
    """A file of that size."""
    words = Path("d2l/general.txt").read_text(encoding="utf-8").split(" ")
    random.seed(0)
    path = Path(folder, "made.txt")
    with path.open("w", encoding="utf-8") as file:
        while file.tell() < megabytes * 10**6:
            file.write(" ".join(random.choices(words, k=1000)) + "\n" if kind == "words" else "a\n" * 1000)
    return str(path)


def main() -> None:
    """Parse, read, cut."""
    parser = argparse.ArgumentParser()
    parser.add_argument("file", nargs="?")
    parser.add_argument("--make", nargs=2, metavar=("KIND", "MB"))
    parser.add_argument("--chunk-tokens", type=int, default=512)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        file = made(options.make[0], int(options.make[1]), folder) if options.make else options.file
        tokenizer = AutoTokenizer.from_pretrained(converted(embedded_file()))
        say("tokenizer")
        text = read_document(file).text
        say(f"read {len(text):,} characters")
    chunks = chunk_text(tokenizer, text, options.chunk_tokens)
    say(f"cut into {len(chunks):,} chunks")


if __name__ == "__main__":
    main()
