"""Why no connection came about, told apart from a server that is not there, and what to do about it."""

from __future__ import annotations

import re
from collections.abc import Collection
from urllib.parse import urlsplit

from pytest_llmeval.core.errors import one_line
from pytest_llmeval.core.redact import redact
from pytest_llmeval.models.openai.endpoint import Endpoint
from pytest_llmeval.models.openai.proxies import Proxy

_CERTIFICATE = re.compile(r"certificate[ _]verify[ _]failed|certificate|hostname mismatch", re.IGNORECASE)
_NO_TLS = re.compile(r"wrong[ _]version[ _]number|http[ _]request|record layer|unexpected eof", re.IGNORECASE)
#: what servers that expect TLS answer to plain HTTP
_NEEDS_TLS = re.compile(
    r"plain http request was sent to https port|http request to an https server|requires? https|use https",
    re.IGNORECASE,
)
_PROXY_ERRORS = frozenset(["ProxyError", "ClientProxyConnectionError", "ClientHttpProxyError"])
_DEFAULT_PORTS = {"http": 80, "https": 443}


def advice(
    endpoint: Endpoint, reason: str, names: Collection[str], proxy: Proxy | None, *, unreachable: bool
) -> str | None:
    """What to do about a failed connection; None if nothing more is known than that there is none.

    ``names`` are those of the exceptions, ``reason`` is their message.
    """
    at_proxy = unreachable or not _PROXY_ERRORS.isdisjoint(names)
    if proxy is not None and at_proxy and "SSL" not in reason:
        return f"the request goes through the proxy {proxy.shown}: is it running, does it allow this server?"
    if _CERTIFICATE.search(reason):
        return (
            "the server's certificate is not trusted: name the file of its certificate authority in the "
            "environment variable SSL_CERT_FILE"
        )
    if urlsplit(endpoint.url).scheme == "https" and "SSL" in reason and _NO_TLS.search(reason):
        return "the server does not speak TLS: is the base URL http:// instead of https://?"
    return None


def status_advice(message: str, status: int, proxy: Proxy | None) -> str | None:
    """What to do about an answer that is not the server's, or not for plain HTTP."""
    if status == 407 and proxy is not None:
        return f"the proxy {proxy.shown} asks for a user and password: http://USER:PASSWORD@HOST:PORT"
    if status in (400, 403, 426) and _NEEDS_TLS.search(message):
        return "the server expects https:// in the base URL"
    return None


def redirected_base(base: str, path: str, location: str) -> str | None:
    """The base URL in a redirect of a request for ``path``; None if it does not end with that path."""
    parts = urlsplit(location)
    if not parts.scheme and not parts.netloc:
        here = urlsplit(base)
        parts = parts._replace(scheme=here.scheme, netloc=here.netloc)
    target = parts.path.rstrip("/")
    if parts.scheme not in _DEFAULT_PORTS or not parts.netloc or not target.endswith(path):
        return None
    return f"{parts.scheme}://{parts.netloc}{target.removesuffix(path)}"


def may_follow(base: str, target: str) -> bool:
    """Whether a redirect leads to the same server, so that key and headers may follow it.

    >>> may_follow("http://h/v1", "https://h/v1"), may_follow("https://h/v1", "https://h2/v1")
    (True, False)
    """
    here, there = urlsplit(base), urlsplit(target)
    if (here.hostname, here.scheme, _port(base)) == (there.hostname, there.scheme, _port(target)):
        return True
    upgrade = (here.scheme, _port(base), there.scheme, _port(target)) == ("http", 80, "https", 443)
    return here.hostname == there.hostname and upgrade


def redirect_advice(target: str | None, location: str) -> str:
    """What to do about a redirect that is not followed."""
    if target is not None:
        return f"set the base URL to {one_line(redact(target), 120)} if you trust that server"
    shown = one_line(redact(location), 120) or "nowhere"
    return f"the redirect leads to {shown}: check the base URL (most end in /v1)"


def _port(url: str) -> int | None:
    parts = urlsplit(url)
    return parts.port or _DEFAULT_PORTS.get(parts.scheme)
