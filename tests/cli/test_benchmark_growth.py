"""The benchmark of growth and of whole calls: its rows can be compared."""

import numpy as np
import pytest

from pwavenet_tf.audio.files import read_audio
from pwavenet_tf.cli.benchmark import call, growth, sampling
from pwavenet_tf.cli.benchmark.peak_memory import (
    random_student,
    random_teacher,
)
from pwavenet_tf.core.presets import preset
from pwavenet_tf.models.operations import operations_per_sample
from pwavenet_tf.synthesis.student import Synthesizer

pytestmark = pytest.mark.network


def test_work_is_in_proportion_to_what_grows() -> None:
    rows = {row.setting: row for row in growth.measure(quick=True)}
    one, two = rows["nano, 1 s"], rows["nano, 2 s"]
    assert two.operations == 2 * one.operations
    assert two.sound == pytest.approx(2 * one.sound)
    of_two = rows["nano, batch of 2, 1 s"]
    assert (of_two.operations, of_two.sound) == (two.operations, two.sound)
    assert rows["nano, memory of 1 s in chunks"].median > 0
    step = rows["nano's teacher, a training step, 3 layers"]
    whole = 3 * operations_per_sample(random_teacher(preset("nano")))
    assert step.median > 0
    assert 0.1 < step.operations / (16_000 * step.sound * whole) < 0.5


def test_the_network_alone_computes_what_the_call_writes(
    tmp_path, monkeypatch
) -> None:
    """The same blocks of the same noise, so their times compare."""
    student = random_student(preset("nano"))
    audio = []
    advance = Synthesizer.advance

    def recorded(self, *given):
        audio.append(advance(self, *given))
        return audio[-1]

    monkeypatch.setattr(Synthesizer, "advance", recorded)
    alone, whole = call._call(student, "nano", tmp_path, 1, quick=True)
    assert alone.operations == whole.operations and alone.sound == whole.sound
    written = read_audio(tmp_path / "one.wav", student.audio.sample_rate)
    blocks = {block.numpy().tobytes() for block, _ in audio}
    assert len(blocks) == 1
    np.testing.assert_allclose(audio[0][0][0], written, atol=2**-15)


def test_the_bound_of_sampling_multiplies_every_weight_once() -> None:
    teacher = random_teacher(preset("nano"))
    row = sampling._bound(teacher, "bound", quick=True)
    weights = operations_per_sample(teacher) / 2
    side = round(weights**0.5)
    assert row.operations == pytest.approx(2 * 2 * side**2, rel=1e-2)
    assert row.median > 0
