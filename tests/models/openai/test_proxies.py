"""Which proxy the environment names for a server, and proxies that cannot be used."""

from __future__ import annotations

import importlib.util

import pytest

from pytest_llmeval.core.errors import ModelUnusable
from pytest_llmeval.models.openai.endpoint import find
from pytest_llmeval.models.openai.proxies import environment_proxy
from tests.support.api import KEY, config

HTTPS, HTTP = "https://models.example.com/v1", "http://models.example.com/v1"


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        for spelling in (name, name.upper()):
            monkeypatch.delenv(spelling, raising=False)


def proxy_of(url: str) -> tuple[str, str] | None:
    proxy = environment_proxy(find(config(url), {"OPENAI_API_KEY": KEY}))
    return None if proxy is None else (proxy.url, proxy.variable)


def test_the_variable_of_the_scheme_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    assert proxy_of(HTTPS) is None
    monkeypatch.setenv("ALL_PROXY", "http://all:1")
    assert proxy_of(HTTPS) == ("http://all:1", "ALL_PROXY")
    monkeypatch.setenv("https_proxy", "secure:2")
    assert proxy_of(HTTPS) == ("http://secure:2", "https_proxy")
    assert proxy_of(HTTP) == ("http://all:1", "ALL_PROXY")
    assert proxy_of("http://127.0.0.1:8000/v1") is None
    monkeypatch.setenv("no_proxy", "example.com")
    assert proxy_of(HTTPS) is None


def test_a_proxy_s_password_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://me:secret@proxy:3128")
    proxy = environment_proxy(find(config(HTTPS), {"OPENAI_API_KEY": KEY}))
    assert proxy is not None and proxy.shown == "http://***@proxy:3128 (https_proxy)"


@pytest.mark.parametrize("scheme", ["socks5", "socks5h"])
def test_socks_needs_a_package(monkeypatch: pytest.MonkeyPatch, scheme: str) -> None:
    monkeypatch.setenv("ALL_PROXY", f"{scheme}://me:secret@proxy:1080")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ModelUnusable, match=r"socks5h?://\*\*\*@proxy:1080 \(ALL_PROXY\).*socksio"):
        proxy_of(HTTPS)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    proxy = environment_proxy(find(config(HTTPS), {"OPENAI_API_KEY": KEY}))
    assert proxy is not None and proxy.is_socks


@pytest.mark.parametrize("scheme", ["socks", "socks4", "ftp"])
def test_other_schemes_are_named(monkeypatch: pytest.MonkeyPatch, scheme: str) -> None:
    monkeypatch.setenv("ALL_PROXY", f"{scheme}://proxy:1080")
    with pytest.raises(ModelUnusable, match=rf"its scheme is '{scheme}'; use http, https, socks5, socks5h"):
        proxy_of(HTTPS)
