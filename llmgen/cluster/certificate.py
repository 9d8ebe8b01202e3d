"""Where the certificate of Envoy's listener is in its pod."""

from __future__ import annotations

from typing import Final

# A folder of its own: the Secret is mounted there, and Envoy watches it for a renewed one.
FOLDER: Final = "/run/llmgen/tls"
CERT, KEY, AUTHORITY = (f"{FOLDER}/{name}" for name in ("tls.crt", "tls.key", "ca.crt"))
