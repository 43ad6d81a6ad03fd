"""KL between a student and a teacher on given recordings' conditioning."""

from collections.abc import Callable

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
    is rounded to 16-bit PCM values. KL = H(P_S, P_T) - H(P_S) (1711.10433,
    section 3.1): the teacher's -ln P(x_t | x_<t) estimates the
    cross-entropy without bias, and the student's entropy given its noise is
    exact. A second of sound suffices for an error of some hundredths. The
    teacher has a continuous output; its conditioning may be another.

    Returns:
        `(recordings,)`.

    Raises:
        UserError: If a recording lacks what a model needs, or the teacher's
            probabilities are not finite.
    """
    generate = _generator(student)
    longest = max(len(one.audio) for one in references)
    likelihood = likelihood_of(teacher, longest)
    found = []
    for row, one in enumerate(Bar(references, desc=name, unit="recording")):
        audio, log_scale = generate(one.features(student), seed + row)
        cross_entropy = likelihood(audio, one.features(teacher)).nats_per_sample
        own = entropy(log_scale, student.noise_family)
        found.append(true_kl(cross_entropy, own))
    return np.array(found)


def _generator(
    student: ParallelWaveNet,
) -> Callable[[Features, int], tuple[np.ndarray, float]]:
    """Generates from features and a seed in constant memory.

    Returns 16-bit PCM `(frames * hop length,)`, and the mean of ln s_tot.
    """
    windows, hop = Windows.of(student, _CHUNK_FRAMES), student.audio.hop_length

    @tf.function(autograph=False)
    def window(features, seed, start):
        uniforms = positional_uniforms(seed, 1, start, windows.length * hop)
        noise = student.noise_family.from_uniforms(uniforms)
        return student(features | {"noise": noise})

    def generate(features, seed):
        features = require_features(
            features, student.audio, student.conditioning
        )
        samples = batch_and_frames(features)[1] * hop
        audio, log_scale = [], []
        for places, chunk in windows.over(samples, hop):
            output = window(
                at_frames(features, places),
                tf.constant(seed, tf.int64),
                tf.constant(places[0] * hop, tf.int64),
            )
            audio.append(output["audio"].numpy()[0, chunk])
            log_scale.append(output["log_scale"].numpy()[0, chunk])
        pcm = np.asarray(quantise(np.concatenate(audio)))
        return pcm, float(np.concatenate(log_scale).mean(dtype=np.float64))

    return generate
