"""Addresses and keys: which are accepted, which need one, and that none is ever shown."""

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
    ("given", "url"),
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
def test_addresses(given: str, url: str) -> None:
    where = at(given)
    assert (where.url, where.shown, where.key) == (url, url, None)


def test_a_query_is_sent_along_and_not_shown() -> None:
    where = at("http://localhost/v1/chat/completions?api-version=3&sig=hush")
    assert where.query == {"api-version": "3", "sig": "hush"}
    assert where.shown == "http://localhost/v1"
    assert where.clean("GET /v1?sig=hush") == "GET /v1?sig=***"


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("localhost:8000/v1", "no scheme; write http://localhost:8000/v1"),
        ("127.0.0.1:8000", "no scheme"),
        ("ftp://127.0.0.1/v1", "'ftp' is not http or https"),
        ("http://", "names no host"),
        ("http:///v1", "names no host"),
        ("http://h:port/v1", "is no address"),
        ("http://h:99999/v1", "is no address"),
        ("http://[::1/v1", "is no address"),
        ("http://h/v1 x", "blank"),
        ("http://h/v1\nx", "blank"),
    ],
)
def test_what_is_no_address(given: str, says: str) -> None:
    with pytest.raises(ModelUnusable) as caught:
        at(given)
    assert says in str(caught.value) and "base_url" in str(caught.value)
    with pytest.raises(ModelUnusable, match="OPENAI_BASE_URL"):
        at(OPENAI_BASE_URL=given)


def test_where_the_address_comes_from() -> None:
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
def test_others_do(host: str) -> None:
    assert not is_local(host)
    url = f"https://[{host}]/v1" if ":" in host else f"https://{host}/v1"
    with pytest.raises(ModelUnusable, match="set the environment variable OPENAI_API_KEY"):
        at(url)
    assert at(url, OPENAI_API_KEY=KEY).key == KEY


def test_only_plain_local_servers_are_reached_past_a_proxy() -> None:
    assert at("http://127.0.0.1:1").direct
    assert not at("https://127.0.0.1:1").direct
    assert not at("http://example.com", OPENAI_API_KEY=KEY).direct


def test_a_key_of_one_s_own() -> None:
    assert at("http://localhost", "MY_KEY", MY_KEY=f" {KEY}\n", OPENAI_API_KEY="other").key == KEY
    assert at("http://localhost", OPENAI_API_KEY=KEY).key == KEY
    for environ in ({}, {"MY_KEY": " "}):
        with pytest.raises(ModelUnusable, match=r"variable MY_KEY .* is not set"):
            at("http://localhost", "MY_KEY", OPENAI_API_KEY=KEY, **environ)


@pytest.mark.parametrize("key", ["sk-\x00", "sk-键", "sk\nx"])
def test_a_key_that_is_none(key: str) -> None:
    with pytest.raises(ModelUnusable, match="the key in MY_KEY has characters") as caught:
        at("http://localhost", "MY_KEY", MY_KEY=key)
    assert key not in str(caught.value)


def test_credentials_in_the_address_stand_for_a_key_and_are_not_shown() -> None:
    where = at("https://me:p%40ss@example.com/v1")
    assert where.url == "https://example.com/v1"
    assert where.headers == {"Authorization": "Basic bWU6cEBzcw=="}
    assert where.shown == "https://***@example.com/v1"
    assert where.key is None
    assert where.clean("p%40ss, p@ss, bWU6cEBzcw== at http://me:x@h") == "***, ***, *** at http://***@h"
    assert at("https://only-a-token@h.example.com").clean("only-a-token?") == "***?"
    with pytest.raises(ModelUnusable) as caught:
        at("ftp://me:p%40ss@example.com/v1")
    assert "p%40ss" not in str(caught.value)


@given(st.text(), st.text("ab-", min_size=1))
def test_the_key_is_nowhere(text: str, key: str) -> None:
    where = at(f"http://localhost/{key}/v1", OPENAI_API_KEY=key)
    assert key not in where.clean(f"{text}{key}{text}")
    assert key not in where.shown.removeprefix("http://localhost")
    assert f"'{key}'" not in repr(where)


def test_headers_are_sent_and_stand_for_a_key() -> None:
    def with_headers(**headers: str) -> Endpoint:
        return find(
            ModelConfig("m", "openai", "m", base_url="https://me:pw@h.example.com", headers=headers), {}
        )

    assert with_headers(x="1").headers == {"x": "1", "Authorization": "Basic bWU6cHc="}
    where = with_headers(authorization="Bearer abcdef", short="on")
    assert where.headers == {"authorization": "Bearer abcdef", "short": "on"} and where.key is None
    assert where.clean("Bearer abcdef: abcdef on Bearer") == "***: *** on Bearer"
    assert "abcdef" not in repr(where)
    config = ModelConfig("m", "openai", base_url="https://example.com", headers={"X-Api-Key": "abcdef"})
    assert find(config, {}).key is None and "abcdef" not in repr(config)
