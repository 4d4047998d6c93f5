"""Counts the damaged inputs that the property tests try."""

from collections import Counter

TRIED: Counter[tuple[str, str]] = Counter()


def pytest_terminal_summary(terminalreporter):
    names = sorted({name for name, _ in TRIED})
    if names:
        said = [f"{name} {TRIED[name, 'tried']} ({TRIED[name, 'read']} read)" for name in names]
        terminalreporter.write_line(f"damaged inputs tried: {', '.join(said)}")
