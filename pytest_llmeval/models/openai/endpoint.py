"""Where an OpenAI-compatible server is, and the key for it; what of that may be shown."""

from __future__ import annotations

import base64
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote, urlsplit, urlunsplit

from pytest_llmeval.config.models import ModelConfig
from pytest_llmeval.core.errors import ModelUnusable, one_line
from pytest_llmeval.core.redact import redact

DEFAULT_URL = "https://api.openai.com/v1"
DEFAULT_KEY_ENV = "OPENAI_API_KEY"
#: headers by which a request may be signed instead of by the key
SIGNING = ("authorization", "api-key", "x-api-key")
_SHORTEST_SECRET = 4
_CERTAIN_SECRET = 8
_PATHS = ("/chat/completions", "/completions")
_LOCAL_SUFFIXES = (".localhost", ".local", ".internal")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A server's address without ``/chat/completions``, and the key and headers to send.

    ``shown`` is the address without credentials and query. ``key`` is None where none is needed.
    ``direct`` servers are not reached through a proxy of the environment.
    """

    url: str = field(repr=False)
    shown: str
    query: Mapping[str, str] = field(repr=False)
    direct: bool
    key_env: str
    key: str | None = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    _secrets: tuple[str, ...] = field(repr=False)

    def clean(self, text: str) -> str:
        """``text`` without the key, the values of headers and the credentials of URLs."""
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return redact(text)

    def clean_answer(self, text: str) -> str:
        """What a model wrote, without secrets so long that they are nothing else."""
        for secret in self._secrets:
            if len(secret) >= _CERTAIN_SECRET:
                text = text.replace(secret, "***")
        return text


def find(config: ModelConfig, environ: Mapping[str, str]) -> Endpoint:
    """The endpoint of a model: its base_url, else ``OPENAI_BASE_URL``, else OpenAI's own.

    Raises ``ModelUnusable`` for an address that is none, and for a key that is missing.
    """
    given = config.base_url or environ.get("OPENAI_BASE_URL") or DEFAULT_URL
    if "://" not in given:
        raise _bad(config, given, f"it has no scheme; write http://{redact(one_line(given, 80))}")
    try:
        parts = urlsplit(given)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise _bad(config, given, f"{error}") from None
    if parts.scheme not in ("http", "https"):
        raise _bad(config, given, f"scheme {one_line(parts.scheme, 20)!r} is not http or https")
    if not host:
        raise _bad(config, given, "it names no host")
    if any(char.isspace() or not char.isprintable() for char in given):
        raise _bad(config, given, "it contains a blank or a control character")
    path = parts.path.rstrip("/")
    for suffix in _PATHS:
        path = path.removesuffix(suffix).rstrip("/")
    bare_host = f"[{host}]" if ":" in host else host
    place = bare_host if port is None else f"{bare_host}:{port}"
    credentials, at, _ = parts.netloc.rpartition("@")
    key_env = config.api_key_env or DEFAULT_KEY_ENV
    local = is_local(host)
    signed = any(name.lower() in SIGNING for name in config.headers)
    key = _key(config, environ, key_env, needed=not (local or at or signed))
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    user, _, password = credentials.partition(":")
    basic = base64.b64encode(f"{unquote(user)}:{unquote(password)}".encode()).decode() if at else ""
    headers = dict(config.headers)
    if basic and not signed:  # in the URL they would be in what the transport logs
        headers["Authorization"] = f"Basic {basic}"
    secrets = {key, password or user, unquote(password or user), basic}
    secrets |= {*query.values()} | _parts(headers)
    ordered = tuple(sorted((secret for secret in secrets if secret), key=len, reverse=True))
    shown = urlunsplit((parts.scheme, ("***@" if at else "") + place, path, "", ""))
    if key:
        shown = shown.replace(key, "***")
    return Endpoint(
        url=urlunsplit((parts.scheme, place, path, "", "")),
        shown=shown,
        query=query,
        direct=local and parts.scheme == "http",
        key_env=key_env,
        key=key,
        headers=headers,
        _secrets=ordered,
    )


def _parts(headers: Mapping[str, str]) -> set[str]:
    """Values of headers that a server may echo; those of a few letters tell nothing and are in any text."""
    values = {part for value in headers.values() for part in (value, *value.split())}
    return {value for value in values if len(value) >= _SHORTEST_SECRET} - {"Basic", "Bearer", "Token"}


def _bad(config: ModelConfig, given: str, why: str) -> ModelUnusable:
    source = "base_url" if config.base_url else "OPENAI_BASE_URL"
    return ModelUnusable(
        f"model {config.name}: {source} {redact(one_line(given, 120))!r} is no address: {why} "
        "(an example: http://127.0.0.1:8000/v1)"
    )


def _key(config: ModelConfig, environ: Mapping[str, str], name: str, *, needed: bool) -> str | None:
    key = environ.get(name, "").strip()
    if not key:
        if config.api_key_env:
            raise ModelUnusable(
                f"model {config.name}: the environment variable {name} (api_key_env) is not set; "
                f"set it to the key: export {name}=..."
            )
        if needed:
            raise ModelUnusable(
                f"model {config.name}: no API key: set the environment variable {name}, "
                "or name another with --llm-api-key-env"
            )
        return None
    if not (key.isascii() and key.isprintable()):
        raise ModelUnusable(
            f"model {config.name}: the key in {name} has characters that no key has "
            "(line breaks, blanks or other than ASCII); set it again"
        )
    return key


def is_local(host: str) -> bool:
    """Whether ``host`` is this machine or its own network: such servers usually want no key."""
    if host.endswith(_LOCAL_SUFFIXES) or ("." not in host and ":" not in host):
        return True
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return address.is_loopback or address.is_private or address.is_link_local
