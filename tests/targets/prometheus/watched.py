"""A stack with everything that Prometheus can ask, and what promtool says of its files."""

import subprocess

import readers
from targets import plans

from llmgen.render.environment import make_render
from llmgen.targets import prometheus

HEAD = plans.HEAD.replace('backend = "vulkan"', 'backend = "cuda"')
STACK = """
[services]
api_key = { env = "SERVER_KEY" }
[services.llama_swap]
api_keys = [{ file = "swap.key" }]
[gateway.envoy]
enable = true
queue = 5
requests_per_minute = 60
[gateway.litellm]
enable = true
prometheus = true
master_key = { env = "MASTER_KEY" }
[guard]
enable = true
[targets.prometheus]
enable = true
node_exporter = "127.0.0.1:9100"
gpu_exporter = "127.0.0.1:9400"
textfiles = "/var/lib/prometheus/node-exporter"
[models.embed]
model = "embed.gguf"
role = "embedding"
metrics = true
[models.quiet]
model = "rank.gguf"
role = "rerank"
[models.big]
model = "big.gguf"
[models."small/coder"]
model = "small.gguf"
"""


def files(text=STACK, head=HEAD, **more):
    """Contents of the target's files, by their names."""
    made = prometheus.artifacts(plans.plan(text, head=head, **more), make_render())
    return {str(item.path.relative_to("prometheus")): item.content.decode() for item in made}


def written(folder, text=STACK, **more):
    """The same in a folder, as `generate` would."""
    for name, content in files(text, **more).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return folder


def promtool(*words, **more):
    """Exit code, and all that it says."""
    done = subprocess.run(
        [readers.find("promtool"), *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
        **more,
    )
    return done.returncode, done.stdout + done.stderr
