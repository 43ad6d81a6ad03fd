"""The HTML report: models next to the recordings, with players and curves."""

import base64
import dataclasses
import io
import itertools
import math
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from pwavenet_tf.audio.metrics import checked_audio
from pwavenet_tf.core.errors import UserError
from pwavenet_tf.core.files import atomic_write
from pwavenet_tf.core.html import page_environment
from pwavenet_tf.evaluation.report.charts import Curve, draw_curve
from pwavenet_tf.evaluation.report.figures import (
    SHOWN_DB,
    draw_encodings,
    draw_systems,
)
from pwavenet_tf.evaluation.report.tables import (
    format_setting,
    main_table,
    score_section,
    share,
)
from pwavenet_tf.evaluation.scores import Scoring
from pwavenet_tf.training.callbacks.progress import read_log

_IN_NATS = (
    *("kl", "contrastive", "regulariser"),
    *("cross_entropy", "entropy", "nats"),
)

_DISTANCE = "sound_log_spectral_distance"


@dataclasses.dataclass(frozen=True)
class Sentence:
    """One sentence: its transcript, if known, and the audio of several systems.

    Audio is `(time,)` in [-1, 1) by system, in the order of display; the
    system named "recording" is the one the others are judged by. Encodings are
    the recording's, `(frames, channels)`, by the systems that have an encoder.
    """

    title: str
    text: str | None
    audio: dict[str, np.ndarray]
    encodings: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)

    def checked(self, systems: Iterable[str]) -> dict[str, np.ndarray]:
        """The audio of some systems, `(time,)` each, as float32.

        Raises:
            UserError: If there is none, or some is not `(time,)`, empty, or
                not finite.
        """
        checked = {}
        for system in systems:
            where = f"report: {self.title!r}, system {system!r}"
            audio = checked_audio(self.audio[system], where)
            checked[system] = audio.astype(np.float32)
        if not checked:
            raise UserError(
                f"report: {self.title!r} has no system; give at least one"
            )
        return checked

    @property
    def longest(self) -> int:
        """Samples of the longest system."""
        return max(map(len, self.audio.values()))


@dataclasses.dataclass(frozen=True)
class ListeningTest:
    """A page of a blind test, `ab` or `mushra`, in the report's own folder."""

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

    An existing one is replaced when the new one is complete. Audio is embedded
    as 16-bit FLAC; samples outside [-1, 1) are clipped there. The page fetches
    nothing and forbids itself to.

    Metrics are by name by system, None where it was not measured, settings by
    name by section; `quality` and `ablation` are what `tables.quality_section`
    and `ablation_table.section` returned. A frame of an encoding has
    `hop_length` samples.

    Raises:
        UserError: If a sentence has no system, a system has no samples or some
            that are not finite, or the file cannot be written.
    """
    systems = itertools.chain(*(one.audio for one in sentences), metrics)
    environment = page_environment("pwavenet_tf.evaluation")
    environment.filters["setting"] = format_setting
    environment.filters["share"] = share
    environment.tests["finite"] = math.isfinite
    page = environment.get_template("report.html.j2").render(
        title=title,
        summary=summary,
        sample_rate=sample_rate,
        shown_db=SHOWN_DB,
        systems=list(dict.fromkeys(systems)),
        sentences=_sentences(sentences, sample_rate, hop_length),
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


def _sentences(
    sentences: list[Sentence], sample_rate: int, hop_length: int
) -> list[dict]:
    """Sentences as the template shows them."""
    checked = [sentence.checked(sentence.audio) for sentence in sentences]
    encodings = _draw_encodings(sentences, hop_length)
    shown = []
    for index, (sentence, audio) in enumerate(
        zip(sentences, checked, strict=True)
    ):
        seconds = sentence.longest / sample_rate
        systems = [
            {
                "name": system,
                "seconds": len(audio[system]) / sample_rate,
                "peak": float(np.abs(audio[system]).max()),
                "encoding": encodings.get((index, system)),
                "flac": _data_uri(
                    "audio/flac", flac(audio[system], sample_rate)
                ),
                "waveform": _data_uri("image/webp", pictures.waveform),
                "spectrogram": _data_uri("image/webp", pictures.spectrogram),
            }
            for system, pictures in draw_systems(audio, sample_rate).items()
        ]
        shown.append(
            {
                "title": sentence.title,
                "text": sentence.text,
                "seconds": seconds,
                "ticks": _time_ticks(seconds),
                "systems": systems,
            }
        )
    return shown


def _draw_encodings(
    sentences: list[Sentence], hop_length: int
) -> dict[tuple[int, str], str]:
    """Pictures by sentence and system, whose colours all sentences share."""
    found = {}
    for system in {name for one in sentences for name in one.encodings}:
        encoded = {
            (index, system): sentence
            for index, sentence in enumerate(sentences)
            if system in sentence.encodings
        }
        pictures = draw_encodings(
            [one.encodings[system] for one in encoded.values()],
            hop_length,
            [one.longest for one in encoded.values()],
        )
        uris = (_data_uri("image/webp", one) for one in pictures)
        found |= zip(encoded, uris, strict=True)
    return found


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

    The model's name in the report is that of its file if left out.
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
    if _DISTANCE in columns:
        what = "log-spectral distance to held-out recordings"
        losses.append(curve(what, "dB", _DISTANCE))
    levels = []
    for level in _behind("health_", columns):
        recorded = f"health_recorded_{level}"
        if level.endswith("_db") and recorded in columns:
            # `level`, or `band above 6000 Hz`.
            words = level.removesuffix("_db").replace("_", " ")
            words += " Hz" if words.startswith("band") else ""
            what = f"{words} over the recordings'"
            levels.append(curve(what, "dB", f"health_{level}", recorded))
    return losses + levels


def _behind(prefix: str, columns: list[str]) -> list[str]:
    """What follows a prefix in those names that have it."""
    return [
        column.removeprefix(prefix)
        for column in columns
        if column.startswith(prefix)
    ]
