"""Every measure of the audit, against signals made to have the property."""

import tracemalloc

import numpy as np
import pytest
import soundfile
from audit_signals import RATE, broken_files, noisy, syllables, written
from hypothesis import given
from hypothesis import strategies as st

from pwavenet_tf.audio.files import read_audio
from pwavenet_tf.core.errors import UserError
from pwavenet_tf.corpus.audit import measures
from pwavenet_tf.corpus.audit.measures import _Meter, measure


@pytest.mark.parametrize(
    ("name", "subtype", "bits"),
    [
        ("a.wav", "PCM_U8", 8),
        ("a.wav", "PCM_16", 16),
        ("a.wav", "PCM_24", 24),
        ("a.wav", "FLOAT", 32),
        ("a.flac", "PCM_16", 16),
        ("a.flac", "PCM_24", 24),
        ("a.ogg", "VORBIS", None),
        ("a.mp3", "MPEG_LAYER_III", None),
    ],
)
def test_the_format_is_the_files_own(tmp_path, name, subtype, bits):
    audio = np.stack([syllables(1.0, 44_100), -syllables(1.0, 44_100, 1)], 1)
    found = measure(written(tmp_path / name, audio, 44_100, subtype))
    assert (found.subtype, found.bits) == (subtype, bits)
    assert (found.sample_rate, found.channels) == (44_100, 2)
    assert found.container.lower() == name.partition(".")[2]
    assert found.seconds == pytest.approx(1.0, abs=0.06)


def test_peak_and_offset_are_those_of_the_worst_channel(tmp_path):
    tone = 0.25 * np.sin(2 * np.pi * 100 * np.arange(RATE) / RATE)
    channels = np.stack([tone, 0.5 * tone - 0.125], 1)
    found = measure(written(tmp_path / "a.wav", channels, subtype="FLOAT"))
    assert found.peak == pytest.approx(0.25, abs=1e-6)
    assert found.offset == pytest.approx(-0.125, abs=1e-6)


@given(
    offset=st.floats(-0.5, 0.5),
    level=st.floats(0.001, 0.4),
    periods=st.integers(1, 50),
)
def test_the_offset_of_whole_periods_is_what_was_added(offset, level, periods):
    phase = 2 * np.pi * periods * np.arange(1_600) / 1_600
    audio = (offset + level * np.sin(phase)).astype(np.float32)
    meter = _Meter(Header())
    meter.add(audio[:, None])
    assert meter._sums[0] / len(audio) == pytest.approx(offset, abs=1e-6)


@pytest.mark.parametrize("size", [1e-45, 1e-30, 1e-9, 1.9])
@pytest.mark.parametrize("shape", ["tone", "impulse", "steps"])
def test_every_measure_of_any_finite_audio_is_finite(tmp_path, size, shape):
    audio = np.zeros(RATE)
    if shape == "impulse":
        audio[777] = size
    elif shape == "steps":
        audio[:] = np.where(np.arange(RATE) % 2, size, -size)
    else:
        audio[:] = size * np.sin(np.arange(RATE))
    found = measure(written(tmp_path / "a.wav", audio, subtype="DOUBLE"))
    numbers = [value for value in vars(found).values() if value is not None]
    numbers = [value for value in numbers if isinstance(value, float)]
    assert len(numbers) >= 6 and np.isfinite(numbers).all()


class Header:
    """What a meter asks of an open file."""

    channels, samplerate = 1, RATE


def test_the_same_samples_have_one_digest_in_any_container(tmp_path):
    audio = np.rint(noisy(20, seconds=0.5) * 32_768) / 32_768
    digests = {
        measure(written(tmp_path / name, content, subtype=subtype)).content
        for name, content, subtype in (
            ("a.wav", audio, "PCM_16"),
            ("a.flac", audio, "PCM_16"),
            ("b.wav", audio, "PCM_24"),
            ("c.wav", audio, "FLOAT"),
            ("stereo.wav", np.stack([audio, audio], 1), "PCM_16"),
        )
    }
    assert len(digests) == 1
    changed = audio.copy()
    changed[1_234] += 1 / 32_768
    for name, content, rate in (
        ("other.wav", changed, RATE),
        ("longer.wav", np.append(audio, 0), RATE),
        ("slower.wav", audio, RATE // 2),
    ):
        digests.add(measure(written(tmp_path / name, content, rate)).content)
    assert len(digests) == 4


def test_blocks_do_not_show(tmp_path, monkeypatch):
    path = written(tmp_path / "a.wav", np.clip(noisy(20) * 12, -1, 1))
    whole = measure(path)
    monkeypatch.setattr(measures, "_BLOCK_SECONDS", 1)
    in_blocks = measure(path)
    assert in_blocks.clipped_share == whole.clipped_share > 0.1
    for name in ("content", "peak", "silence_share", "bandwidth_hz"):
        assert getattr(in_blocks, name) == getattr(whole, name)
    assert in_blocks.snr_db == pytest.approx(whole.snr_db, abs=1e-6)
    assert in_blocks.offset == pytest.approx(whole.offset, abs=1e-9)


def test_memory_does_not_grow_with_the_length(tmp_path):
    peaks = []
    for seconds in (30, 300):
        noise = np.random.default_rng(0).normal(0, 0.1, seconds * 8_000)
        path = written(tmp_path / f"{seconds}.wav", noise, 8_000)
        del noise
        measure(path)
        tracemalloc.start()
        measure(path)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.2 * peaks[0]


def test_a_recording_of_one_level_is_silent(tmp_path):
    for number, level in enumerate((0.0, 0.1, 1e-6)):
        path = tmp_path / f"{number}.wav"
        found = measure(written(path, np.full(4_000, level), subtype="FLOAT"))
        assert found.silent
    quiet = 2 / 32_768 * np.sin(np.arange(4_000))
    assert not measure(written(tmp_path / "quiet.wav", quiet)).silent


def test_whatever_cannot_be_read_has_the_reason_that_read_audio_gives(tmp_path):
    paths = broken_files(tmp_path / "broken")
    assert len(paths) == 14
    for path in paths:
        with pytest.raises(UserError) as expected:
            read_audio(path)
        with pytest.raises(UserError) as caught:
            measure(path)
        assert str(caught.value) == str(expected.value)


@given(
    name=st.sampled_from(["a.wav", "a.flac", "a.ogg"]),
    where=st.integers(0, 200),
    byte=st.integers(0, 255),
    length=st.floats(0.5, 1.0),
)
def test_damage_anywhere_is_refused_where_read_audio_refuses_it(
    tmp_path_factory, name, where, byte, length
):
    """A byte of the header is wrong, and perhaps the end is missing."""
    path = tmp_path_factory.mktemp("damaged") / name
    subtype = soundfile.default_subtype(name.partition(".")[2].upper())
    written(path, noisy(20, seconds=0.3), subtype=subtype)
    content = bytearray(path.read_bytes())
    content[where] = byte
    path.write_bytes(content[: max(round(length * len(content)), 1)])
    try:
        expected = read_audio(path)
    except UserError as fault:
        with pytest.raises(UserError) as caught:
            measure(path)
        assert str(caught.value) == str(fault)
        return
    found = measure(path)
    assert round(found.seconds * found.sample_rate) == len(expected)
