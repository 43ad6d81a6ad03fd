"""The documents: links, commands and examples in them are what there is."""

import ast
import functools
import importlib
import json
import re
import shlex
import types
from pathlib import Path
from typing import NamedTuple

import pytest
from repository import ROOT
from tiny_run import tiny_preset, write_recordings

import pwavenet_tf
from pwavenet_tf.cli import app
from pwavenet_tf.core.presets import preset
from pwavenet_tf.voices import voice_card

README = ROOT / "README.md"
PAGES = [README, ROOT / "BUILD.md", *sorted((ROOT / "docs").rglob("*.md"))]
SHELL = re.compile(
    r"^\s*(pwavenet|make|python3? -m pwavenet_tf)(\s|$)", re.MULTILINE
)
# Words in capitals, and what stands for something, are no arguments.
PLACEHOLDER = re.compile(r"[A-Z_.]+|…")


class Fence(NamedTuple):
    """A fenced block: its page, the line after its first, language, text."""

    page: Path
    line: int
    language: str
    text: str

    @property
    def place(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


@functools.cache
def split(page: Path) -> tuple[str, list[Fence]]:
    """The prose of a page, its fenced blocks left empty, and these blocks."""
    prose, fences, fence = [], [], None
    for number, line in enumerate(page.read_text("utf-8").splitlines(), 1):
        mark = re.match(r"(\s*)```(\w*)$", line)
        if fence is None and mark:
            indent, language = mark.groups()
            fence = (number + 1, len(indent), language, [])
        elif fence is None:
            prose.append(line)
        elif mark:
            start, _, language, lines = fence
            fences.append(Fence(page, start, language, "\n".join(lines)))
            fence = None
        else:
            fence[3].append(line[fence[1] :])
    assert fence is None, f"{page}: a fenced block has no end"
    return "\n".join(prose), fences


def blocks(*languages: str) -> list[Fence]:
    return [
        fence
        for page in PAGES
        for fence in split(page)[1]
        if fence.language in languages
    ]


def code_spans(page: Path) -> list[str]:
    """The code in a page's prose, each on one line."""
    spans = re.findall(r"`([^`]+)`", split(page)[0])
    return [" ".join(span.split()) for span in spans]


def shell_commands(script: str) -> list[list[str]]:
    """The simple commands of a shell script, without redirections.

    None, if the text has no command that these tests are about.
    """
    commands, begun = [], ""
    if not SHELL.search(script):
        return []
    for line in script.replace("\\\n", " ").splitlines():
        begun += line
        try:
            words = shell_words(begun)
        except ValueError:  # A quotation goes over several lines.
            begun += "\n"
            continue
        begun = ""
        commands.append([])
        while words:
            word = words.pop(0)
            if set(word) <= set("<>"):
                words = words[1:]
            elif set(word) <= set("|&;"):
                commands.append([])
            else:
                commands[-1].append(word)
    assert not begun, f"a quotation has no end: {begun}"
    return [command for command in commands if command]


def shell_words(line: str) -> list[str]:
    """Words and operators of a line, without its comment."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;<>")
    lexer.whitespace_split = True
    return list(lexer)


def pwavenet_arguments(text: str) -> list[list[str]]:
    """What follows `pwavenet` in each of its commands in a shell's script."""
    found = []
    for command in shell_commands(text):
        if Path(command[0]).name == "pwavenet":
            found.append(command[1:])
        elif command[1:3] == ["-m", "pwavenet_tf"]:
            found.append(command[3:])
    return found


COMMAND_LINES = [
    pytest.param(arguments, id=f"{fence.place}:{' '.join(arguments)[:30]}")
    for fence in blocks("", "sh", "bash")
    for arguments in pwavenet_arguments(fence.text)
]


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub gives a page's headings."""
    found: dict[str, int] = {}
    for heading in re.findall(r"^#+ +(.+)$", split(page)[0], re.MULTILINE):
        name = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).lower()
        name = re.sub(r"[^\w\- ]", "", name.strip()).replace(" ", "-")
        times = found[name] = found.get(name, -1) + 1
        if times:
            found[f"{name}-{times}"] = 0
    return set(found)


def broken_links(page: Path) -> list[str]:
    """The links of a page that lead nowhere, but for those to the web."""
    prose = re.sub(r"`[^`]+`", "", split(page)[0])
    broken = []
    for target in re.findall(r"\]\(\s*([^)\s]+)\s*\)", prose):
        if re.match(r"\w+:", target):
            continue
        path, _, anchor = target.partition("#")
        place = (page.parent / path).resolve() if path else page
        known = place.exists() and place.is_relative_to(ROOT)
        if anchor and known:
            known = place.suffix == ".md" and anchor in anchors(place)
        if not known:
            broken.append(target)
    return broken


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_and_anchors_lead_somewhere(page):
    assert broken_links(page) == []


def test_the_index_names_every_page():
    index = ROOT / "docs" / "README.md"
    linked = re.findall(r"\]\(([^)#]+)\)", split(index)[0])
    for page in (ROOT / "docs").rglob("*.*"):
        name = str(page.relative_to(index.parent))
        assert page == index or name in linked, f"docs/README.md lacks {name}"


@pytest.mark.parametrize("arguments", COMMAND_LINES)
def test_commands_are_accepted(arguments, monkeypatch, capsys):
    """By the real command line; only paths need not exist, nothing is run."""
    name = arguments[0]
    if name in app.COMMANDS:
        module = f"pwavenet_tf.cli.commands.{name.replace('-', '_')}"
        command = importlib.import_module(module)
        monkeypatch.setattr(command, "run", lambda flag_values: None)
    with monkeypatch.context() as patched:
        # What has a suffix is a file that exists, all else a folder.
        patched.setattr("os.path.exists", lambda path: True)
        patched.setattr("os.path.isdir", lambda path: not Path(path).suffix)
        status = app.main(arguments)
    assert (status, capsys.readouterr().err) == (0, "")


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_commands_in_the_prose_exist_with_their_flags(page):
    """Without what they need besides: prose names a flag or two."""
    for span in code_spans(page):
        name, *arguments = span.removeprefix("pwavenet ").split()
        if not span.startswith("pwavenet ") or PLACEHOLDER.fullmatch(name):
            continue
        flags = re.findall(r"--([a-z_]+)", " ".join(arguments))
        assert name in (*app.COMMANDS, "--help", "--version"), span
        for flag in flags:
            assert flag == "help" or flag in known_flags(name), span


@functools.cache
def known_flags(name: str) -> frozenset[str]:
    from absl import flags

    module = f"pwavenet_tf.cli.commands.{name.replace('-', '_')}"
    values = flags.FlagValues()
    importlib.import_module(module).define_flags(values)
    return frozenset(values)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_make_targets_exist(page):
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    scripts = [f.text for f in split(page)[1] if f.language in ("", "sh")]
    for script in [*scripts, *code_spans(page)]:
        # Optional settings stand in brackets.
        for command in shell_commands(re.sub(r"\[[^]]*\]", "", script)):
            words = command[1:] if command[0] == "make" else []
            assert targets.issuperset(w for w in words if "=" not in w), script


def bound_names(tree: ast.AST) -> dict[str, object]:
    """What a block imports of this package, by the names that it uses."""
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for one in node.names:
                if one.name.split(".")[0] == "pwavenet_tf":
                    module = importlib.import_module(one.name)
                    found[one.asname or "pwavenet_tf"] = (
                        module if one.asname else pwavenet_tf
                    )
        elif isinstance(node, ast.ImportFrom) and (
            node.module.split(".")[0] == "pwavenet_tf"
        ):
            module = importlib.import_module(node.module)
            for one in node.names:
                found[one.asname or one.name] = getattr(module, one.name)
    return found


@pytest.mark.parametrize(
    "block", blocks("python"), ids=lambda block: block.place
)
def test_python_compiles_and_names_what_exists(block):
    tree = ast.parse(block.text, block.place)
    modules = {
        name: value
        for name, value in bound_names(tree).items()
        if isinstance(value, types.ModuleType)
    }
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and node.value.id in modules
        ):
            assert hasattr(modules[node.value.id], node.attr), node.attr


def api_example() -> str:
    (example,) = (f.text for f in split(README)[1] if f.language == "python")
    return example


def test_readme_is_short():
    lines = README.read_text("utf-8").splitlines()
    assert len(lines) < 250
    assert [line for line in lines if len(line) > 80] == []
    statements = [line for line in api_example().splitlines() if line]
    assert len(statements) <= 20


def table(heading: str) -> list[list[str]]:
    """The rows of README's first table under a heading."""
    section = split(README)[0].split(f"\n## {heading}\n")[1]
    section = section.split("\n## ")[0]
    rows = re.search(r"(?:^\|.*\n)+", section, re.MULTILINE)[0].splitlines()
    return [
        [cell.strip() for cell in row.strip("|").split("|")] for row in rows
    ]


# A column's measure on the card, and its digits behind the point.
RESULTS = {
    "PESQ": ("pesq_wide_band", 2),
    "STOI": ("stoi", 3),
    "LSD, dB": ("log_spectral_distance", 1),
    "MCD, dB": ("mel_cepstral_distortion", 2),
    "level, dB": ("level_difference", 1),
}


def test_readme_gives_the_results_of_the_card():
    card = voice_card("kathleen")
    header, _, *rows = table("Results")
    assert header[1:] == list(RESULTS)
    measures = {k: v for k, v in card["measures"].items() if k != "recordings"}
    assert {row[0].split(",")[0] for row in rows} == set(measures)
    for name, *cells in rows:
        found = measures[name.split(",")[0]]
        for cell, (key, digits) in zip(cells, RESULTS.values(), strict=True):
            assert len(cell.partition(".")[2]) == digits
            # Half a unit of the last digit, however 0.5 was rounded.
            half = 0.5001 * 10**-digits
            value = float(cell.replace("−", "-"))
            assert value == pytest.approx(found[key], abs=half), (name, key)


def test_readme_gives_the_receptive_fields():
    names, _, *rows = table("Models")
    teachers, students = (
        row[1:] for row in rows if row[0].startswith("receptive field")
    )
    for name, teacher, student in zip(
        names[1:], teachers, students, strict=True
    ):
        settings = preset(name.strip("`"))
        field = field_of(settings.teacher.dilations, settings.teacher)
        field += settings.teacher.prediction_order
        milliseconds = 1_000 * field / settings.audio.sample_rate
        assert teacher == f"{field:,} ({milliseconds:.0f} ms)"
        if settings.student is None:
            assert student == ""
            continue
        total = sum(
            field_of(flow, settings.student)
            for flow in settings.student.flow_dilations
        )
        assert student == f"{total + 197 * bool(settings.audio.pre_emphasis):,}"


def field_of(dilations, sizes) -> int:
    return 1 + (sizes.filter_width - 1) * sum(dilations)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_tests_that_a_page_names_exist(page) -> None:
    tests = "".join(
        path.read_text("utf-8") for path in ROOT.glob("tests/**/test_*.py")
    )
    named = re.findall(r"`(test_\w+)`", page.read_text("utf-8"))
    assert [one for one in named if f"def {one}(" not in tests] == []


@pytest.mark.slow
def test_readme_example_runs(tmp_path, monkeypatch):
    """As it stands, with a tiny preset and recordings of a second or less."""
    write_recordings(tmp_path / "recordings", 4)
    monkeypatch.chdir(tmp_path)
    assert app.main(["prepare", "--corpus=recordings", "--out=data"]) == 0
    monkeypatch.setattr(pwavenet_tf, "preset", lambda name: tiny_preset())
    names: dict = {}
    exec(compile(api_example(), "README.md", "exec"), names)
    audio, generated = names["audio"], names["generated"]
    assert generated.shape == (-(-len(audio) // 200) * 200,)
    assert 0 < abs(generated).max() <= 1
    assert pwavenet_tf.load_voice(tmp_path / "student.keras")
    assert json.loads((tmp_path / "data" / "corpus.json").read_text())
