"""The HTML report: models next to the recordings, with players and curves."""

import base64
import dataclasses
import io
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pwavenet_tf.core.errors import UserError
from pwavenet_tf.core.files import atomic_write
from pwavenet_tf.core.html import page_environment
from pwavenet_tf.evaluation.report import tables as measures
from pwavenet_tf.evaluation.report.charts import Curve, draw_curve
from pwavenet_tf.evaluation.report.figures import (
    SHOWN_DB,
    draw_encodings,
    draw_systems,
)
from pwavenet_tf.evaluation.report.tables import main_table, score_section
from pwavenet_tf.evaluation.scores import Scoring
from pwavenet_tf.training.callbacks.progress import read_log

_IN_NATS = (
    *("kl", "contrastive", "regulariser"),
    *("cross_entropy", "entropy", "nats"),
)

_DISTANCE = "sound_log_spectral_distance"


@dataclasses.dataclass(frozen=True)
class Sentence:
    """One sentence, as the audio of several systems.

    Attributes:
        title: A short name, such as that of the recording's file.
        text: The transcript, if known.
        audio: Audio `(time,)` in [-1, 1) by system, in the order of display;
            the system named "recording" is the one the others are judged by.
        encodings: The recording's, `(frames, channels)`, by the systems that
            have an encoder.
    """

    title: str
    text: str | None
    audio: dict[str, np.ndarray]
    encodings: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class ListeningTest:
    """A page of a blind listening test that the report links to.

    Attributes:
        kind: `ab` or `mushra`.
        file: The page's name, in the report's own folder.
    """

    kind: str
    file: str


def write_report(
    path: str | Path,
    *,
    title: str,
    summary: str,
    sample_rate: int,
    sentences: list[Sentence],
    metrics: dict[str, dict[str, float | None]],
    curves: list[Curve],
    settings: dict[str, dict[str, object]],
    scorings: Sequence[Scoring] = (),
    ablation: dict | None = None,
    quality: dict | None = None,
    listening_tests: Sequence[ListeningTest] = (),
    hop_length: int = 1,
) -> None:
    """Writes the report as one self-contained HTML file.

    Audio is embedded as 16-bit FLAC; samples outside [-1, 1) are clipped
    there. The page fetches nothing and forbids itself to.

    Args:
        path: The HTML file; an existing one is replaced when the new one is
            complete.
        title: The headline.
        summary: One paragraph: what was done and what came of it.
        sample_rate: Of all audio, Hz.
        sentences: The sentences to play.
        metrics: Value by metric by system; None where it was not measured.
        curves: Training curves.
        settings: Value by name by section.
        scorings: Models' scores of the recordings.
        ablation: What `ablation_table.section` returned.
        quality: What `report_tables.quality_section` returned.
        listening_tests: Pages next to the report, to link to.
        hop_length: Samples of a frame of encodings.

    Raises:
        UserError: If a sentence has no system, a system has no samples or some
            that are not finite, or the file cannot be written.
    """
    environment = page_environment("pwavenet_tf.evaluation")
    environment.filters["setting"] = measures.format_setting
    environment.tests["finite"] = math.isfinite
    page = environment.get_template("report.html.j2").render(
        title=title,
        summary=summary,
        sample_rate=sample_rate,
        shown_db=SHOWN_DB,
        systems=_systems(sentences, metrics),
        sentences=_with_encodings(
            [_sentence(each, sample_rate) for each in sentences],
            sentences,
            hop_length,
        ),
        metrics=main_table(metrics, quality),
        quality=quality,
        scores=score_section(scorings),
        impossible={
            one.model: one.impossible for one in scorings if one.impossible
        },
        listening_tests=listening_tests,
        ablation=ablation,
        curves=[(curve, draw_curve(curve)) for curve in curves],
        settings=settings,
    )
    with atomic_write(Path(path)) as temporary:
        temporary.write_text(page, encoding="utf-8")


def _systems(
    sentences: list[Sentence], metrics: dict[str, dict[str, float | None]]
) -> list[str]:
    seen = [system for sentence in sentences for system in sentence.audio]
    return list(dict.fromkeys([*seen, *metrics]))


def _sentence(sentence: Sentence, sample_rate: int) -> dict:
    if not sentence.audio:
        raise UserError(
            f"report: {sentence.title!r} has no system; give at least one"
        )
    audio = {
        system: checked_audio(samples, f"{sentence.title!r}, system {system!r}")
        for system, samples in sentence.audio.items()
    }
    seconds = max(map(len, audio.values())) / sample_rate
    return {
        "title": sentence.title,
        "text": sentence.text,
        "seconds": seconds,
        "ticks": _time_ticks(seconds),
        "systems": [
            {
                "name": system,
                "seconds": len(audio[system]) / sample_rate,
                "peak": float(np.abs(audio[system]).max()),
                # Where there is one, it is drawn with those of all sentences.
                "encoding": None,
                "flac": _data_uri(
                    "audio/flac", flac(audio[system], sample_rate)
                ),
                "waveform": _data_uri("image/webp", pictures.waveform),
                "spectrogram": _data_uri("image/webp", pictures.spectrogram),
            }
            for system, pictures in draw_systems(audio, sample_rate).items()
        ],
    }


def _with_encodings(
    shown: list[dict], sentences: list[Sentence], hop_length: int
) -> list[dict]:
    """Adds the pictures of encodings, whose colours all sentences share."""
    systems = {name for sentence in sentences for name in sentence.encodings}
    for system in systems:
        encoded = [
            (entry, sentence)
            for entry, sentence in zip(shown, sentences, strict=True)
            if system in sentence.encodings
        ]
        pictures = draw_encodings(
            [sentence.encodings[system] for _, sentence in encoded],
            hop_length,
            [max(map(len, one.audio.values())) for _, one in encoded],
        )
        for (entry, _), picture in zip(encoded, pictures, strict=True):
            for one in entry["systems"]:
                if one["name"] == system:
                    one["encoding"] = _data_uri("image/webp", picture)
    return shown


def checked_audio(samples: np.ndarray, where: str) -> np.ndarray:
    """Audio as float32.

    Args:
        samples: Audio `(time,)`.
        where: What the message calls it.

    Raises:
        UserError: If it is not `(time,)`, empty, or not finite.
    """
    samples = np.asarray(samples, np.float32)
    if samples.ndim != 1 or not samples.size:
        raise UserError(
            f"report: {where} has audio of the shape {samples.shape}; give "
            "(time,) with at least one sample"
        )
    if not np.isfinite(samples).all():
        raise UserError(
            f"report: {where} has samples that are not finite: the model has "
            "diverged; take an earlier checkpoint"
        )
    return samples


def _time_ticks(seconds: float) -> list[float]:
    """Round times from 0 to at most `seconds`, five or so."""
    decade = 10.0 ** math.floor(math.log10(seconds / 5))
    stride = next(
        decade * step for step in (1, 2, 5, 10) if seconds / 5 <= decade * step
    )
    return [stride * tick for tick in range(math.floor(seconds / stride) + 1)]


def flac(audio: np.ndarray, sample_rate: int) -> bytes:
    """A 16-bit FLAC file of audio `(time,)`, clipped to [-1, 1)."""
    import soundfile

    file = io.BytesIO()
    soundfile.write(file, audio, sample_rate, subtype="PCM_16", format="FLAC")
    return file.getvalue()


def _data_uri(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"


def training_curves(model: Path, name: str | None = None) -> list[Curve]:
    """What was measured on held-out recordings; none without a log.

    Args:
        model: The model's file.
        name: The model's name in the report; that of its file if left out.
    """
    rows = read_log(model.with_suffix(".csv"))
    columns = list(dict.fromkeys(column for row in rows for column in row))

    def curve(what: str, unit: str, column: str, less: str = "") -> Curve:
        points = [
            (int(row["step"]), row[column] - (row[less] if less else 0.0))
            for row in rows
            if {column, less or column} <= row.keys()
        ]
        finite = [point for point in points if math.isfinite(point[1])]
        return Curve(f"{name or model.stem}: {what}", unit, finite)

    losses = [
        curve(
            f"{loss.replace('_', ' ')} on held-out recordings",
            "nats per sample" if loss in _IN_NATS else "",
            f"val_{loss}",
        )
        for loss in _behind("val_", columns)
    ]
    distances = [
        curve("log-spectral distance to held-out recordings", "dB", column)
        for column in columns
        if column == _DISTANCE
    ]
    levels = [
        curve(
            f"{_measured(level)} over the recordings'",
            "dB",
            f"health_{level}",
            less=f"health_recorded_{level}",
        )
        for level in _behind("health_", columns)
        if level.endswith("_db") and f"health_recorded_{level}" in columns
    ]
    return losses + distances + levels


def _behind(prefix: str, columns: list[str]) -> list[str]:
    """What follows a prefix in those names that have it."""
    return [
        column.removeprefix(prefix)
        for column in columns
        if column.startswith(prefix)
    ]


def _measured(level: str) -> str:
    """`level`, or `band above 6000 Hz`, as the report shows it."""
    words = level.removesuffix("_db").replace("_", " ")
    return f"{words} Hz" if words.startswith("band") else words
