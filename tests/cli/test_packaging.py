"""The package as it is imported, installed and built."""

import ast
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from repository import ROOT

import pwavenet_tf

# Other programs and processes.
pytestmark = pytest.mark.system


SHOW_PLACES = (
    "import pwavenet_tf, pwavenet_tf.corpus, pwavenet_tf.export;"
    "print(pwavenet_tf.__file__); print(pwavenet_tf.export.__file__)"
)


def python(
    *arguments: str, cwd: Path, **environment: str
) -> subprocess.CompletedProcess:
    """Runs this Python in a folder, without variables that change imports."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in ("PYTHONPATH", "TF_CPP_MIN_LOG_LEVEL")
    }
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env=kept | environment,
        capture_output=True,
        text=True,
    )


def places(*arguments: str, cwd: Path, **environment: str) -> list[Path]:
    """Where a fresh process finds the package and its export folder."""
    # -S leaves out site-packages, where another copy may be installed.
    process = python("-S", *arguments, cwd=cwd, **environment)
    assert process.returncode == 0, process.stderr
    return [Path(line).parent for line in process.stdout.splitlines()]


def build(hook: str, folder: Path) -> Path:
    """Builds a wheel from a copy of the sources and unpacks it."""
    source, site = folder / "source", folder / "site"
    source.mkdir()
    for name in ("setup.py", "pyproject.toml", "LICENSE", "README.md"):
        shutil.copy(ROOT / name, source)
    for name in ("pwavenet_tf", "export"):
        shutil.copytree(
            ROOT / name,
            source / name,
            ignore=shutil.ignore_patterns("__pycache__"),
        )
    process = python(
        "-c",
        f"from setuptools import build_meta as b; b.{hook}({str(folder)!r})",
        cwd=source,
    )
    assert process.returncode == 0, process.stderr
    (wheel,) = folder.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(site)
    return site


def test_setup_runs_no_code_beyond_setup():
    tree = ast.parse((ROOT / "setup.py").read_text())
    docstring, import_, call = tree.body
    assert isinstance(docstring, ast.Expr)
    assert isinstance(import_, ast.ImportFrom)
    assert import_.module == "setuptools"
    called = [
        ast.unparse(node.func)
        for node in ast.walk(call)
        if isinstance(node, ast.Call)
    ]
    assert called == ["setup", "find_packages", "find_packages"]


def test_the_changelog_has_this_version():
    assert f"## {pwavenet_tf.__version__}" in (
        (ROOT / "CHANGELOG.md").read_text()
    )


def test_wheel_is_whole(tmp_path):
    site = build("build_wheel", tmp_path)
    assert places("-c", SHOW_PLACES, cwd=tmp_path, PYTHONPATH=str(site)) == [
        site / "pwavenet_tf",
        site / "pwavenet_tf" / "export",
    ]
    missing = [
        path
        for folder in ("pwavenet_tf", "export")
        for path in (ROOT / folder).rglob("*")
        if path.suffix in (".py", ".j2", ".typed", ".config", ".yaml")
        and not (
            (site if folder == "pwavenet_tf" else site / "pwavenet_tf")
            / path.relative_to(ROOT)
        ).is_file()
    ]
    assert missing == []
    assert not (site / "export").exists()
    (entry_points,) = site.glob("*.dist-info/entry_points.txt")
    assert "pwavenet = pwavenet_tf.cli:main" in entry_points.read_text()


def test_editable_install_finds_the_sources(tmp_path):
    site = build("build_editable", tmp_path)
    code = f"import site; site.addsitedir({str(site)!r}); {SHOW_PLACES}"
    source = tmp_path / "source"
    for cwd in (source, tmp_path):
        assert places("-c", code, cwd=cwd) == [
            source / "pwavenet_tf",
            source / "export",
        ]


def test_import_loads_no_tensorflow_and_lists_its_names():
    process = python(
        "-c",
        "import sys, pwavenet_tf; pwavenet_tf.preset('nano');"
        "assert set(pwavenet_tf.__all__) <= set(dir(pwavenet_tf));"
        "assert not {'tensorflow', 'keras', 'numpy'} & set(sys.modules)",
        cwd=ROOT,
    )
    assert process.returncode == 0, process.stderr


def test_every_public_name_loads_without_chatter():
    process = python(
        "-c",
        "from pwavenet_tf import *;"
        "import tensorflow as tf;"
        "double = tf.function(lambda x: x * 2, jit_compile=True);"
        "double(tf.ones(3));"
        "list(tf.data.Dataset.range(3).batch(2))",
        cwd=ROOT,
    )
    assert process.returncode == 0, process.stderr
    assert process.stdout == ""
    assert process.stderr == ""


def test_log_level_that_the_user_sets_is_obeyed():
    process = python(
        "-c",
        "from pwavenet_tf.core.imports import import_tensorflow;"
        "import_tensorflow()",
        cwd=ROOT,
        TF_CPP_MIN_LOG_LEVEL="0",
    )
    assert process.returncode == 0
    assert process.stderr != ""


def test_held_back_text_appears_only_after_a_failure():
    code = (
        "import os\n"
        "from pwavenet_tf.core.imports import hold_back_stderr\n"
        "with hold_back_stderr():\n"
        "    os.write(2, b'chatter')\n"
        "os.write(2, b'after ')\n"
        "try:\n"
        "    with hold_back_stderr():\n"
        "        os.write(2, b'the reason')\n"
        "        raise ImportError\n"
        "except ImportError:\n"
        "    os.write(2, b' at the end')\n"
    )
    process = python("-c", code, cwd=ROOT)
    assert process.stderr == "after the reason at the end"


def test_only_remarks_are_thrown_away_where_they_are_named():
    code = (
        "import os, re\n"
        "from pwavenet_tf.core.imports import hold_back_stderr\n"
        "with hold_back_stderr(re.compile(rb'Note: .*\\n')):\n"
        "    os.write(2, b'half of aNote: 1\\n bar')\n"
        "    with hold_back_stderr(re.compile(rb'Note: .*\\n')):\n"
        "        os.write(2, b'Note: 2\\n of progress')\n"
    )
    process = python("-c", code, cwd=ROOT)
    assert process.stderr == "half of a bar of progress"


@pytest.mark.parametrize(
    ("code", "environment"),
    [
        (
            "import pwavenet_tf as pw; pw.WaveNet",
            {"TF_CPP_MIN_LOG_LEVEL": "3"},
        ),
        # What Keras itself prints cannot be held back any more.
        (
            "import os; os.dup2(os.open(os.devnull, 1), 2); import keras;"
            "os.dup2(1, 2); import pwavenet_tf as pw; pw.WaveNet;"
            "import tensorflow as tf; tf.ones(2) + 1",
            {},
        ),
    ],
)
def test_the_package_is_imported_without_a_word(code, environment):
    process = python("-c", code, cwd=ROOT, **environment)
    assert process.returncode == 0, process.stderr
    assert (process.stdout, process.stderr) == ("", "")


def test_quiet_import_works_without_a_standard_error():
    process = python(
        "-c",
        "import os, pwavenet_tf.core.imports as quiet\n"
        "os.close(2)\n"
        "with quiet.hold_back_stderr():\n"
        "    print('done')\n",
        cwd=ROOT,
    )
    assert process.stdout == "done\n"


def test_importing_the_package_after_keras_registers_the_models():
    process = python(
        "-c",
        "import keras, pwavenet_tf\n"
        "for name in 'WaveNet', 'ParallelWaveNet', 'Distiller':\n"
        "    registered = f'pwavenet_tf>{name}'\n"
        "    assert keras.saving.get_registered_object(registered), name\n",
        cwd=ROOT,
    )
    assert process.returncode == 0, process.stderr
