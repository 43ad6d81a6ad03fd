"""The config of a layer or a model: the arguments that it was made with."""

import dataclasses
import inspect

import keras


class KeepsArguments:
    """A Keras object whose config holds all arguments of its constructor.

    Each is taken from the attribute of its name. A dataclass is kept as a
    dict, which the constructor must take too; a Keras object is serialized.
    Name it before the class of Keras.
    """

    def get_config(self) -> dict:
        """As in Keras."""
        parameters = inspect.signature(type(self).__init__).parameters
        return super().get_config() | {  # type: ignore[misc]
            name: _serialized(getattr(self, name))
            for name, parameter in parameters.items()
            if name != "self" and parameter.kind != parameter.VAR_KEYWORD
        }

    @classmethod
    def from_config(cls, config: dict, custom_objects: dict | None = None):
        """As in Keras."""
        nested = {
            name: keras.saving.deserialize_keras_object(value, custom_objects)
            for name, value in config.items()
            if isinstance(value, dict) and "class_name" in value
        }
        return cls(**config | nested)


def _serialized(value: object) -> object:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    if hasattr(value, "get_config"):
        return keras.saving.serialize_keras_object(value)
    return value
