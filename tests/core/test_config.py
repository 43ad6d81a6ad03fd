"""Settings from a file."""

import dataclasses

import pytest

from pwavenet_tf.core.config import AudioContract, Conditioning


@pytest.mark.parametrize("kind", [AudioContract, Conditioning])
def test_only_a_dict_or_settings_are_settings(kind) -> None:
    usual = kind()
    assert kind.from_config(usual) is usual
    assert kind.from_config(dataclasses.asdict(usual)) == usual
    for other in (None, [], 7, "abc"):
        with pytest.raises(TypeError):
            kind.from_config(other)
