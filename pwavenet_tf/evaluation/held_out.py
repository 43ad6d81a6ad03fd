"""Students on held-out clips: every term of the loss, and their health."""

import keras
from tqdm import tqdm

from pwavenet_tf.callbacks.health_monitor import HealthMonitor
from pwavenet_tf.corpus.dataset import Corpus
from pwavenet_tf.distiller import Distiller
from pwavenet_tf.fitting import clip_shape, spread
from pwavenet_tf.phone_classifier import PhoneClassifier
from pwavenet_tf.student import ParallelWaveNet
from pwavenet_tf.teacher import WaveNet
from pwavenet_tf.training import distillation_context
from pwavenet_tf.training_config import Distillation

# Half a minute of speech at 16 kHz: the KL is then known to some hundredths.
_SAMPLES = 500_000

_SEED = 0


def held_out_measures(
    corpus: Corpus,
    teacher: WaveNet,
    students: dict[str, ParallelWaveNet],
    phone_classifier: PhoneClassifier,
    settings: Distillation,
) -> dict[str, dict[str, float]]:
    """Measures students of one make on the same clips with the same noise.

    All terms are measured, whichever of them a student was trained with, so
    that students of different losses compare.

    Args:
        corpus: Its validation recordings are heard.
        teacher: The teacher of all.
        students: At least one, by name; all of the same sizes.
        phone_classifier: Who hears the perceptual losses.
        settings: The whole loss.

    Returns:
        By name: the terms as `Distiller.loss_terms` has them, and what
        `pwavenet_tf.health` measures, as `health_…`.
    """
    first = next(iter(students.values()))
    # One model, into which each student's weights are put, compiles once.
    stand_in = type(first).from_config(first.get_config())
    judge = Distiller(
        teacher,
        stand_in,
        phone_classifier,
        inner_samples=settings.inner_samples,
        contrastive=settings.contrastive,
        power=settings.power,
    )
    judge.build()
    judge.compile(jit_compile=True)
    shape = clip_shape(corpus, settings, distillation_context(teacher, first))
    clips = spread(corpus.validation_clips(**shape), settings, _SAMPLES)
    monitor = HealthMonitor(list(clips.as_numpy_iterator()))
    monitor.set_model(judge)
    found = {}
    bar = tqdm(students.items(), desc="held-out clips", disable=None)
    for name, student in bar:
        stand_in.set_weights(student.get_weights())
        for drawer in (judge, stand_in):
            start = keras.random.SeedGenerator(_SEED).state
            drawer.seed_generator.state.assign(start)
        terms = judge.evaluate(clips, verbose=0, return_dict=True)
        # With the weights of the stand-in it means nothing.
        del terms["loss"]
        found[name] = terms | {
            f"health_{name}": value
            for name, value in monitor.measures().items()
        }
    return found
