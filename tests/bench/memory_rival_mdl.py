"""llama-mdl's estimate (package llama-mdl, module mdl_fit): settings on stdin, answers on stdout."""

import json
import sys

from mdl_fit import gguf, model

shapes = {}
for line in sys.stdin:
    s = json.loads(line)
    try:
        if s["path"] not in shapes:
            shapes[s["path"]] = model.Shape(gguf.load(s["path"]))
        flags = model.Flags(
            ctx=s["context"] or s["trained"], np=s["slots"], kvu=s["unified"], ctk=s["k"], ctv=s["v"],
            b=s["batch"], ub=s["ubatch"], fa=s["flash"], swa_full=s["swa_full"], mmap=False,
        )  # fmt: skip
        memory = model.memory(shapes[s["path"]], flags)
        context = memory.gpu_kv + memory.gpu_rs + memory.host_kv + memory.host_rs
        told = {"weights": memory.gpu_weights, "context": context, "compute": memory.gpu_compute}
        print(
            json.dumps({key: int(size) for key, size in told.items()} | {"total": int(memory.gpu)})
        )
    except Exception:
        print("null")
