"""Request traces: who is asked for, request after request; the same ones on every machine.

Three shapes that people's machines see: popularity skewed by Zipf's law; bursts, where one model
is asked many times before another is; and agents, whose every step embeds, reranks and chats.
"""

from __future__ import annotations

from random import Random

REQUESTS = 20_000
# (name, GiB on the device, GiB of files): a library for a 96 GiB machine, figures rounded from
# the repository's own stack and other published quants at 32K of context.
MODELS = {
    "embed": (1.5, 0.6),
    "rerank": (1.2, 0.6),
    "small": (6.5, 4.7),
    "coder": (23.7, 18.6),
    "chat": (33.4, 14.3),
    "vision": (19.0, 15.9),
    "long": (42.0, 24.7),
    "large": (63.6, 59.0),
    "giant": (80.6, 70.0),
}
DEVICE_GIB = 95.5
# What a person writes by hand: the helpers stay, the chat models take turns.
BY_HAND = (("embed", "rerank", "small"), ("coder", "chat", "vision", "long", "large", "giant"))


def skewed(seed: int = 1) -> list[str]:
    """Zipf's law with exponent 1.1, the order of popularity as in MODELS."""
    random = Random(seed)
    names = ["chat", "embed", "coder", "small", "vision", "rerank", "large", "long", "giant"]
    weights = [1 / rank**1.1 for rank in range(1, len(names) + 1)]
    return random.choices(names, weights, k=REQUESTS)


def bursty(seed: int = 2) -> list[str]:
    """Runs of one model, ten requests long on average, with a helper in between."""
    random = Random(seed)
    found: list[str] = []
    while len(found) < REQUESTS:
        name = random.choices(list(MODELS), [2, 2, 4, 6, 6, 3, 2, 2, 1])[0]
        found += [name] * (1 + int(random.expovariate(0.1)))
        if random.random() < 0.5:
            found.append(random.choice(("embed", "rerank")))
    return found[:REQUESTS]


def agents(seed: int = 3) -> list[str]:
    """Sessions of an agent: embed, rerank, chat, now and then the coder; each has its chat model."""
    random = Random(seed)
    found: list[str] = []
    while len(found) < REQUESTS:
        chat = random.choices(("chat", "small", "large", "long"), [6, 4, 2, 1])[0]
        for _ in range(1 + int(random.expovariate(0.15))):
            found += ["embed", "rerank", chat]
            if random.random() < 0.3:
                found += ["coder"] * random.randint(1, 3)
    return found[:REQUESTS]


TRACES = {"skewed": skewed, "bursty": bursty, "agents": agents}
