"""The proxy that the environment names for a server."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from pytest_llmeval.core.errors import ModelUnusable, one_line
from pytest_llmeval.core.redact import redact
from pytest_llmeval.models.openai.endpoint import Endpoint

_SOCKS = ("socks5", "socks5h")
_HTTP = ("http", "https")


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy: its URL, which may have credentials, and the ``variable`` that names it."""

    url: str
    variable: str

    @property
    def shown(self) -> str:
        """The URL without credentials, and the variable."""
        return f"{one_line(redact(self.url), 80)} ({self.variable})"

    @property
    def is_socks(self) -> bool:
        """Whether this is a SOCKS proxy of a version that can be used."""
        return urlsplit(self.url).scheme in _SOCKS


def environment_proxy(endpoint: Endpoint) -> Proxy | None:
    """The proxy for a server; None if it is reached directly.

    Raises ``ModelUnusable`` for a proxy that cannot be used.
    """
    parts = urlsplit(endpoint.url)
    if endpoint.direct or proxy_bypass(parts.netloc):
        return None
    known = getproxies()
    name = next((name for name in (parts.scheme, "all") if known.get(name)), None)
    if name is None:
        return None
    url = known[name] if "://" in known[name] else f"http://{known[name]}"
    proxy = Proxy(url, _variable(f"{name}_proxy", os.environ))
    scheme = urlsplit(url).scheme
    if scheme in _HTTP:
        return proxy
    if scheme not in _SOCKS:
        raise ModelUnusable(
            f"the proxy {proxy.shown} cannot be used for {endpoint.shown}: its scheme is "
            f"{one_line(scheme, 20)!r}; use {', '.join((*_HTTP, *_SOCKS))}, or unset the variable"
        )
    if importlib.util.find_spec("socksio") is None:
        raise ModelUnusable(
            f"the SOCKS proxy {proxy.shown} for {endpoint.shown} needs a package: pip install socksio "
            "(or unset the variable)"
        )
    return proxy


def _variable(name: str, environ: Iterable[str]) -> str:
    """The variable's name as the environment spells it."""
    return next((key for key in environ if key.lower() == name), name)
