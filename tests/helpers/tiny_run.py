"""One whole run at a tiny size, shared by the tests that need its files."""

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest
from shared_files import made_once

from pwavenet_tf import cli
from pwavenet_tf.audio.files import write_audio
from pwavenet_tf.core.presets import preset
from pwavenet_tf.core.training_config import Preset

RATE = 16_000
STEPS = 4


@dataclasses.dataclass(frozen=True)
class TinyRun:
    """Where the files of the run are. Tests read them and change none."""

    recordings: Path
    data: Path
    teacher: Path
    student: Path


def tiny_preset(**training) -> Preset:
    """Nano with small models, so that the data is a real nano corpus."""
    nano = preset("nano")
    training = {
        "steps": STEPS,
        "batch_size": 1,
        "clip_length": 2_000,
    } | training
    sizes = {"residual_channels": 8, "gate_channels": 8}
    return dataclasses.replace(
        nano,
        conditioning=dataclasses.replace(nano.conditioning, channels=4),
        teacher=dataclasses.replace(
            nano.teacher,
            dilations=(1, 2),
            skip_channels=8,
            mixture_components=2,
            **sizes,
        ),
        student=dataclasses.replace(
            nano.student, flow_dilations=((1,), (2,)), **sizes
        ),
        teacher_training=dataclasses.replace(nano.teacher_training, **training),
        # The contrastive loss takes two clips.
        distillation=dataclasses.replace(
            nano.distillation,
            **{"inner_samples": 2, "contrastive": 0.3}
            | training
            | {"batch_size": 2},
        ),
    )


def write_recordings(folder: Path, count: int, seed: int = 0) -> None:
    """Gliding harmonic tones with breath noise, 0.4 s and longer."""
    random = np.random.default_rng(seed)
    folder.mkdir()
    for number in range(count):
        time = np.arange(round((0.4 + 0.04 * number) * RATE)) / RATE
        phase = 2 * np.pi * (100 + 20 * number) * (time + 0.2 * time**2)
        tone = sum(np.sin(k * phase) / k for k in range(1, 9))
        audio = 0.08 * tone + 0.004 * random.standard_normal(len(time))
        write_audio(folder / f"tone-{number}.wav", audio, RATE)


@pytest.fixture(scope="session")
def tiny_run() -> TinyRun:
    """Recordings, prepared data, a teacher and a student of one step.

    The log of an older run lies where the teacher's log comes.
    """
    with made_once("tiny") as (place, missing):
        run = TinyRun(
            place / "recordings",
            place / "data",
            place / "run" / "teacher.keras",
            place / "run" / "student.keras",
        )
        if missing:
            _train(run)
    return run


def _train(run: TinyRun) -> None:
    from pwavenet_tf.corpus.dataset import Corpus
    from pwavenet_tf.training.runs import distill, train_teacher

    write_recordings(run.recordings, 4)
    arguments = [f"--corpus={run.recordings}", f"--out={run.data}"]
    assert cli.main(["prepare", *arguments]) == 0
    run.teacher.parent.mkdir()
    run.teacher.with_suffix(".csv").write_text("epoch,step\n0,1000\n")
    corpus, settings = Corpus(run.data), tiny_preset()
    teacher = train_teacher(corpus, settings, run.teacher.parent)
    distill(corpus, teacher, settings, run.student.parent, steps=1)


@pytest.fixture(scope="session")
def other_run(tiny_run) -> TinyRun:
    """Data of other recordings, and a teacher of that other contract."""
    with made_once("other") as (place, missing):
        run = dataclasses.replace(
            tiny_run,
            recordings=place / "recordings",
            data=place / "data",
            teacher=place / "teacher.keras",
        )
        if missing:
            _prepare_other(run)
    return run


def _prepare_other(run: TinyRun) -> None:
    from pwavenet_tf.corpus.dataset import Corpus
    from pwavenet_tf.models.wavenet import WaveNet
    from pwavenet_tf.training.fit import save_model

    write_recordings(run.recordings, 2, seed=1)
    arguments = [f"--corpus={run.recordings}", f"--out={run.data}"]
    assert cli.main(["prepare", *arguments]) == 0
    teacher = WaveNet.from_preset(tiny_preset(), Corpus(run.data).contract)
    teacher.build()
    save_model(teacher, run.teacher)


def contents(folder: Path) -> dict[str, bytes | None]:
    """Everything below a folder, to see that nothing of it changed."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        if path.is_file()
        else None
        for path in sorted(folder.rglob("*"))
    }


def copied(path: Path, place: Path) -> Path:
    """A copy of a file in another folder."""
    return Path(shutil.copy(path, place))
