"""What commands about a machine say where llm.toml is about a cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from llmgen.errors import Diagnostic, InputError

if TYPE_CHECKING:
    from llmgen.cli.boundary import Session
    from llmgen.cli.pipeline import Read

# Commands that are about the models' files or the names of models, wherever they run.
_OF_ANY: Final = frozenset({"pull"})
_MACHINE: Final = (
    "without the file that has [kubernetes] it is about this machine: "
    "`llmgen -c llm.toml {command}`"
)
_HINTS: Final = {
    "up": "`llmgen install` applies the stack to the cluster",
    "down": "`llmgen uninstall` takes the stack away; "
    "`enable = false` in [models.NAME] and `llmgen install`, one model",
    "restart": "a changed file restarts its pods by itself; "
    "`kubectl {words} rollout restart deployment/NAME` restarts them as they are",
    "enable": "what is applied comes back by itself when a node does",
    "disable": "`llmgen uninstall` takes the stack away",
    "top": "`llmgen status` shows the pods once",
    "open": "`kubectl {words} port-forward service/NAME 8080` brings a Service to this machine",
    "load": "llama-swap loads an on-demand model when somebody asks for it",
    "unload": "llama-swap unloads an on-demand model when another one needs the room",
    "run": "`kubectl {words} port-forward service/NAME 8080` brings a Service to this machine",
    "guard": "the cluster keeps memory free: pods ask for what the plan says, and may have no more",
    "keys": "keys are entries of the Secret `{secret}`; pods fill them in when they start",
    "firewall": "the NetworkPolicies among the generated objects say who may reach whom",
    "host": "what nodes need (drivers, device plugins) is the cluster's; `llmgen doctor` looks",
    "shell": "`kubectl {words} exec -it deployment/NAME -- /bin/sh` opens one in a pod",
    "bench": _MACHINE,
    "build": _MACHINE,
    "fit": "`--profile NAME` or `--hardware` says which machine; a pool's is in its `hardware`",
}


def refuse_cluster(found: Read, session: Session) -> None:
    """InputError where llm.toml is about a cluster, and the command about a machine."""
    table = found.config.kubernetes
    if table is None or session.command in _OF_ANY:
        return
    first = session.command.partition(" ")[0]
    context = table.context or "CONTEXT"
    words = f"--context={context} --namespace={table.namespace}"
    hint = _HINTS.get(first, _MACHINE)
    raise found.located(
        InputError(
            Diagnostic(
                "kubernetes.which",
                f"`{session.command}` is about a machine, and this llm.toml is about a cluster",
                ("kubernetes",),
                hint=hint.format(command=session.command, words=words, secret=table.secret),
            )
        )
    )
