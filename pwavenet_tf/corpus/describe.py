"""The conditioning features of a recording."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from pwavenet_tf.audio.mel import LogMel
from pwavenet_tf.audio.pitch import (
    note_track,
    pitch_track,
    relative_pitch,
    sinusoid_track,
)
from pwavenet_tf.core.config import AudioContract, Conditioning
from pwavenet_tf.core.errors import UserError
from pwavenet_tf.corpus.layouts import Layout, Source, find_layout_or_none
from pwavenet_tf.corpus.manifest import FOLDER, compiled, speaker_of
from pwavenet_tf.corpus.nsynth import EXAMPLES
from pwavenet_tf.corpus.phones.alignment import Aligner
from pwavenet_tf.corpus.phones.labels import find_labels, read_labels
from pwavenet_tf.corpus.phones.phones import (
    LANGUAGE,
    SILENCE,
    Phone,
    filled,
    phone_frames,
    phone_ids,
)
from pwavenet_tf.corpus.transcripts import Transcripts

# Labels may end a little later than a recording that was cut or resampled.
_LABEL_TOLERANCE = 0.1
# Where no phone lasts even so long, the unit of time is another.
_SHORTEST_PHONE = 0.002


@dataclasses.dataclass(frozen=True)
class Description:
    """The features of one recording; None if not asked for."""

    # `(frames, mels)`, normalised if the contract has statistics.
    mel: np.ndarray
    # They cover the recording.
    phones: list[Phone] | None = None
    # `(frames, 2)`, ln F0 in Hz and voicing.
    pitch: np.ndarray | None = None
    speaker: str | None = None


class FeatureExtractor:
    """Extracts the conditioning features of recordings of one folder.

    Those of `Conditioning.inputs` that are asked for. `labels` is the folder of
    label files, the folder's own `labels` if left out. The speaker is what the
    pattern finds, or else what the layout gives, or else the folder that a
    recording lies in. The layout, which gives texts and the pitch of notes
    too, is detected if left out.

    Raises:
        UserError: If the pattern is not valid, or a table of texts or a
            manifest is broken.
    """

    def __init__(
        self,
        contract: AudioContract,
        inputs: tuple[str, ...],
        folder: Path,
        labels: Path | None = None,
        speaker_pattern: str | None = None,
        layout: Layout | None = None,
        language: str = LANGUAGE,
    ) -> None:
        self._contract = contract
        self._inputs = inputs
        self._labels = labels or Path(folder) / "labels"
        self._pattern = compiled(speaker_pattern or FOLDER)
        self._log_mel = LogMel(contract)
        self._has_pattern = speaker_pattern is not None
        self._sources: dict[str, Source] = {}
        self._texts: Transcripts | None = None
        # The pitch of notes is a whole corpus's, not a single recording's.
        of_layout = {"linguistic", "speaker"}
        if layout is not None or (Path(folder) / EXAMPLES).is_file():
            of_layout |= {"pitch", "sinusoids"}
        if of_layout.intersection(inputs):
            layout = layout or find_layout_or_none(folder)
            sources = layout.sources if layout else ()
            self._sources = {source.name: source for source in sources}
        if "linguistic" in inputs:
            # Used for recordings too that do not lie in the folder.
            self._texts = Transcripts(folder)
        self._language = language
        self._aligner: Aligner | None = None
        # Before the work, which takes long: there may be no such voice.
        if "linguistic" in inputs and language != LANGUAGE:
            self._aligner = Aligner(language)

    def __call__(self, name: str, audio: np.ndarray) -> Description:
        """Extracts the features of a recording, by its path within the folder.

        The path is with `/`, the audio float32 `(time,)` in [-1, 1).

        Raises:
            UserError: If a label file is broken, there is neither one nor a
                text, or no speaker is found.
        """
        found = {}
        if "speaker" in self._inputs:
            found["speaker"] = self._speaker(name)
        if "linguistic" in self._inputs:
            found["phones"] = self._phones(name, audio)
        if {"pitch", "sinusoids"}.intersection(self._inputs):
            found["pitch"] = self._pitch(name, audio)
        return Description(self._log_mel(audio), **found)

    def _given(self, name: str, field: str):
        """What the layout gives for a recording, or None."""
        return getattr(self._sources.get(name), field, None)

    def _speaker(self, name: str) -> str:
        given = None if self._has_pattern else self._given(name, "speaker")
        return speaker_of(name, self._pattern) if given is None else given

    def _pitch(self, name: str, audio: np.ndarray) -> np.ndarray:
        note = self._given(name, "pitch")
        if note is None:
            return pitch_track(audio, self._contract)
        return note_track(note, self._contract.frames(len(audio)))

    def _phones(self, name: str, audio: np.ndarray) -> list[Phone]:
        label_file = find_labels(self._labels, name)
        seconds = len(audio) / self._contract.sample_rate
        if label_file is not None:
            phones = read_labels(label_file)
            _require_fit(phones, seconds, label_file)
            return filled(phones, seconds)
        text = self._given(name, "text")
        if text is None and self._texts:
            text = self._texts.normalised(name)
        if text is None:
            raise UserError(
                f"{name}: has neither labels nor a text; put a label file into "
                f"{self._labels}, or its text into metadata.csv among the "
                "recordings"
            )
        self._aligner = self._aligner or Aligner(self._language)
        return self._aligner.align(text, audio, self._contract.sample_rate)


def _require_fit(phones: list[Phone], seconds: float, source: Path) -> None:
    """Refuses labels of another recording or in another unit of time."""
    end = max((phone.end for phone in phones), default=0.0)
    sounds = [phone for phone in phones if phone.symbol != SILENCE]
    longest = max((phone.end - phone.start for phone in sounds), default=1.0)
    if end > seconds + _LABEL_TOLERANCE or longest < _SHORTEST_PHONE:
        raise UserError(
            f"{source}: its labels end at {end:.3g} s and the recording at "
            f"{seconds:.3f} s; are the times in seconds (HTK: whole numbers "
            "of 100 ns), and is it the label file of this recording?"
        )


def recorded_features(
    description: Description, ids: Mapping[str, int], contract: AudioContract
) -> dict[str, np.ndarray]:
    """The arrays of a description, `(frames, channels)` each, with phones' ids.

    They are `mel`, and `phones`, `timing` and `pitch` if asked for.
    """
    features = {"mel": description.mel}
    if description.phones is not None:
        frames = len(description.mel)
        features |= phone_frames(description.phones, ids, frames, contract)
    if description.pitch is not None:
        features["pitch"] = description.pitch
    return features


def model_features(
    description: Description,
    contract: AudioContract,
    conditioning: Conditioning,
) -> dict[str, np.ndarray]:
    """A model's inputs from a description made with its own contract.

    Raises:
        UserError: If the model does not know the speaker.
    """
    ids = phone_ids(conditioning.phones)
    features = recorded_features(description, ids, contract)
    if "sinusoids" in conditioning.inputs and "pitch" in features:
        features["sinusoids"] = sinusoid_track(features["pitch"], contract)
    if conditioning.mean_pitch_hz and "pitch" in features:
        features["pitch"] = relative_pitch(
            features["pitch"], conditioning.mean_pitch_hz
        )
    if conditioning.speakers and description.speaker is not None:
        if description.speaker not in conditioning.speakers:
            raise UserError(
                f"the speaker {description.speaker} is not known to this "
                f"model; its speakers are {', '.join(conditioning.speakers)}"
            )
        speaker = conditioning.speakers.index(description.speaker)
        features["speaker"] = np.int32(speaker)
    return features
