"""Pre-emphasis: a fixed prediction inside the models, exact everywhere."""

import dataclasses

import hypothesis
import keras
import numpy as np
import pytest
import scipy.signal
import scipy.stats
import tensorflow as tf
import tiny_models
from hypothesis import strategies as st

from pwavenet_tf.audio.signal import de_emphasis, pre_emphasis
from pwavenet_tf.core.config import AudioContract
from pwavenet_tf.core.errors import UserError
from pwavenet_tf.core.presets import preset
from pwavenet_tf.distillation.distiller import Distiller
from pwavenet_tf.models.wavenet import WaveNet
from pwavenet_tf.synthesis.graph_uniforms import positional_uniforms
from pwavenet_tf.synthesis.streaming import Stream, synthesize_stream
from pwavenet_tf.synthesis.student import Synthesizer
from pwavenet_tf.synthesis.teacher import CachedSampler, generate

A = tiny_models.EMPHASISED.pre_emphasis
FRAMES = 3
HEADS = ("mixture_of_logistics", "gaussian")
coefficients = st.sampled_from([0.5, 0.9, 0.97])


def noise_of(length: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(2, length)).astype("f")


def plain(model):
    """The same network without pre-emphasis."""
    config = model.get_config() | {"audio": tiny_models.CONTRACT}
    other = type(model).from_config(config)
    other.build()
    other.set_weights(model.get_weights())
    if hasattr(model, "networks"):
        # Students start as loud as their contract lets expect.
        for mine, theirs in zip(other.networks, model.networks, strict=True):
            mine.log_scale_centre = theirs.log_scale_centre
    return other


def emphasised_teacher(**changes):
    return tiny_models.teacher(audio=tiny_models.EMPHASISED, **changes)


def emphasised_student(factor: float = 0.1):
    student = tiny_models.student(audio=tiny_models.EMPHASISED)
    return tiny_models.calmer(student, factor)


@hypothesis.given(st.integers(1, 3_000), coefficients, st.integers(0, 99))
@hypothesis.settings(deadline=None, max_examples=25)
def test_filters_are_scipys(length, coefficient, seed) -> None:
    x = noise_of(length, seed)
    there = scipy.signal.lfilter([1.0, -coefficient], [1.0], x)
    np.testing.assert_allclose(pre_emphasis(x, coefficient), there, atol=1e-6)
    back = scipy.signal.lfilter([1.0], [1.0, -coefficient], x)
    np.testing.assert_allclose(de_emphasis(x, coefficient), back, atol=2e-5)


@hypothesis.given(st.integers(1, 199), coefficients)
@hypothesis.settings(deadline=None, max_examples=10)
def test_de_emphasis_continues_from_the_last_sample(cut, coefficient) -> None:
    y = noise_of(200, cut)
    whole = de_emphasis(y, coefficient)
    first = de_emphasis(y[:, :cut], coefficient)
    second = de_emphasis(y[:, cut:], coefficient, before=first[:, -1:])
    joined = tf.concat([first, second], axis=1)
    np.testing.assert_allclose(joined, whole, atol=1e-5)


def test_without_pre_emphasis_nothing_is_touched() -> None:
    x = noise_of(20, 0)
    assert pre_emphasis(x, 0.0) is x
    assert de_emphasis(x, 0.0) is x


@pytest.mark.parametrize("wrong", [-0.1, 1.0, 2.0, float("nan")])
def test_a_coefficient_that_is_none_is_refused(wrong) -> None:
    with pytest.raises(UserError, match="pre_emphasis is .*; it must be"):
        AudioContract(pre_emphasis=wrong)


def test_a_contract_older_than_pre_emphasis_has_none() -> None:
    old = dataclasses.asdict(tiny_models.EMPHASISED)
    del old["pre_emphasis"]
    assert AudioContract.from_config(old) == tiny_models.CONTRACT


@pytest.mark.network
@pytest.mark.parametrize("a", [0.0, A])
def test_teacher_and_student_may_differ_in_pre_emphasis(a) -> None:
    """The KL is between distributions of the audio itself."""
    audio = dataclasses.replace(tiny_models.CONTRACT, pre_emphasis=a)
    teacher = tiny_models.teacher(audio=audio)
    other = dataclasses.replace(audio, pre_emphasis=A - a)
    student = tiny_models.student(audio=other)
    distiller = Distiller(teacher, student, contrastive=0.0)
    distiller.compile("adam", run_eagerly=True)
    inputs = {"mel": tiny_models.mel(2, 120)}
    losses = distiller.test_on_batch(
        inputs, tiny_models.audio(2, 120), return_dict=True
    )
    assert np.isfinite(list(losses.values())).all()


def test_codes_take_no_pre_emphasis() -> None:
    with pytest.raises(UserError, match="mu_law has no location"):
        emphasised_teacher(head="mu_law")


def test_a_preset_whose_head_has_classes_leaves_pre_emphasis_out() -> None:
    nano = preset("nano")
    codes = dataclasses.replace(nano.teacher, head="mu_law")
    teacher = WaveNet.from_preset(dataclasses.replace(nano, teacher=codes))
    assert teacher.audio.pre_emphasis == 0.0
    nano.audio.require_equal(teacher.audio, "the data", "the teacher")


@pytest.mark.parametrize("head", HEADS)
def test_teacher_gives_the_distribution_of_emphasised_audio_shifted(
    head,
) -> None:
    """The network alone, given y, judges y as the teacher judges x."""
    teacher = emphasised_teacher(head=head)
    mel, audio = tiny_models.mel(2, FRAMES), tiny_models.audio(2, FRAMES)
    emphasised = scipy.signal.lfilter([1.0, -A], [1.0], audio).astype("f")
    found = teacher.distribution({"audio": audio, "mel": mel})
    network = plain(teacher).distribution({"audio": emphasised, "mel": mel})
    np.testing.assert_allclose(
        found.log_prob_unbounded(audio),
        network.log_prob_unbounded(emphasised),
        rtol=2e-6,
        atol=1e-4,
    )


@pytest.mark.parametrize("head", HEADS)
def test_teachers_pmf_over_all_pcm_values_sums_to_one(head) -> None:
    teacher = emphasised_teacher(head=head)
    inputs = {"audio": tiny_models.audio(), "mel": tiny_models.mel()}
    parameters = teacher(inputs)[:, -4:]
    values = (np.arange(65_536, dtype="f") - 32_768) / 32_768
    log_prob = teacher.head_class(parameters).log_prob(values[:, None, None])
    total = tf.reduce_sum(tf.exp(tf.cast(log_prob, tf.float64)), 0)
    np.testing.assert_allclose(total, 1.0, atol=1e-4)


def test_gradient_of_the_likelihood_is_that_of_finite_differences() -> None:
    teacher = emphasised_teacher()
    mel, audio = tiny_models.mel(), tiny_models.audio()

    def total(x):
        head = teacher.distribution({"audio": x, "mel": mel})
        return tf.reduce_sum(head.log_prob_unbounded(x))

    x = tf.constant(audio)
    with tf.GradientTape() as tape:
        tape.watch(x)
        value = total(x)
    gradient = tape.gradient(value, x).numpy()[0]
    for place in (0, 7, 39):
        step = np.zeros_like(audio)
        step[0, place] = 1e-3
        estimate = (total(audio + step) - total(audio - step)) / 2e-3
        np.testing.assert_allclose(
            gradient[place], estimate, rtol=2e-2, atol=0.3
        )


def test_student_is_its_flows_de_emphasised() -> None:
    student = emphasised_student()
    inputs = {"mel": tiny_models.mel(2, FRAMES)}
    inputs["noise"] = tiny_models.noise(2, FRAMES)
    output, flows = student(inputs), plain(student)(inputs)
    np.testing.assert_allclose(
        output["audio"],
        scipy.signal.lfilter([1.0], [1.0, -A], flows["audio"]),
        atol=1e-5,
    )
    np.testing.assert_array_equal(output["log_scale"], flows["log_scale"])


def test_student_keeps_the_identities_of_a_flow() -> None:
    """x = μ + s z; ∂x_t/∂z_t = s_t; (μ_t, s_t) see z_<t alone; log-det."""
    student = emphasised_student()
    mel, noise = tiny_models.mel(), tiny_models.noise()
    output = student({"mel": mel, "noise": noise})
    np.testing.assert_allclose(
        output["audio"],
        output["location"] + tf.exp(output["log_scale"]) * noise,
        atol=1e-5,
    )

    def part(name):
        def of(z):
            repeated = tiny_models.repeated(mel, len(z))
            return student({"mel": repeated, "noise": z})[name]

        return tiny_models.jacobian(of, noise[0])

    by_noise = part("audio")
    assert np.abs(np.triu(by_noise, 1)).max() == 0.0
    assert np.abs(np.triu(part("location"))).max() == 0.0
    scale = np.exp(output["log_scale"][0])
    np.testing.assert_allclose(np.diag(by_noise), scale, rtol=1e-4)
    _, log_det = np.linalg.slogdet(by_noise.astype("float64"))
    np.testing.assert_allclose(
        log_det, np.sum(output["log_scale"]), rtol=1e-4, atol=1e-3
    )


def test_receptive_field_holds_what_de_emphasis_remembers() -> None:
    student = emphasised_student()
    memory = student.receptive_field - plain(student).receptive_field
    assert A**memory <= 1e-9 < A ** (memory - 1)


def test_density_is_that_of_the_noise_less_the_log_det() -> None:
    student = emphasised_student(0.02)
    mel, noise = tiny_models.mel(), tiny_models.noise()
    output = student({"mel": mel, "noise": noise})
    expected = np.sum(student.noise_family.log_prob(noise)) - np.sum(
        output["log_scale"]
    )
    audio = output["audio"].numpy()
    by_tfp = student.distribution({"mel": mel}).log_prob(audio)
    np.testing.assert_allclose(by_tfp, [expected], rtol=1e-3)
    np.testing.assert_allclose(
        student.log_prob(audio, {"mel": mel}), [expected], rtol=1e-3
    )


def distilled(teacher, student, recording, seed=3) -> dict:
    model = Distiller(teacher, student, inner_samples=2, seed=seed)
    inputs = {
        "mel": tiny_models.mel(2, 200),
        "noise": tiny_models.noise(2, 200),
    }
    model.build()
    return model.loss_terms(inputs, recording, model(inputs))


@pytest.mark.network
def test_distillation_is_that_of_the_flows_alone() -> None:
    """KL and power loss are those between y's, whatever the audio is."""
    teacher = emphasised_teacher()
    student = emphasised_student(0.05)
    recording = tiny_models.audio(2, 200)
    emphasised = scipy.signal.lfilter([1.0, -A], [1.0], recording).astype("f")
    found = distilled(teacher, student, recording)
    alone = distilled(plain(teacher), plain(student), emphasised)
    for term in ("entropy", "kl", "contrastive", "power"):
        np.testing.assert_allclose(
            found[term], alone[term], rtol=2e-3, atol=1e-4, err_msg=term
        )


def test_saved_models_keep_their_pre_emphasis(tmp_path) -> None:
    for model in (emphasised_teacher(), emphasised_student()):
        model.save(tmp_path / "model.keras")
        loaded = keras.saving.load_model(tmp_path / "model.keras")
        assert loaded.audio == tiny_models.EMPHASISED


def test_cached_sampling_equals_the_parallel_network() -> None:
    """Also past the longest dilation, and when the state is passed on."""
    teacher = emphasised_teacher()
    mel, audio = tiny_models.mel(2, FRAMES), tiny_models.audio(2, FRAMES)
    expected = teacher({"audio": audio, "mel": mel})
    conditioning = teacher.layer_conditioning({"mel": mel})["conditioning"]
    sampler = CachedSampler(teacher, jit_compile=False)
    state, chunks = sampler.initial_state(2), []
    for start, end in ((0, 1), (1, 24), (24, 60)):
        chunk = {"conditioning": conditioning[:, start:end]}
        parameters, state = sampler.score(state, chunk, audio[:, start:end])
        chunks.append(parameters)
    np.testing.assert_allclose(tf.concat(chunks, 1), expected, atol=1e-5)


def test_sampled_audio_is_16_bit_and_follows_the_teacher() -> None:
    """F(x_t | x_<t) is uniform along sampled audio."""
    teacher = emphasised_teacher()
    output = teacher.output_parameters
    output.set_weights([0.1 * weight for weight in output.get_weights()])
    mel = tiny_models.repeated(tiny_models.mel(1, 6), 32)
    audio = generate(teacher, mel, seed=4)
    np.testing.assert_array_equal(audio * 32_768, np.round(audio * 32_768))
    below, up_to = teacher.distribution(
        {"audio": audio, "mel": mel}
    ).cumulative(audio)
    middle = (0.5 * (below + up_to)).numpy()
    inside = np.abs(audio) < 0.99
    assert inside.mean() > 0.95
    assert scipy.stats.kstest(middle[inside], "uniform").pvalue > 1e-3


@pytest.mark.network
@hypothesis.given(st.lists(st.integers(1, 23), max_size=4))
@hypothesis.settings(deadline=None, max_examples=8)
def test_streaming_in_any_chunks_equals_the_whole(cuts) -> None:
    student = emphasised_student()
    mel = tiny_models.mel(2, 24)
    uniforms = positional_uniforms(5, 2, 0, 24 * tiny_models.HOP)
    noise = student.noise_family.from_uniforms(uniforms)
    whole = student({"mel": mel, "noise": noise})["audio"].numpy()
    stream = Stream(Synthesizer(student), seed=5, block_frames=3)
    edges = sorted({0, 24, *cuts})
    parts = [
        {"mel": mel[:, start:end]}
        for start, end in zip(edges, edges[1:], strict=False)
    ]
    audio = np.concatenate(list(synthesize_stream(stream, parts)), axis=1)
    np.testing.assert_allclose(audio, whole.clip(-1, 1 - 2**-15), atol=2e-5)
