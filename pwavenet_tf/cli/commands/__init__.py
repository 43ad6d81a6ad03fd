"""The commands of `pwavenet`, one module each.

A command's docstring is its help: the first line is its summary in
`pwavenet --help`. `define_flags` defines its flags, and `run` does the work
with their values; only `run` may import what is slow to load.
"""
