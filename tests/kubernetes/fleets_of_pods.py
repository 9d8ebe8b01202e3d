"""Random fleets: pools of nodes, and pods whose sizes nobody chose for the proof."""

from random import Random

from made import objects, stack

GIB = 2**30
MODEL = """
[models.m{number}]
engine = "command"
container = {{ image = "docker.io/none/none:1" }}
cmd = "serve --port ${{PORT}}"
proxy = "http://127.0.0.1:${{PORT}}"
keep = "always"
memory = {{ {memory} }}
hosts = {copies}
pool = "{pool}"
"""


class Drawn:
    """One fleet: its llm.toml by number of copies, and its nodes.

    In a ``full`` one pods come before old ones go, and devices are all taken, or all but a few.
    """

    def __init__(self, seed, *, full=False):
        dice = Random(f"fleet of pods {seed}")
        self.seed, self.namespace = seed, f"fleet-{seed}"
        self.pools = {f"p{seed}-{at}": self._pool(dice) for at in range(dice.randint(1, 3))}
        if full:
            self.models = [self._filling(dice, pool) for pool in self.pools]
        else:
            self.models = [self._model(dice) for _ in range(dice.randint(1, 6))]

    def _pool(self, dice):
        return {
            "count": dice.randint(1, 4),
            "devices": dice.choice((0, 1, 1, 2, 4, 8)),
            "memory": dice.randint(16, 128),
            "reserve": dice.randint(0, 4),
            "surge": dice.choice((0, 0, 1)),
        }

    def _model(self, dice):
        pool = dice.choice(list(self.pools))
        devices = min(dice.choice((0, 1, 1, 2, 4)), self.pools[pool]["devices"])
        most = self.pools[pool]["memory"] - self.pools[pool]["reserve"] - 2
        host = dice.randint(1, max(1, most // dice.choice((1, 2, 3, 4))))
        return {"pool": pool, "devices": devices, "host": host, "copies": dice.randint(1, 4)}

    def _filling(self, dice, name):
        pool = self.pools[name]
        pool["surge"], pool["devices"] = 1, max(1, pool["devices"])
        devices = dice.randint(1, pool["devices"])
        most = pool["count"] * (pool["devices"] // devices)
        copies = max(1, most - dice.choice((0, 0, 1, 2)))
        return {"pool": name, "devices": devices, "host": 1, "copies": copies}

    def text(self, more=None):
        """The llm.toml, with one pod more of the model ``more``."""
        lines = [f'[kubernetes]\nnamespace = "{self.namespace}"\nstorage.claim = "models"\n']
        for name, pool in self.pools.items():
            devices = ", ".join(['{ memory = "24GiB" }'] * pool["devices"])
            lines.append(
                f"[kubernetes.pools.{name}]\ncount = {pool['count']}\nmax_surge = {pool['surge']}\n"
                f'hardware = {{ memory = "{pool["memory"]}GiB", reserve = "{pool["reserve"]}GiB", '
                f"devices = [{devices}] }}\n"
            )
        for number, model in enumerate(self.models):
            memory = [f'gpu{at} = "1GiB"' for at in range(model["devices"])]
            memory.append(f'host = "{model["host"]}GiB"')
            lines.append(
                MODEL.format(
                    number=number,
                    memory=", ".join(memory),
                    copies=model["copies"] + (number == more),
                    pool=model["pool"],
                )
            )
        return "".join(lines)

    def scene(self, more=None):
        return stack(self.text(more))

    def nodes(self, node):
        """Its nodes as ``node`` makes them."""
        for name, pool in self.pools.items():
            size = pool["memory"] - pool["reserve"]
            holds = {"memory": f"{size}Gi"}
            if pool["devices"]:
                holds["nvidia.com/gpu"] = pool["devices"]
            for at in range(pool["count"]):
                yield node(f"{name}-{at}", holds, labels={"llmgen.io/pool": name})


def deployments(scene):
    """What makes pods, and the account and classes that they need."""
    kinds = ("Namespace", "ServiceAccount", "PriorityClass", "Deployment")
    return [item for item in objects(scene) if item["kind"] in kinds]
