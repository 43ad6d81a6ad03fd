import numpy as np
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from pwavenet_tf.audio import decoding as flac_check
from pwavenet_tf.audio import decoding as native_audio


def written(path):
    noise = np.random.default_rng(0).normal(0, 0.1, 4_000)
    soundfile.write(path, noise, 16_000)
    return path


def bit_by_bit(content):
    """CRC-16 by the book: a shift register."""
    state = 0
    for byte in content:
        state ^= byte << 8
        for _ in range(8):
            carry = state & 0x8000
            state = (state << 1 & 0xFFFF) ^ (0x8005 if carry else 0)
    return state


@given(st.binary(max_size=1000))
def test_checksum_is_that_of_the_shift_register(content):
    assert flac_check.checksum(content) == bit_by_bit(content)


def test_checksum_has_the_published_check_value():
    """CRC-16/UMTS of the digits, in the catalogue of CRC algorithms."""
    assert flac_check.checksum(b"123456789") == 0xFEE8


@given(st.data())
@settings(max_examples=50)
def test_any_changed_byte_of_flac_audio_is_seen(tmp_path_factory, data):
    folder = tmp_path_factory.getbasetemp()
    path = folder / "sound.flac"
    if not path.exists():
        written(path)
    content = bytearray(path.read_bytes())
    assert flac_check.is_undamaged(bytes(content))
    start = content.index(b"\xff\xf8")
    place = data.draw(st.integers(start, len(content) - 1))
    content[place] ^= data.draw(st.integers(1, 255))
    assert not flac_check.is_undamaged(bytes(content))


def test_flac_with_a_tag_around_it_is_left_to_soundfile(tmp_path):
    path = written(tmp_path / "a.flac")
    content = path.read_bytes()
    path.write_bytes(content + b"TAG" + bytes(125))
    kind, _, _ = native_audio.inspect_file(bytes(path))
    assert kind == native_audio.SOUNDFILE
    assert flac_check.is_undamaged(content)
    assert not flac_check.is_undamaged(content[:60])
    assert not flac_check.is_undamaged(b"")
