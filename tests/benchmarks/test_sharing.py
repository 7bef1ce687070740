"""What a training and the answers cost each other, as the report tells it."""

from pathlib import Path

from benchmarks.lifecycle.sharing import Listener, Shared, shown
from benchmarks.lifecycle.tasks import products


def test_each_setting_is_one_row_and_an_engine_that_rests_is_told_by_what_callers_got() -> None:
    quiet = Listener([0.1, 0.2, 0.3], [20.0, 22.0, 24.0])
    found = {
        "lower": Shared(1.5, quiet, Listener([0.4, 0.6], [5.0, 6.0])),
        "drain": Shared(1.25, quiet, Listener(refused=60)),
    }
    lowered, drained = shown(products(Path()), found)[-2:]
    assert lowered == "| `lower` | 1.50 | 200 ms | 500 ms | 22.0 | 5.5 | 2 |"
    assert drained == "| `drain` | 1.25 | 200 ms | – | 22.0 | – | none, 60 times 503 |"
