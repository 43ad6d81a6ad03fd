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
    """A model to be trained, `teacher` or `student` by name.

    The model is going to be saved, in float32; the network is the same in the
    precision of the training, and what is fitted is the network, or the
    Distiller around it. Each clip has `left_context` samples before its loss.
    """

    name: str
    model: keras.Model
    network: keras.Model
    fitted: keras.Model
    settings: TeacherTraining
    left_context: int


def teacher_job(
    corpus: NumpyCorpus, preset: Preset, initial: Path | None = None
) -> Job:
    """The preset's teacher, which may begin with an initial `teacher.keras`.

    That must have the same sizes and have been trained on the same data.
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

    It may begin with an initial `student.keras` of the same conditioning.
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
    left_context = distillation_context(teacher, model, settings)
    return Job("student", model, network, distiller, settings, left_context)


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
