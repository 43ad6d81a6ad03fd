"""What is trained: a preset's teacher, or its student against a teacher."""

import dataclasses
from pathlib import Path

import keras

from pwavenet_tf.core.config import SampleRNNConfig
from pwavenet_tf.core.errors import UserError
from pwavenet_tf.core.training_config import Preset, TeacherTraining
from pwavenet_tf.corpus.numpy_corpus import NumpyCorpus
from pwavenet_tf.models.backend import in_precision, policy
from pwavenet_tf.models.loading import load_student, load_teacher
from pwavenet_tf.models.parallel_wavenet import ParallelWaveNet
from pwavenet_tf.models.wavenet import WaveNet
from pwavenet_tf.training.runs import (
    conditioning_of,
    distillation_context,
    make_distiller,
    require_suited,
    with_noise_of,
    with_sizes_of,
)


@dataclasses.dataclass(frozen=True)
class Job:
    """A model to be trained.

    Attributes:
        name: `teacher` or `student`.
        model: What is going to be saved, in float32.
        network: The same in the precision of the training.
        fitted: What is fitted: the network, or the Distiller around it.
        settings: How to train.
        context: Samples of each clip before those that count.
    """

    name: str
    model: keras.Model
    network: keras.Model
    fitted: keras.Model
    settings: TeacherTraining
    context: int


def teacher_job(
    corpus: NumpyCorpus, preset: Preset, initial: Path | None = None
) -> Job:
    """The preset's teacher.

    Args:
        corpus: The corpus.
        preset: Sizes and training settings.
        initial: A `teacher.keras` to begin with.

    Raises:
        UserError: If the corpus was prepared for another preset, or `initial`
            has other sizes or was trained on other data.
    """
    if isinstance(preset.teacher, SampleRNNConfig):
        raise UserError(
            f"the teacher of the preset {preset.name} is trained on "
            "TensorFlow alone; choose another --preset, or train-teacher"
        )
    settings = preset.teacher_training
    model = WaveNet.from_preset(
        preset, corpus.contract, conditioning_of(corpus, preset)
    )
    model.build()
    if initial is not None:
        _begin_with(model, load_teacher(initial), initial)
    # Another one: what is compiled is saved with its optimiser.
    network = WaveNet.from_config(
        model.get_config() | {"dtype": policy(settings.precision)}
    )
    network.build()
    network.set_weights(model.get_weights())
    return Job(
        "teacher", model, network, network, settings, model.receptive_field
    )


def student_job(
    corpus: NumpyCorpus,
    preset: Preset,
    teacher: WaveNet,
    initial: Path | None = None,
) -> Job:
    """The preset's student and the Distiller that trains it.

    Args:
        corpus: The corpus that the teacher was trained on.
        preset: Sizes and training settings.
        teacher: The trained teacher.
        initial: A `student.keras` to begin with.

    Raises:
        UserError: As `pwavenet_tf.distill`, or if `initial` has another
            conditioning.
    """
    require_suited(corpus, teacher, preset)
    settings = preset.distillation
    given = initial and load_student(initial)
    preset = with_noise_of(with_sizes_of(given, preset), teacher)
    model = ParallelWaveNet.from_preset(
        preset, corpus.contract, teacher.conditioning
    )
    model.build()
    if given is not None:
        _begin_with(model, given, initial)
    else:
        model.copy_conditioner(teacher)
    network = in_precision(model, settings.precision)
    distiller = make_distiller(teacher, network, settings)
    context = distillation_context(teacher, model, settings)
    return Job("student", model, network, distiller, settings, context)


def _begin_with(model: keras.Model, given: keras.Model, path: Path) -> None:
    theirs, wanted = given.get_config(), model.get_config()
    # What decides nothing about the weights.
    differ = [
        key
        for key, value in wanted.items()
        if key not in ("name", "dtype", "trainable", "seed")
        and theirs.get(key) != value
    ]
    if differ:
        raise UserError(
            f"{path}: differs from what the preset and the data ask for in "
            f"{', '.join(differ)}; name another --initial, or the preset and "
            "the data that it was trained with"
        )
    model.set_weights(given.get_weights())
