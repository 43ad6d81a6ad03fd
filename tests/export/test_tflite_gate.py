"""The quality gate: what it lets through, and what it refuses."""

import functools

import numpy as np
import pytest
import tiny_models

from pwavenet_tf.core.checksum import append_checksum
from pwavenet_tf.core.errors import UserError
from pwavenet_tf.models.parallel_wavenet import ParallelWaveNet
from pwavenet_tf.synthesis.student import Synthesizer

pytest.importorskip("ai_edge_litert", reason="ai-edge-litert is not installed")

from ai_edge_litert import schema_py_generated as schema  # noqa: E402

from pwavenet_tf.export.lite import gate  # noqa: E402
from pwavenet_tf.export.lite.card import read_card, with_card  # noqa: E402
from pwavenet_tf.export.lite.voice import LiteVoice  # noqa: E402
from pwavenet_tf.export.tflite import export_tflite  # noqa: E402

# Wide enough that the converter thinks the weights worth 8 bits, and calm as
# trained students are.
WIDE = {
    "flow_dilations": ((1, 2), (1, 2)),
    "residual_channels": 32,
    "gate_channels": 32,
}
SPEECH = [tiny_models.mel(1, 60, seed) for seed in (1, 2)]


@functools.cache
def wide_student() -> ParallelWaveNet:
    return tiny_models.calmer(tiny_models.student(**WIDE))


@pytest.fixture(scope="module")
def float32(tmp_path_factory):
    path = tmp_path_factory.mktemp("float32") / "voice.tflite"
    export_tflite(wide_student(), path)
    return path


def weights(path) -> dict[int, int]:
    """Bytes of constants by their type."""
    model = schema.ModelT.InitFromPackedBuf(path.read_bytes())
    (graph,) = model.subgraphs
    found = {}
    for tensor in graph.tensors:
        data = model.buffers[tensor.buffer].data
        size = 0 if data is None else len(data)
        found[tensor.type] = found.get(tensor.type, 0) + size
    return found


@pytest.mark.network
def test_float16_halves_the_weights_and_sounds_the_same(
    float32, tmp_path
) -> None:
    report = export_tflite(wide_student(), tmp_path / "a.tflite", "float16")
    before, after = weights(float32), weights(report.path)
    halved = before[schema.TensorType.FLOAT32] / 2
    assert after[schema.TensorType.FLOAT16] == pytest.approx(halved, rel=0.1)
    assert after.get(schema.TensorType.FLOAT32, 0) == 0
    assert report.size == report.path.stat().st_size
    assert report.quality.snr_db > gate.LOWEST_SYNTHETIC_SNR_DB
    assert not report.quality.on_speech


@pytest.mark.network
def test_dynamic_weights_are_of_8_bits_and_measured_on_the_speech(
    float32, tmp_path
) -> None:
    report = export_tflite(
        wide_student(), tmp_path / "a.tflite", "int8-dynamic", speech=SPEECH
    )
    before, after = weights(float32), weights(report.path)
    all_of_them = before[schema.TensorType.FLOAT32]
    assert after[schema.TensorType.INT8] > 0.7 * all_of_them / 4
    assert after[schema.TensorType.FLOAT32] < 0.3 * all_of_them
    card = read_card(report.path)["quality"]
    assert card["on_speech"]
    assert card["snr_db"] == pytest.approx(report.quality.snr_db)
    assert card["snr_db"] >= gate.LOWEST_SNR_DB
    # Two clips of 60 frames.
    rate = tiny_models.CONTRACT.sample_rate
    assert card["seconds"] == pytest.approx(120 * tiny_models.HOP / rate)


def test_the_figures_are_those_of_the_audio(float32) -> None:
    """SNR of another seed's sound, which differs much."""
    voice, lite = Synthesizer(wide_student()), LiteVoice(float32)
    speech = [{"mel": mel} for mel in SPEECH]
    one = [voice(mel, seed=0)[0].astype(float) for mel in SPEECH]
    other = [voice(mel, seed=1)[0].astype(float) for mel in SPEECH]
    found = gate.measured_quality(_OtherSeed(lite), voice, speech)
    power = sum(np.sum(x**2) for x in one)
    noise = sum(np.sum((x - y) ** 2) for x, y in zip(one, other, strict=True))
    assert found.snr_db == pytest.approx(10 * np.log10(power / noise), abs=0.01)
    assert found.log_spectral_distance_db > 1.0


class _OtherSeed:
    def __init__(self, voice) -> None:
        self.voice = voice

    def __call__(self, features, seed):
        return self.voice(features, seed + 1)


@pytest.mark.network
@pytest.mark.parametrize("variant", ["float32", "float16", "int8-dynamic"])
@pytest.mark.parametrize("on_speech", [True, False])
def test_damaged_weights_are_refused_with_the_figures(
    float32, tmp_path, variant, on_speech
) -> None:
    path = tmp_path / "damaged.tflite"
    path.write_bytes(damaged(float32))
    append_checksum(path)
    voice, speech = Synthesizer(wide_student()), [{"mel": SPEECH[0]}]
    for good in (float32, path):
        call = functools.partial(
            gate.require_quality,
            LiteVoice(good),
            voice,
            speech,
            variant,
            on_speech,
        )
        if good == float32:
            call()
            continue
        with pytest.raises(
            UserError,
            match=rf"as {variant} .* ratio of -?\d+\.\d dB .* distance of "
            r"\d+\.\d dB .* is needed; choose",
        ):
            call()


def damaged(path) -> bytes:
    """The file with noise on one layer's weights, a third of their size."""
    content = path.read_bytes()
    model = schema.ModelT.InitFromPackedBuf(content)
    (graph,) = model.subgraphs
    shape = (1, 1, 3, 64, 32)
    buffers = {
        tensor.buffer
        for tensor in graph.tensors
        if tensor.type == schema.TensorType.FLOAT32
        and sorted(tensor.shape) == sorted(shape[1:])
    }
    holders = [b for b in buffers if model.buffers[b].data is not None]
    assert holders
    first = model.buffers[holders[0]]
    kernel = first.data.view(np.float32).copy()
    noise = np.random.default_rng(0).standard_normal(kernel.shape, np.float32)
    first.data = (kernel + 0.3 * kernel.std() * noise).view(np.uint8)
    import flatbuffers

    builder = flatbuffers.Builder(len(content))
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


@pytest.mark.network
def test_a_bad_quantisation_is_refused_and_nothing_is_left(tmp_path) -> None:
    """Flows so wild that activations of 8 bits cannot carry them."""
    student = tiny_models.student(**WIDE)
    with pytest.raises(UserError, match="as int8 this student has a signal-to"):
        export_tflite(
            student, tmp_path / "new" / "voice.tflite", "int8", speech=SPEECH
        )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.network
def test_a_gate_that_lets_all_through_shows_what_int8_made(
    tmp_path, monkeypatch
) -> None:
    """Weights and activations of 8 bits, the edges of the graph in float."""
    monkeypatch.setattr(gate, "LOWEST_SNR_DB", -100.0)
    monkeypatch.setattr(gate, "HIGHEST_DISTANCE_DB", 100.0)
    report = export_tflite(
        wide_student(), tmp_path / "a.tflite", "int8", speech=SPEECH
    )
    model = schema.ModelT.InitFromPackedBuf(report.path.read_bytes())
    (graph,) = model.subgraphs
    for index in (*graph.inputs, *graph.outputs):
        assert graph.tensors[index].type == schema.TensorType.FLOAT32
    kinds = [
        graph.tensors[operator.outputs[0]].type for operator in graph.operators
    ]
    assert kinds.count(schema.TensorType.INT8) > 0.7 * len(kinds)
    # The first clip calibrated, the second was judged.
    rate = tiny_models.CONTRACT.sample_rate
    seconds = 60 * tiny_models.HOP / rate
    assert report.quality.seconds == pytest.approx(seconds)
    assert 5 < report.quality.snr_db < 60


@pytest.mark.network
def test_an_exported_file_is_replaced_only_by_a_good_one(
    float32, tmp_path
) -> None:
    path = tmp_path / "voice.tflite"
    path.write_bytes(float32.read_bytes())
    student = tiny_models.student(**WIDE)
    bias = student.networks[0].output_pair.bias
    bias.assign(np.full(bias.shape, np.inf, np.float32))
    with pytest.raises(UserError, match="the audio is not finite"):
        export_tflite(student, path)
    assert path.read_bytes() == float32.read_bytes()
    assert [one.name for one in tmp_path.iterdir()] == ["voice.tflite"]


class TestLoading:
    def test_the_card_is_read_without_tensorflow(self, float32) -> None:
        import json
        import subprocess
        import sys

        read = (
            "import sys, json\n"
            "from pwavenet_tf.export.lite.card import read_card\n"
            "print(json.dumps(read_card(sys.argv[1])))\n"
            "assert 'tensorflow' not in sys.modules\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", read, float32],
            check=True,
            capture_output=True,
        )
        assert json.loads(done.stdout) == read_card(float32)

    def test_a_card_does_not_change_the_sound(self, float32, tmp_path) -> None:
        path = tmp_path / "again.tflite"
        path.write_bytes(with_card(stripped(float32), read_card(float32)))
        append_checksum(path)
        np.testing.assert_array_equal(
            LiteVoice(path)(SPEECH[0]), LiteVoice(float32)(SPEECH[0])
        )

    @pytest.mark.parametrize(
        ("damage", "message"),
        [
            (lambda path: None, "no such file|cannot be read"),
            (lambda path: b"", "is not a .tflite file"),
            (lambda path: b"RIFF" * 99, "is not a .tflite file"),
            (lambda path: path.read_bytes()[:2000], "damaged, or not our"),
            (lambda path: path.read_bytes()[:-400], "is damaged.*; export"),
            (lambda path: stripped(path), "damaged, or not our export"),
            (
                lambda path: with_card(stripped(path), {"format": 99}),
                "card of format 99, but this release reads 1; export .* again",
            ),
        ],
    )
    def test_a_file_of_another_kind_is_named(
        self, float32, tmp_path, damage, message
    ) -> None:
        path = tmp_path / "other.tflite"
        if (content := damage(float32)) is not None:
            path.write_bytes(content)
        with pytest.raises(UserError, match=f"other.tflite: .*({message})"):
            LiteVoice(path)


def stripped(path) -> bytes:
    """The file without its card."""
    import flatbuffers

    model = schema.ModelT.InitFromPackedBuf(path.read_bytes())
    model.metadata = []
    builder = flatbuffers.Builder(1_024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())
