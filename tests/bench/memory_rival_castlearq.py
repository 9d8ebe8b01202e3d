"""castlearq's estimate (package castlearq): settings on stdin, answers on stdout.

It knows a model by its parameters and their bits, and neither context nor batches: a total alone.
"""

import json
import sys
from types import SimpleNamespace

from castlearq.compatibility import CompatibilityConfig, estimate_memory_bytes

for line in sys.stdin:
    s = json.loads(line)
    model = SimpleNamespace(parameter_count_b=s["parameters"] / 1e9)
    quantization = SimpleNamespace(bits_per_parameter=8 * s["bytes"] / s["parameters"])
    total = estimate_memory_bytes(model, quantization, CompatibilityConfig())
    print(json.dumps({"total": int(total)}))
