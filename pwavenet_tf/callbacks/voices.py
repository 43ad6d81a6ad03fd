"""What a model in training says to held-out clips, for `SpeechBoard`.

A voice has a name and an acoustic contract; called with a clip it gives a
`Said`. It draws no random number that training would have drawn.
"""

import dataclasses

import keras
import numpy as np

from pwavenet_tf.config import FRAME_ARRAYS
from pwavenet_tf.distiller import Distiller
from pwavenet_tf.distributions import Gaussian, Head, MixtureOfLogistics
from pwavenet_tf.errors import UserError
from pwavenet_tf.model_inputs import at_frames
from pwavenet_tf.noise import positional_uniforms
from pwavenet_tf.ops import HIGHEST_LEVEL, LOWEST_LEVEL
from pwavenet_tf.replicas import is_replicated
from pwavenet_tf.sampling import CachedSampler
from pwavenet_tf.teacher import WaveNet

# A large teacher draws some hundred samples a second.
_SAMPLED_SECONDS = 1.0


@dataclasses.dataclass(frozen=True)
class Clip:
    """A stretch of a recording and what a model is told about it.

    Attributes:
        inputs: As a model reads them, each with a batch axis of 1.
        audio: `(time,)` in [-1, 1), context and look-ahead included.
        start: First sample that counts.
        end: The sample behind the last one that counts.
    """

    inputs: dict[str, np.ndarray]
    audio: np.ndarray
    start: int
    end: int

    @property
    def recorded(self) -> np.ndarray:
        """The samples that count, `(time,)`."""
        return self.audio[self.start : self.end]


def single_clips(batches) -> list[Clip]:
    """Batches `(inputs, audio, weight)` as clips; those that count.

    Raises:
        UserError: If there are batches and nothing counts in them.
    """
    clips, none_given = [], True
    for inputs, audio, weight in batches:
        none_given = False
        for row, counts in enumerate(np.asarray(weight) > 0):
            if counts.any():
                places = np.flatnonzero(counts)
                told = {
                    key: np.asarray(value)[row : row + 1]
                    for key, value in inputs.items()
                }
                recording = np.asarray(audio)[row]
                clips.append(Clip(told, recording, places[0], places[-1] + 1))
    if not clips and not none_given:
        raise UserError(
            "the board was given no sample that counts; give it clips of the "
            "validation recordings"
        )
    return clips


@dataclasses.dataclass(frozen=True)
class Said:
    """What a voice says to a clip.

    Attributes:
        audio: `(time,)` in [-1, 1), from the clip's `start` on.
        parameters: Of the distributions along the clip, by name, any shape;
            where the clip counts.
    """

    audio: np.ndarray
    parameters: dict[str, np.ndarray]


class StudentVoice:
    """The student of a Distiller, and what its teacher makes of that.

    The parameters are the student's μ_tot and ln s_tot and those of the
    teacher that hears the student.

    Args:
        distiller: Whose student.
        seed: Of the noise, the same every time.
    """

    name = "student"

    def __init__(self, distiller: Distiller, seed: int) -> None:
        self._distiller = distiller
        self._seed = seed
        self.contract = distiller.student.audio

    def __call__(self, clip: Clip) -> Said:
        student = self._distiller.student
        uniforms = positional_uniforms(self._seed, 1, 0, len(clip.audio))
        noise = student.noise_family.from_uniforms(uniforms)
        output = student(clip.inputs | {"noise": noise})
        heard = self._distiller.teacher.distribution(
            clip.inputs | {"audio": output["audio"]}
        )
        parameters = {
            "student/location": output["location"],
            "student/log_scale": output["log_scale"],
        } | _head_parameters(heard)
        audio = np.asarray(output["audio"])[0, clip.start : clip.end]
        return Said(
            np.clip(audio, LOWEST_LEVEL, HIGHEST_LEVEL),
            _counted(parameters, clip),
        )


class TeacherVoice:
    """A teacher: a second of what it samples, and how it hears recordings.

    It begins to speak where the clip counts, from silence. The parameters are
    those of the recorded samples, the true past given.

    Args:
        teacher: The teacher.
        seed: Of the samples, the same every time.
    """

    name = "teacher"

    def __init__(self, teacher: WaveNet, seed: int) -> None:
        self._teacher = teacher
        self._seed = seed
        self.contract = teacher.audio
        second = round(_SAMPLED_SECONDS * teacher.audio.sample_rate)
        self._sampler = CachedSampler(
            teacher, not is_replicated(teacher), teacher.audio.frames(second)
        )

    def __call__(self, clip: Clip) -> Said:
        heard = self._teacher.distribution(clip.inputs)
        return Said(
            self._sampled(clip), _counted(_head_parameters(heard), clip)
        )

    def _sampled(self, clip: Clip) -> np.ndarray:
        contract = self.contract
        told = {
            key: value
            for key, value in clip.inputs.items()
            if key in (*FRAME_ARRAYS, "speaker")
        }
        first = clip.start // contract.hop_length
        second = round(_SAMPLED_SECONDS * contract.sample_rate)
        # Not what counts, which is longer in one clip than in another: one
        # compiled loop is to serve all.
        samples = min(second, len(clip.audio))
        frames = np.arange(first, first + contract.frames(samples))
        audio = self._sampler(at_frames(told, frames), self._seed)[0]
        return audio[: clip.end - clip.start]


def voice_of(model: keras.Model, seed: int):
    """The voice of a model that speaks; None of any other."""
    if isinstance(model, Distiller):
        return StudentVoice(model, seed)
    return TeacherVoice(model, seed) if isinstance(model, WaveNet) else None


def _head_parameters(head: Head) -> dict:
    """The parameters of a teacher's distributions, as one speaks of them."""
    if isinstance(head, MixtureOfLogistics):
        return {
            "teacher/weights": keras.ops.exp(head.log_weights),
            "teacher/means": head.locations,
            "teacher/log_scales": head.log_scales,
        }
    if isinstance(head, Gaussian):
        return {
            "teacher/means": head.location,
            "teacher/log_scales": head.log_scale,
        }
    probabilities = keras.ops.softmax(head.parameters, axis=-1)
    return {"teacher/probabilities": probabilities}


def _counted(parameters: dict, clip: Clip) -> dict[str, np.ndarray]:
    return {
        name: keras.ops.convert_to_numpy(values)[0, clip.start : clip.end]
        for name, values in parameters.items()
    }
