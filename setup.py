"""Which packages there are; all else is in pyproject.toml.

`export/`, which stands next to `pwavenet_tf/`, is installed as
`pwavenet_tf.export`.
"""

from setuptools import find_packages, setup

setup(
    packages=[
        *find_packages(include=["pwavenet_tf", "pwavenet_tf.*"]),
        "pwavenet_tf.export",
        *(f"pwavenet_tf.export.{one}" for one in find_packages("export")),
    ],
    package_dir={"pwavenet_tf.export": "export"},
)
