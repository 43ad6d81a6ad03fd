import contextlib
import json
import resource
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from refused_files import refusal

from pwavenet_tf.audio.decoding import decoded
from pwavenet_tf.audio.files import (
    find_audio,
    read_audio,
    to_pcm16,
    write_audio,
)
from pwavenet_tf.audio.formats import HIGHEST_SAMPLE
from pwavenet_tf.core.errors import UserError
from pwavenet_tf.core.files import (
    atomic_write,
    require_free,
    write_csv,
    write_json,
)
from pwavenet_tf.corpus.audit.measures import measure

FORMATS = Path("../shared/data/formats")
RATE = 16_000


def tone(seconds=0.5, rate=RATE, hertz=440.0, amplitude=0.5):
    time = np.arange(round(seconds * rate)) / rate
    return (amplitude * np.sin(2 * np.pi * hertz * time)).astype(np.float32)


@pytest.mark.skipif(
    not FORMATS.is_dir(), reason="../shared/data/formats is absent"
)
@pytest.mark.parametrize("clip", ["LJ001-0002", "LJ001-0008"])
def test_three_decoders_give_the_same_speech(clip):
    wav, flac, mp3 = (
        read_audio(FORMATS / f"{clip}{suffix}", RATE)
        for suffix in (".wav", ".flac", ".mp3")
    )
    np.testing.assert_array_equal(wav, flac)
    assert abs(len(mp3) - len(wav)) < 0.1 * RATE
    length = min(len(mp3), len(wav))
    assert np.corrcoef(wav[:length], mp3[:length])[0, 1] > 0.99


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "A.WAV", "A.Flac"])
def test_lossless_formats_are_read_exactly(tmp_path, name):
    samples = to_pcm16(tone())
    kind = Path(name).suffix[1:].upper()
    soundfile.write(tmp_path / name, samples, RATE, "PCM_16", format=kind)
    audio = read_audio(tmp_path / name)
    assert audio.dtype == np.float32
    np.testing.assert_array_equal(audio * 32768, samples)


@pytest.mark.parametrize("name", ["a.ogg", "a.mp3"])
def test_lossy_formats_are_read_closely(tmp_path, name):
    soundfile.write(tmp_path / name, tone(), RATE)
    audio = read_audio(tmp_path / name)
    assert audio.shape == tone().shape
    assert np.corrcoef(audio, tone())[0, 1] > 0.99


def test_channels_are_averaged(tmp_path):
    left, right = tone(hertz=300), tone(hertz=500)
    soundfile.write(
        tmp_path / "a.wav", np.stack([left, right], 1), RATE, "FLOAT"
    )
    np.testing.assert_allclose(
        read_audio(tmp_path / "a.wav"), (left + right) / 2, atol=1e-6
    )


@pytest.mark.parametrize("rate", [8_000, 11_025, 22_050, 44_100, 48_000])
def test_resampling_keeps_a_tone(tmp_path, rate):
    soundfile.write(tmp_path / "a.wav", tone(1, rate), rate, "FLOAT")
    audio = read_audio(tmp_path / "a.wav", RATE)
    assert abs(len(audio) - RATE) <= 1
    # Both ends ring; between them the tone must be the same.
    inner = slice(RATE // 8, -RATE // 8)
    np.testing.assert_allclose(
        audio[:RATE][inner], tone(1)[: len(audio)][inner], atol=1e-4
    )


def test_audio_beyond_full_scale_is_clipped(tmp_path):
    soundfile.write(tmp_path / "a.wav", tone(amplitude=1.5), RATE, "FLOAT")
    audio = read_audio(tmp_path / "a.wav")
    assert audio.min() == -1 and audio.max() == HIGHEST_SAMPLE


@pytest.mark.parametrize("bits", [8, 16, 24])
@pytest.mark.parametrize("channels", [1, 2])
def test_integers_stored_as_floats_are_refused_by_name(
    tmp_path, bits, channels
):
    scale = 2 ** (bits - 1)
    integers = np.rint(scale * tone(amplitude=1))
    path = tmp_path / "a.wav"
    audio = np.stack(channels * [integers], axis=1)
    soundfile.write(path, audio, RATE, "FLOAT")
    message = refusal(path)
    assert f"peak {scale:,} times full scale: {bits}-bit integers" in message
    assert f"divide by {scale:,}" in message


@pytest.mark.parametrize("factor", [1, 1e30])
def test_audio_on_another_scale_is_refused(tmp_path, factor):
    audio = factor * tone() / tone().std() * [[2.5], [-2.5]]
    soundfile.write(tmp_path / "a.wav", audio.T, RATE, "FLOAT")
    message = refusal(tmp_path / "a.wav")
    assert "times full scale: normalised by another measure" in message


def test_missing_file_is_refused(tmp_path):
    assert "no such file" in refusal(tmp_path / "a.wav")


def test_folder_is_refused_as_audio(tmp_path):
    assert "cannot be read" in refusal(tmp_path)


def test_empty_file_is_refused(tmp_path):
    (tmp_path / "a.wav").touch()
    assert "is an empty file" in refusal(tmp_path / "a.wav")


def test_file_without_samples_is_refused(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.zeros(0), RATE)
    assert "holds no samples" in refusal(tmp_path / "a.wav")


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".mp3", ".ogg", ".caf"])
def test_text_named_as_audio_is_refused(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    path.write_text("This is a letter, not a recording.\n" * 50)
    assert "not audio" in refusal(path)


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.mp3", "a.ogg"])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.9])
def test_truncated_file_is_refused(tmp_path, name, share):
    path = tmp_path / name
    noise = np.random.default_rng(0).normal(0, 0.1, 2 * RATE)
    soundfile.write(path, noise, RATE)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    message = refusal(path)
    assert "truncated" in message or "damaged" in message


CONTAINERS = {
    "a.aiff": "PCM_16",
    "a.au": "PCM_16",
    "a.caf": "PCM_16",
    "a.w64": "PCM_16",
    "a.rf64": "PCM_16",
    "a.sph": "PCM_16",
    "a.opus": "OPUS",
    "a.oga": "VORBIS",
}


def contained(path, subtype):
    format = {".sph": "NIST", ".opus": "OGG", ".oga": "OGG"}.get(path.suffix)
    format = format or path.suffix[1:].upper()
    soundfile.write(path, tone(2), RATE, subtype, format=format)
    return path


@pytest.mark.parametrize("name", CONTAINERS)
def test_other_containers_are_read_whole_and_refused_cut(tmp_path, name):
    path = contained(tmp_path / name, CONTAINERS[name])
    audio = read_audio(path)
    assert np.corrcoef(audio, tone(2))[0, 1] > 0.99
    content = path.read_bytes()
    for share in (0.5, 0.9):
        path.write_bytes(content[: int(share * len(content))])
        message = refusal(path)
        assert "truncated" in message or "damaged" in message


@pytest.mark.parametrize("name", ["a.ogg", "a.opus", "a.flac"])
def test_files_joined_end_to_end_are_refused(tmp_path, name):
    """Of which libsndfile decodes the first alone, silently."""
    subtypes = CONTAINERS | {"a.ogg": "VORBIS", "a.flac": "PCM_16"}
    path = contained(tmp_path / name, subtypes[name])
    path.write_bytes(2 * path.read_bytes())
    assert "joined end to end" in refusal(path)


def test_flac_behind_a_tag_is_no_joined_file(tmp_path):
    """As some taggers write it; it is not part of the format."""
    path = contained(tmp_path / "a.flac", "PCM_16")
    content, audio = path.read_bytes(), read_audio(path)
    tag = b"ID3\x04\0\0\0\0\0\x10" + bytes(16)
    path.write_bytes(tag + content)
    np.testing.assert_array_equal(read_audio(path), audio)
    path.write_bytes(tag + content + tag + content)
    assert "joined end to end" in refusal(path)


@pytest.mark.parametrize("suffix", ["m4a", "WMA", "aac", "mp4"])
def test_undecodable_formats_are_refused_with_what_converts_them(
    tmp_path, suffix
):
    path = tmp_path / f"one take.{suffix}"
    path.write_bytes(bytes(1000))
    message = refusal(path)
    assert f"ffmpeg -i 'one take.{suffix}' 'one take.flac'" in message


def test_audio_without_a_header_is_refused_for_what_it_lacks(tmp_path):
    path = tmp_path / "a.raw"
    path.write_bytes(to_pcm16(tone()).tobytes())
    assert "states neither rate nor coding" in refusal(path)


def test_wav_with_the_length_unknown_is_read(tmp_path):
    """As a program leaves it that writes WAV into a pipe."""
    path = tmp_path / "a.wav"
    soundfile.write(path, tone(), RATE, "PCM_16")
    content = bytearray(path.read_bytes())
    at = content.index(b"data") + 4
    content[at : at + 4] = struct.pack("<I", 0xFFFFFFFF)
    path.write_bytes(content)
    assert read_audio(path).shape == tone().shape


def test_flac_with_the_length_unknown_is_read(tmp_path):
    """As a program leaves it that writes FLAC into a pipe."""
    path = tmp_path / "a.flac"
    soundfile.write(path, tone(2), RATE)
    content = bytearray(path.read_bytes())
    # The length has 36 bits of the stream's description.
    content[21:26] = bytes([content[21] & 0xF0]) + bytes(4)
    path.write_bytes(content)
    audio = read_audio(path)
    np.testing.assert_allclose(audio, tone(2), atol=1 / 32768)
    ((_, decoded_audio),) = decoded([path], None)
    np.testing.assert_array_equal(decoded_audio, audio)
    assert measure(path).seconds == 2
    path.write_bytes(content[: len(content) * 3 // 4])
    assert "damaged" in refusal(path)


def test_wav_with_a_trailing_chunk_is_read(tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, tone(), RATE, "PCM_16")
    with path.open("ab") as file:
        file.write(b"LIST" + struct.pack("<I", 4) + b"INFO")
    assert read_audio(path).shape == tone().shape


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_file_with_a_sample_that_is_no_number_is_refused(tmp_path, value):
    audio = tone()
    audio[100] = value
    soundfile.write(tmp_path / "a.wav", audio, RATE, "FLOAT")
    assert "NaN or infinite" in refusal(tmp_path / "a.wav")


@given(arrays(np.int16, st.integers(1, 300)))
def test_written_samples_are_read_exactly(tmp_path_factory, samples):
    path = tmp_path_factory.mktemp("samples") / "a.wav"
    write_audio(path, samples / 32768, RATE)
    np.testing.assert_array_equal(read_audio(path) * 32768, samples)


@given(arrays(np.float64, 50, elements=st.floats(-4, 4)))
def test_pcm_values_are_the_nearest_within_range(audio):
    nearest = np.clip(audio * 32768, -32768, 32767)
    assert np.abs(to_pcm16(audio) - nearest).max() <= 0.5


def test_written_file_is_16_bit_pcm(tmp_path):
    write_audio(tmp_path / "new" / "a.wav", tone(), 22_050)
    information = soundfile.info(tmp_path / "new" / "a.wav")
    assert information.subtype == "PCM_16" and information.format == "WAV"
    assert information.samplerate == 22_050 and information.channels == 1


def test_audio_that_is_not_finite_is_not_written(tmp_path):
    with pytest.raises(UserError, match="not finite"):
        write_audio(tmp_path / "a.wav", np.array([0, np.nan]), RATE)
    assert not list(tmp_path.iterdir())


def test_writing_below_a_regular_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("kept")
    with pytest.raises(UserError, match="a.wav: cannot be written"):
        write_audio(tmp_path / "file" / "folder" / "a.wav", tone(), RATE)
    assert (tmp_path / "file").read_text() == "kept"


def test_writing_without_room_leaves_nothing(tmp_path):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(UserError, match="a.wav: cannot be written"):
            write_audio(tmp_path / "new" / "a.wav", tone(), RATE)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["a.mp3", "misnamed.wav"])
@pytest.mark.parametrize("damage", ["overwritten", "cut out"])
def test_what_mpg123_says_of_damage_is_not_shown(tmp_path, capfd, damage, name):
    path = tmp_path / name
    soundfile.write(path, np.tile(tone(), 4), RATE, format="MP3")
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 77] = (
        bytes(77) if damage == "overwritten" else b""
    )
    path.write_bytes(content)
    with soundfile.SoundFile(path) as file:
        file.read()
    assert "Note: " in capfd.readouterr().err, "mpg123 has become quiet"
    for read in (read_audio, measure, lambda one: list(decoded([one], RATE))):
        with contextlib.suppress(UserError):
            read(path)
    assert capfd.readouterr() == ("", "")


def test_failure_leaves_the_earlier_file_as_it_was(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("earlier")
    with pytest.raises(KeyboardInterrupt), atomic_write(path) as temporary:
        assert temporary.suffix == ".txt"
        temporary.write_text("half")
        raise KeyboardInterrupt
    assert [path] == list(tmp_path.iterdir())
    assert path.read_text() == "earlier"


def test_folder_is_written_atomically_too(tmp_path, monkeypatch):
    (tmp_path / "empty").mkdir()
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with atomic_write(Path(".")) as temporary:
        temporary.mkdir()
        (temporary / "a.txt").write_text("whole")
    assert (tmp_path / "here" / "a.txt").read_text() == "whole"
    for name in ("empty", "new/folder"):
        with atomic_write(tmp_path / name) as temporary:
            temporary.mkdir()
            (temporary / "a.txt").write_text("whole")
        assert (tmp_path / name / "a.txt").read_text() == "whole"
    with pytest.raises(RuntimeError), atomic_write(tmp_path / "b") as temporary:
        temporary.mkdir()
        (temporary / "a.txt").write_text("half")
        raise RuntimeError
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "empty",
        "here",
        "new",
    ]


def test_path_with_content_is_not_free(tmp_path):
    require_free(tmp_path)
    require_free(tmp_path / "absent")
    (tmp_path / "a.txt").touch()
    for taken in (tmp_path, tmp_path / "a.txt"):
        with pytest.raises(UserError, match="already holds something"):
            require_free(taken)


def test_audio_is_found_recursively_and_sorted(tmp_path):
    names = ["b.WAV", "a/c.mp3", "a/b/d.Ogg", "e.flac", "é ü.wav"]
    hidden = [".x.wav", ".cache/y.wav", "notes.txt", "a/._c.mp3"]
    for name in names + hidden:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert find_audio(tmp_path) == sorted(tmp_path / name for name in names)
    assert find_audio(tmp_path / "b.WAV") == [tmp_path / "b.WAV"]


def test_undecodable_audio_is_found_until_it_is_converted(tmp_path):
    names = ["a.m4a", "b.aac", "b.txt", "c/b.flac", "d.wav"]
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = [path.name for path in find_audio(tmp_path)]
    assert found == ["a.m4a", "b.aac", "b.flac", "d.wav"]
    (tmp_path / "a.flac").touch()
    found = [path.name for path in find_audio(tmp_path)]
    assert found == ["a.flac", "b.aac", "b.flac", "d.wav"]


def test_no_audio_to_find_is_refused(tmp_path):
    (tmp_path / "notes.txt").touch()
    with pytest.raises(UserError, match="holds no audio"):
        find_audio(tmp_path)
    with pytest.raises(UserError, match="no such file or folder"):
        find_audio(tmp_path / "absent")


def test_json_has_null_for_what_is_not_finite(tmp_path):
    content = {"a": [1.5, np.nan], 2: {"b": (np.inf, "ə")}}
    write_json(tmp_path / "a.json", content)
    text = (tmp_path / "a.json").read_text("ascii")
    expected = {"a": [1.5, None], "2": {"b": [None, "ə"]}}
    assert json.loads(text) == expected and text.endswith("}\n")


def test_csv_has_empty_cells_for_none_and_keeps_any_name(tmp_path):
    rows = [("a, b", None, 1.5), ("ə\udcff", "", -1)]
    write_csv(tmp_path / "a.csv", iter(rows))
    content = (tmp_path / "a.csv").read_bytes()
    assert content.decode() == '"a, b",,1.5\nə?,,-1\n'
