"""Conditioning sensitivity: what mismatched conditioning costs, in bits."""

import dataclasses
import math
from collections.abc import Iterator

import numpy as np

from pwavenet_tf.core.config import INPUT_ARRAYS
from pwavenet_tf.core.progress import Bar
from pwavenet_tf.evaluation.likelihood import (
    Likelihood,
    Score,
    StudentLikelihood,
)
from pwavenet_tf.evaluation.recordings import Model, ReferenceRecording

_Features = dict[str, np.ndarray]

_SWAPPED_RECORDINGS = 8
# Of audio that is scored again under wrong speakers.
_SPEAKER_SECONDS = 300


@dataclasses.dataclass(frozen=True)
class Speakers:
    """How much a model prefers the right speaker, over so many recordings.

    The penalty is the mean of the bits per sample that wrong speakers add, the
    matrix has them for each true speaker and each speaker that the model
    knows; `preferred` is the share of recordings whose right speaker gives
    fewer bits than any other.
    """

    recordings: int
    penalty: float
    preferred: float
    matrix: dict[str, dict[str, float]]


@dataclasses.dataclass(frozen=True)
class ConditioningSensitivity:
    """What mismatched conditioning costs a model, in bits per sample.

    Penalties are those of one input alone being another recording's, tried on
    so many recordings; a model of one speaker has no `speakers`.
    """

    recordings: int
    penalties: dict[str, float]
    speakers: Speakers | None

    @property
    def metrics(self) -> dict[str, float]:
        """All of it in numbers, by their names in `metrics.json`."""
        found = {
            f"swapped_{name}_penalty": penalty
            for name, penalty in self.penalties.items()
        }
        if self.speakers:
            found["swapped_speaker_penalty"] = self.speakers.penalty
            found["right_speaker_preferred"] = self.speakers.preferred
        return found


def conditioning_sensitivity(
    model: Model,
    likelihood: Likelihood | StudentLikelihood,
    references: list[ReferenceRecording],
    scores: list[Score],
    name: str,
) -> ConditioningSensitivity | None:
    """Scores recordings again with mismatched conditioning.

    At most eight recordings, spread over the list, swap their inputs. The
    speakers are tried on as many as come to five minutes, but on eight at
    least. `scores` are those with the recordings' own conditioning.

    Returns:
        None if there are fewer than two recordings or the model has no
        conditioning to swap.
    """
    conditioning = model.conditioning
    inputs = [one for one in conditioning.inputs if one != "speaker"]
    wrong = max(len(conditioning.speakers) - 1, 0)
    count = len(references)
    if count < 2 or not (inputs or wrong):
        return None
    spread = np.linspace(0, count - 1, min(count, _SWAPPED_RECORDINGS))
    swapped = [int(place) for place in spread.round()]
    by_speaker = _by_turns(references, model.audio.sample_rate, wrong)
    features = {
        index: references[index].features(model)
        for index in {*swapped, *by_speaker}
    }
    scored = len(swapped) * len(inputs) + len(by_speaker) * wrong
    with Bar(
        total=scored, desc=f"{name}: sensitivity", unit="recording"
    ) as bar:

        def added(index: int, mismatched: _Features) -> float:
            """Nats that some wrong inputs of a recording add."""
            inputs = features[index] | mismatched
            found = likelihood(references[index].audio, inputs)
            bar.update()
            return found.nats - scores[index].nats

        penalties = {}
        samples = sum(scores[index].samples for index in swapped)
        for kind in inputs:
            nats = 0.0
            for index, other in _partners(swapped):
                nats += added(
                    index, _swapped(kind, features[index], features[other])
                )
            penalties[kind] = nats / samples / math.log(2)
        true = {index: int(features[index]["speaker"]) for index in by_speaker}
        nats_by_speaker = {
            index: np.array(
                [
                    added(index, {"speaker": np.int32(speaker)})
                    if speaker != own
                    else 0.0
                    for speaker in range(wrong + 1)
                ]
            )
            for index, own in true.items()
        }
    speakers = None
    if by_speaker:
        speakers = _speakers(
            conditioning.speakers,
            true,
            nats_by_speaker,
            {index: scores[index].samples for index in by_speaker},
        )
    return ConditioningSensitivity(len(swapped), penalties, speakers)


def _by_turns(
    references: list[ReferenceRecording], sample_rate: int, wrong_speakers: int
) -> list[int]:
    """Recordings to score under other speakers, in turns by speaker."""
    if wrong_speakers < 1:
        return []
    names = [one.description.speaker for one in references]
    turns = [
        (names[:index].count(name), index) for index, name in enumerate(names)
    ]
    chosen, seconds = [], 0.0
    for _, index in sorted(turns):
        seconds += wrong_speakers * len(references[index].audio) / sample_rate
        if seconds > _SPEAKER_SECONDS and len(chosen) >= _SWAPPED_RECORDINGS:
            break
        chosen.append(index)
    return chosen


def _partners(indices: list[int]) -> Iterator[tuple[int, int]]:
    """Each with one half the list away: neighbours often have the same text."""
    half = len(indices) // 2
    return zip(indices, indices[half:] + indices[:half], strict=True)


def _swapped(kind: str, own: _Features, other: _Features) -> _Features:
    """One input of another recording, cut or held to the length of `own`."""
    found = {}
    for key in INPUT_ARRAYS[kind]:
        last = len(other[key]) - 1
        found[key] = other[key][np.minimum(np.arange(len(own[key])), last)]
    return found


def _speakers(
    names: tuple[str, ...],
    true: dict[int, int],
    nats: dict[int, np.ndarray],
    samples: dict[int, int],
) -> Speakers:
    """The figures, weighted by samples, of the nats that each speaker adds.

    `true` is the true speaker of each recording, by its index, `nats` is
    `(speakers,)` for each, zero for the true one.
    """
    bits = {index: values / math.log(2) for index, values in nats.items()}
    matrix = {}
    for speaker in sorted(set(true.values())):
        own = [index for index in bits if true[index] == speaker]
        mean = sum(bits[index] for index in own) / sum(
            samples[index] for index in own
        )
        matrix[names[speaker]] = dict(zip(names, mean.tolist(), strict=True))
    penalty = sum(values.sum() for values in bits.values()) / (
        (len(names) - 1) * sum(samples.values())
    )
    preferred = [
        np.delete(values, true[index]).min() > 0
        for index, values in bits.items()
    ]
    return Speakers(
        len(bits), float(penalty), float(np.mean(preferred)), matrix
    )
