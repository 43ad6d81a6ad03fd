"""The whole pipeline once: corpus, teacher, student, audio, export, report."""

import dataclasses
from pathlib import Path

from pwavenet_tf.core.files import require_free
from pwavenet_tf.core.presets import preset
from pwavenet_tf.core.training_config import Preset
from pwavenet_tf.corpus.audit.verdict import by_reason
from pwavenet_tf.corpus.dataset import Corpus
from pwavenet_tf.corpus.demo import synthesize_corpus
from pwavenet_tf.corpus.notes import synthesize_notes
from pwavenet_tf.corpus.prepare import prepare
from pwavenet_tf.corpus.transcripts import Transcripts
from pwavenet_tf.evaluation.evaluate import evaluate
from pwavenet_tf.export.saved_model import export_saved_model
from pwavenet_tf.export.voices import load_voice
from pwavenet_tf.synthesis.files import features_at, synthesize_to_file
from pwavenet_tf.training.runs import distill, train_teacher
from pwavenet_tf.voices import voice_card, voice_names, voice_sample

_SENTENCES = 3


def run_demo(
    out: Path, recordings: Path | None = None, notes: bool = False
) -> None:
    """Runs every stage and prints where the results are, all in `out`.

    Without recordings, eSpeak NG synthesizes a corpus; or notes are computed,
    which an autoencoder is trained on.
    """
    require_free(out)
    settings = _short(preset("nsynth-small" if notes else "nano"))
    if recordings is None and notes:
        _announce("1/6 A corpus: notes of four timbres")
        recordings = out / "recordings"
        synthesize_notes(recordings, settings.audio.sample_rate)
    elif recordings is None:
        _greet(out)
        _announce("1/6 A corpus: sentences synthesized by eSpeak NG")
        recordings = out / "recordings"
        synthesize_corpus(recordings, settings.audio.sample_rate)
    else:
        _announce(f"1/6 A corpus: the recordings in {recordings}")
    _announce("2/6 Prepare: mel spectrograms and clips")
    card = prepare(recordings, out / "data", settings)
    for line in by_reason((one.file, one.reason) for one in card.refused):
        print(f"left out: {line}")
    corpus, run = Corpus(out / "data"), out / "run"
    _announce("3/6 Teacher: learns how probable every next sample is")
    teacher = train_teacher(corpus, settings, run)
    _announce("4/6 Student: learns to generate all samples at once")
    student = distill(corpus, teacher, settings, run)
    shortest = sorted(card.validation, key=lambda one: one.samples)
    held_out = [recordings / one.file for one in shortest[:_SENTENCES]]
    _announce("5/6 Audio: held-out recordings, and the report")
    models = {run / "teacher.keras": teacher, run / "student.keras": student}
    texts = Transcripts(recordings).texts(held_out)
    evaluate(models, held_out, out, texts)
    _announce("6/6 Export: a SavedModel for TensorFlow Serving")
    exported = export_saved_model(student, out / "served" / "voice")
    print(
        f"""
The sound:       {out / "sound"}
The report:      {out / "report.html"}  (open it in a browser)
The SavedModel:  {exported}
The models:      {run / "teacher.keras"}, {run / "student.keras"}

So short a training shows how everything works, not how good it can get. The
same on recordings of your own, as long as you like:
  pwavenet prepare --corpus=RECORDINGS --out=DATA
"""
    )


def _greet(out: Path) -> None:
    """Synthesizes a sample with the voice that comes with the package."""
    name, *_ = voice_names()
    _announce(f"A voice that comes with the package, {name}")
    synthesizer = load_voice(name)
    (features,) = features_at(voice_sample(name), synthesizer).values()
    sound = out / f"{name}.wav"
    out.mkdir(parents=True, exist_ok=True)
    synthesize_to_file(synthesizer, features, sound)
    print(f"{sound} has it read {voice_card(name)['sample']!r}.")


def _announce(stage: str) -> None:
    print(f"\n{stage}", flush=True)


def _short(full: Preset) -> Preset:
    """The preset with trainings of some minutes on two cores."""
    return dataclasses.replace(
        full,
        teacher_training=dataclasses.replace(
            full.teacher_training, steps=280, batch_size=1
        ),
        # With one clip a step there is no other to contrast with.
        distillation=dataclasses.replace(
            full.distillation, steps=350, batch_size=1, contrastive=0.0
        ),
    )
