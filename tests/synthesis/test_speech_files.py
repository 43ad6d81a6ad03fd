"""Audio of unknown length in a WAV file, and in a pipe."""

import io
import os
import resource
import struct
import wave

import numpy as np
import pytest
import soundfile

from pwavenet_tf.audio.files import to_pcm16
from pwavenet_tf.core.errors import UserError
from pwavenet_tf.synthesis.files import speech_to_file, speech_to_pipe

RATE = 16_000
HEADER = 44


def blocks(*lengths: int) -> list[np.ndarray]:
    random = np.random.default_rng(0)
    return [random.uniform(-1, 1, one).astype("f") for one in lengths]


def until_refused(*lengths: int):
    yield from blocks(*lengths)
    raise UserError("the text holds nothing to say")


@pytest.mark.parametrize("lengths", [(100, 7, 2_000), (1,), ()])
def test_the_header_of_a_file_states_its_length(lengths, tmp_path) -> None:
    path, counts = tmp_path / "deep" / "speech.wav", []
    made = blocks(*lengths)
    seconds = speech_to_file(iter(made), RATE, path, counts.append)
    assert seconds == sum(lengths) / RATE
    assert tuple(counts) == lengths
    expected = to_pcm16(np.concatenate([*made, np.zeros(0, "f")]))
    with wave.open(str(path)) as sound:
        assert sound.getparams()[:4] == (1, 2, RATE, sum(lengths))
        frames = sound.readframes(sum(lengths))
    np.testing.assert_array_equal(np.frombuffer(frames, "<i2"), expected)
    samples, rate = soundfile.read(path, dtype="int16")
    np.testing.assert_array_equal(samples, expected)
    assert rate == RATE
    assert path.stat().st_size == HEADER + 2 * sum(lengths)
    assert [one.name for one in path.parent.iterdir()] == ["speech.wav"]


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_audio_that_is_not_finite_leaves_no_file(value, tmp_path) -> None:
    made = blocks(100, 100)
    made[1][50] = value
    path = tmp_path / "deep" / "speech.wav"
    with pytest.raises(UserError, match=r"speech\.wav: not written.*finite"):
        speech_to_file(made, RATE, path)
    assert list(tmp_path.iterdir()) == []


def test_what_is_refused_or_interrupted_leaves_the_file_before(
    tmp_path,
) -> None:
    path = tmp_path / "speech.wav"
    path.write_bytes(b"before")
    with pytest.raises(UserError, match="nothing to say"):
        speech_to_file(until_refused(100), RATE, path)

    def interrupt(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        speech_to_file(blocks(100), RATE, path, interrupt)
    assert [one.name for one in tmp_path.iterdir()] == ["speech.wav"]
    assert path.read_bytes() == b"before"


def test_a_full_disk_leaves_no_file(tmp_path) -> None:
    """A limit on the size of files stands for the full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4_096, hard))
    try:
        with pytest.raises(UserError, match=r"speech\.wav.*File too large"):
            speech_to_file(
                blocks(*[1_000] * 9), RATE, tmp_path / "deep" / "speech.wav"
            )
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == []


def test_a_pipe_gets_the_header_and_then_each_block_at_once() -> None:
    made = blocks(100, 7, 2_000)
    end, speaker = os.pipe()
    os.set_blocking(end, False)
    received, early = b"", []

    def spoken():
        nonlocal received
        for block in made:
            yield block
            # By now it has been written.
            received += os.read(end, 1 << 16)
            early.append(len(received))

    with open(speaker, "wb") as pipe, open(end, "rb", buffering=0):
        speech_to_pipe(spoken(), RATE, pipe)
    assert early == [HEADER + 200, HEADER + 214, HEADER + 4_214]
    expected = to_pcm16(np.concatenate(made))
    np.testing.assert_array_equal(
        np.frombuffer(received[HEADER:], "<i2"), expected
    )
    with wave.open(io.BytesIO(received)) as sound:
        assert sound.getparams()[:3] == (1, 2, RATE)
        assert sound.getnframes() > 30 * 3_600 * RATE
    # The lengths of the whole and of the samples, as great as they may be.
    whole, samples = struct.unpack("<4xI32xI", received[:HEADER])
    assert whole == samples + HEADER - 8 and 2**32 - whole <= 2


def test_what_is_refused_at_once_writes_nothing_to_a_pipe() -> None:
    pipe = io.BytesIO()
    with pytest.raises(UserError, match="nothing to say"):
        speech_to_pipe(until_refused(), RATE, pipe)
    assert pipe.getvalue() == b""


def test_a_pipe_ends_before_audio_that_is_not_finite() -> None:
    pipe, made = io.BytesIO(), blocks(100, 100)
    made[1][50] = np.nan
    with pytest.raises(UserError, match="the audio: .* not finite"):
        speech_to_pipe(made, RATE, pipe)
    assert len(pipe.getvalue()) == HEADER + 200


def test_nobody_speaks_into_a_closed_pipe() -> None:
    end, speaker = os.pipe()
    os.close(end)
    with (
        pytest.raises(BrokenPipeError),
        open(speaker, "wb", buffering=0) as pipe,
    ):
        speech_to_pipe(blocks(100), RATE, pipe)
