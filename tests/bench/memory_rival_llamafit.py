"""llamafit's estimate (package llamafit): settings on stdin, answers on stdout.

It knows neither slots nor sliding windows; what its parts say is summed as its own budget does.
"""

import json
import sys
from pathlib import Path

from llamafit.budget import compute_buffer, kv
from llamafit.gguf import facts, source
from llamafit.gguf.reader import read_header

known = {}
for line in sys.stdin:
    s = json.loads(line)
    try:
        if s["path"] not in known:
            known[s["path"]] = facts.derive_facts(read_header(source.LocalSource(Path(s["path"]))))
        found = known[s["path"]]
        if s["k"] != s["v"]:
            raise ValueError("one cache type only")  # noqa: TRY301
        tokens = s["context"] or s["trained"]
        state = getattr(found, "recurrent_state_bytes", 0) or 0
        context = kv.kv_cache_bytes(found, context=tokens, kv_type=s["k"]) + state
        buffer = compute_buffer.compute_buffer_bytes(micro_batch=s["ubatch"], context=tokens)
        weights = found.bytes_total - found.bytes_token_embd
        if not found.bytes_output_head:
            weights = found.bytes_total
        told = {"weights": weights, "context": context, "compute": buffer}
        told["total"] = sum(told.values())
        print(json.dumps({key: int(size) for key, size in told.items()}))
    except Exception:
        print("null")
