"""The benchmark of other vocoders: its processes and its table."""

import importlib.util
import sys

import pytest
from repository import ROOT

SCRIPT = ROOT / "benchmarks" / "vocoders.py"
# Two cases; the second prints what is no answer.
SERVED = f"""
import sys

sys.path.insert(0, {str(SCRIPT.parent)!r})
from vocoders import Case, serve

def quiet(seconds):
    return lambda: seconds * 8_000

def loud(seconds):
    print("prepared")
    return lambda: print("runs") or seconds * 16_000

serve(lambda: [
    Case("one", "plain", 8_000, 2_000_000, 3e9, quiet),
    Case("two", "loud", 16_000, 5_000, 1e9, loud),
])
"""


@pytest.fixture(scope="module")
def vocoders():
    spec = importlib.util.spec_from_file_location("vocoders", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    # Dataclasses look for their module there.
    sys.modules["vocoders"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["vocoders"]


@pytest.mark.system
def test_cases_take_turns_and_what_they_print_is_no_answer(
    vocoders, tmp_path, capfd
) -> None:
    script = tmp_path / "served.py"
    script.write_text(SERVED)
    with vocoders.Worker(sys.executable, script) as worker:
        measured = vocoders.measure([worker])
    assert [case.vocoder for case, _ in measured] == ["one", "two"]
    for _, runs in measured:
        assert [len(one) for one in runs] == [9, 9]
        assert [{sound for _, sound in one} for one in runs] == [{1}, {10}]
    notes = capfd.readouterr().err
    assert notes.count("prepared") == 2
    assert notes.index("10 s of sound, round 1") > notes.index("round 9")


@pytest.mark.system
def test_a_worker_that_ends_is_an_error(vocoders, tmp_path) -> None:
    script = tmp_path / "broken.py"
    script.write_text("raise SystemExit")
    with pytest.raises(RuntimeError, match="has ended"):
        vocoders.Worker(sys.executable, script)


def test_table(vocoders) -> None:
    case = vocoders.Case("one", "plain", 22_050, 2_345_678, 4e9, None)
    runs = [[(0.5, 1.0)], [(2.0, 10.0), (1.0, 10.0), (5.0, 10.0)]]
    last = vocoders.table([(case, runs)]).splitlines()[-1]
    assert last == (
        "| one | plain | 22.05 | 2.35 | 4.0 | 500 (500 to 500) | 2 "
        "| 2000 (1000 to 5000) | 5 |"
    )
