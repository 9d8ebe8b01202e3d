"""A cluster: pools of nodes that are alike, the pods on them, and the proof that they fit."""
