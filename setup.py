"""Packaging of pwavenet_tf; tool settings are in pyproject.toml."""

from setuptools import find_packages, setup

setup(
    name="pwavenet_tf",
    version="0.1.0",
    description="Parallel WaveNet for TensorFlow and Keras 3",
    license="Apache-2.0",
    python_requires=">=3.10,<3.14",
    packages=[
        *find_packages(include=["pwavenet_tf", "pwavenet_tf.*"]),
        "pwavenet_tf.export",
        "pwavenet_tf.export.client",
        "pwavenet_tf.export.graphs",
        "pwavenet_tf.export.lite",
    ],
    package_dir={"pwavenet_tf.export": "export"},
    package_data={
        "": ["*.j2"],
        "pwavenet_tf": ["py.typed"],
        "pwavenet_tf.voices": ["*/*"],
        "pwavenet_tf.export": ["serving/*"],
    },
    install_requires=[
        "tensorflow>=2.17",
        "tensorflow-probability>=0.24",
        "tf_keras>=2.17",
        "keras>=3.12",
        # It has no wheels for Windows or for a Python after 3.12.
        "tensorflow-io>=0.37.1; "
        "python_version < '3.13' and sys_platform != 'win32'",
        "numpy>=1.26",
        "absl-py>=2.1",
        "h5py>=3.10",
        "soundfile>=0.12",
        "soxr>=0.5",
        # Before 0.11 pyin without centring gives every frame too early.
        "librosa>=0.11",
        "scipy>=1.11",
        "pystoi>=0.4.1",
        "matplotlib>=3.8",
        "jinja2>=3.1",
        # What Keras's TensorBoard callback and tf.summary write with.
        "tensorboard>=2.17",
        # The protos of TensorFlow Serving: the client's, and the requests
        # that warm an export up.
        "tensorflow-serving-api>=2.17",
        "tqdm>=4.66",
        # TensorFlow Probability imports distutils, which Python 3.12 dropped.
        "setuptools>=70",
    ],
    extras_require={
        "beam": ["apache-beam>=2.60"],
        "demo": ["espeakng-loader>=0.2.4"],
        # Both are compiled when they are installed; pyworld imports
        # pkg_resources, which setuptools 81 dropped.
        "metrics": ["pesq>=0.0.4", "pyworld>=0.3.5", "setuptools>=70,<81"],
        "onnx": ["onnx>=1.17", "onnxruntime>=1.20", "tf2onnx>=1.17"],
        "tflite": ["ai-edge-litert>=2.0"],
        "test": [
            "build>=1.2",
            "hypothesis>=6.100",
            "openvino>=2025.0",
            "pytest>=8.2",
            "pytest-xdist>=3.6",
            "ruff>=0.8",
            "wheel>=0.43",
        ],
    },
    entry_points={"console_scripts": ["pwavenet = pwavenet_tf.cli:main"]},
)
