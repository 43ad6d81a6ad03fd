"""The rooms of the package: imports go down, never up, never in a circle."""

import ast
from graphlib import TopologicalSorter

from repository import ROOT

# Each room may import from itself and from those before it.
FLOORS = (
    *("core", "audio", "corpus", "models", "synthesis", "distillation"),
    *("training", "evaluation", "voices", "export", "cli"),
)
LARGEST = 500


def sources() -> dict:
    """The files of the package by their dotted names."""
    package = {
        p: p.relative_to(ROOT) for p in (ROOT / "pwavenet_tf").rglob("*.py")
    }
    export = {
        p: "pwavenet_tf" / p.relative_to(ROOT)
        for p in (ROOT / "export").rglob("*.py")
    }
    return {
        ".".join(name.with_suffix("").parts).removesuffix(".__init__"): path
        for path, name in (package | export).items()
    }


def imports() -> dict[str, set[str]]:
    """What each module imports of the package, inside functions too."""
    modules, found = sources(), {}
    for name, path in modules.items():
        found[name] = set()
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom):
                for one in node.names:
                    inner = f"{node.module}.{one.name}"
                    found[name].add(inner if inner in modules else node.module)
            elif isinstance(node, ast.Import):
                found[name].update(one.name for one in node.names)
        found[name] = {one for one in found[name] if one in modules} - {name}
    return found


def room(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


def test_imports_go_down() -> None:
    climbing = [
        f"{module} imports {other}"
        for module, others in imports().items()
        if room(module) in FLOORS
        for other in others
        if room(other) not in FLOORS[: FLOORS.index(room(module)) + 1]
    ]
    assert climbing == []


def test_sound_is_measured_without_what_trains() -> None:
    """Of the evaluation, only what concerns whole runs reads of training."""
    readers = {
        module.removeprefix("pwavenet_tf.evaluation.")
        for module, others in imports().items()
        if room(module) == "evaluation" and "training" in map(room, others)
    }
    assert readers == {"ablation", "ablation_table", "report.page"}


def test_no_imports_are_circular() -> None:
    inner = {
        module: {other for other in others if room(other)}
        for module, others in imports().items()
    }
    assert list(TopologicalSorter(inner).static_order())


def test_ten_rooms_hold_everything_in_files_of_500_lines() -> None:
    top = {p.name for p in (ROOT / "pwavenet_tf").glob("*.py")}
    assert top == {"__init__.py", "__main__.py"}
    rooms = {room(name) for name in sources()} - {"", "__main__"}
    assert rooms == set(FLOORS)
    assert len(rooms - {"export"}) <= 10
    lengths = {
        name: len(path.read_text().splitlines())
        for name, path in sources().items()
    }
    assert {n: k for n, k in lengths.items() if k > LARGEST} == {}
