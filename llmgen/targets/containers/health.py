"""How a container is asked whether its service answers, with what its image has."""

from __future__ import annotations

from llmgen.gateway.addresses import LOOPBACK
from llmgen.plan.plan import Placement, Plan
from llmgen.plan.process import NEVER_ASKED, health
from llmgen.targets.containers.container import Health
from llmgen.targets.llama_swap import load_seconds
from llmgen.targets.open_webui import START_SECONDS
from llmgen.targets.services import Service

# Programs that read a few files at their start.
_QUICK_SECONDS = 30
_LITELLM_SECONDS = 120
_PYTHON = (
    "import http.client as c; r = c.HTTPConnection('{host}', {port}, timeout=4); "
    "r.request('GET', '/health/liveliness'); exit(r.getresponse().status != 200)"
)
# Envoy's image has no curl; its page says one word.
_BASH = (
    "exec 3<>/dev/tcp/{host}/{port} && "
    "printf 'GET /ready HTTP/1.1\\r\\nHost: envoy\\r\\nConnection: close\\r\\n\\r\\n' >&3 && "
    'while IFS= read -r line <&3 || [ -n "$line" ]; '
    "do case $line in LIVE*) exit 0;; esac; done; exit 1"
)


def of_model(item: Placement, plan: Plan) -> Health | None:
    """A model's own server: 503 while it loads, for as long as its files take on a cold disk."""
    page = health(item.model)
    # Nobody knows what the image of any command has in it.
    if page == NEVER_ASKED or item.model.engine.name == "command":
        return None
    return Health(_curl(item.port, page), load_seconds(plan.library, [item]))


def of_service(service: Service, plan: Plan) -> Health:
    """An engine, a gateway or a page."""
    envoy = plan.library.config.gateway.envoy
    match service.name:
        case "envoy":
            script = _BASH.format(host=LOOPBACK, port=envoy.admin_port)
            return Health(("bash", "-c", script), _QUICK_SECONDS)
        case "litellm":
            script = _PYTHON.format(host=LOOPBACK, port=service.port)
            return Health(("python3", "-c", script), _LITELLM_SECONDS)
        case "open-webui":
            return Health(_curl(service.port, "/health"), START_SECONDS)
        case _:
            # llama-swap and the router answer before any model is loaded.
            return Health(_curl(service.port, "/health"), _QUICK_SECONDS)


def _curl(port: int, page: str) -> tuple[str, ...]:
    return ("curl", "-fsS", "-m", "4", "-o", "/dev/null", f"http://{LOOPBACK}:{port}{page}")
