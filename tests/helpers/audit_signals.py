"""Recordings made to have one property or one fault."""

import numpy as np
import soundfile
from scipy.signal import butter, sosfilt

RATE = 16_000


def written(path, audio, rate=RATE, subtype="PCM_16", **settings):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, audio, rate, subtype, **settings)
    return path


def syllables(seconds=6.0, rate=RATE, seed=0):
    """Voiced stretches with formants and hisses between, and pauses.

    Like speech it has all frequencies in the mean, falling with frequency.
    """
    random = np.random.default_rng(seed)
    time = np.arange(round(seconds * rate)) / rate
    voice = sum(
        np.sin(2 * np.pi * 120 * k * time + k * k) / k for k in range(1, 40)
    )
    hiss = sosfilt(
        butter(2, 0.6, "highpass", output="sos"),
        random.standard_normal(len(time)),
    )
    phase = (3 * time) % 1
    audio = np.where(phase < 0.45, voice, 0.15 * hiss) * (phase < 0.75)
    return 0.1 * audio


def noisy(snr_db, seed=1, **settings):
    """Syllables with white noise at a known ratio of mean powers."""
    clean = syllables(**settings)
    noise = np.random.default_rng(seed).standard_normal(len(clean))
    power = np.mean(clean**2) * 10 ** (-snr_db / 10)
    return clean + np.sqrt(power / np.mean(noise**2)) * noise


def broken_files(folder):
    """Files of every kind that cannot be read, by name."""
    folder.mkdir()
    for name, subtype in (
        ("cut.wav", "PCM_16"),
        ("cut.flac", "PCM_16"),
        ("cut.mp3", "MPEG_LAYER_III"),
        ("cut.ogg", "VORBIS"),
    ):
        path = written(folder / name, noisy(20), subtype=subtype)
        content = path.read_bytes()
        path.write_bytes(content[: len(content) * 2 // 3])
    (folder / "letter.wav").write_text("Dear reader, this is not audio.")
    (folder / "nothing.wav").touch()
    (folder / "folder.wav").mkdir()
    written(folder / "none.wav", np.zeros(0))
    nan = np.where(np.arange(RATE) == 9_999, np.nan, 0.1)
    written(folder / "nan.wav", nan, subtype="FLOAT")
    pcm = np.rint(32_768 * noisy(20))
    written(folder / "integers.wav", pcm, subtype="FLOAT")
    written(folder / "huge.wav", 1e30 * pcm, subtype="FLOAT")
    written(folder / "infinite.wav", 1e300 * pcm, subtype="DOUBLE")
    (folder / "film.mp4").write_bytes(bytes(1_000))
    return sorted([*folder.iterdir(), folder / "absent.wav"])
