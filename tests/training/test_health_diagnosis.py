"""Each fault of a student is reported by its name, and health is not."""

import math

import numpy as np
import pytest
from shaped_noise import RATE, band, shaped, speech

from pwavenet_tf.audio.files import read_audio
from pwavenet_tf.audio.mel import log_mel_spectrogram
from pwavenet_tf.audio.metrics import griffin_lim
from pwavenet_tf.audio.sound_measures import sound_measures
from pwavenet_tf.core.presets import preset
from pwavenet_tf.training.callbacks.health_diagnosis import diagnose
from pwavenet_tf.training.callbacks.health_measures import (
    scale_measures,
)

LOGISTIC = math.pi / math.sqrt(3.0)
RECORDED = speech(0)
HEALTHY = speech(1)
NOISE = np.random.default_rng(2).normal(size=len(RECORDED))


def found(generated: np.ndarray, recorded: np.ndarray = RECORDED):
    return sound_measures([generated], [recorded], RATE)


def names(sentences: list[str]) -> set[str]:
    return {sentence.split(":")[0] for sentence in sentences}


def test_a_healthy_student_has_no_fault() -> None:
    measured = found(HEALTHY)
    scales = np.random.default_rng(3).normal(-5.0, 1.0, 9_000)
    measured |= scale_measures([scales], [RECORDED], LOGISTIC)
    measured |= {"saturated_flow_1": 0.01, "kl": 0.7, "contrastive": 1.9}
    assert diagnose(measured) == []
    assert diagnose({}) == []


def test_a_whisper_is_reported_with_its_level() -> None:
    (sentence,) = diagnose(found(HEALTHY * 10 ** (-14 / 20)))
    assert sentence.startswith(
        "whispering: the student's energy is 14 dB below"
    )
    assert "power_weight" in sentence


def test_a_drowned_power_loss_is_reported_with_the_whisper() -> None:
    gradients = {"gradient_kl": 1_300.0, "gradient_power": 2.0}
    (sentence,) = diagnose(found(0.2 * HEALTHY) | gradients)
    assert "the KL's gradient is 650 times the power loss's" in sentence
    assert diagnose(found(HEALTHY) | gradients) == []


def test_a_student_that_is_too_loud_neither_hisses_nor_rumbles() -> None:
    (sentence,) = diagnose(found(0.5 * HEALTHY, 0.2 * RECORDED))
    assert sentence.startswith("too loud: the student's energy is 8 dB above")


def test_hiss_is_reported_by_its_band() -> None:
    gain = 10 ** (9 / 20) - 1
    measured = found(RECORDED + gain * band(RECORDED, 6_000, RATE))
    over = (
        measured["band_above_6000_db"] - measured["recorded_band_above_6000_db"]
    )
    assert over == pytest.approx(9.0, abs=0.5)
    sentences = [one for one in diagnose(measured) if one.startswith("hiss")]
    assert "hiss: the band above 6 kHz is 9 dB over" in sentences[0]


def test_hiss_in_the_pauses_is_reported() -> None:
    found_faults = names(diagnose(found(HEALTHY + 0.01 * NOISE)))
    assert {"hiss", "noisy pauses"} <= found_faults


@pytest.mark.parametrize(
    ("fault", "generated"),
    [
        ("offset", HEALTHY - 0.02),
        ("rumble", HEALTHY + 0.6 * band(NOISE, 40, 250)),
        ("dull", shaped(HEALTHY, -4.0)),
        ("clipping", np.where(np.arange(HEALTHY.size) % 5_000, HEALTHY, 1.3)),
    ],
)
def test_each_fault_of_the_sound_is_reported_by_name(fault, generated) -> None:
    assert fault in names(diagnose(found(generated)))
    assert fault not in names(diagnose(found(HEALTHY)))


def test_an_offset_alone_is_an_offset_alone() -> None:
    (sentence,) = diagnose(found(HEALTHY - 0.02))
    assert sentence.startswith("offset: the student's samples are -0.02")


def test_a_recording_that_clips_may_be_followed() -> None:
    both = np.clip(9.0 * RECORDED, -1.0, 1.0)
    assert found(both, both)["clipped"] > 1e-4
    assert diagnose(found(both, both)) == []


def test_sound_that_is_not_finite_is_reported() -> None:
    spoilt = HEALTHY.copy()
    spoilt[700] = np.nan
    with np.errstate(all="ignore"):
        sentences = diagnose(found(spoilt))
    assert sentences[0].startswith("not finite: on held-out clips")


def test_collapsed_scales_are_reported() -> None:
    scales = np.full(9_000, -5.0)
    scales[:3_600] = -10.5
    (sentence,) = diagnose(scale_measures([scales], [RECORDED], LOGISTIC))
    assert sentence.startswith("collapse: 40% of the student's scales")
    assert "median ln s is -5.0" in sentence


def test_the_lowest_that_the_flows_can_make_is_a_floor_too() -> None:
    scales = np.full(9_000, -8.95)
    assert diagnose(scale_measures([scales], [RECORDED], LOGISTIC)) == []
    assert names(
        diagnose(scale_measures([scales], [RECORDED], LOGISTIC, -8.9))
    ) == {"collapse"}


def test_scales_may_be_at_the_floor_where_recordings_are_silent() -> None:
    half = np.where(np.arange(9_000) % 2, 0.0, RECORDED[:9_000] + 1.0)
    scales = np.where(np.arange(9_000) % 2, -10.5, -4.0)
    assert diagnose(scale_measures([scales], [half], LOGISTIC)) == []


@pytest.mark.parametrize(
    ("fault", "measured"),
    [
        ("scales run away", {"log_scale_99": 0.2}),
        ("saturated", {"saturated_flow_1": 0.0, "saturated_flow_2": 0.3}),
        ("negative KL", {"kl": -0.4}),
        ("contrastive loss runs away", {"kl": 1.0, "contrastive": 9.0}),
        ("not finite", {"power": math.inf}),
    ],
)
def test_each_fault_of_the_scales_and_terms_is_reported(
    fault, measured
) -> None:
    (sentence,) = diagnose(measured)
    assert sentence.startswith(f"{fault}: ")
    assert "\n" not in sentence


def test_the_worst_flow_is_named() -> None:
    shares = {f"saturated_flow_{flow}": flow / 10 for flow in (1, 4, 3)}
    (sentence,) = diagnose(shares)
    assert sentence.startswith("saturated: flow 4 has 40% of its scales")


def test_hiss_is_distinguished_from_a_vocoders_copy_of_real_speech(
    shared_data,
) -> None:
    """Griffin-Lim's copy is healthy; with noise of -30 dB under it it hisses.

    Noise of -30 dB is below every speech sound but audible between them.
    """
    contract = preset("nano").audio
    files = sorted((shared_data / "ljspeech-mini").rglob("*.flac"))[:2]
    recorded, generated = [], []
    for file in files:
        audio = read_audio(file, contract.sample_rate)[: 4 * RATE]
        (mel,) = log_mel_spectrogram(audio[None], contract)
        copy = griffin_lim(mel, contract, 20)
        recorded.append(audio)
        generated.append(copy[: len(audio)])
    random = np.random.default_rng(0)
    level = np.concatenate(recorded).std() * 10 ** (-30 / 20)
    noisy = [one + random.normal(0.0, level, len(one)) for one in generated]
    rate = contract.sample_rate
    assert diagnose(sound_measures(generated, recorded, rate)) == []
    sentences = names(diagnose(sound_measures(noisy, recorded, rate)))
    assert sentences == {"hiss"}
