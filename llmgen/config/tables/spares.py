"""Servers on other machines, as [models], [external] and [hosts] name them."""

from typing import Literal

from llmgen.config.tables.base import Secret, Table, Text, Url

ServerKind = Literal["llama_swap"]


class ShownCertificate(Table):
    """A certificate that is shown to a server that asks for one, as files on the machine."""

    cert: Text
    """Certificate chain (PEM)."""
    key: Text
    """Private key (PEM)."""


class Spare(Table):
    """Another server with the same model under the same names: one of `failover`."""

    endpoint: Url
    """`http://HOST:PORT` of an OpenAI-compatible server, or of another gateway."""
    server: ServerKind | None = None
    """What it is, where its paths are its own: llama-swap has some below `/upstream/MODEL`."""
    api_key: Secret | None = None
    """Its key."""
    ca: Text | None = None
    """Authority of its certificate (PEM); absent: those of the system (Envoy)."""
    client_tls: ShownCertificate | None = None
    """The certificate that it is shown (Envoy)."""
