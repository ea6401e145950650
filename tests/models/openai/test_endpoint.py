"""Base URLs and keys: which are valid, which servers need a key, and that no key is ever shown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmeval.config.models import ModelConfig
from pytest_llmeval.core.errors import ModelUnusable
from pytest_llmeval.models.openai.endpoint import Endpoint, find, is_local

KEY = "sk-secret-123"


def at(url: str | None = None, key_env: str | None = None, **environ: str) -> Endpoint:
    return find(ModelConfig("m", "openai", "m", base_url=url, api_key_env=key_env), environ)


@pytest.mark.parametrize(
    ("base_url", "url"),
    [
        ("http://127.0.0.1:8000/v1", "http://127.0.0.1:8000/v1"),
        ("http://127.0.0.1:8000/v1/", "http://127.0.0.1:8000/v1"),
        ("http://127.0.0.1:8000/v1/chat/completions", "http://127.0.0.1:8000/v1"),
        ("http://127.0.0.1:8000/v1/chat/completions/", "http://127.0.0.1:8000/v1"),
        ("http://127.0.0.1:8000/v1/completions", "http://127.0.0.1:8000/v1"),
        ("http://127.0.0.1:8000/v1/chat/completions?a=1#top", "http://127.0.0.1:8000/v1"),
        ("http://localhost:8000", "http://localhost:8000"),
        ("http://[::1]:8000/v1", "http://[::1]:8000/v1"),
        ("HTTP://LocalHost:8000/v1", "http://localhost:8000/v1"),
        ("https://gpu-box/puyu/api/v1/", "https://gpu-box/puyu/api/v1"),
    ],
)
def test_valid_urls(base_url: str, url: str) -> None:
    endpoint = at(base_url)
    assert (endpoint.url, endpoint.shown, endpoint.key) == (url, url, None)


def test_a_query_is_sent_but_not_shown() -> None:
    endpoint = at("http://localhost/v1/chat/completions?api-version=3&sig=hush")
    assert endpoint.query == {"api-version": "3", "sig": "hush"}
    assert endpoint.shown == "http://localhost/v1"
    assert endpoint.clean("GET /v1?sig=hush") == "GET /v1?sig=***"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("localhost:8000/v1", "no scheme; write http://localhost:8000/v1"),
        ("127.0.0.1:8000", "no scheme"),
        ("ftp://127.0.0.1/v1", "'ftp' is not http or https"),
        ("http://", "has no host"),
        ("http:///v1", "has no host"),
        ("http://h:port/v1", "is not a valid address"),
        ("http://h:99999/v1", "is not a valid address"),
        ("http://[::1/v1", "is not a valid address"),
        ("http://h/v1 x", "space"),
        ("http://h/v1\nx", "space"),
    ],
)
def test_invalid_urls(url: str, expected: str) -> None:
    with pytest.raises(ModelUnusable) as caught:
        at(url)
    assert expected in str(caught.value) and "base_url" in str(caught.value)
    with pytest.raises(ModelUnusable, match="OPENAI_BASE_URL"):
        at(OPENAI_BASE_URL=url)


def test_precedence_of_base_urls() -> None:
    assert at(OPENAI_API_KEY=KEY).url == "https://api.openai.com/v1"
    assert at(OPENAI_API_KEY=KEY, OPENAI_BASE_URL="").url == "https://api.openai.com/v1"
    assert at(OPENAI_BASE_URL="http://localhost:1").url == "http://localhost:1"
    assert at("http://localhost:2", OPENAI_BASE_URL="http://localhost:1").url == "http://localhost:2"


LOCAL = ["localhost", "a.localhost", "127.0.0.1", "127.9.9.9", "::1", "10.1.2.3", "192.168.0.7", "172.16.0.1",
         "fd00::1", "fe80::1%eth0", "0.0.0.0", "gpu-box", "node.local", "host.docker.internal"]  # fmt: skip
REMOTE = ["api.openai.com", "8.8.8.8", "2606:4700::1111", "localhost.example.com", "127.0.0.1.example.com"]


@pytest.mark.parametrize("host", LOCAL)
def test_local_hosts_need_no_key(host: str) -> None:
    assert is_local(host)


@pytest.mark.parametrize("host", REMOTE)
def test_remote_hosts_need_a_key(host: str) -> None:
    assert not is_local(host)
    url = f"https://[{host}]/v1" if ":" in host else f"https://{host}/v1"
    with pytest.raises(ModelUnusable, match="set the environment variable OPENAI_API_KEY"):
        at(url)
    assert at(url, OPENAI_API_KEY=KEY).key == KEY


def test_only_local_http_servers_bypass_proxies() -> None:
    assert at("http://127.0.0.1:1").direct
    assert not at("https://127.0.0.1:1").direct
    assert not at("http://example.com", OPENAI_API_KEY=KEY).direct


def test_a_key_variable_set_by_the_user() -> None:
    assert at("http://localhost", "MY_KEY", MY_KEY=f" {KEY}\n", OPENAI_API_KEY="other").key == KEY
    assert at("http://localhost", OPENAI_API_KEY=KEY).key == KEY
    for environ in ({}, {"MY_KEY": " "}):
        with pytest.raises(ModelUnusable, match=r"variable MY_KEY .* is not set"):
            at("http://localhost", "MY_KEY", OPENAI_API_KEY=KEY, **environ)


@pytest.mark.parametrize("key", ["sk-\x00", "sk-键", "sk\nx"])
def test_invalid_keys(key: str) -> None:
    with pytest.raises(ModelUnusable, match="the key in MY_KEY has characters") as caught:
        at("http://localhost", "MY_KEY", MY_KEY=key)
    assert key not in str(caught.value)


def test_credentials_in_the_url_replace_a_key_and_are_not_shown() -> None:
    endpoint = at("https://me:p%40ss@example.com/v1")
    assert endpoint.url == "https://example.com/v1"
    assert endpoint.headers == {"Authorization": "Basic bWU6cEBzcw=="}
    assert endpoint.shown == "https://***@example.com/v1"
    assert endpoint.key is None
    assert endpoint.clean("p%40ss, p@ss, bWU6cEBzcw== at http://me:x@h") == "***, ***, *** at http://***@h"
    assert at("https://only-a-token@h.example.com").clean("only-a-token?") == "***?"
    with pytest.raises(ModelUnusable) as caught:
        at("ftp://me:p%40ss@example.com/v1")
    assert "p%40ss" not in str(caught.value)


@given(st.text(), st.text("ab-", min_size=1))
def test_the_key_is_redacted_everywhere(text: str, key: str) -> None:
    endpoint = at(f"http://localhost/{key}/v1", OPENAI_API_KEY=key)
    assert key not in endpoint.clean(f"{text}{key}{text}")
    assert key not in endpoint.shown.removeprefix("http://localhost")
    assert f"'{key}'" not in repr(endpoint)


def test_authentication_headers_replace_a_key() -> None:
    def with_headers(**headers: str) -> Endpoint:
        return find(
            ModelConfig("m", "openai", "m", base_url="https://me:pw@h.example.com", headers=headers), {}
        )

    assert with_headers(x="1").headers == {"x": "1", "Authorization": "Basic bWU6cHc="}
    endpoint = with_headers(authorization="Bearer abcdef", short="on")
    assert endpoint.headers == {"authorization": "Bearer abcdef", "short": "on"} and endpoint.key is None
    assert endpoint.clean("Bearer abcdef: abcdef on Bearer") == "***: *** on Bearer"
    assert "abcdef" not in repr(endpoint)
    config = ModelConfig("m", "openai", base_url="https://example.com", headers={"X-Api-Key": "abcdef"})
    assert find(config, {}).key is None and "abcdef" not in repr(config)
