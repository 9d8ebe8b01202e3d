docker run -d --name llama --gpus all -v /srv/models:/models -p 8093:8080 \
  ghcr.io/ggml-org/llama.cpp:server-cuda \
  -m /models/docker.gguf -c 4096 --host 0.0.0.0 --port 8080 -ngl 99
