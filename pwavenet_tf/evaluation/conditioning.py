"""Conditioning sensitivity: what mismatched conditioning costs, in bits."""

import dataclasses
import math
from collections import Counter
from collections.abc import Callable

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
# Scores a recording, by its index, with features that may be wrong.
_Scorer = Callable[[int, _Features], Score]

_SWAPPED_RECORDINGS = 8
# Of audio that is scored again under wrong speakers.
_SPEAKER_SECONDS = 300


@dataclasses.dataclass(frozen=True)
class Speakers:
    """How much a model prefers the right speaker.

    Attributes:
        recordings: How many were scored under every speaker.
        penalty: Mean of the bits per sample under wrong speakers less those
            under the right one.
        preferred: The share of recordings whose right speaker gives fewer
            bits than any other.
        matrix: For each true speaker and each speaker the model knows, bits
            per sample less those under the true one.
    """

    recordings: int
    penalty: float
    preferred: float
    matrix: dict[str, dict[str, float]]


@dataclasses.dataclass(frozen=True)
class ConditioningSensitivity:
    """What mismatched conditioning costs a model.

    Attributes:
        recordings: How many had their conditioning swapped.
        penalties: By input, the bits per sample that are added when that
            input alone is another recording's.
        speakers: None for a model of one speaker.
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
    least.

    Args:
        model: The model.
        likelihood: Its own.
        references: The recordings.
        scores: Their scores with their own conditioning.
        name: The model's name on the progress bar.

    Returns:
        None if there are fewer than two recordings or the model has no
        conditioning to swap.
    """
    conditioning = model.conditioning
    inputs = [one for one in conditioning.inputs if one != "speaker"]
    wrong = max(len(conditioning.speakers) - 1, 0)
    if len(references) < 2 or not (inputs or wrong):
        return None
    swapped = _spread(len(references), _SWAPPED_RECORDINGS)
    by_speaker = _by_turns(references, model.audio.sample_rate, wrong)
    features = {
        index: references[index].features(model)
        for index in {*swapped, *by_speaker}
    }
    scored = swapped * len(inputs) + by_speaker * wrong
    with Bar(
        total=len(scored), desc=f"{name}: sensitivity", unit="recording"
    ) as bar:

        def score(index: int, inputs: _Features) -> Score:
            found = likelihood(references[index].audio, inputs)
            bar.update()
            return found

        penalties = {
            kind: _swap_penalty(kind, swapped, features, scores, score)
            for kind in inputs
        }
        nats = {
            index: _nats_by_speaker(
                wrong + 1, features[index], scores[index], index, score
            )
            for index in by_speaker
        }
    speakers = None
    if by_speaker:
        true = {index: int(features[index]["speaker"]) for index in by_speaker}
        samples = {index: scores[index].samples for index in by_speaker}
        speakers = _speakers(conditioning.speakers, true, nats, samples)
    return ConditioningSensitivity(len(swapped), penalties, speakers)


def _spread(count: int, most: int) -> list[int]:
    places = np.linspace(0, count - 1, min(count, most))
    return [int(place) for place in places.round()]


def _by_turns(
    references: list[ReferenceRecording], sample_rate: int, wrong_speakers: int
) -> list[int]:
    """Recordings to score under other speakers, in turns by speaker."""
    if wrong_speakers < 1:
        return []
    seen: Counter[str | None] = Counter()
    turns = []
    for index, one in enumerate(references):
        turns.append((seen[one.description.speaker], index))
        seen[one.description.speaker] += 1
    chosen, seconds = [], 0.0
    for _, index in sorted(turns):
        seconds += wrong_speakers * len(references[index].audio) / sample_rate
        if seconds > _SPEAKER_SECONDS and len(chosen) >= _SWAPPED_RECORDINGS:
            break
        chosen.append(index)
    return chosen


def _swap_penalty(
    kind: str,
    indices: list[int],
    features: dict[int, _Features],
    scores: list[Score],
    score: _Scorer,
) -> float:
    """Bits per sample that one input of another recording adds."""
    nats = samples = 0
    for turn, index in enumerate(indices):
        # Half the list away: neighbours often have the same text.
        other = indices[(turn + len(indices) // 2) % len(indices)]
        own = features[index]
        swapped = {
            key: _fitted(features[other][key], len(own[key]))
            for key in INPUT_ARRAYS[kind]
        }
        nats += score(index, own | swapped).nats - scores[index].nats
        samples += scores[index].samples
    return nats / samples / math.log(2)


def _fitted(values: np.ndarray, frames: int) -> np.ndarray:
    """Cut, or lengthened by its last frame."""
    return values[np.minimum(np.arange(frames), len(values) - 1)]


def _nats_by_speaker(
    count: int,
    features: _Features,
    own_score: Score,
    index: int,
    score: _Scorer,
) -> np.ndarray:
    return np.array(
        [
            own_score.nats
            if speaker == features["speaker"]
            else score(index, features | {"speaker": np.int32(speaker)}).nats
            for speaker in range(count)
        ]
    )


def _speakers(
    names: tuple[str, ...],
    true: dict[int, int],
    nats: dict[int, np.ndarray],
    samples: dict[int, int],
) -> Speakers:
    """The figures, all in bits per sample, weighted by samples.

    Args:
        names: The speakers that the model knows.
        true: The true speaker of each recording.
        nats: Of each recording, by speaker.
        samples: Of each recording.
    """
    added = {
        index: (values - values[true[index]]) / math.log(2)
        for index, values in nats.items()
    }
    matrix = {}
    for speaker in sorted(set(true.values())):
        own = [index for index in added if true[index] == speaker]
        mean = sum(added[index] for index in own) / sum(
            samples[index] for index in own
        )
        matrix[names[speaker]] = dict(zip(names, mean.tolist(), strict=True))
    wrong = len(names) - 1
    return Speakers(
        recordings=len(added),
        penalty=float(
            sum(values.sum() for values in added.values())
            / (wrong * sum(samples.values()))
        ),
        preferred=float(
            np.mean(
                [
                    np.delete(values, true[index]).min() > 0
                    for index, values in added.items()
                ]
            )
        ),
        matrix=matrix,
    )
