"""The address and key of an OpenAI-compatible server, and the redaction of secrets."""

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
#: headers that may authenticate a request instead of the key
AUTH_HEADERS = ("authorization", "api-key", "x-api-key")
_MIN_SECRET_LENGTH = 4
_MIN_UNMISTAKABLE_LENGTH = 8
_API_PATHS = ("/chat/completions", "/completions")
_LOCAL_SUFFIXES = (".localhost", ".local", ".internal")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A server's base URL (without ``/chat/completions``), and the key and headers to send.

    ``shown`` is the URL without credentials and query. ``key`` is None if none is needed. ``direct``
    servers are reached without the proxies that the environment sets.
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
        """``text`` with the key, header values and credentials in URLs replaced by ``***``."""
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return redact(text)

    def clean_answer(self, text: str) -> str:
        """A model's answer with secrets replaced, if they are too long to occur in it by chance."""
        for secret in self._secrets:
            if len(secret) >= _MIN_UNMISTAKABLE_LENGTH:
                text = text.replace(secret, "***")
        return text


def find(config: ModelConfig, environ: Mapping[str, str]) -> Endpoint:
    """The endpoint of a model: its base_url, else ``OPENAI_BASE_URL``, else OpenAI's.

    Raises ``ModelUnusable`` if the URL is invalid or a key is missing.
    """
    url = config.base_url or environ.get("OPENAI_BASE_URL") or DEFAULT_URL
    if "://" not in url:
        raise _invalid_url(config, url, f"it has no scheme; write http://{redact(one_line(url, 80))}")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise _invalid_url(config, url, f"{error}") from None
    if parts.scheme not in ("http", "https"):
        raise _invalid_url(config, url, f"scheme {one_line(parts.scheme, 20)!r} is not http or https")
    if not host:
        raise _invalid_url(config, url, "it has no host")
    if any(char.isspace() or not char.isprintable() for char in url):
        raise _invalid_url(config, url, "it contains a space or a control character")
    path = parts.path.rstrip("/")
    for suffix in _API_PATHS:
        path = path.removesuffix(suffix).rstrip("/")
    bare_host = f"[{host}]" if ":" in host else host
    host_port = bare_host if port is None else f"{bare_host}:{port}"
    credentials, at, _ = parts.netloc.rpartition("@")
    key_env = config.api_key_env or DEFAULT_KEY_ENV
    local = is_local(host)
    authenticated = any(name.lower() in AUTH_HEADERS for name in config.headers)
    key = _key(config, environ, key_env, needed=not (local or at or authenticated))
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    user, _, password = credentials.partition(":")
    basic = base64.b64encode(f"{unquote(user)}:{unquote(password)}".encode()).decode() if at else ""
    headers = dict(config.headers)
    if basic and not authenticated:  # the transport would log credentials in the URL
        headers["Authorization"] = f"Basic {basic}"
    secrets = {key, password or user, unquote(password or user), basic}
    secrets |= {*query.values()} | _header_secrets(headers)
    ordered = tuple(sorted((secret for secret in secrets if secret), key=len, reverse=True))
    shown = urlunsplit((parts.scheme, ("***@" if at else "") + host_port, path, "", ""))
    if key:
        shown = shown.replace(key, "***")
    return Endpoint(
        url=urlunsplit((parts.scheme, host_port, path, "", "")),
        shown=shown,
        query=query,
        direct=local and parts.scheme == "http",
        key_env=key_env,
        key=key,
        headers=headers,
        _secrets=ordered,
    )


def _header_secrets(headers: Mapping[str, str]) -> set[str]:
    """Header values that a server may echo; very short values are not secrets, and occur in any text."""
    values = {part for value in headers.values() for part in (value, *value.split())}
    return {value for value in values if len(value) >= _MIN_SECRET_LENGTH} - {"Basic", "Bearer", "Token"}


def _invalid_url(config: ModelConfig, url: str, reason: str) -> ModelUnusable:
    source = "base_url" if config.base_url else "OPENAI_BASE_URL"
    return ModelUnusable(
        f"model {config.name}: {source} {redact(one_line(url, 120))!r} is not a valid address: {reason} "
        "(for example http://127.0.0.1:8000/v1)"
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
            f"model {config.name}: the key in {name} has characters that keys never contain "
            "(line breaks, spaces or non-ASCII characters); set it again"
        )
    return key


def is_local(host: str) -> bool:
    """Whether ``host`` is this machine or in its local network: such servers usually need no key."""
    if host.endswith(_LOCAL_SUFFIXES) or ("." not in host and ":" not in host):
        return True
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return address.is_loopback or address.is_private or address.is_link_local
