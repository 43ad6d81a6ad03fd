"""A client of a served student, over gRPC or REST."""

from pwavenet_tf.export.client.client import Client, synthesize

__all__ = ["Client", "synthesize"]
