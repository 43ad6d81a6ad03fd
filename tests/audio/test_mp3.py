"""The length of MP3 files that do not state it, or not rightly."""

import io

import numpy as np
import pytest
import soundfile
from audit_signals import syllables
from refused_files import refusal
from scipy.signal import correlate

from pwavenet_tf.audio.decoding import decoded
from pwavenet_tf.audio.files import read_audio
from pwavenet_tf.corpus.audit.measures import measure

RATE = 22_050
SECONDS = 3.0
# The encoder's delay at the start and its padding at the end.
PADDING = 3 * 576

pytestmark = pytest.mark.skipif(
    "MP3" not in soundfile.available_formats(),
    reason="this libsndfile writes no MP3",
)


def speech(gain_first=1.0, gain_second=1.0, rate=RATE):
    audio = syllables(SECONDS, rate)
    half = len(audio) // 2
    return np.concatenate(
        [gain_first * audio[:half], gain_second * audio[half:]]
    )


def encoded(audio, rate=RATE, mode="VARIABLE"):
    """An MP3 that begins with a frame that states its length."""
    file = io.BytesIO()
    soundfile.write(file, audio, rate, format="MP3", bitrate_mode=mode)
    content = file.getvalue()
    assert b"Xing" in content[:64] or b"Info" in content[:64]
    return content


def without_length(content):
    """Without its first frame, which states the length and holds no audio."""
    behind_its_table = 160
    return content[content.index(content[:2], behind_its_table) :]


def written(folder, content):
    path = folder / "a.mp3"
    path.write_bytes(content)
    return path


def same_speech(actual, expected):
    """Whether it is the same but for a delay of less than the padding."""
    excess = len(actual) - len(expected)
    assert 0 <= excess <= PADDING
    lags = correlate(actual, expected, mode="valid")
    aligned = actual[lags.argmax() :][: len(expected)]
    return np.corrcoef(aligned, expected)[0, 1] > 0.99


@pytest.mark.parametrize("mode", ["VARIABLE", "AVERAGE", "CONSTANT"])
@pytest.mark.parametrize("gains", [(1, 1), (1, 1e-3), (1e-4, 1)])
def test_mp3_without_a_stated_length_is_read_to_its_end(tmp_path, mode, gains):
    """Its first frames' bit rate, high or low, tells nothing of the length."""
    content = encoded(speech(*gains), mode=mode)
    whole = read_audio(written(tmp_path, content))
    assert len(whole) == round(SECONDS * RATE)
    path = written(tmp_path, without_length(content))
    assert same_speech(read_audio(path), whole)


@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100])
@pytest.mark.parametrize("channels", [1, 2])
def test_every_version_of_mpeg_is_counted(tmp_path, rate, channels):
    audio = np.stack(channels * [speech(1, 1e-3, rate)], axis=1)
    content = encoded(audio, rate)
    whole = read_audio(written(tmp_path, content))
    path = written(tmp_path, without_length(content))
    assert 0 <= len(read_audio(path)) - len(whole) <= 2 * PADDING


def test_mp3_files_joined_end_to_end_are_read_to_the_end(tmp_path):
    content = encoded(speech())
    whole = len(read_audio(written(tmp_path, content)))
    for part in (content, without_length(content)):
        joined = read_audio(written(tmp_path, content + part))
        assert 0 <= len(joined) - 2 * whole <= 3 * PADDING


def test_tags_are_no_frames(tmp_path):
    """A picture in a tag may hold what looks like the header of a frame."""
    content = encoded(speech())
    looks = content[:4] + bytes(200)
    front = b"ID3\3\0\0\0\0" + bytes([len(looks) >> 7, len(looks) & 127])
    tagged = front + looks + without_length(content) + b"TAG" + bytes(125)
    plain = read_audio(written(tmp_path, without_length(content)))
    assert len(read_audio(written(tmp_path, tagged))) == len(plain)


@pytest.mark.parametrize("share", [0.3, 0.9])
def test_cut_mp3_is_refused_with_or_without_a_stated_length(tmp_path, share):
    content = encoded(speech())
    for whole in (content, without_length(content), content + content):
        cut = whole[: int(share * len(whole))]
        assert "is truncated" in refusal(written(tmp_path, cut))


def test_joined_mp3_of_different_formats_is_refused(tmp_path):
    """The decoder would stop, silently, where the format changes."""
    mono, slow = encoded(speech()), encoded(speech(rate=16_000), 16_000)
    stereo = encoded(np.stack([speech(), speech()], axis=1))
    for other in (slow, stereo):
        message = refusal(written(tmp_path, mono + other))
        assert "joined end to end" in message and "ffmpeg -i" in message


def test_audit_and_decoding_give_the_same_length(tmp_path):
    path = written(tmp_path, without_length(encoded(speech(1, 1e-3))))
    expected = read_audio(path)
    assert measure(path).seconds == len(expected) / RATE
    ((_, audio),) = decoded([path], None)
    np.testing.assert_array_equal(audio, expected)
