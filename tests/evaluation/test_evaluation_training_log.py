"""The curves that a report draws from the log of a training."""

import pytest

from pwavenet_tf.evaluation.report.page import training_curves


@pytest.fixture
def model(tmp_path):
    (tmp_path / "student.csv").write_text(
        "epoch,gradient_kl,health_band_above_6000_db,health_level_db,"
        "health_recorded_band_above_6000_db,health_recorded_level_db,"
        "health_tilt,loss,step,val_kl\n"
        "0,9.0,-40.0,-34.0,-50.0,-20.0,-3.0,2.0,100,1.5\n"
        "1,9.0,-50.5,nan,-50.0,-20.0,-3.0,2.0,200,0.5\n"
        "2,9.0,-5"
    )
    return tmp_path / "student.keras"


def test_losses_and_levels_over_the_recordings_are_drawn(model) -> None:
    curves = {curve.title: curve for curve in training_curves(model)}
    assert list(curves) == [
        "student: kl on held-out recordings",
        "student: band above 6000 Hz over the recordings'",
        "student: level over the recordings'",
    ]
    losses, band, level = curves.values()
    assert losses.points == [(100, 1.5), (200, 0.5)]
    assert band.points == [(100, 10.0), (200, -0.5)]
    assert level.points[0] == (100, -14.0)
    assert (losses.unit, band.unit) == ("nats per sample", "dB")


def test_the_held_out_distance_is_drawn_where_it_was_measured(tmp_path) -> None:
    (tmp_path / "teacher.csv").write_text(
        "epoch,sound_level_db,sound_log_spectral_distance,step,val_nats\n"
        "0,nan,nan,100,9.0\n"
        "1,1.0,20.5,200,8.0\n"
    )
    distance = training_curves(tmp_path / "teacher.keras")[-1]
    assert distance.title == (
        "teacher: log-spectral distance to held-out recordings"
    )
    assert (distance.points, distance.unit) == ([(200, 20.5)], "dB")
