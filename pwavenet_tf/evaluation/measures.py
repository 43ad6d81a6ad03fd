"""What the reported numbers mean, which is better, and how to print them."""

import dataclasses
import math

from pwavenet_tf.pages import NOT_MEASURED

_CLOSER = "closer to the recording"
_BITS = "bits per sample"

# Prefixes of names that end in a teacher's name, or an octave's centre.
_KL = "kl_to_"
OCTAVE = "octave_"


@dataclasses.dataclass(frozen=True)
class Measure:
    """How a metric is explained to a reader.

    Attributes:
        label: Its name in words.
        unit: What one is one of; empty for a pure number.
        better: `lower`, `higher`, or `closer to the recording`; empty where
            no voice is better than another.
    """

    label: str
    unit: str = ""
    better: str = ""


_MEASURES = {
    "pesq_wide_band": Measure("PESQ, wide band", "MOS-LQO", "higher"),
    "stoi": Measure("STOI", "", "higher"),
    "extended_stoi": Measure("Extended STOI", "", "higher"),
    "mel_cepstral_distortion": Measure(
        "Mel-cepstral distortion", "dB", "lower"
    ),
    "f0_error": Measure(
        "F0 error, where both are voiced", "cents RMS", "lower"
    ),
    "voicing_error": Measure("Voicing error", "share of frames", "lower"),
    "multi_resolution_stft": Measure(
        "Multi-resolution STFT distance", "", "lower"
    ),
    "level_difference": Measure("Level over the recording's", "dB", _CLOSER),
    "pause_noise": Measure(
        "Level in pauses over the recording's", "dB", _CLOSER
    ),
    "octave_difference": Measure(
        "Octave bands, mean absolute difference", "dB", "lower"
    ),
    "nats_per_sample": Measure("Nats per sample", "", "lower"),
    "log_spectral_distance": Measure(
        "Log-spectral distance to the recording", "dB", "lower"
    ),
    "mean": Measure("Mean of the samples", "of full scale"),
    "standard_deviation": Measure(
        "Standard deviation", "of full scale", _CLOSER
    ),
    "mean_absolute": Measure("Mean absolute level", "of full scale", _CLOSER),
    "bits_per_sample": Measure("Bits per sample", "", "lower"),
    "sample_bits": Measure("Size of a sample as it is scored", "bits"),
    "inside_50": Measure(
        "Samples inside the central 50 % interval", "0.5 if calibrated"
    ),
    "inside_90": Measure(
        "Samples inside the central 90 % interval", "0.9 if calibrated"
    ),
    "swapped_mel_penalty": Measure(
        "Added by another recording's mel spectrogram", _BITS
    ),
    "swapped_linguistic_penalty": Measure(
        "Added by another recording's phones", _BITS
    ),
    "swapped_pitch_penalty": Measure(
        "Added by another recording's pitch", _BITS
    ),
    "swapped_speaker_penalty": Measure("Added by a wrong speaker", _BITS),
    "right_speaker_preferred": Measure(
        "Recordings likeliest under their own speaker", "1 is all"
    ),
    "samples_per_second": Measure("Speed", "samples per second", "higher"),
}


def measure(name: str) -> Measure:
    """The explanation of a metric; its bare name where there is none."""
    if name.startswith(_KL):
        label = f"KL(student ‖ {name.removeprefix(_KL)})"
        return Measure(label, "nats per sample", "lower")
    if name.startswith(OCTAVE) and name.removeprefix(OCTAVE).isdecimal():
        label = f"{int(name.removeprefix(OCTAVE)):,} Hz"
        return Measure(label, "dB", _CLOSER)
    words = name.replace("_", " ")
    return _MEASURES.get(name) or Measure(words[:1].upper() + words[1:])


def best_voices(
    name: str, values: dict[str, float | None], reference: str
) -> set[str]:
    """The voices with the best value of a metric.

    Args:
        name: The metric.
        values: Its value by voice; None or NaN where it was not measured.
        reference: The voice that the others are judged by: never among the
            best.

    Returns:
        One voice, several in a tie, or none: where the metric has no better
        and worse, or fewer than two voices compete.
    """
    known = {
        voice: value
        for voice, value in values.items()
        if value is not None and not math.isnan(value)
    }
    target = known.pop(reference, None)
    better = measure(name).better
    if better == "lower":
        cost = known
    elif better == "higher":
        cost = {voice: -value for voice, value in known.items()}
    elif better and target is not None:
        cost = {voice: abs(value - target) for voice, value in known.items()}
    else:
        return set()
    if len(cost) < 2:
        return set()
    return {voice for voice in cost if cost[voice] == min(cost.values())}


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
        if len(shown) <= 12:
            return joint.join(shown)
        return joint.join([*shown[:4], "…", shown[-1]]) + (
            f" ({len(shown)} values)"
        )
    return str(value)
