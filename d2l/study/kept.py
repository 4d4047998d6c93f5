"""Written pairs that are kept in ``HYPERLORA_HOME``: of single windows, and of whole studies."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from d2l.questions import QA
from d2l.study.pairs import KIND
from d2l.study.windows import Window
from shared.paths import home
from shared.work_folder import drop_oldest, mark_used, remove_left_overs, whole_file

MAX_BYTES = 200_000_000  #: of the pairs of windows, and as much of those of whole studies


class PairCache:
    """Written pairs on disk, by the writer and the window: an edited document has only its changed windows asked about.

    Args:
        identity: of the writer.
        root: folder of the files, by default in ``HYPERLORA_HOME``.
    """

    def __init__(self, identity: str, root: Path | None = None) -> None:
        self.directory = (root or home() / "pairs") / identity[:32]
        remove_left_overs(self.directory.parent)  # a run that finds all of its pairs writes nothing here

    def _file(self, window: Window, samples: int) -> Path:
        text = json.dumps([window.context, window.text, samples])
        return self.directory / f"{hashlib.sha256(text.encode()).hexdigest()}.json"

    def get(self, window: Window, samples: int) -> list[QA] | None:
        """Pairs of a window, or ``None``; a damaged file counts as absent."""
        file = self._file(window, samples)
        try:
            records = json.loads(file.read_text(encoding="utf-8"))
            mark_used(file)
            return [QA(str(question), (str(answer),), KIND) for question, answer in records]
        except (OSError, ValueError, TypeError):
            return None

    def put(self, window: Window, samples: int, pairs: Sequence[QA]) -> None:
        """Keep pairs; a full disk or a read-only home only means that they will be written again."""
        file = self._file(window, samples)
        try:
            self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            with whole_file(file, self.directory.parent) as new:
                new.write_text(json.dumps([[qa.question, qa.answer] for qa in pairs]), encoding="utf-8")
        except OSError:
            pass

    def prune(self, max_bytes: int = MAX_BYTES) -> None:
        """Remove the pairs of all writers that were used least recently beyond ``max_bytes``."""
        drop_oldest(self.directory.parent.glob("*/*.json"), max_bytes)


def keep_studied(pairs: Sequence[QA], root: Path | None = None) -> str:
    """Keep the pairs of a whole study in ``HYPERLORA_HOME``, so that it can be done again; returns their name."""
    text = json.dumps([[qa.question, list(qa.answers)] for qa in pairs])
    name = hashlib.sha256(text.encode()).hexdigest()
    directory = (root or home()) / "studied"
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        with whole_file(directory / f"{name}.json") as new:
            new.write_text(text, encoding="utf-8")
        drop_oldest(directory.glob("*.json"), MAX_BYTES)
    except OSError:
        pass
    return name


def kept_studied(name: str, root: Path | None = None) -> list[QA] | None:
    """Pairs that ``keep_studied`` kept, or ``None``."""
    try:
        text = ((root or home()) / "studied" / f"{name}.json").read_text(encoding="utf-8")
        if hashlib.sha256(text.encode()).hexdigest() != name:
            return None
        return [QA(question, tuple(answers), KIND) for question, answers in json.loads(text)]
    except (OSError, ValueError, TypeError):
        return None
