import os
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import tensorflow as tf

from pwavenet_tf.audio import decoding
from pwavenet_tf.audio import decoding as native_audio
from pwavenet_tf.audio.decoding import decoded
from pwavenet_tf.audio.files import read_audio, write_audio
from pwavenet_tf.core.errors import UserError

RATE = 16_000
needs_native = pytest.mark.skipif(
    not native_audio.loads(),
    reason="tensorflow-io's native operations do not load here",
)
both_ways = pytest.mark.parametrize(
    "native",
    [
        pytest.param(True, id="native", marks=needs_native),
        pytest.param(False, id="soundfile"),
    ],
)
LOSSLESS = [
    ("WAV", "PCM_U8"),
    ("WAV", "PCM_16"),
    ("WAV", "PCM_24"),
    ("WAV", "PCM_32"),
    ("WAV", "FLOAT"),
    ("WAV", "DOUBLE"),
    ("WAV", "ULAW"),
    ("WAV", "IMA_ADPCM"),
    ("WAVEX", "PCM_16"),
    ("FLAC", "PCM_S8"),
    ("FLAC", "PCM_16"),
    ("FLAC", "PCM_24"),
]


def noise(seconds=0.25, channels=1, seed=0):
    generator = np.random.default_rng(seed)
    return generator.normal(0, 0.1, (round(seconds * RATE), channels))


def written(path, audio=None, subtype=None, container=None, rate=RATE):
    audio = noise() if audio is None else audio
    soundfile.write(path, audio, rate, subtype, format=container)
    return path


def only(path, native, rate=None):
    """What a single file decodes to."""
    [(same, result)] = decoded([path], rate, native)
    assert same == path
    return result


def read_or_refused(path):
    try:
        return read_audio(path)
    except UserError as fault:
        return str(fault)


@both_ways
def test_lossless_audio_is_what_soundfile_decodes(tmp_path, native):
    """To one 16-bit level; soundfile's own decoding is the oracle."""
    paths = [
        written(
            tmp_path / f"{container}-{subtype}-{channels}"
            f"{'.flac' if container == 'FLAC' else '.wav'}",
            noise(channels=channels),
            subtype,
            container,
        )
        for container, subtype in LOSSLESS
        for channels in (1, 2)
    ]
    for path, result in decoded(paths, None, native):
        oracle, _ = soundfile.read(path, always_2d=True)
        assert result.dtype == np.float32
        np.testing.assert_allclose(
            result, oracle.mean(axis=1), atol=1 / 32768, err_msg=path.name
        )


@both_ways
@pytest.mark.parametrize("name", ["a.wav", "a.flac"])
def test_16_bit_samples_are_exact(tmp_path, name, native):
    samples = np.random.default_rng(0).integers(-32768, 32768, 4000, "int16")
    path = written(tmp_path / name, samples, "PCM_16")
    np.testing.assert_array_equal(only(path, native) * 32768, samples)


@both_ways
@pytest.mark.parametrize("name", ["a.mp3", "a.ogg"])
def test_lossy_audio_is_what_soundfile_decodes(tmp_path, name, native):
    path = written(tmp_path / name)
    np.testing.assert_allclose(
        only(path, native), read_audio(path), atol=1 / 32768
    )


@needs_native
@pytest.mark.parametrize(("container", "subtype"), native_audio.KINDS)
def test_native_operations_take_what_they_are_meant_for(
    tmp_path, container, subtype
):
    path = written(tmp_path / f"a.{container.lower()}", subtype=subtype)
    kind, rate, length = native_audio.inspect_file(bytes(path))
    assert native_audio.KINDS[kind] == (container, subtype)
    assert (rate, length) == (RATE, len(noise()))
    np.testing.assert_allclose(
        native_audio.mono(str(path), tf.constant(kind)),
        read_audio(path),
        atol=1 / 32768,
    )


@both_ways
def test_resampling_is_that_of_one_file_alone(tmp_path, native):
    paths = [
        written(tmp_path / f"{rate}.flac", rate=rate)
        for rate in (8_000, 16_000, 22_050, 44_100)
    ]
    for path, result in decoded(paths, RATE, native):
        np.testing.assert_allclose(
            result, read_audio(path, RATE), atol=1 / 32768
        )


def bad_files(folder):
    """One file for every way to be refused."""
    folder.mkdir()
    (folder / "empty.wav").touch()
    (folder / "folder.wav").mkdir()
    (folder / "letter.flac").write_text("Not a recording.\n" * 50)
    written(folder / "none.wav", np.zeros(0))
    unfit = noise()[:, 0]
    unfit[100] = np.nan
    written(folder / "nan.wav", unfit, "FLOAT")
    for suffix in (".wav", ".flac", ".mp3", ".ogg"):
        content = written(folder / f"half{suffix}").read_bytes()
        (folder / f"half{suffix}").write_bytes(content[: len(content) // 2])
    slow = bytearray(written(folder / "rate.wav").read_bytes())
    slow[24:32] = struct.pack("<II", 1, 2)
    (folder / "rate.wav").write_bytes(slow)
    return [folder / "absent.wav", *sorted(folder.iterdir())]


@both_ways
def test_bad_files_are_refused_and_do_not_affect_others(tmp_path, native):
    paths = []
    for number, bad in enumerate(bad_files(tmp_path / "bad")):
        good = tmp_path / f"{number}.flac"
        paths += [bad, written(good, noise(seed=number))]
    results = list(decoded(paths, RATE, native))
    assert [path for path, _ in results] == paths
    for (bad, reason), (good, audio) in zip(
        results[::2], results[1::2], strict=True
    ):
        with pytest.raises(UserError) as fault:
            read_audio(bad, RATE)
        assert isinstance(reason, UserError) and str(reason) == str(fault.value)
        np.testing.assert_array_equal(audio, read_audio(good))


@pytest.mark.parametrize("rate", [1, 999, 2_000_000])
def test_a_rate_that_no_audio_has_is_refused(tmp_path, rate):
    path = written(tmp_path / "a.wav", rate=rate)
    with pytest.raises(UserError, match=f"states a sample rate of {rate} Hz"):
        read_audio(path, RATE)


@both_ways
def test_a_stated_length_beyond_all_memory_is_refused(tmp_path, native):
    path = written(tmp_path / "a.mp3")
    content = bytearray(path.read_bytes())
    frames = max(content.find(b"Xing"), content.find(b"Info")) + 8
    content[frames : frames + 4] = b"\x07\xff\xff\xff"
    path.write_bytes(content)
    assert soundfile.info(path).frames > 2**36
    assert "is truncated" in str(only(path, native))


@both_ways
@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.ogg", "a.mp3"])
def test_damage_is_judged_alike(tmp_path, name, native):
    """Bytes are changed at random, in headers above all; some files are cut.

    Given directly to the native operations, some of these run for ever.
    Damaged MP3 may sound different; it has no checksum.
    """
    generator = np.random.default_rng(0)
    content = written(tmp_path / name).read_bytes()
    paths = []
    for number in range(40):
        damaged = bytearray(content)
        end = 200 if number % 2 else len(content)
        for place in generator.integers(0, end, 3):
            damaged[place] = generator.integers(0, 256)
        if number % 5 == 0:
            del damaged[generator.integers(len(content)) :]
        paths.append(tmp_path / f"{number}{Path(name).suffix}")
        paths[-1].write_bytes(damaged)
    for path, result in decoded(paths, None, native):
        alone = read_or_refused(path)
        if isinstance(alone, str):
            assert str(result) == alone
        else:
            assert len(result) == len(alone)
            if name != "a.mp3":
                np.testing.assert_allclose(result, alone, atol=1 / 32768)


@both_ways
def test_any_file_name_is_read(tmp_path, native):
    names = ["é ü.wav", "a\udcff.wav", "new\nline.wav"]
    paths = [tmp_path / name for name in names]
    for path in paths:
        write_audio(path, noise()[:, 0], RATE)
    for _, result in decoded(paths, None, native):
        assert len(result) == len(noise())
    for path in paths:
        path.write_text("text")
        assert str(only(path, native)).startswith(f"{path}: is damaged")


@both_ways
def test_group_after_group_keeps_the_order(tmp_path, monkeypatch, native):
    monkeypatch.setattr(decoding, "_GROUP_BYTES", 100_000)
    paths = []
    for number in range(7):
        audio = np.full(4000 * (1 + number % 3), (number + 1) / 64)
        paths.append(written(tmp_path / f"{number}.wav", audio, "PCM_16"))
    groups = list(decoding._groups(paths))
    assert 1 < len(groups) < len(paths)
    results = list(decoded(iter(paths), None, native))
    assert [path for path, _ in results] == paths
    assert [audio[0] * 64 for _, audio in results] == [1, 2, 3, 4, 5, 6, 7]


def test_files_are_opened_as_they_are_needed(tmp_path):
    """So what waits decoded does not grow with the corpus."""
    asked = []

    def paths():
        for number in range(3):
            asked.append(number)
            # An hour of 16-bit audio at 44.1 kHz; sparse, so it takes no room.
            path = tmp_path / f"{number}.wav"
            with path.open("wb") as file:
                file.truncate(320_000_000)
            yield path

    results = decoded(paths(), RATE, native=False)
    _, reason = next(results)
    assert "not audio" in str(reason) and asked == [0, 1]


@pytest.mark.network
def test_the_decoder_is_chosen_silently():
    """Whichever it is: a user has no use for tensorflow-io's warnings."""
    code = (
        "from pwavenet_tf.core.imports import import_tensorflow;"
        "import_tensorflow();"
        "from pwavenet_tf.audio.decoding import loads; loads()"
    )
    environment = {
        name: value
        for name, value in os.environ.items()
        if name != "TF_CPP_MIN_LOG_LEVEL"
    }
    run = subprocess.run(
        [sys.executable, "-c", code],
        env=environment,
        capture_output=True,
        check=True,
    )
    assert run.stdout == run.stderr == b""


def test_no_files_decode_to_nothing():
    assert list(decoded([], RATE)) == []
