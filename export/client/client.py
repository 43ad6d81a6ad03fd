"""A client of a served voice, over gRPC or REST.

It needs neither the model nor a front end: the server computes the mel
spectrogram too. Over REST it does not even load TensorFlow.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from pwavenet_tf.audio.files import read_audio
from pwavenet_tf.core.config import AudioContract
from pwavenet_tf.core.errors import UserError
from pwavenet_tf.export.client.chunks import (
    FLOAT,
    LENGTHS,
    Part,
    lengths_of,
    mel_spectrogram,
    own,
    streamed,
)
from pwavenet_tf.export.client.inputs import (
    chunk_frames,
    noise_inputs,
    one_channel,
    parts_of,
    told_features,
)
from pwavenet_tf.export.client.protocol import Deadline, Output, Servable
from pwavenet_tf.export.client.server import Voice, VoiceServer
from pwavenet_tf.models.inputs import Features, batch_and_frames

Speech = Features | str | Path


class Client:
    """Speaks with a voice that TensorFlow Serving holds.

    The version is settled at the first request, so that all that a client
    says is of one voice. Requests that failed for a reason that may pass (no
    server, a lost connection, an overload, an attempt's time over) are sent
    again with growing pauses. That is safe: a request computes and changes
    nothing, and the seed and the stream's state are in it. It may be used
    from many threads.

    Args:
        host: `localhost:8500` or `grpc://localhost:8500` for the gRPC port,
            `http://localhost:8501` (or https) for the REST port.
        model: The model's name on the server.
        version: Its version; the newest if None.
        label: Its version by a label, `"stable"` for instance.
        deadline: Seconds that a call may take, all its requests and their
            attempts together; of `stream`, each request. An attempt may take
            half of what is left, the last one all of it.
        attempts: How often a request is sent at most.

    Raises:
        UserError: If the host is no address, or gRPC is not installed.

    Example:
        with Client("localhost:8500") as client:
            audio = client.synthesize("speech.wav", seed=1)
    """

    def __init__(
        self,
        host: str,
        model: str = "voice",
        version: int | None = None,
        label: str | None = None,
        deadline: float = 60.0,
        attempts: int = 5,
    ) -> None:
        if version is not None and label is not None:
            raise UserError(
                f"version {version} and label {label!r} are both given; "
                "choose one"
            )
        if attempts < 1:
            raise UserError(f"attempts is {attempts}; give 1 or more")
        self.host = host
        self._seconds = Deadline(deadline).seconds
        self._server = VoiceServer(
            host, Servable(model, version, label), attempts
        )

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def close(self) -> None:
        """Gives the connection up."""
        self._server.close()

    @property
    def card(self) -> dict:
        """What the model says of itself; see `export.card.model_card`."""
        return self._server.voice(self._deadline()).card

    @property
    def contract(self) -> AudioContract:
        """The acoustic contract of the model."""
        return self._server.voice(self._deadline()).contract

    def mel_spectrogram(self, audio: np.ndarray) -> np.ndarray:
        """The mel spectrogram that the voice reads, computed by the server.

        Args:
            audio: `(time,)` in [-1, 1), at the contract's sample rate.

        Returns:
            float32 `(frames, mels)`, normalised.

        Raises:
            UserError: If the audio is none, or the server does not answer.
        """
        deadline = self._deadline()
        voice = self._server.voice(deadline)
        audio = one_channel(audio)
        return mel_spectrogram(self._server, voice, audio, deadline)

    def synthesize(
        self,
        speech: Speech,
        *,
        seed: int = 0,
        temperature: float = 1.0,
        speaker: str | int | None = None,
    ) -> np.ndarray:
        """Speaks one utterance.

        Args:
            speech: A mel spectrogram `(frames, mels)` as the contract says,
                or features by name, or the path of a recording to speak
                again. Long input goes in chunks that add up exactly.
            seed: The same seed gives the same audio.
            temperature: Scales the noise; 1 samples from the model itself.
            speaker: Who is to speak, by name or number, where there are
                several.

        Returns:
            float32 `(time,)` in [-1, 1), `frames * hop length` samples.

        Raises:
            UserError: If the input does not suit the model, or the server
                does not answer, or not with what was asked for.
        """
        deadline = self._deadline()
        voice = self._server.voice(deadline)
        if isinstance(speech, str | Path):
            speech = self._mel_of_file(Path(speech), voice, deadline)
        features = self._told(speech, speaker, voice)
        noise = noise_inputs(seed, temperature)
        frames = batch_and_frames(features)[1]
        chunk = chunk_frames(voice.contract)
        if frames > chunk:
            parts = [Part(part) for part in parts_of(features, chunk)]
            parts[-1] = parts[-1]._replace(end=True)
            audio = streamed(
                self._server, voice, parts, noise, lambda: deadline
            )
            return np.concatenate(list(audio))
        # Not the stream too: its state would be sent back for nothing.
        samples = frames * voice.contract.hop_length
        answer = self._server.predict(
            voice.servable,
            "serving_default",
            features | noise | lengths_of(frames),
            {"audio": Output(FLOAT, (1, None)), "lengths": LENGTHS},
            deadline,
        )
        return own(answer, "audio", self.host, samples)

    def stream(
        self,
        parts: Iterable[Features],
        *,
        seed: int = 0,
        temperature: float = 1.0,
        speaker: str | int | None = None,
    ) -> Iterator[np.ndarray]:
        """Speaks an utterance while its features come.

        Put together it is what `synthesize` makes of the whole; audio comes
        as soon as the voice's look-ahead behind it is known.

        Args:
            parts: Features as in `synthesize`, any number of frames each. A
                speaker is heard in the first of them.
            seed: As in `synthesize`.
            temperature: As in `synthesize`.
            speaker: As in `synthesize`.

        Yields:
            float32 `(samples,)` in [-1, 1).

        Raises:
            UserError: As `synthesize`.
        """
        voice = self._server.voice(self._deadline())
        noise = noise_inputs(seed, temperature)
        parts = self._parts(parts, speaker, voice)
        yield from streamed(self._server, voice, parts, noise, self._deadline)

    def _parts(
        self, given: Iterable[Features], speaker, voice: Voice
    ) -> Iterator[Part]:
        features = {}
        for speech in given:
            features = self._told(speech, speaker, voice)
            if "speaker" in features:
                speaker = int(features["speaker"][0])
            for part in parts_of(features, chunk_frames(voice.contract)):
                yield Part(part)
        if features:
            yield Part(next(parts_of(features, 1)), counts=False, end=True)

    def _mel_of_file(
        self, path: Path, voice: Voice, deadline: Deadline
    ) -> np.ndarray:
        told = voice.conditioning.inputs
        if "mel" not in told or set(told) - {"mel", "speaker"}:
            raise UserError(
                f"{self.host}: {voice.servable} is told {', '.join(told)}, "
                "and a recording gives a mel spectrogram alone; give the "
                "features by name"
            )
        audio = read_audio(path, voice.contract.sample_rate)
        return mel_spectrogram(self._server, voice, audio, deadline)

    def _told(self, speech: Features, speaker, voice: Voice) -> dict:
        return told_features(
            speech, speaker, voice.contract, voice.conditioning
        )

    def _deadline(self) -> Deadline:
        return Deadline(self._seconds)


def synthesize(
    speech: Speech,
    host: str,
    model: str = "voice",
    *,
    seed: int = 0,
    temperature: float = 1.0,
    speaker: str | int | None = None,
    deadline: float = 60.0,
    attempts: int = 5,
) -> np.ndarray:
    """Speaks one utterance with a served voice; see `Client`.

    Args:
        speech: A mel spectrogram, features by name, or a recording's path.
        host: `localhost:8500` (gRPC) or `http://localhost:8501` (REST).
        model: The model's name on the server.
        seed: The same seed gives the same audio.
        temperature: Scales the noise; 1 samples from the model itself.
        speaker: Who is to speak, where there are several.
        deadline: Seconds for all of it.
        attempts: How often a request is sent at most.

    Returns:
        float32 `(time,)` in [-1, 1).

    Raises:
        UserError: If the input does not suit the model, or the server does
            not answer, or not with what was asked for.
    """
    with Client(host, model, deadline=deadline, attempts=attempts) as client:
        return client.synthesize(
            speech, seed=seed, temperature=temperature, speaker=speaker
        )
