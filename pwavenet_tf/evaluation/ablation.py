"""An ablation from a teacher's file to its table, its report and its sound."""

import dataclasses
from pathlib import Path

import keras

from pwavenet_tf.audio.files import find_audio
from pwavenet_tf.core.presets import preset
from pwavenet_tf.core.progress import Bar
from pwavenet_tf.core.training_config import Distillation, Preset
from pwavenet_tf.corpus.dataset import Corpus
from pwavenet_tf.corpus.transcripts import Transcripts
from pwavenet_tf.distillation.distiller import Distiller
from pwavenet_tf.evaluation.ablation_table import Ablation, Row, write_table
from pwavenet_tf.evaluation.evaluate import evaluate
from pwavenet_tf.evaluation.recordings import read_references, require_distinct
from pwavenet_tf.models.loading import load_teacher
from pwavenet_tf.models.parallel_wavenet import ParallelWaveNet
from pwavenet_tf.models.phone_classifier import PhoneClassifier
from pwavenet_tf.models.teacher import Teacher
from pwavenet_tf.training.ablation import ablate
from pwavenet_tf.training.callbacks.health_monitor import HealthMonitor
from pwavenet_tf.training.fit import clip_shape, frames_around, spread
from pwavenet_tf.training.runs import distillation_context

# Half a minute of speech at 16 kHz: the KL is then known to some hundredths.
_SAMPLES = 500_000

_SEED = 0


def held_out_measures(
    corpus: Corpus,
    teacher: Teacher,
    students: dict[str, ParallelWaveNet],
    phone_classifier: PhoneClassifier,
    settings: Distillation,
) -> dict[str, dict[str, float]]:
    """Measures students of one size on the same clips with the same noise.

    All terms of the whole loss are measured on the corpus's validation
    recordings, whichever of them a student was trained with, so that students
    of different losses compare.

    Returns:
        By name: the terms as `Distiller.loss_terms` has them, and what
        `health_measures` measures, as `health_…`.
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
    left_context = distillation_context(teacher, first, settings)
    shape = clip_shape(corpus, settings, left_context, frames_around(judge))
    clips = spread(corpus.validation_clips(**shape), settings, _SAMPLES)
    monitor = HealthMonitor(list(clips.as_numpy_iterator()))
    monitor.set_model(judge)
    found = {}
    for name, student in Bar(students.items(), desc="held-out clips"):
        stand_in.set_weights(student.get_weights())
        for drawer in (judge, stand_in):
            start = keras.random.SeedGenerator(_SEED).state
            drawer.seed_generator.state.assign(start)
        terms = judge.evaluate(clips, verbose=0, return_dict=True)
        # With the weights of the stand-in it means nothing.
        del terms["loss"]
        health = monitor.measures().items()
        found[name] = terms | {f"health_{key}": value for key, value in health}
    return found


def _with_contrastive(settings: Preset) -> Preset:
    """The paper's γ where a preset leaves the contrastive loss out.

    The table is there to show what it does.
    """
    whole = settings.distillation
    if whole is None or whole.contrastive:
        return settings
    whole = dataclasses.replace(whole, contrastive=Distillation.contrastive)
    return dataclasses.replace(settings, distillation=whole)


def run_ablation(
    corpus: Corpus,
    teacher_file: Path,
    phone_classifier: PhoneClassifier,
    reference: Path,
    out: Path,
    steps: int | None = None,
    labels: Path | None = None,
    speaker_pattern: str | None = None,
) -> list[Row]:
    """Trains the students of an ablation and compares them with recordings.

    The teacher was trained on the corpus, whose preset is the one whose losses
    are added one by one, and the contrastive one with γ = 0.3 where it has
    none; the reference was not trained on. `out` gets `NAME/student.keras` for
    each student, `ablation.csv`, and what `evaluate` writes. Without `steps`
    each student has the preset's.

    Raises:
        UserError: As `ablate` and `evaluate` do.
    """
    settings = _with_contrastive(preset(corpus.card.preset))
    teacher = load_teacher(teacher_file)
    recordings = find_audio(reference)
    folder = reference if reference.is_dir() else reference.parent
    # Faults in them are reported now, not after hours of training.
    require_distinct(recordings)
    read_references(recordings, [teacher], folder, labels, speaker_pattern)
    texts = Transcripts(folder).texts(recordings)
    trained = ablate(corpus, teacher, phone_classifier, settings, out, steps)
    successful = [one for one in trained if one.student is not None]
    students = {one.variant.name: one.student for one in successful}
    measures = students and held_out_measures(
        corpus, teacher, students, phone_classifier, settings.distillation
    )
    ablation = Ablation(trained, measures)
    models = {one.path: one.student for one in successful}
    names = {one.path: one.variant.name for one in successful}
    found = evaluate(
        models | {teacher_file: teacher},
        recordings,
        out,
        texts,
        folder=folder,
        labels=labels,
        speaker_pattern=speaker_pattern,
        names=names | {teacher_file: "teacher"},
        ablation=ablation,
    )
    rows = ablation.rows(found.metrics)
    write_table(Path(out) / "ablation.csv", rows)
    return rows
