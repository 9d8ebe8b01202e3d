#!/bin/bash
# start the chat model
MODELS=/srv/models
CTX=${CTX:-16384}
export GGML_CUDA_NO_PINNED=1
exec /usr/local/bin/llama-server -m "$MODELS/chat.gguf" -c $CTX -ngl 99 \
  --port 8091 --threads $(nproc) >> /tmp/llama.log 2>&1
