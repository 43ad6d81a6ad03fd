"""The model card of an exported student."""

import dataclasses

from pwavenet_tf.export.card_format import FORMAT
from pwavenet_tf.export.graphs.features import feature_specs
from pwavenet_tf.export.graphs.signatures import state_zeros
from pwavenet_tf.synthesis.student import Synthesizer


def model_card(synthesizer: Synthesizer, acoustic_model=None) -> dict:
    """The answer of `describe`, ready for JSON.

    Returns:
        `format`, the acoustic `contract`, the `conditioning`, the `sizes` of
        the student and its number of `parameters`, its `receptive_field` in
        samples, its `look_ahead_frames`, and of `state` each tensor's `shape`
        of one row and `dtype`; with an acoustic model its `acoustic_model`:
        `phones` and `language`.
    """
    student = synthesizer.student
    sizes = ("flow_dilations", "filter_width", "residual_channels")
    card = {
        "format": FORMAT,
        "contract": dataclasses.asdict(student.audio),
        "conditioning": dataclasses.asdict(student.conditioning),
        "sizes": {name: getattr(student, name) for name in sizes}
        | {"gate_channels": student.gate_channels, "noise": student.noise},
        "parameters": int(student.count_params()),
        "receptive_field": student.receptive_field,
        "look_ahead_frames": synthesizer.context_frames,
        "state": {
            name: {"shape": list(zero.shape[1:]), "dtype": zero.dtype.name}
            for name, zero in state_zeros(synthesizer).items()
        },
    }
    if acoustic_model is not None:
        card["acoustic_model"] = {
            "phones": list(acoustic_model.phones),
            "language": acoustic_model.language,
        }
    return card


def card_page(synthesizer: Synthesizer, difference: float) -> str:
    """The card as a Markdown page, with the exported audio's difference."""
    student, contract = synthesizer.student, synthesizer.student.audio
    conditioning = ", ".join(student.conditioning.inputs)
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
| conditioning | {conditioning} |
| speakers | {speakers} |
| flows | {len(student.networks)}, of \
{", ".join(str(len(n.dilations)) for n in student.networks)} layers |
| noise | {student.noise} |
| parameters | {student.count_params():,} |
| receptive field | {student.receptive_field:,} samples |
| look-ahead | {synthesizer.context_frames} frames, \
{synthesizer.context_frames * frame:g} ms |

The signatures `serving_default` and `stream` read, the batch first:

| name | type | shape |
|---|---|---|
{rows}

Features are normalised as `contract.json` says; the signature
`mel_spectrogram` computes them from audio. The exported graph was run before it
was written here: its audio was within {difference:.0e} of the student's.
"""


def _shape(spec) -> str:
    names = ["batch", "frames"][: len(spec.shape)]
    return f"({', '.join([*names, *map(str, spec.shape[2:])])})"
