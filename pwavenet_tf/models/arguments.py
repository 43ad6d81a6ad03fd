"""The config of a layer or a model: the arguments that it was made with."""

import dataclasses
import inspect

import keras

_ANY = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


class KeepsArguments:
    """A Keras object whose config holds all arguments of its constructor.

    Each is taken from the attribute of its name. A dataclass is kept as a
    dict, which the constructor must take too; a Keras object is serialized.
    Name it before the class of Keras.
    """

    def get_config(self) -> dict:
        return super().get_config() | {  # type: ignore[misc]
            name: _serialized(getattr(self, name))
            for name in _arguments(type(self))
        }

    @classmethod
    def from_config(cls, config: dict, custom_objects: dict | None = None):
        nested = {
            name: keras.saving.deserialize_keras_object(value, custom_objects)
            for name, value in config.items()
            if isinstance(value, dict) and "class_name" in value
        }
        return cls(**config | nested)


def _arguments(kind: type) -> dict[str, None]:
    """The names that a constructor takes, and those that it passes on."""
    names: dict[str, None] = {}
    for base in kind.__mro__[: kind.__mro__.index(KeepsArguments)]:
        if "__init__" not in vars(base):
            continue
        constructor = vars(base)["__init__"]
        parameters = inspect.signature(constructor).parameters.values()
        kinds = {one.kind for one in parameters}
        names |= {
            one.name: None
            for one in parameters
            if one.name != "self" and one.kind not in _ANY
        }
        if inspect.Parameter.VAR_KEYWORD not in kinds:
            break
    return names


def _serialized(value: object) -> object:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    if hasattr(value, "get_config"):
        return keras.saving.serialize_keras_object(value)
    return value
