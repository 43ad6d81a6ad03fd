"""The file that a run resumes from, and what is refused."""

import numpy as np
import pytest
from tiny_run import tiny_preset

from pwavenet_tf import cli
from pwavenet_tf.core.errors import UserError
from pwavenet_tf.models.wavenet import WaveNet
from pwavenet_tf.training.jax.state import (
    GROUPS,
    Progress,
    fingerprint,
    load_state,
    save_state,
)


def state(seed: int = 0, width: int = 3) -> dict:
    random = np.random.default_rng(seed)
    return {
        group: [
            random.normal(size=(2, width)).astype(np.float32),
            np.array([seed, 7], np.uint32),
            np.int32(seed),
        ]
        for group in GROUPS
    }


def test_what_was_saved_is_loaded_bit_for_bit(tmp_path):
    path = tmp_path / "deep" / "teacher.state.npz"
    progress = Progress("a", 0.25, 10, 30, 60, 1.5)
    save_state(path, state(1), progress)
    save_state(path, state(2), progress)
    found, loaded = load_state(path, state(0), "a")
    assert loaded == progress
    for group, values in state(2).items():
        for value, own in zip(values, found[group], strict=True):
            np.testing.assert_array_equal(value, own)
            assert np.asarray(value).dtype == own.dtype
    assert [one.name for one in path.parent.iterdir()] == [path.name]


def test_a_state_of_another_model_is_refused(tmp_path):
    path = tmp_path / "teacher.state.npz"
    save_state(path, state(), Progress("a"))
    more = state()
    more["averages"].append(np.zeros(1))
    fewer = state()
    fewer["averages"].pop()
    for fresh, model in (
        (state(), "b"),
        (state(width=4), "a"),
        (more, "a"),
        (fewer, "a"),
    ):
        with pytest.raises(UserError, match=r"teacher\.state\.npz: is "):
            load_state(path, fresh, model)


@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_a_damaged_state_is_refused_with_the_file(tmp_path, share):
    path = tmp_path / "teacher.state.npz"
    save_state(path, state(), Progress("a"))
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(UserError, match=r"teacher\.state\.npz: is damaged"):
        load_state(path, state(), "a")


def test_the_fingerprint_knows_sizes_and_precision():
    def model(**changes):
        tiny = WaveNet.from_preset(tiny_preset())
        return WaveNet.from_config(tiny.get_config() | changes)

    own = fingerprint(model())
    assert fingerprint(model()) == own
    for changes in ({"skip_channels": 9}, {"dtype": "mixed_bfloat16"}):
        assert fingerprint(model(**changes)) != own


def test_without_jax_the_command_says_so_in_one_line(tmp_path, capsys):
    arguments = [f"--data={tmp_path}", f"--out={tmp_path / 'run'}"]
    assert cli.main(["train-jax", *arguments]) == 2
    line = capsys.readouterr().err
    assert "JAX is not installed" in line or "KERAS_BACKEND=jax" in line
    assert line.count("\n") == 1
    assert not (tmp_path / "run").exists()
