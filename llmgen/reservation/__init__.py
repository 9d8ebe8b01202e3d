"""What vLLM and SGLang need of a device that they reserve: weights, one sequence, what is left.

Pure arithmetic over the facts of a checkpoint. Sources are vLLM 0.33.0 and SGLang 0.5.23 as
published; each rule names the file that it is from.
"""
