"""Turns a folder of recordings into data to train on.

Every recording in the folder and its subfolders (WAV, FLAC, MP3, Ogg, AIFF and
whatever else libsndfile decodes) is mixed to one channel, brought to the
preset's sample rate and analysed into a mel spectrogram. Each is audited
first, as by pwavenet audit: one that cannot be used (silent, too short,
damaged or badly clipped) is left out and reported with the reason; the others
are prepared all the same. One recording in ten is held out to measure progress
on, or those that --validation_pattern finds.

The layouts of LJ Speech, VCTK, LibriTTS and NSynth are known by themselves,
with their texts and speakers (of notes, the instruments' families), and so is
a CSV manifest with the columns path, speaker and text: name it as --corpus, or
call it manifest.csv in the folder.

What a model can be conditioned on is decided here:
  mel         the mel spectrogram; it is always there
  linguistic  the phone, its neighbours, position and duration. Phones come
              from label files (HTK, Festival, or CSV: start, end, phone), one
              for each recording, in RECORDINGS/labels or --labels; without
              one, a recording is aligned with its text, from the layout or
              metadata.csv (name|text); that needs eSpeak NG
              (pip install pwavenet_tf[demo])
  pitch       F0 and voicing
  sinusoids   sines at F0 and its multiples; the data then hold the pitch
  encoding    of the audio, by an encoder that train-teacher trains with the
              teacher: the data hold nothing for it
  speaker     the speaker's name, by the layout, else the folder that the
              recording lies in, or what --speaker_pattern finds in its path

An hour of one clear voice is a good start; ten minutes are enough to try.
The recordings themselves are never changed.

A trained model reads mel spectrograms normalised as those it was trained on.
So that it can be trained further on other recordings, prepare those with
--statistics_of=FILE, FILE being the model.

With --runner, the recordings are measured and analysed by the workers of an
Apache Beam runner (pip install 'pwavenet_tf[beam]'): by several processes of
this machine, or by a cluster. The data is the same to the byte. Until it is
complete, finished work is kept in .preparing-DATA next to it, as large as the
data: the same command resumes a run that was killed.

Before it:  nothing, or pwavenet audit
After it:   pwavenet train-teacher

Example:
  pwavenet prepare --corpus=recordings --out=data
  pwavenet prepare --corpus=digits --out=data --conditioning=mel,speaker \\
      --speaker_pattern='_(.+)_'
  pwavenet prepare --corpus=another_voice --out=data2 \\
      --statistics_of=run/teacher.keras
  pwavenet prepare --corpus=recordings --out=data --runner=DirectRunner \\
      --runner_options='--direct_num_workers=4
      --direct_running_mode=multi_processing'
"""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from pwavenet_tf.cli import flags
from pwavenet_tf.cli.usage import print_next
from pwavenet_tf.core.errors import UserError
from pwavenet_tf.core.presets import preset
from pwavenet_tf.core.training_config import Preset
from pwavenet_tf.corpus.audit.verdict import by_reason
from pwavenet_tf.corpus.phones.phones import LANGUAGE

if TYPE_CHECKING:
    from pwavenet_tf.corpus.audit import CorpusAudit
    from pwavenet_tf.corpus.card import CorpusCard

# Flags that mean nothing without an input.
_NEEDED = {"labels": "linguistic", "speaker_pattern": "speaker"}


define_flags = flags.table(
    flags.CORPUS,
    flags.out(
        "DATA: Folder to write the data to; it must not hold anything yet."
    ),
    flags.preset_name(
        "NAME: Settings to follow: nano (16 kHz, trains on two cores), small "
        "(the same with F0, the sizes of the voice kathleen), v1 (the WaveNet "
        "of 2016), paper (24 kHz, the published sizes), multispeaker, "
        "samplernn and samplernn-small (another teacher), or nsynth and "
        "nsynth-small (an autoencoder)."
    ),
    flags.text(
        "conditioning",
        "LIST: Conditioning inputs, separated by commas: mel, linguistic, "
        "pitch, sinusoids, encoding, speaker. The preset's own, if left out.",
    ),
    flags.LABELS,
    flags.text(
        "language",
        "NAME: The voice of espeak-ng that reads the transcripts, as de or "
        "fr-fr, for linguistic.",
        LANGUAGE,
    ),
    flags.text(
        "validation_pattern",
        "REGEX: Recordings in whose path it is found are held out; a random "
        "tenth, if left out. Hold out whole texts if some were read twice.",
    ),
    flags.path(
        "statistics_of",
        "FILE: A teacher.keras, student.keras or acoustic.keras that is to "
        "learn from the data (--initial=FILE of its command), or data that it "
        "was trained on: its normalisation, phones, speakers and mean pitch "
        "are kept in place of this corpus's own.",
        flags.existing,
    ),
    flags.define_limits,
    flags.runner(
        "NAME: Runner of Apache Beam that does the work: "
        f"{flags.RUNNERS} Without it, this process does."
    ),
)


def run(flag_values: flags.FlagValues) -> None:
    """Prepares the corpus and prints a summary."""
    settings, out = preset(flag_values.preset), Path(flag_values.out)
    inputs = flags.chosen_inputs(flag_values, settings)
    for flag, needed in _NEEDED.items():
        if flag_values[flag].value and needed not in inputs:
            raise UserError(f"--{flag} needs {needed} among --conditioning")
    card, found = _prepared(flag_values, settings, inputs)
    print(found.layout)
    _print_card(card)
    if warned := found.warned:
        print(f"warnings:   {len(warned):>6} files; pwavenet audit lists them")
        _print_reasons(
            (one.source.name, text) for one in warned for text in one.warnings
        )
    print(f"The data is in {out}. Next:")
    if settings.student and settings.student.source_taps:
        # Spectra alone train such a student.
        print_next("train-student", data=out, out="RUN")
        print("or, with a teacher:")
    chosen = initial = None
    if (flag_values.statistics_of or "").endswith("teacher.keras"):
        initial = flag_values.statistics_of
    if inputs != settings.conditioning.inputs:
        chosen = ",".join(inputs) or "none"
    print_next(
        "train-teacher",
        data=out,
        out="RUN",
        preset=flag_values.preset,
        conditioning=chosen,
        initial=initial,
    )


def _prepared(
    flag_values: flags.FlagValues, settings: Preset, inputs: tuple[str, ...]
) -> "tuple[CorpusCard, CorpusAudit]":
    from pwavenet_tf.core.files import require_free
    from pwavenet_tf.corpus.audit import audit
    from pwavenet_tf.corpus.layouts import find_layout
    from pwavenet_tf.corpus.prepare import prepare, without_statistics

    limits = flags.chosen_limits(flag_values)
    runner = flags.chosen_runner(flag_values)
    out = Path(flag_values.out)
    require_free(out)
    layout = find_layout(Path(flag_values.corpus))
    how = {
        "inputs": inputs,
        "labels": flag_values.labels and Path(flag_values.labels),
        "speaker_pattern": flag_values.speaker_pattern,
        "validation_pattern": flag_values.validation_pattern,
        "language": flag_values.language,
    }
    if flag_values.statistics_of:
        from pwavenet_tf.models.loading import statistics_of

        statistics = statistics_of(Path(flag_values.statistics_of))
        statistics.require_contract(without_statistics(settings))
        how["statistics"] = statistics
    if runner is None:
        rate = settings.audio.sample_rate
        found = audit(layout, limits, rate, "linguistic" in inputs)
        return prepare(found, out, settings, **how), found
    from pwavenet_tf.corpus.beam import prepare_on_beam

    how |= {"limits": limits, "runner": runner}
    return prepare_on_beam(layout, out, settings, **how)


def _print_card(card: "CorpusCard") -> None:
    for split in ("training", "validation"):
        print(
            f"{split + ':':<12}{len(card.recordings(split)):>6} recordings"
            f"{card.seconds(split) / 60:>9.1f} minutes"
        )
    for name, listed in ("phones:", card.phones), ("speakers:", card.speakers):
        if listed:
            print(f"{name:<12}{len(listed):>6} ({' '.join(listed)})")
    print(f"left out:   {len(card.refused):>6} files")
    _print_reasons((one.file, one.reason) for one in card.refused)


def _print_reasons(files: Iterable[tuple[str, str]]) -> None:
    for line in by_reason(files):
        print(f"  {line}")
