"""Stacks that several modules ask about: names of models on a gateway, a group of pods, scaling."""

# Behind Envoy AI Gateway, names of every kind: an alias, a variant, and an alias of that.
ROUTED = """
[services]
on_demand = "llama_swap"
[kubernetes]
gateway = "ai-gateway"
[models.embed]
role = "embedding"
model = "e.gguf"
ctx_size = 512
aliases = ["text-embedding-3-small"]
[models.coder]
model = "c.gguf"
ctx_size = 1024
aliases = ["gpt-4.1"]
[models.coder.variants.thinker]
aliases = ["o3"]
params = { top_k = 7 }
"""
# A model over two nodes.
GROUP = """
[kubernetes]
style = "lws"
[kubernetes.pools.gpu]
count = 2
[models.large]
engine = "vllm"
model = "org/large"
keep = "always"
nodes = 2
tensor_parallel_size = 2
memory = { host = "8GiB" }
[models.large.container]
image = "docker.io/vllm/vllm-openai:v0.12.0"
"""
# One of the models may have several pods.
SCALED = """
[gateway.envoy]
enable = true
queue = 5
[models."chat-1.7b"]
model = "chat.gguf"
keep = "always"
hosts = 3
parallel = 2
[models.e]
model = "e.gguf"
role = "embedding"
keep = "always"
[models.demand]
model = "demand.gguf"
keep = "on_demand"
[kubernetes.pools.gpu]
count = 6
[kubernetes.monitoring]
enable = true
[kubernetes.scale]
enable = true
"""
# The same by KEDA's HTTP add-on, which needs no Prometheus, and down to no pod.
ASLEEP = SCALED.replace("[kubernetes.monitoring]\nenable = true\n", "") + (
    'by = "http-add-on"\nmin = 0\n'
)
