"""What a pod does before it is told to end: nobody sends to it any more, running answers finish.

llama-server and vLLM cut what they have begun when they are told to end, so their own pages are
asked until nothing runs. Of other programs nobody knows; they get the time of `longest_answer`
after the signal, if they use it.
"""

from __future__ import annotations

from typing import Final

from llmgen.gateway.addresses import LOOPBACK
from llmgen.gateway.command import DRAIN_SECONDS
from llmgen.targets.containers.container import SECRETS
from llmgen.targets.kubernetes.names import Object
from llmgen.targets.kubernetes.scene import App, ClusterScene
from llmgen.targets.secrets import variable

# Time for Services and gateways to hear that a pod ends, before it is told.
_LEAVE_SECONDS: Final = 5
# The longest that one look takes, and the pause after it.
_LOOK_SECONDS: Final = 11
# What is left for a program whose answers have ended by then.
_SPARE_SECONDS: Final = 10
# A server that reads a long prompt answers late: a look without an answer is one that runs. Between
# two answers there is a moment without any, so nothing has to run twice.
_WAIT: Final = """\
sleep "$1"
end=$(($(date +%s) + $2)) header=$3 idle=0
page() {
  if [ -r "$header" ]; then
    key=
    IFS= read -r key < "$header" || [ -n "$key" ]
    printf 'Authorization: Bearer %s' "$key" | curl -s -m 10 -H @- "$1"
  else
    curl -s -m 10 "$1"
  fi
}
runs() {
  for place in $(places); do
    found=$(page "$place") || { [ "$?" -ne 28 ] || return 0; }
    ! active "$found" || return 0
  done
  return 1
}
while [ "$idle" -lt 2 ] && [ "$(date +%s)" -lt "$end" ]; do
  if runs; then idle=0; else idle=$((idle + 1)); fi
  sleep 1
done
"""
_SLOTS: Final = """\
active() { case $1 in *'"is_processing":true'*) ;; *) return 1;; esac; }
"""
# llama-swap and the router choose the ports of their servers themselves.
_OF_CHILDREN: Final = """\
places() {
  for words in /proc/[0-9]*/cmdline; do
    tr '\\0' '\\n' < "$words" | sed -n '/^--port$/{n;s,.*,http://HOST:&/slots,p;}'
  done 2>/dev/null
}
"""
_OF_GAUGES: Final = """\
active() { printf '%s\\n' "$1" | grep -Eq '^(GAUGES)(\\{.*\\})? 0*[1-9]'; }
"""


def before_stop(app: App, scene: ClusterScene) -> Object:
    """The preStop hook, while the program still answers."""
    item, longest = app.container, scene.table.longest_answer
    if item.before_stop:
        # Its own way waits so long each time, and not at all when nothing runs.
        times = " ".join("x" * -(-longest // DRAIN_SECONDS))
        script = f'sleep {_LEAVE_SECONDS}; for _ in {times}; do "$@"; done'
        return _exec(script, *item.before_stop)
    asks = _asks(app)
    if not asks:
        return {"sleep": {"seconds": _LEAVE_SECONDS}}
    numbers = (str(_LEAVE_SECONDS), str(longest))
    return _exec(asks + _WAIT, *numbers, _key(app))


def grace_seconds(app: App, scene: ClusterScene) -> int:
    """The hook's time and the program's own, with which a kubelet does not wait any longer."""
    stop, longest = app.container.stop_seconds, scene.table.longest_answer
    if app.container.before_stop:
        return _LEAVE_SECONDS + max(stop, longest) + _SPARE_SECONDS
    return _LEAVE_SECONDS + longest + _LOOK_SECONDS + max(stop, _SPARE_SECONDS)


def _asks(app: App) -> str:
    """How it says what runs: where, and what of that page; empty where it says nothing."""
    if app.component in ("swap", "router"):
        return _SLOTS + _OF_CHILDREN.replace("HOST", LOOPBACK)
    if app.component != "model":
        return ""
    placed, url = app.plan.placements[0], f"http://{LOOPBACK}:{app.container.port}"
    engine = placed.model.engine
    if engine.is_llama:
        return _SLOTS + _at(f"{url}/slots")
    if engine.running:
        return _OF_GAUGES.replace("GAUGES", "|".join(engine.running)) + _at(f"{url}/metrics")
    return ""


def _at(url: str) -> str:
    return f"places() {{ echo {url}; }}\n"


def _key(app: App) -> str:
    """The file with the key of its server, if it wants one."""
    told = app.unit.config.services.api_key
    own = app.plan.placements[0].model.engine.key_variable
    name = variable(told) if told is not None and app.component == "swap" else own
    return str(SECRETS / name) if name in dict(app.container.secrets) else ""


def _exec(script: str, *words: str) -> Object:
    # A kubelet fills no `$(NAME)` into hooks (pkg/kubelet/lifecycle/handlers.go), as it does into
    # the commands of containers and probes: two `$` would stay two.
    return {"exec": {"command": ["/bin/sh", "-c", script, "stop", *words]}}
