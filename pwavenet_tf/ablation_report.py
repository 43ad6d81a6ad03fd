"""An ablation from a teacher's file to its table, its report and its sound."""

from pathlib import Path

from pwavenet_tf.ablation import ablate
from pwavenet_tf.corpus.audio import find_audio
from pwavenet_tf.corpus.dataset import Corpus
from pwavenet_tf.corpus.texts import read_texts
from pwavenet_tf.evaluation.ablation_table import Ablation, Row, write_table
from pwavenet_tf.evaluation.compare import evaluate
from pwavenet_tf.evaluation.held_out import held_out_measures
from pwavenet_tf.evaluation.recordings import hear
from pwavenet_tf.evaluation.spoken import require_distinct
from pwavenet_tf.models import load_teacher
from pwavenet_tf.phone_classifier import PhoneClassifier
from pwavenet_tf.presets import preset


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

    Args:
        corpus: The corpus that the teacher was trained on; its preset is
            the one whose losses are added one by one.
        teacher_file: The teacher of all.
        phone_classifier: Trained by `train_phones`.
        reference: Recordings that were not trained on.
        out: Folder that gets `NAME/student.keras` for each student,
            `ablation.csv`, and what `evaluate` writes.
        steps: Optimiser steps of each student; the preset's if left out.
        labels: See `evaluate`.
        speaker_pattern: See `evaluate`.

    Returns:
        The table.

    Raises:
        UserError: As `ablate` and `evaluate` do.
    """
    settings = preset(corpus.card.preset)
    teacher = load_teacher(teacher_file)
    recordings = find_audio(reference)
    folder = reference if reference.is_dir() else reference.parent
    # What is wrong with them is told now, not after hours of training.
    require_distinct(recordings)
    hear(recordings, [teacher], folder, labels, speaker_pattern)
    trained = ablate(corpus, teacher, phone_classifier, settings, out, steps)
    finished = [one for one in trained if one.student is not None]
    students = {one.variant.name: one.student for one in finished}
    measures = {}
    if students:
        measures = held_out_measures(
            corpus, teacher, students, phone_classifier, settings.distillation
        )
    ablation = Ablation(trained, measures)
    found = evaluate(
        {one.path: one.student for one in finished} | {teacher_file: teacher},
        recordings,
        out,
        read_texts(folder),
        folder=folder,
        labels=labels,
        speaker_pattern=speaker_pattern,
        names={one.path: one.variant.name for one in finished}
        | {teacher_file: "teacher"},
        ablation=ablation,
    )
    rows = ablation.rows(found.metrics)
    write_table(Path(out) / "ablation.csv", rows)
    return rows
