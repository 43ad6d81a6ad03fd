"""How fast and how large: what `pwavenet benchmark` measures."""
