"""The client gives the synthesizer's audio, over gRPC and over REST.

The server is the tests' own; it uses the official messages and runs the
SavedModel.
"""

import contextlib
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import served_voices
import tiny_models
from hypothesis import given, settings
from hypothesis import strategies as st
from model_server import ModelServer

from pwavenet_tf.audio.files import read_audio, write_audio
from pwavenet_tf.audio.mel import LogMel
from pwavenet_tf.core.errors import UserError
from pwavenet_tf.export.client import Client, inputs, synthesize
from pwavenet_tf.synthesis.student import Synthesizer

HOP = tiny_models.HOP
TRANSPORTS = ("grpc_host", "rest_host")
FOLDERS = {"voice": "mel", "everything": "everything"}


def synthesizer(model: str) -> Synthesizer:
    return served_voices.synthesizer(FOLDERS[model])


@pytest.fixture(scope="module")
def server():
    folders = {
        model: served_voices.exported(kind).parent
        for model, kind in FOLDERS.items()
    }
    with ModelServer(folders, {("voice", "stable"): 1}) as server:
        yield server


@pytest.fixture(scope="module", params=TRANSPORTS)
def host(server, request):
    return getattr(server, request.param)


def one_of_everything(frames: int) -> dict:
    """Features of an utterance without a batch axis."""
    return {name: x[0] for name, x in tiny_models.features(1, frames).items()}


def require_close(found, expected):
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


@contextlib.contextmanager
def chunks_of(frames: int):
    """Short chunks, so that the tests need not synthesize ten seconds."""
    with pytest.MonkeyPatch.context() as patch:
        seconds = (frames + 0.5) * HOP / tiny_models.CONTRACT.sample_rate
        patch.setattr(inputs, "_CHUNK_SECONDS", seconds)
        yield


@pytest.mark.network
@pytest.mark.parametrize("frames", [1, 37])
def test_a_mel_spectrogram_sounds_as_from_the_synthesizer(host, frames):
    mel = tiny_models.mel(1, frames)[0]
    require_close(
        synthesize(mel, host, seed=-5, temperature=0.7),
        synthesizer("voice")(mel, seed=-5, temperature=0.7),
    )


@pytest.mark.network
def test_all_features_sound_as_from_the_synthesizer(host):
    features = one_of_everything(12)
    for number, speaker in enumerate(tiny_models.EVERYTHING.speakers):
        expected = synthesizer("everything")(
            features | {"speaker": [number]}, seed=2
        )
        for named in (speaker, number):
            require_close(
                synthesize(features, host, "everything", seed=2, speaker=named),
                expected,
            )


def test_a_recording_is_read_resampled_and_synthesized(host, tmp_path):
    rate = 22_050
    tone = 0.3 * np.sin(np.arange(rate // 5) * 2 * np.pi * 440 / rate)
    path = tmp_path / "tone.wav"
    write_audio(path, tone, rate)
    contract = tiny_models.CONTRACT
    mel = LogMel(contract)(read_audio(path, contract.sample_rate))
    require_close(
        synthesize(str(path), host, seed=1), synthesizer("voice")(mel, seed=1)
    )


@pytest.mark.network
@pytest.mark.parametrize("model", FOLDERS)
def test_long_input_is_sent_in_chunks_that_join_exactly(server, host, model):
    features = one_of_everything(50)
    if model == "voice":
        features = {"mel": features["mel"]}
    server.behave()
    with chunks_of(16):
        synthesized = synthesize(features, host, model, seed=9)
    assert server.asked == ["describe", *["stream"] * 4]
    require_close(synthesized, synthesizer(model)(features, seed=9))


def test_a_long_recording_is_analysed_in_chunks_that_join_exactly(server, host):
    audio = tiny_models.audio(1, 50)[0][:-7]
    server.behave()
    with Client(host) as client, chunks_of(16):
        mel = client.mel_spectrogram(audio)
    assert server.asked == ["describe", *["mel_spectrogram"] * 4]
    require_close(mel, LogMel(tiny_models.CONTRACT)(audio))


@pytest.mark.network
@settings(max_examples=10)
@given(st.lists(st.integers(1, 40), min_size=1, max_size=5), st.data())
def test_any_parts_of_a_stream_sound_as_the_whole(server, lengths, data):
    host = getattr(server, data.draw(st.sampled_from(TRANSPORTS)))
    features = one_of_everything(sum(lengths))
    ends = np.cumsum(lengths)
    parts = [
        {
            name: x[end - length : end] if np.ndim(x) == 2 else x
            for name, x in features.items()
            # Only the first part has the speaker.
            if name != "speaker" or end == length
        }
        for end, length in zip(ends, lengths, strict=True)
    ]
    with Client(host, "everything") as client, chunks_of(16):
        synthesized = np.concatenate(list(client.stream(parts, seed=4)))
    require_close(synthesized, synthesizer("everything")(features, seed=4))


def test_a_stream_gives_all_audio_that_its_look_ahead_allows(server, host):
    mel = tiny_models.mel(1, 30)[0]
    ahead = synthesizer("voice").context_frames
    given = 0

    def parts():
        nonlocal given
        for frame in mel:
            given += 1
            yield frame[np.newaxis]

    synthesized = 0
    with Client(host) as client:
        for audio in client.stream(parts()):
            synthesized += len(audio)
            if given < len(mel):
                assert synthesized == (given - ahead) * HOP
    assert synthesized == len(mel) * HOP
    assert list(Client(host).stream([])) == []


@pytest.mark.network
def test_many_threads_are_answered_each_its_own(host):
    mels = [tiny_models.mel(1, 3 + n, seed=n)[0] for n in range(24)]
    with Client(host) as client, ThreadPoolExecutor(12) as pool:
        synthesized = list(
            pool.map(
                lambda n: client.synthesize(mels[n], seed=n), range(len(mels))
            )
        )
    for n, mel in enumerate(mels):
        require_close(synthesized[n], synthesizer("voice")(mel, seed=n))


def test_many_streams_are_answered_each_its_own(host):
    mels = [tiny_models.mel(1, 20 + n, seed=n)[0] for n in range(8)]

    def stream(n: int) -> np.ndarray:
        parts = np.array_split(mels[n], 3)
        return np.concatenate(list(client.stream(parts, seed=n)))

    with Client(host) as client, ThreadPoolExecutor(8) as pool:
        synthesized = list(pool.map(stream, range(len(mels))))
    for n, mel in enumerate(mels):
        require_close(synthesized[n], synthesizer("voice")(mel, seed=n))


def test_the_card_is_requested_once(server, host):
    server.behave()
    with Client(host, label="stable") as client:
        assert client.contract == tiny_models.CONTRACT
        assert client.card["look_ahead_frames"] == (
            synthesizer("voice").context_frames
        )
    assert server.asked == ["describe"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"model": "vioce"}, "does not serve 'vioce'.*not found.*Latest"),
        ({"version": 7}, "does not serve version 7 of 'voice'"),
        ({"label": "best"}, "Unrecognized servable version label: best"),
        ({"version": 1, "label": "stable"}, "both given"),
        ({"deadline": 0}, "deadline is 0"),
        ({"attempts": 0}, "attempts is 0"),
    ],
)
def test_a_model_that_is_not_there_is_named(host, arguments, message):
    with (
        pytest.raises(UserError, match=message),
        Client(host, **arguments) as c,
    ):
        c.synthesize(tiny_models.mel()[0])


@pytest.mark.parametrize(
    ("model", "arguments", "message"),
    [
        ("voice", {"seed": 1.5}, "seed is 1.5"),
        ("voice", {"seed": 2**63}, "whole number of 64 bits"),
        ("voice", {"temperature": -1.0}, "must be a number from 0"),
        ("voice", {"temperature": np.nan}, "from 0 to 100"),
        ("voice", {"speaker": "anna"}, "one speaker only"),
        ("everything", {"speaker": "carl"}, "no speaker 'carl'.*anna, ben"),
        ("everything", {"speaker": 2}, "no speaker 2.*anna, ben"),
    ],
)
def test_settings_that_do_not_suit_are_refused(host, model, arguments, message):
    features = one_of_everything(2)
    given = features if model == "everything" else features["mel"]
    with pytest.raises(UserError, match=message) as refusal:
        synthesize(given, host, model, **arguments)
    assert "\n" not in str(refusal.value)


def test_input_that_does_not_suit_is_refused(host, tmp_path):
    mel = tiny_models.mel(2)
    recording = tmp_path / "tone.wav"
    write_audio(recording, np.zeros(100), 16_000)
    everything = one_of_everything(2)
    unnamed = {k: x for k, x in everything.items() if k != "speaker"}
    for speech, model, message in (
        (mel, "voice", "one utterance at a time"),
        (mel[0, :, 1:], "voice", "mel must be"),
        (mel[0] * np.nan, "voice", "finite"),
        (tmp_path / "no.wav", "voice", "no such file"),
        (recording, "everything", "give the features by name"),
        (unnamed, "everything", "choose one by speaker=: anna, ben"),
        (
            everything["mel"],
            "everything",
            "needs 'phones'|has several speakers",
        ),
    ):
        with pytest.raises(UserError, match=message):
            synthesize(speech, host, model)
    for scale, words in ((-90, "holds decibels"), (1e300, "no mel spec")):
        with pytest.raises(UserError, match=words):
            synthesize(tiny_models.mel()[0].astype(float) + scale, host)
    integers = np.array([0, 1, -32_768], np.int16)
    with (
        pytest.raises(UserError, match="16-bit integers stored as"),
        Client(host) as client,
    ):
        client.mel_spectrogram(integers)
    audios = (
        *(np.zeros((2, 9)), np.zeros(0), np.full(9, np.inf)),
        np.full(9, 0.1j),
    )
    for audio in audios:
        with (
            pytest.raises(UserError, match="audio must be"),
            Client(host) as client,
        ):
            client.mel_spectrogram(audio)


@pytest.mark.parametrize(
    "host",
    ["", "localhost", "localhost:x", "ftp://localhost:1", "localhost:1/voice"],
)
def test_an_invalid_address_is_refused(host):
    with pytest.raises(UserError, match="no address of a server"):
        Client(host)


def test_rest_needs_no_tensorflow(server, tmp_path):
    mel = tiny_models.mel(1, 9)[0]
    np.save(tmp_path / "mel.npy", mel)
    script = (
        "import sys, numpy as np\n"
        "from pwavenet_tf.export.client import synthesize\n"
        "mel = np.load('mel.npy')\n"
        f"np.save('audio.npy', synthesize(mel, {server.rest_host!r}))\n"
        "assert not {'tensorflow', 'keras', 'grpc'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=True)
    require_close(np.load(tmp_path / "audio.npy"), synthesizer("voice")(mel))
