"""The benchmark of growth and of whole calls: its rows can be compared."""

import functools

import numpy as np
import pytest
import tensorflow as tf
from benchmark_rows import flat

from pwavenet_tf.audio.files import read_audio
from pwavenet_tf.cli.benchmark import call, growth, sampling, training
from pwavenet_tf.cli.benchmark.peak_memory import (
    random_student,
    random_teacher,
)
from pwavenet_tf.core.errors import UserError
from pwavenet_tf.core.presets import preset
from pwavenet_tf.models.operations import operations_per_sample
from pwavenet_tf.synthesis.student import Synthesizer

pytestmark = pytest.mark.network


@pytest.mark.slow
def test_work_is_in_proportion_to_what_grows() -> None:
    rows = {row.setting: row for row in flat(growth.measure(quick=True))}
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
    matrix = sampling.weights_once(teacher).numpy()
    read = teacher.stack.weights + teacher.output_parameters.weights
    read += teacher.before_output.weights
    kernels = sum(one.shape.num_elements() for one in read if one.ndim > 1)
    # Linear prediction is the rest.
    assert kernels < matrix.size < 1.1 * kernels
    vector = np.ones((1, len(matrix)), np.float32)
    run = tf.function(functools.partial(sampling.products, 3), jit_compile=True)
    found = run(vector, matrix)
    expected = vector @ matrix @ matrix @ matrix
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)


@pytest.mark.slow
def test_a_step_takes_longer_than_its_parts() -> None:
    rows = {row.setting: row for row in flat(training.measure(quick=True))}
    for step, part in (
        ("nano's teacher, float32, 1 step", "the likelihood of 1 step"),
        ("nano, distillation, 1 step", "6 inner samples of 1 step"),
    ):
        (of_part,) = (row for name, row in rows.items() if part in name)
        assert 0 < of_part.median < rows[step].median
        assert rows[step].operations > 0


@pytest.mark.slow
def test_a_command_is_measured_and_its_failure_is_one_line(tmp_path) -> None:
    student = random_student(preset("nano"))
    call._call(student, "nano", tmp_path, 1, quick=True)
    rows = {
        row.setting: row for row in call._command(student, tmp_path, 1, True)
    }
    route = "nano, 1 s, pwavenet synthesize, Keras"
    assert rows[route].median > rows["import tensorflow"].median > 0
    with pytest.raises(UserError, match="does not exist"):
        call._finish(["-m", "pwavenet_tf", "synthesize", "--model=absent"])
