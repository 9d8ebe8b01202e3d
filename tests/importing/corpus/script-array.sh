#!/usr/bin/env bash
set -euo pipefail
cd /opt/llama.cpp/build/bin
args=(
  --model /srv/models/big.gguf   # split over both
  --tensor-split 1,1
  --cache-type-k q8_0 --cache-type-v q8_0 -fa on
)
args+=(--port 8092)
CUDA_VISIBLE_DEVICES=0,1 nice -n 5 ./llama-server "${args[@]}" &
wait
