"""What a voice is, for whoever is to speak with it or to keep it."""

import dataclasses

from pwavenet_tf.export.card_format import FORMAT
from pwavenet_tf.export.graphs.features import feature_specs
from pwavenet_tf.export.graphs.signatures import state_zeros
from pwavenet_tf.synthesis.student import Synthesizer


def model_card(voice: Synthesizer) -> dict:
    """What `describe` answers with, ready for JSON.

    Returns:
        `format`, the acoustic `contract`, the `conditioning`, the `sizes` of
        the student and its number of `parameters`, its `receptive_field` in
        samples, its `look_ahead_frames`, and of `state` each tensor's `shape`
        of one row and `dtype`.
    """
    student = voice.student
    sizes = ("flow_dilations", "filter_width", "residual_channels")
    return {
        "format": FORMAT,
        "contract": dataclasses.asdict(student.audio),
        "conditioning": dataclasses.asdict(student.conditioning),
        "sizes": {name: getattr(student, name) for name in sizes}
        | {"gate_channels": student.gate_channels, "noise": student.noise},
        "parameters": int(student.count_params()),
        "receptive_field": student.receptive_field,
        "look_ahead_frames": voice.context_frames,
        "state": {
            name: {"shape": list(zero.shape[1:]), "dtype": zero.dtype.name}
            for name, zero in state_zeros(voice).items()
        },
    }


def card_page(voice: Synthesizer, difference: float) -> str:
    """The card as a page to read.

    Args:
        voice: The voice.
        difference: How far the exported graph was from it at most.
    """
    student, contract = voice.student, voice.student.audio
    told = ", ".join(student.conditioning.inputs)
    speakers = ", ".join(student.conditioning.speakers) or "one"
    frame = 1_000 * contract.hop_length / contract.sample_rate
    rows = "\n".join(
        f"| `{name}` | {spec.dtype.name} | {_shape(spec)} |"
        for name, spec in feature_specs(student).items()
    )
    return f"""# A Parallel WaveNet voice

| | |
|---|---|
| sample rate | {contract.sample_rate} Hz |
| mel spectrogram | {contract.mels} bands, {contract.lowest_hz:g} to \
{contract.highest_hz:g} Hz |
| a frame | {contract.hop_length} samples, {frame:g} ms |
| told | {told} |
| speakers | {speakers} |
| flows | {len(student.networks)}, of \
{", ".join(str(len(n.dilations)) for n in student.networks)} layers |
| noise | {student.noise} |
| parameters | {student.count_params():,} |
| receptive field | {student.receptive_field:,} samples |
| look-ahead | {voice.context_frames} frames, \
{voice.context_frames * frame:g} ms |

The signatures `serving_default` and `stream` read, the batch first:

| name | type | shape |
|---|---|---|
{rows}

Features are normalised as `contract.json` says; the signature
`mel_spectrogram` does so from audio. The exported graph was run before it was
put here: its sound was within {difference:.0e} of the student's.
"""


def _shape(spec) -> str:
    names = ["batch", "frames"][: len(spec.shape)]
    return f"({', '.join([*names, *map(str, spec.shape[2:])])})"
