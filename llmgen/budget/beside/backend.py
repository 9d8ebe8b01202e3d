"""What a device's backend takes beside the buffers that llama-server reports, with its sources.

No graph shows it, and the oracle's devices do not have it: they are CPUs behind RPC. For each
process a backend has a *context* and a *workspace*, whatever the model is; *temporaries* are what
its operations need at their largest, and follow from the model and its settings; *copied weights*
are those of the host that a device computes with. No card has been measured for these figures:
``tools/measure_cuda.sh`` records a CUDA card's beside the plan.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final, TypeAlias

from msgspec import Struct

from llmgen.budget.beside.cuda import cuda_temporaries, rocm_temporaries
from llmgen.budget.beside.metal import metal_temporaries
from llmgen.budget.beside.temporary import Temporary
from llmgen.budget.beside.vulkan import vulkan_temporaries
from llmgen.budget.schedule.operations import Operation
from llmgen.units import MIB

TemporariesOf: TypeAlias = Callable[[Iterable[Operation]], Iterator[Temporary]]


class SourcedBytes(Struct, frozen=True):
    """Bytes of each process on each device, and where the figure comes from."""

    bytes: int
    source: str


class BackendMemory(Struct, frozen=True):
    """What one backend takes; ``offloads`` says that it computes with weights of the host."""

    context: SourcedBytes
    workspace: SourcedBytes
    temporaries: TemporariesOf
    offloads: bool = True

    @property
    def own(self) -> int:
        """Whatever the model is."""
        return self.context.bytes + self.workspace.bytes


def _none(operations: Iterable[Operation]) -> Iterator[Temporary]:
    del operations
    yield from ()


_NOTHING: Final = SourcedBytes(0, "nothing of its own")

BACKENDS: Final[Mapping[str, BackendMemory]] = {
    "cuda": BackendMemory(
        SourcedBytes(
            400 * MIB,
            "primary context, about 3 MiB for each multiprocessor: 107 MiB on an RTX 4060 Ti (34), "
            "555 on an RTX PRO 6000 (188; both llama.cpp PR 23604), 291 on an RTX 3090 (82; its "
            "issue 24608); this is enough for 128",
        ),
        SourcedBytes(
            32 * MIB,
            "cuBLAS: 32 MiB from Hopper on, 4 before (ggml_backend_cuda_context::cublas_handle in "
            "common.cuh, b11434, as NVIDIA's reference of cublasSetWorkspace advises)",
        ),
        cuda_temporaries,
    ),
    "rocm": BackendMemory(
        SourcedBytes(
            400 * MIB, "about 0.4 GiB, rocBLAS included (Quartermaster-Labs/Quartermaster#24)"
        ),
        SourcedBytes(0, "in the context's figure"),
        rocm_temporaries,
    ),
    "vulkan": BackendMemory(
        SourcedBytes(
            150 * MIB,
            "peak minus named buffers: 74 MiB on an RTX 3080 Ti, 142 on an RTX 3090, temporaries "
            "included",
        ),
        _NOTHING,
        vulkan_temporaries,
    ),
    "metal": BackendMemory(
        SourcedBytes(0, "none apart from the buffers; the residency set counts them"),
        _NOTHING,
        metal_temporaries,
    ),
    # A device of another machine, which is taken for one of CUDA; ggml-rpc has no offload_op.
    "rpc": BackendMemory(
        SourcedBytes(0, "what [rpc.borrow] says of its lender"),
        _NOTHING,
        cuda_temporaries,
        offloads=False,
    ),
    "cpu": BackendMemory(
        SourcedBytes(0, "the buffers are ordinary memory"), _NOTHING, _none, offloads=False
    ),
}
_LIKE: Final = "cuda"

# Prompts of at least so many tokens are computed by a device although a weight is on the host
# (offload_op of each backend, op_offload_min_batch_size), which is copied there in the compute
# buffer. Two are counted: where sizes differ, the next one does not fit where the last one was.
OFFLOADED_FROM: Final = 32
COPIED_WEIGHTS: Final = 2


def backend(name: str) -> BackendMemory:
    """What one of that name takes; an unknown one is like CUDA."""
    return BACKENDS.get(name, BACKENDS[_LIKE])


def backend_overhead(name: str) -> int:
    """Bytes that one process takes on each device, whatever its model is."""
    return backend(name).own


def temporaries(
    backends: Mapping[str, str], operations: Iterable[Operation], names: Sequence[str]
) -> Iterator[tuple[str, Temporary]]:
    """What one context of a process takes on each of its devices beside its buffers.

    ``names`` are the devices of the operations' backends and the host behind them, ``backends``
    says what drives each device. The first one that can computes with weights of the host.
    """
    if not backends:
        return
    found, devices = tuple(operations), names[:-1]
    for index, device in enumerate(devices):
        own = tuple(item for item in found if item.backend == index)
        for item in backend(backends[device]).temporaries(own):
            if item.bytes:
                yield device, item
    near = next((device for device in devices if backend(backends[device]).offloads), None)
    far = (_weight(item) for item in found if item.backend == len(devices))
    copied = COPIED_WEIGHTS * max(far, default=0)
    if near is not None and copied:
        yield near, Temporary("weights of the host, copied for prompts", copied)


def _weight(item: Operation) -> int:
    """The bytes of the weight with which a device would compute although it is on the host."""
    is_offloaded = item.op in ("MUL_MAT", "MUL_MAT_ID") and item.batch >= OFFLOADED_FROM
    return item.sources[0].weight_bytes if is_offloaded else 0
