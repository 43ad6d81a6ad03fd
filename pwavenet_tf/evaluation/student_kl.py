"""KL between a student and a teacher on given recordings' conditioning."""

import numpy as np
import tensorflow as tf

from pwavenet_tf.audio.signal import quantise
from pwavenet_tf.core.progress import Bar
from pwavenet_tf.distillation.kl import entropy, true_kl
from pwavenet_tf.evaluation.likelihood import Windows, likelihood_of
from pwavenet_tf.evaluation.recordings import Model, ReferenceRecording
from pwavenet_tf.models.distributions import ContinuousHead
from pwavenet_tf.models.inputs import (
    Features,
    at_frames,
    batch_and_frames,
    require_features,
)
from pwavenet_tf.models.parallel_wavenet import ParallelWaveNet
from pwavenet_tf.models.teacher import Teacher
from pwavenet_tf.synthesis.graph_uniforms import positional_uniforms

_CHUNK_FRAMES = 80


def pairs_of(models: dict[str, Model]) -> list[tuple[str, str]]:
    """Names of students and of teachers that their KL can be taken to.

    Every pair that a `Distiller` takes for its contracts: of the same
    features, but for teachers whose output is codes, to which a density has
    no KL.
    """
    teachers = [
        name
        for name, model in models.items()
        if isinstance(model, Teacher)
        and issubclass(model.head_class, ContinuousHead)
    ]
    return [
        (student, teacher)
        for student, model in models.items()
        if isinstance(model, ParallelWaveNet)
        for teacher in teachers
        if not model.audio.feature_differences(models[teacher].audio)
    ]


def student_kl(
    student: ParallelWaveNet,
    teacher: Teacher,
    references: list[ReferenceRecording],
    name: str,
    seed: int = 0,
) -> np.ndarray:
    """KL(student ‖ teacher) in nats per sample, for each recording.

    Of each recording's conditioning the student generates one signal x, which
    is rounded to 16-bit levels. KL = H(P_S, P_T) - H(P_S) (1711.10433,
    equations 3 to 5): the teacher's -ln P(x_t | x_<t) estimates the
    cross-entropy without bias, and the student's entropy given its noise is
    exact. A second of sound suffices for an error of some hundredths.

    Args:
        student: The student.
        teacher: A teacher with a continuous output; its conditioning may
            be another.
        references: The recordings.
        name: What the progress bar calls the pair.
        seed: Of the student's noise.

    Returns:
        `(recordings,)`.

    Raises:
        UserError: If a recording lacks what a model needs, or the teacher's
            probabilities are not finite.
    """
    generate = _Generator(student)
    longest = max(student.audio.frames(len(one.audio)) for one in references)
    likelihood = likelihood_of(teacher, longest)
    found = []
    with Bar(total=len(references), desc=name, unit="recording") as bar:
        for row, one in enumerate(references):
            audio, log_scale = generate(one.features(student), seed, row)
            score = likelihood(audio, one.features(teacher))
            own = entropy(log_scale, student.noise_family)
            found.append(true_kl(score.nats / score.samples, own))
            bar.update()
    return np.array(found)


class _Generator:
    """Generates with a student and returns its scales, in constant memory."""

    def __init__(self, student: ParallelWaveNet) -> None:
        self._student = student
        self._windows = Windows.of(student, _CHUNK_FRAMES)
        self._generate = tf.function(self._window, autograph=False)

    def __call__(
        self, features: Features, seed: int, row: int
    ) -> tuple[np.ndarray, float]:
        """16-bit levels `(frames * hop length,)`, and the mean of ln s_tot."""
        student, windows = self._student, self._windows
        features = require_features(
            features, student.audio, student.conditioning
        )
        hop = student.audio.hop_length
        samples = batch_and_frames(features)[1] * hop
        audio, log_scale = [], []
        for start, chunk in windows.over(samples, hop):
            places = np.arange(start, start + windows.length)
            output = self._generate(
                at_frames(features, places),
                tf.constant(seed + row, tf.int64),
                tf.constant(start * hop, tf.int64),
            )
            audio.append(output["audio"].numpy()[0, chunk])
            log_scale.append(output["log_scale"].numpy()[0, chunk])
        levels = np.asarray(quantise(np.concatenate(audio)))
        return levels, float(np.concatenate(log_scale).mean(dtype=np.float64))

    def _window(self, features, seed, start):
        samples = self._windows.length * self._student.audio.hop_length
        uniforms = positional_uniforms(seed, 1, start, samples)
        noise = self._student.noise_family.from_uniforms(uniforms)
        return self._student(features | {"noise": noise})
