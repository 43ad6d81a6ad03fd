"""Text to speech: a text front end, an acoustic model and a vocoder."""

import functools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import tensorflow as tf

from pwavenet_tf.audio.pitch import relative_pitch, sinusoid_track
from pwavenet_tf.core.config import INPUT_ARRAYS
from pwavenet_tf.core.errors import UserError
from pwavenet_tf.corpus.phones.espeak import Espeak
from pwavenet_tf.corpus.phones.phones import (
    SILENCE,
    Phone,
    phone_frames,
    phone_ids,
)
from pwavenet_tf.corpus.phones.sentences import sentences
from pwavenet_tf.models.acoustic_model import AcousticModel
from pwavenet_tf.models.loading import load_acoustic_model
from pwavenet_tf.synthesis.streaming import StreamingSynthesizer

# Factors of the speed and of F0.
BOUNDS = {"rate": (0.5, 2.0), "pitch": (0.5, 2.0)}
# Between paragraphs, beyond the pauses that a sentence begins and ends with.
_PARAGRAPH_SECONDS = 0.4


class Speaker:
    """Speaks texts with a voice.

    Args:
        acoustic_model: The model, or its file, which is read once it is
            needed.
        synthesizer: The vocoder's; it must have the acoustic model's
            contract.

    Raises:
        UserError: If the vocoder's contract is another, or it reads what an
            acoustic model does not give. With a file, when it is read.

    Example:
        speaker = Speaker("run/acoustic.keras", load_voice("run/student.keras"))
        audio = speaker.say("Good morning.")
    """

    def __init__(
        self,
        acoustic_model: AcousticModel | str | Path,
        synthesizer: StreamingSynthesizer,
    ) -> None:
        self._source = acoustic_model
        self._synthesizer = synthesizer
        if isinstance(acoustic_model, AcousticModel):
            self._require_pair(acoustic_model)

    @functools.cached_property
    def acoustic_model(self) -> AcousticModel:
        """The acoustic model."""
        if isinstance(self._source, AcousticModel):
            return self._source
        model = load_acoustic_model(Path(self._source))
        self._require_pair(model)
        return model

    def _require_pair(self, model: AcousticModel) -> None:
        model.audio.require_equal(
            self._synthesizer.contract, "the acoustic model", "the vocoder"
        )
        if "speaker" in self._synthesizer.conditioning.inputs:
            raise UserError(
                "the vocoder has several speakers, an acoustic model has one; "
                "train both on the recordings of one speaker"
            )

    @functools.cached_property
    def _espeak(self) -> Espeak:
        return Espeak(self.acoustic_model.language)

    @functools.cached_property
    def _generate(self):
        # The last two are traced as tensors: other values compile nothing.
        return tf.function(
            self.acoustic_model.generate,
            input_signature=[
                tf.TensorSpec((None, None), tf.int32),
                tf.TensorSpec((), tf.float32),
                tf.TensorSpec((), tf.float32),
            ],
            autograph=False,
        )

    def say(
        self,
        text: str,
        rate: float = 1.0,
        pitch: float = 1.0,
        seed: int = 0,
        temperature: float = 1.0,
    ) -> np.ndarray:
        """Speech of a text, float32 `(time,)` in [-1, 1).

        Args:
            text: In the language of the voice; see `sentences`.
            rate: How much faster than the voice's own rate, 0.5 to 2.
            pitch: Factor of F0, 0.5 to 2.
            seed: The same seed gives the same audio.
            temperature: Of the vocoder's noise.

        Raises:
            UserError: If there is nothing to say, the text is in another
                script, or a number is out of bounds.
        """
        parts = list(self.stream(text, rate, pitch, seed, temperature))
        return np.concatenate(parts)

    def stream(
        self,
        text: str,
        rate: float = 1.0,
        pitch: float = 1.0,
        seed: int = 0,
        temperature: float = 1.0,
    ) -> Iterator[np.ndarray]:
        """As `say`, block by block, sentence by sentence.

        Memory does not grow with the text.
        """
        for name, value in (("rate", rate), ("pitch", pitch)):
            lowest, highest = BOUNDS[name]
            if not lowest <= value <= highest:
                raise UserError(
                    f"{name} {value} is out of bounds; give a factor from "
                    f"{lowest} to {highest}"
                )
        found = sentences(text, self.acoustic_model.language)
        spoken = 0
        for sentence in found:
            if not sentence:
                contract = self._synthesizer.contract
                pause = _PARAGRAPH_SECONDS / rate * contract.sample_rate
                yield np.zeros(round(pause), np.float32)
                continue
            phones = self.phones(sentence)
            features = self.features(phones, rate, pitch)
            for block in self._synthesizer.chunks(
                features, seed + spoken, temperature
            ):
                yield block[0]
            spoken += 1
        if not spoken:
            raise UserError(
                "the text holds nothing to say; give words or numbers"
            )

    def phones(self, sentence: str) -> list[str]:
        """The phones of a sentence that the acoustic model knows.

        A phone that it has never seen is replaced by its parts or by its
        kind without a length mark; failing that it is left out.
        """
        known = set(self.acoustic_model.phones)
        spoken = self._espeak.synthesize(sentence).phones
        found = [SILENCE]
        for phone in spoken:
            found += _in_inventory(phone.symbol, known)
        # The first and the last pause are the recordings' own.
        return [
            one
            for one, before in zip(found[1:], found, strict=False)
            if one != SILENCE or before != SILENCE
        ]

    def features(
        self, phones: list[str], rate: float = 1.0, pitch: float = 1.0
    ) -> dict[str, np.ndarray]:
        """What the vocoder reads, of phones, `(frames, channels)` each.

        Args:
            phones: Symbols; silence before and after them is added.
            rate: As in `say`.
            pitch: As in `say`.
        """
        while phones and phones[-1] == SILENCE:
            phones = phones[:-1]
        symbols = [SILENCE, *phones, SILENCE]
        ids = phone_ids(self.acoustic_model.phones)
        row = np.array([[ids[symbol] for symbol in symbols]], np.int32)
        made = {
            name: value.numpy()[0]
            for name, value in self._generate(
                row, np.float32(rate), np.float32(pitch)
            ).items()
        }
        contract = self._synthesizer.contract
        conditioning = self._synthesizer.conditioning
        features = {
            "mel": made["mel"],
            "sinusoids": sinusoid_track(made["pitch"], contract),
        }
        if conditioning.mean_pitch_hz:
            features["pitch"] = relative_pitch(
                made["pitch"], conditioning.mean_pitch_hz
            )
        if "linguistic" in conditioning.inputs:
            features |= phone_frames(
                _timed(symbols, made["durations"], contract),
                phone_ids(conditioning.phones),
                len(made["mel"]),
                contract,
            )
        return {
            array: features[array]
            for name in conditioning.inputs
            for array in INPUT_ARRAYS[name]
        }


def _timed(symbols: list[str], durations: np.ndarray, contract) -> list[Phone]:
    """Phones with their times."""
    hop = contract.hop_length / contract.sample_rate
    ends = np.cumsum(durations) * hop
    starts = ends - durations * hop
    return [
        Phone(*one)
        for one in zip(symbols, starts.tolist(), ends.tolist(), strict=True)
    ]


def _in_inventory(symbol: str, known: set[str]) -> list[str]:
    """A phone in symbols that are known; none, if there are none."""
    if symbol in known:
        return [symbol]
    for near in (symbol.replace("ː", ""), f"{symbol}ː"):
        if near in known:
            return [near]
    # The longest known parts, from the front.
    for length in range(len(symbol) - 1, 0, -1):
        if symbol[:length] in known:
            return [symbol[:length], *_in_inventory(symbol[length:], known)]
    return _in_inventory(symbol[1:], known) if len(symbol) > 1 else []
