"""The lines that end a run: an account, a key or a connection that fails every request."""

from __future__ import annotations

from pytest_llmeval.core.errors import ModelUnusable, one_line
from pytest_llmeval.models.openai.attempt_failed import MAX_WAIT_S, AttemptFailed
from pytest_llmeval.models.openai.delays import wait_text
from pytest_llmeval.models.openai.endpoint import Endpoint
from pytest_llmeval.models.openai.known_failures import FailureKind

_MAX_LISTED_NAMES = 5


def failure_reason(endpoint: Endpoint, failure: AttemptFailed) -> str:
    """Why an attempt failed, on one line and without secrets."""
    return one_line(endpoint.clean(str(failure)), 200)


def quota_error(endpoint: Endpoint, failure: AttemptFailed) -> ModelUnusable:
    """The error for an account without balance, or one that has used up its quota."""
    wait_s = failure.retry_after_s
    wait = f", or wait {wait_text(wait_s)}" if wait_s is not None and wait_s > MAX_WAIT_S else ""
    return ModelUnusable(
        f"{endpoint.shown}: the account has no quota left ({failure_reason(endpoint, failure)}); "
        f"add credit or raise the account's limit{wait}"
    )


def key_error(endpoint: Endpoint, failure: AttemptFailed) -> ModelUnusable:
    """The error for a key that is missing or not accepted."""
    reason = failure_reason(endpoint, failure)
    if endpoint.key is None:
        return ModelUnusable(
            f"{endpoint.shown} requires an API key ({reason}); "
            f"set the environment variable {endpoint.key_env}, or name another with --llm-api-key-env"
        )
    if failure.kind is FailureKind.FORBIDDEN:
        return ModelUnusable(
            f"{endpoint.shown} refuses access ({reason}); does the key in {endpoint.key_env} "
            "permit this model, and the server this network?"
        )
    return ModelUnusable(
        f"{endpoint.shown} does not accept the key in {endpoint.key_env} ({reason}); set a valid one"
    )


def connection_error(endpoint: Endpoint, failure: AttemptFailed) -> ModelUnusable:
    """The error for a connection that does not come about, with the failure's advice."""
    reason = failure_reason(endpoint, failure)
    return ModelUnusable(
        f"no connection to {endpoint.shown} ({reason}): {endpoint.clean(failure.advice or '')}"
    )


def format_names(endpoint: Endpoint, names: tuple[str, ...], prefix: str = "") -> str:
    """The first few of a server's model names, on one line."""
    first = ", ".join(prefix + one_line(endpoint.clean(name), 60) for name in names[:_MAX_LISTED_NAMES])
    return first + (f", ... ({len(names)} in all)" if len(names) > _MAX_LISTED_NAMES else "")
