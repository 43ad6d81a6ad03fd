"""The report's tables, with a line of explanation for each measure."""

import dataclasses
import itertools
import math
from collections.abc import Iterable, Sequence

from pwavenet_tf.core.html import NOT_MEASURED
from pwavenet_tf.evaluation.intervals import Interval
from pwavenet_tf.evaluation.quality import missing_measures
from pwavenet_tf.evaluation.report.charts import draw_calibration
from pwavenet_tf.evaluation.scores import KL, OF_SAMPLES, Scoring, by_file

_OF_KL = (
    "What the student misses of this teacher's distribution: 0 if it has "
    "learned all of it."
)
_CLOSER = "closer to the recording"
_BITS = "bits per sample"

# The prefix of an octave's centre.
OCTAVE = "octave_"

# The system that the others are judged by.
REFERENCE = "recording"


@dataclasses.dataclass(frozen=True)
class Measure:
    """How a metric is explained to a reader, in a line.

    `better` is `lower`, `higher`, or `closer to the recording`; empty where no
    system is better than another.
    """

    label: str
    unit: str = ""
    better: str = ""
    explanation: str = ""


_MEASURES = {
    "pesq_wide_band": Measure(
        *("PESQ, wide band", "MOS-LQO", "higher"),
        "An estimate of the opinion that listeners would have: 1 is bad, "
        "4.64 is the recording itself.",
    ),
    "stoi": Measure(
        *("STOI", "", "higher"),
        "How intelligible it is: 1 is as clear as the recording.",
    ),
    "extended_stoi": Measure(
        *("Extended STOI", "", "higher"),
        "The same, and stricter where noise comes and goes with the speech.",
    ),
    "mel_cepstral_distortion": Measure(
        *("Mel-cepstral distortion", "dB", "lower"),
        "How far the timbre is from the recording's, frame by frame.",
    ),
    "f0_error": Measure(
        *("F0 error, where both are voiced", "cents RMS", "lower"),
        "How far the melody is off. 100 cents are a semitone, 1,200 an octave.",
    ),
    "voicing_error": Measure(
        *("Voicing error", "share of frames", "lower"),
        "How often one is voiced where the other is not: hoarse, or buzzing.",
    ),
    "multi_resolution_stft": Measure(
        *("Multi-resolution STFT distance", "", "lower"),
        "Spectral distance at several resolutions at once, fine in time and "
        "in frequency.",
    ),
    "level_difference": Measure(
        *("Level over the recording's", "dB", _CLOSER),
        "How much louder than the recording. Below 0: it whispers.",
    ),
    "pause_noise": Measure(
        *("Level in pauses over the recording's", "dB", _CLOSER),
        "How much louder where the recording pauses. Above 0: hiss or hum.",
    ),
    "octave_difference": Measure(
        *("Octave bands, mean absolute difference", "dB", "lower"),
        "How far the balance of low and high is from the recording's.",
    ),
    "nats_per_sample": Measure(
        *("Nats per sample", "", "lower"),
        "Bits per sample times ln 2: the loss in training.",
    ),
    "log_spectral_distance": Measure(
        *("Log-spectral distance to the recording", "dB", "lower"),
        "How far the spectrum is from the recording's, frame by frame. 6 dB "
        "is a factor of two everywhere; a copy has 0.",
    ),
    "mean": Measure(
        *("Mean of the samples", "of full scale", ""),
        "An offset from zero. Healthy audio has next to none.",
    ),
    "standard_deviation": Measure(
        *("Standard deviation", "of full scale", _CLOSER),
        "How loud it is. A student far below the recordings whispers.",
    ),
    "mean_absolute": Measure(
        *("Mean absolute level", "of full scale", _CLOSER),
        "Loudness too, but less ruled by peaks than the standard deviation.",
    ),
    "bits_per_sample": Measure(
        *("Bits per sample", "", "lower"),
        "The negative log-likelihood of the recordings. Fewer bits: the "
        "model finds real speech more probable.",
    ),
    "sample_bits": Measure(
        *("Size of a sample as it is scored", "bits", ""),
        "Bits per sample compare only between models that score samples of "
        "one size.",
    ),
    "inside_50": Measure(
        *("Samples inside the central 50 % interval", "0.5 if calibrated", ""),
        "Half of the samples belong here. Fewer: the model is too sure of "
        "itself; more: not sure enough.",
    ),
    "inside_90": Measure(
        *("Samples inside the central 90 % interval", "0.9 if calibrated", ""),
        "The same for nine samples in ten.",
    ),
    "swapped_mel_penalty": Measure(
        *("Added by another recording's mel spectrogram", _BITS, ""),
        "How much the mel spectrogram matters to the model. Near 0: it is "
        "ignored.",
    ),
    "swapped_linguistic_penalty": Measure(
        *("Added by another recording's phones", _BITS, ""),
        "How much the phones matter to the model. Near 0: they are ignored.",
    ),
    "swapped_pitch_penalty": Measure(
        *("Added by another recording's pitch", _BITS, ""),
        "How much the pitch matters to the model. Near 0: it is ignored.",
    ),
    "swapped_speaker_penalty": Measure(
        *("Added by a wrong speaker", _BITS, ""),
        "How much the speaker matters to the model. Near 0: all sound alike "
        "to it.",
    ),
    "right_speaker_preferred": Measure(
        *("Recordings likeliest under their own speaker", "1 is all", ""),
        "The share of recordings that are more probable under their own "
        "speaker than under any other.",
    ),
    "samples_per_second": Measure(
        *("Speed", "samples per second", "higher"),
        "Audio made in a second on this machine. Real time is the sample rate.",
    ),
}


def measure(name: str) -> Measure:
    """The explanation of a metric; its bare name where there is none."""
    if name.startswith(KL):
        label = f"KL(student ‖ {name.removeprefix(KL)})"
        return Measure(label, "nats per sample", "lower", _OF_KL)
    if is_octave(name):
        label = f"{int(name.removeprefix(OCTAVE)):,} Hz"
        return Measure(label, "dB", _CLOSER)
    words = name.replace("_", " ")
    return _MEASURES.get(name) or Measure(words[:1].upper() + words[1:])


def best_systems(name: str, values: dict[str, float | None]) -> set[str]:
    """The systems with the best value of a metric, but for the recording.

    Several in a tie, or none: where the metric has no better and worse, or
    fewer than two systems compete. None and NaN were not measured.
    """
    known = {
        system: value
        for system, value in values.items()
        if value is not None and not math.isnan(value)
    }
    target = known.pop(REFERENCE, None)
    better = measure(name).better
    if better == "lower":
        cost = known
    elif better == "higher":
        cost = {system: -value for system, value in known.items()}
    elif better and target is not None:
        cost = {system: abs(value - target) for system, value in known.items()}
    else:
        return set()
    return cheapest(cost)


def cheapest(cost: dict[str, float]) -> set[str]:
    """The systems of the lowest cost; none without competition."""
    lowest = min(cost.values(), default=0.0)
    return {one for one in cost if cost[one] == lowest and len(cost) > 1}


def format_setting(value: object) -> str:
    """A setting for a reader; of a long sequence just the ends."""
    if value is None or value == "" or value == () or value == []:
        return NOT_MEASURED
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}".replace("-", "−")
    if isinstance(value, float):
        return f"{value:,g}".replace("-", "−")
    if isinstance(value, list | tuple):
        shown = [format_setting(entry) for entry in value]
        joint = "; " if isinstance(value[0], list | tuple) else ", "
        count = f" ({len(shown)} values)" if len(shown) > 12 else ""
        if count:
            shown[4:-1] = ["…"]
        return joint.join(shown) + count
    return str(value)


def metric_table(
    metrics: dict[str, dict[str, float | None]],
    intervals: dict[str, dict[str, Interval]] | None = None,
) -> dict:
    """Systems in columns and metrics in rows, with the best ones marked.

    Both are by metric by system, None where it was not measured.
    """
    missing = missing_measures()
    rows = []
    for name in dict.fromkeys(itertools.chain(*metrics.values())):
        by_system = {system: of.get(name) for system, of in metrics.items()}
        rows.append(
            {
                "name": name,
                "measure": measure(name),
                "meaning": measure(name).explanation,
                "by_system": by_system,
                "best": best_systems(name, by_system),
                "intervals": {
                    system: of[name]
                    for system, of in (intervals or {}).items()
                    if name in of and not math.isnan(of[name].low)
                },
                "missing": missing.get(name, ""),
            }
        )
    return {"systems": list(metrics), "rows": rows}


def main_table(
    metrics: dict[str, dict[str, float | None]], quality: dict | None
) -> dict:
    """The table of all metrics but single octave bands.

    The intervals are those of `quality_section`, if there are any.
    """
    shown = {
        system: {name: x for name, x in of.items() if not is_octave(name)}
        for system, of in metrics.items()
    }
    return metric_table(shown, quality and quality["intervals"])


def is_octave(name: str) -> bool:
    """Whether a metric is of one octave band."""
    return name.startswith(OCTAVE) and name.removeprefix(OCTAVE).isdecimal()


def quality_section(
    intervals: dict[str, dict[str, Interval]],
    differences: dict[str, dict[str, dict[str, Interval]]],
) -> dict:
    """Intervals by system, octave bands, and differences by pair of systems."""
    octaves = {
        system: {name: one.mean for name, one in of.items() if is_octave(name)}
        for system, of in intervals.items()
        if system != REFERENCE and any(map(is_octave, of))
    }
    return {
        "intervals": intervals,
        "octaves": metric_table(octaves, intervals),
        "differences": [
            _difference_table(model, others)
            for model, others in differences.items()
        ],
    }


def _difference_table(
    model: str, others: dict[str, dict[str, Interval]]
) -> dict:
    """A model's measures less those of the systems in the columns."""
    means = {
        other: {
            name: one.mean
            for name, one in of.items()
            if not is_octave(name) and not math.isnan(one.mean)
        }
        for other, of in others.items()
    }
    table = metric_table(means, others)
    for row in table["rows"]:
        row |= {"meaning": "", "best": set(), "missing": ""}
    return table | {"model": model}


def score_section(scorings: Sequence[Scoring]) -> dict | None:
    """Scores in all, by file and by speaker; None if nothing was scored."""
    if not scorings:
        return None
    table = metric_table({one.model: one.metrics for one in scorings})
    comparable = len({one.sample_bits for one in scorings}) == 1
    files = by_file(list(scorings))
    sensitive = [
        (one.model, one.sensitivity) for one in scorings if one.sensitivity
    ]
    for row in table["rows"]:
        if not comparable and row["name"] in OF_SAMPLES:
            row["best"] = set()
    speakers = []
    for model, one in sensitive:
        if one.speakers:
            rows = one.speakers.matrix.values()
            added = itertools.chain(*(row.values() for row in rows))
            speakers.append((model, one.speakers, highest(added)))
    return {
        "table": table,
        "comparable": comparable,
        "models": [one.model for one in scorings],
        "calibration": draw_calibration(
            {one.model: one.overall.calibration for one in scorings}
        ),
        "files": files,
        "highest": highest(
            score.bits_per_sample for _, scores in files for score in scores
        ),
        "swapped": max((one.recordings for _, one in sensitive), default=0),
        "speakers": speakers,
    }


def highest(values: Iterable[float]) -> float:
    """The highest finite value; 0 of none."""
    return max(filter(math.isfinite, values), default=0.0)


def share(value: float, of: float) -> float:
    """How far a bar or a tint goes; whole for what is infinite."""
    if math.isinf(value):
        return 1.0
    return max(value, 0.0) / of if of > 0 else 0.0
