"""Synthesis and scores by models that encode recordings themselves."""

import dataclasses

import numpy as np
import pytest
import tiny_models

from pwavenet_tf import cli
from pwavenet_tf.audio.files import read_audio, write_audio
from pwavenet_tf.core.errors import UserError
from pwavenet_tf.corpus.describe import Description
from pwavenet_tf.evaluation.conditioning import conditioning_sensitivity
from pwavenet_tf.evaluation.likelihood import Likelihood, StudentLikelihood
from pwavenet_tf.evaluation.recordings import ReferenceRecording
from pwavenet_tf.synthesis.files import features_at, mixed_features
from pwavenet_tf.synthesis.student import Synthesizer
from pwavenet_tf.synthesis.teacher import CachedSampler
from pwavenet_tf.training.fit import save_model

HOP, RATE = tiny_models.HOP, tiny_models.CONTRACT.sample_rate
ENCODED = {"conditioning": tiny_models.ENCODED}


@pytest.fixture(scope="module")
def student():
    return tiny_models.student(**ENCODED)


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    """Two recordings, of 30 frames and of 22 and a part."""
    folder = tmp_path_factory.mktemp("notes")
    for name, length in (("low", 30 * HOP), ("high", 22 * HOP + 7)):
        audio = 0.3 * np.sin(np.arange(length) * len(name) / 9)
        write_audio(folder / f"{name}.wav", audio, RATE)
    return folder


def test_a_recording_is_resynthesized_from_its_encoding(
    student, recordings
) -> None:
    synthesizer = Synthesizer(student)
    found = features_at(recordings, synthesizer)
    for path, features in found.items():
        audio = read_audio(path, RATE)
        np.testing.assert_array_equal(
            features["encoding"], student.encode(audio)
        )
    assert [len(one["encoding"]) for one in found.values()] == [23, 30]


def test_a_mix_is_between_the_encodings_and_silence_ends_the_shorter(
    student, recordings
) -> None:
    synthesizer = Synthesizer(student)
    low, high = (recordings / f"{name}.wav" for name in ("low", "high"))
    padded = np.pad(read_audio(high, RATE), (0, 8 * HOP - 7))
    ends = [student.encode(x) for x in (read_audio(low, RATE), padded)]
    for by in (0.0, 0.3, 1.0):
        mixed = mixed_features(low, high, by, synthesizer)["encoding"]
        expected = (1 - by) * ends[0] + by * ends[1]
        np.testing.assert_allclose(mixed, expected, atol=1e-6)
    plain = Synthesizer(tiny_models.student())
    with pytest.raises(UserError, match="mixing takes a model with an encoder"):
        mixed_features(low, high, 0.5, plain)


def test_the_command_resynthesizes_and_mixes(
    student, recordings, tmp_path
) -> None:
    save_model(student, tmp_path / "student.keras")
    model = f"--model={tmp_path / 'student.keras'}"
    out = tmp_path / "sound"
    both = f"{recordings / 'low.wav'},{recordings / 'high.wav'}"
    for source in (f"--input={recordings / 'low.wav'}", f"--mix={both}"):
        arguments = ["synthesize", model, source, f"--out={out}"]
        assert cli.main(arguments) == 0
    for name in ("low", "low-high"):
        assert len(read_audio(out / f"{name}.wav", RATE)) == 30 * HOP


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--mix=one.wav"], "--mix=one.wav: name two recordings"),
        (["--mix=a.wav,b.wav", "--text=hello"], "give either --input"),
        (["--mix=a.wav,b.wav", "--by=2"], "from 0.0 to 1.0"),
        (["--text=hello", "--by=0.3"], "give --mix=PATH,PATH"),
    ],
)
def test_a_mix_that_cannot_be_is_refused(
    student, tmp_path, capsys, flags, message
) -> None:
    save_model(student, tmp_path / "student.keras")
    arguments = [f"--model={tmp_path / 'student.keras'}", *flags]
    out = f"--out={tmp_path / 'sound'}"
    assert cli.main(["synthesize", *arguments, out]) != 0
    assert message in capsys.readouterr().err
    assert not (tmp_path / "sound").exists()


def test_a_stream_of_encodings_is_the_whole(student) -> None:
    synthesizer = Synthesizer(student, chunk_frames=7)
    encoding = student.encode(tiny_models.audio(1, 17))
    whole = synthesizer({"encoding": encoding}, seed=3)
    parts = [{"encoding": encoding[:, a : a + 5]} for a in range(0, 17, 5)]
    streamed = list(synthesizer.stream(parts, seed=3))
    np.testing.assert_allclose(
        np.concatenate(streamed, axis=1), whole, atol=1e-5
    )


def test_cached_sampling_computes_what_the_network_does() -> None:
    teacher = tiny_models.teacher(**ENCODED)
    sampler = CachedSampler(teacher, jit_compile=False)
    audio = tiny_models.audio(2, 5)
    features = {"encoding": teacher.encode(audio)}
    cached, _ = sampler.score(
        sampler.initial_state(2), sampler.condition(features, 0, 5), audio
    )
    np.testing.assert_allclose(cached, teacher({"audio": audio}), atol=1e-4)


def test_scores_encode_the_recording_where_no_encoding_is_given(
    student,
) -> None:
    audio = tiny_models.audio(1, 25)[0, :-5]
    for model, kind in (
        (tiny_models.teacher(**ENCODED), Likelihood),
        (tiny_models.calmer(student), StudentLikelihood),
    ):
        score = kind(model)
        encoding = model.encode(audio)
        given = score(audio, {"encoding": encoding})
        assert score(audio, {}).nats == pytest.approx(given.nats, rel=1e-6)
        swapped = score(audio, {"encoding": -9 * encoding})
        assert abs(swapped.nats - given.nats) > 1e-4 * abs(given.nats)


def test_the_swap_test_swaps_encodings() -> None:
    teacher = tiny_models.teacher(**ENCODED)
    references = [
        ReferenceRecording(
            None, "", audio, Description(tiny_models.mel(1, 9)[0])
        )
        for audio in tiny_models.audio(2, 9) * np.array([[1.0], [0.1]], "f4")
    ]
    likelihood = Likelihood(teacher)
    features = [one.features(teacher) for one in references]
    scores = [
        likelihood(one.audio, own)
        for one, own in zip(references, features, strict=True)
    ]
    found = conditioning_sensitivity(
        teacher, likelihood, references, scores, "teacher"
    )
    nats = sum(
        likelihood(one.audio, other).nats - score.nats
        for one, other, score in zip(
            references, features[::-1], scores, strict=True
        )
    )
    samples = sum(score.samples for score in scores)
    assert found.penalties == pytest.approx(
        {"encoding": nats / samples / np.log(2)}
    )


def test_other_conditioning_of_a_mix_is_the_first_recordings(
    recordings,
) -> None:
    conditioning = dataclasses.replace(
        tiny_models.ENCODED, inputs=("mel", "encoding")
    )
    synthesizer = Synthesizer(tiny_models.student(conditioning=conditioning))
    low, high = (recordings / f"{name}.wav" for name in ("low", "high"))
    own = features_at(low, synthesizer)[low]
    mixed = mixed_features(low, high, 0.5, synthesizer)
    np.testing.assert_allclose(mixed["mel"], own["mel"], atol=1e-6)
