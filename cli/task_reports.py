"""How task adapters are told: how far their descriptions are from the training, and a batch's summary."""

from pathlib import Path
from typing import TYPE_CHECKING

from cli import output

if TYPE_CHECKING:
    from t2l.generate import WrittenBatch, WrittenTaskAdapter


def report_distance(result: "WrittenTaskAdapter") -> None:
    """How near the description is to the training, as a warning where that is far."""
    if not result.description:
        return
    if result.distance is None:
        output.note(f"{result.hypernetwork} does not say which descriptions it was trained on")
        return
    within = f"95% of unseen wordings of its own tasks are within {result.distance_threshold:.2f}"
    if result.distance <= result.distance_threshold:
        output.note(f"distance {result.distance:.2f} from the nearest training description ({within})")
        return
    output.warning(
        f"this description is far from what {result.hypernetwork} was trained on (distance {result.distance:.2f}; "
        f"{within}): test the adapter before you rely on it"
    )


def report_batch(result: "WrittenBatch") -> None:
    size = sum(entry.bytes for entry in result.adapters)
    output.note(
        f"{len(result.adapters)} adapters, {size / 1e6:.2f} MB, {sum(result.seconds.values()):.1f} s, "
        f"{result.adapters_per_second:.1f} adapters/s without loading"
    )
    zero = [Path(entry.adapter).name for entry in result.adapters if entry.is_zero]
    if zero:
        output.warning(f"{', '.join(zero[:5])}{', ...' if len(zero) > 5 else ''}: {output.ZERO_ADAPTER}")
    far = [Path(e.adapter).name for e in result.adapters if (e.distance or 0) > (result.distance_threshold or 2)]
    if far:
        names = ", ".join(far[:5]) + (", ..." if len(far) > 5 else "")
        output.warning(
            f"{len(far)} of {len(result.adapters)} descriptions are far from what {result.hypernetwork} was "
            f"trained on (distance above {result.distance_threshold:.2f}; 95% of unseen wordings of its own tasks are "
            f"within): {names}: test these adapters before you rely on them"
        )
    output.result("\n".join(entry.adapter for entry in result.adapters), result)
    output.next_step("hyperlora", "ask", Path(result.adapters[0].adapter), "AN INPUT OF YOUR TASK", "--compare")
