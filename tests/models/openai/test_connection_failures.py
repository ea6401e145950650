"""What to do about connections that do not come about, and where redirects may lead."""

from __future__ import annotations

import pytest

from pytest_llmeval.models.openai.connection_failures import (
    advice,
    may_follow,
    redirect_advice,
    redirected_base,
    status_advice,
)
from pytest_llmeval.models.openai.endpoint import find
from pytest_llmeval.models.openai.proxies import Proxy
from tests.support.api import KEY, config

PROXY = Proxy("http://u:p@proxy:3128", "https_proxy")


@pytest.mark.parametrize(
    ("url", "reason", "names", "proxy", "expected"),
    [
        ("https://h/v1", "connection refused", ["ConnectError"], PROXY, "proxy http://***@proxy:3128"),
        ("https://h/v1", "403 Forbidden", ["ProxyError"], PROXY, "does it allow this server"),
        (
            "https://h/v1",
            "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed certificate",
            ["ConnectError"],
            PROXY,
            "SSL_CERT_FILE",
        ),
        (
            "https://h/v1",
            "[SSL: CERTIFICATE_VERIFY_FAILED] Hostname mismatch, certificate is not valid for 'h'",
            ["ConnectError"],
            None,
            "SSL_CERT_FILE",
        ),
        (
            "https://h/v1",
            "[SSL: WRONG_VERSION_NUMBER] wrong version number",
            ["ConnectError"],
            None,
            "http://",
        ),
        ("https://h/v1", "[SSL] record layer failure", ["ConnectError"], None, "http://"),
    ],
)
def test_advice(url: str, reason: str, names: list[str], proxy: Proxy | None, expected: str) -> None:
    endpoint = find(config(url), {"OPENAI_API_KEY": KEY})
    text = advice(endpoint, reason, names, proxy, unreachable="ConnectError" in names)
    assert text is not None and expected in text and "u:p" not in text


def test_no_advice_where_nothing_is_known() -> None:
    endpoint = find(config("https://h/v1"), {"OPENAI_API_KEY": KEY})
    assert advice(endpoint, "connection refused", ["ConnectError"], None, unreachable=True) is None
    assert advice(endpoint, "the connection broke", ["ReadError"], PROXY, unreachable=False) is None


@pytest.mark.parametrize(
    ("message", "status", "expected"),
    [
        ("The plain HTTP request was sent to HTTPS port", 400, "expects https://"),
        ("Client sent an HTTP request to an HTTPS server.", 400, "expects https://"),
        ("Proxy Authentication Required", 407, "USER:PASSWORD"),
    ],
)
def test_advice_for_answers(message: str, status: int, expected: str) -> None:
    assert expected in (status_advice(message, status, PROXY) or "")


def test_no_advice_for_other_answers() -> None:
    assert status_advice("use https to read more", 200, PROXY) is None
    assert status_advice("bad request", 400, PROXY) is None
    assert status_advice("Proxy Authentication Required", 407, None) is None


@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("https://h2/v1/chat/completions", "https://h2/v1"),
        ("/api/v1/chat/completions", "http://h/api/v1"),
        ("https://h/v1/chat/completions?x=1", "https://h/v1"),
        ("https://h/login", None),
        ("ftp://h/v1/chat/completions", None),
        ("", None),
    ],
)
def test_the_base_url_that_a_redirect_names(location: str, target: str | None) -> None:
    assert redirected_base("http://h/v1", "/chat/completions", location) == target
    assert "base URL" in redirect_advice(target, location)


@pytest.mark.parametrize(
    ("base", "target", "follow"),
    [
        ("http://h/v1", "http://h/api/v1", True),
        ("http://h:80/v1", "http://h/v1", True),
        ("http://h/v1", "https://h/v1", True),
        ("https://h/v1", "http://h/v1", False),
        ("http://h:8000/v1", "https://h/v1", False),
        ("http://h/v1", "http://h:81/v1", False),
        ("http://h/v1", "http://h2/v1", False),
    ],
)
def test_redirects_are_followed_within_a_server(base: str, target: str, follow: bool) -> None:
    assert may_follow(base, target) is follow
