"""Reads a signature of a SavedModel with OpenVINO.

OpenVINO knows neither TensorFlow's Bitcast nor its generator of random
numbers, so it is given them: the one changes nothing here, the other is NumPy's
Philox. Its processor plugin computes int64 as int32, so seeds must be small.
"""

import shutil
from pathlib import Path

import noise_oracle
import numpy as np
import openvino
from openvino import opset13
from openvino.frontend.tensorflow import ConversionExtension
from tensorflow.core.protobuf import saved_model_pb2


class Philox(openvino.Op):
    """TensorFlow's StatelessRandomUniformV2 of shape, key and counter."""

    class_type_info = openvino.DiscreteTypeInfo("Philox", "extension")

    def __init__(self, inputs=None) -> None:
        super().__init__(self)
        if inputs is not None:
            self.set_arguments(inputs)
            self.constructor_validate_and_infer_types()

    def validate_and_infer_types(self) -> None:
        shape = openvino.PartialShape([-1])
        self.set_output_type(0, openvino.Type.f32, shape)

    def clone_with_new_inputs(self, inputs) -> "Philox":
        return Philox(inputs)

    def get_type_info(self) -> openvino.DiscreteTypeInfo:
        return Philox.class_type_info

    def visit_attributes(self, visitor) -> bool:
        return True

    def has_evaluate(self) -> bool:
        return True

    def evaluate(self, outputs, inputs) -> bool:
        (count,), (key,), counter = (x.data.tolist() for x in inputs)
        outputs[0].shape = [count]
        outputs[0].data[:] = noise_oracle.uniforms(key, counter, count)
        return True


EXTENSIONS = [
    ConversionExtension(
        "Bitcast",
        lambda node: opset13.convert(node.get_input(0), "i64").outputs(),
    ),
    ConversionExtension(
        "StatelessRandomUniformV2",
        lambda node: Philox([node.get_input(i) for i in range(3)]).outputs(),
    ),
]


class Signature:
    """A signature, compiled for the processor.

    Args:
        folder: The SavedModel.
        name: Of the signature.
        scratch: A folder that is not there yet.
    """

    def __init__(self, folder: Path, name: str, scratch: Path) -> None:
        _only(folder, name, scratch)
        model = openvino.convert_model(str(scratch), extension=EXTENSIONS)
        self._inputs = [next(iter(x.get_names())) for x in model.inputs]
        self._run = openvino.Core().compile_model(
            model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"}
        )

    def __call__(self, given: dict) -> dict[str, np.ndarray]:
        """Its outputs by name; no input may be left out."""
        answer = self._run([given[name] for name in self._inputs])
        # What is called as an input is, gets a number behind its name.
        return {
            name.removesuffix("_1"): x
            for output, x in answer.items()
            for name in output.get_names()
        }


def _only(folder: Path, name: str, copy: Path) -> None:
    """A copy of a SavedModel with one signature, its inputs all required.

    OpenVINO reads the default signature only, and takes an input that has a
    default for a constant.
    """
    shutil.copytree(folder, copy)
    model = saved_model_pb2.SavedModel()
    model.ParseFromString((folder / "saved_model.pb").read_bytes())
    graph = model.meta_graphs[0]
    wanted = type(graph.signature_def[name])()
    wanted.CopyFrom(graph.signature_def[name])
    for other in set(graph.signature_def) - {"__saved_model_init_op"}:
        del graph.signature_def[other]
    graph.signature_def["serving_default"].CopyFrom(wanted)
    for node in graph.graph_def.node:
        if node.op == "PlaceholderWithDefault":
            node.op = "Placeholder"
            del node.input[:]
    (copy / "saved_model.pb").write_bytes(model.SerializeToString())
