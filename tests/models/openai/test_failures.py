"""Answers of servers and gateways, in their own words, and what kind of failure each is."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmeval.models.openai.delays import requested_wait_s
from pytest_llmeval.models.openai.error_bodies import Evidence, evidence
from pytest_llmeval.models.openai.failures import alike, classify
from pytest_llmeval.models.openai.known_failures import FailureKind


def err(message: str, code: object = None, kind: str | None = None, **more: object) -> dict[str, object]:
    return {"error": {"message": message, "code": code, "type": kind, **more}}


OPENAI_QUOTA = "You exceeded your current quota, please check your plan and billing details."
GEMINI_MINUTE = "GenerateContentInputTokensPerModelPerMinute-FreeTier"
GEMINI_DAY = "GenerateRequestsPerDayPerProjectPerModel-FreeTier"


def gemini(quota: str, delay: str | None = "45s", limit: int = 20) -> list[object]:
    details: list[object] = [{"@type": "google.rpc.QuotaFailure", "violations": [{"quotaId": quota}]}]
    if delay:
        details.append({"@type": "google.rpc.RetryInfo", "retryDelay": delay})
    message = (
        f"{OPENAI_QUOTA} * Quota exceeded for metric: generate_content_free_tier_requests, limit: {limit}"
    )
    return [{"error": {"code": 429, "message": message, "status": "RESOURCE_EXHAUSTED", "details": details}}]


QUOTA = [
    (429, err(OPENAI_QUOTA, "insufficient_quota", "insufficient_quota")),
    (429, err("余额不足或无可用资源包,请充值。", "1113")),
    (429, err("Insufficient balance or no resource package. Please recharge.", "1113")),
    (429, err("您的账户已欠费", 1113)),
    (402, err("Insufficient Balance", "invalid_request_error", "unknown_error")),
    (402, err("This request requires more credits, or fewer max_tokens.", 402)),
    (403, {"code": 30001, "message": "Sorry, your account balance is insufficient", "data": None}),
    (403, {"code": 30011, "message": "The selected model requires paid balance.", "data": None}),
    (403, err("用户额度不足, 剩余额度: ＄-0.000002 (request id: 20260819)", "insufficient_user_quota")),
    (403, err("user quota is not enough (request id: 2)", "insufficient_user_quota", "one_api_error")),
    (403, err("该令牌额度已用尽", None, "new_api_error")),
    (403, err("token quota is not enough", "pre_consume_token_quota_failed", "new_api_error")),
    (403, err("Key limit exceeded (total limit). Manage it using https://openrouter.ai/settings/keys", 403)),
    (403, {"code": "AllocationQuota.FreeTierOnly", "message": "The free tier is exhausted."}),
    (400, err("The free tier of the model has been exhausted. Please disable the free tier only mode.")),
    (400, err("Access denied, please make sure your account is in good standing.", "Arrearage", "Arrearage")),
    (403, err("The request failed because your account has an overdue balance.", "AccountOverdueError")),
    (400, err("Your credit balance is too low to access the Anthropic API.", None, "invalid_request_error")),
    (401, err("Insufficient balance. Manage your billing here", None, "CreditsError")),
    (429, err("Rate limit exceeded: free-models-per-day. Add 10 credits to unlock 1000 requests", 429)),
    (429, err("Rate limit exceeded: free-models-per-day-high-balance. ", "429", "rate_limit_error")),
    (429, err("Your account u<ak> is not active, current state: suspended, please check your plan and "
              "billing details", None, "exceeded_current_quota_error")),
    (429, err("Your account u<ak> request reached organization TPD rate limit, current: 1500000",
              None, "rate_limit_reached_error")),
    (429, err("该API今日调用次数已达上限", "1304")),
    (429, err("Usage limit reached for 5 hour. Your limit will reset at 2026-01-01 10:00:00", "1308")),
    (429, gemini(GEMINI_DAY)),
    (429, gemini(GEMINI_MINUTE, limit=0)),
    (402, {"error": "You have exceeded your monthly included credits for Inference Providers."}),
    (200, {"choices": None, "base_resp": {"status_code": 1008, "status_msg": "insufficient balance"}}),
    (200, {"error_code": 17, "error_msg": "Open api daily request limit reached"}),
    (200, err("Insufficient credits", 402)),
    (400, err("Billing hard limit has been reached", "billing_hard_limit_reached")),
    (403, err("You have reached your usage limit for this billing cycle", None, "access_terminated_error")),
    (403, {"code": "no permission", "error": "Your newly created team doesn't have any credits yet."}),
    (429, {"error": "Your team has used all available credits or reached its monthly spending limit."}),
    (412, err("Account a is suspended, possibly due to reaching the monthly spending limit")),
    (400, err("Budget has been exceeded! Current cost: 1.0, Max budget: 1.0", "400", "budget_exceeded")),
    (401, err("Authentication Error, ExceededBudget: User=x over budget. Spend=2, Budget=1", "401")),
    (429, {"errors": [{"message": "you have used up your daily free allocation", "code": 4006}]}),
    (429, err("Tokens per day limit exceeded - too many tokens processed.", "token_quota_exceeded")),
    (429, err("Your account 1 has exhausted its free trial quota for the m model", "QuotaExceeded")),
    (429, err("ThrottlingException: Too many tokens per day, please wait before trying again.")),
    (500, err("upstream: Insufficient account balance", "bad_response")),
]  # fmt: skip
OVERLOADED = [
    (429, err("Rate limit reached for gpt-4o on tokens per min (TPM): Limit 30000. Please try again in 2s.",
              "rate_limit_exceeded", "tokens")),
    (429, err("Rate limit reached on tokens per minute (TPM): Limit 6000. Please try again in 7.66s. Need "
              "more tokens? Upgrade to Dev Tier today at https://console.groq.com/settings/billing",
              "rate_limit_exceeded")),
    (429, err("Rate limit reached on requests per day (RPD): Limit 200. Please try again in 7m12s.")),
    (429, gemini(GEMINI_MINUTE)),
    (429, [{"error": {"code": 429, "message": "Resource has been exhausted (e.g. check quota).",
                      "status": "RESOURCE_EXHAUSTED"}}]),
    (429, err(f"{OPENAI_QUOTA} See: https://help.aliyun.com/zh/model-studio/error-code#token-limit",
              "insufficient_quota", "insufficient_quota")),
    (429, err("Requests rate limit exceeded, please try again later.", "limit_requests", "limit_requests")),
    (429, {"code": "Throttling.AllocationQuota",
           "message": "Allocated quota exceeded, please increase your quota limit."}),
    (429, err("当前分组上游负载已饱和，请稍后再试", "insufficient_quota", "new_api_error")),
    (429, err("您的账户已达到速率限制，请控制频率", "1302")),
    (429, {"message": "Request was rejected due to rate limiting. TPM limit reached.", "data": None}),
    (429, err("max concurrency: 1, please try again after 1 seconds", None, "rate_limit_reached_error")),
    (429, "<html><title>Error 1015: you are being rate limited</title></html>"),
    (429, ""),
    (503, err("Loading model", 503, "unavailable_error")),
    (503, {"error": "Model x is currently loading", "estimated_time": 20.0}),
    (503, err("当前分组 default 下对于模型 m 无可用渠道", "model_not_found", "new_api_error")),
    (429, err("Requests per minute limit exceeded - too many sent.", "request_quota_exceeded")),
    (429, err("Quota exceeded for aiplatform.googleapis.com/generate_content_requests_per_minute with base "
              "model: gemini-pro. Please submit a request.", 429, status="RESOURCE_EXHAUSTED")),
    (429, err("Provider returned error", 429, metadata={
        "raw": "m is temporarily rate-limited upstream. Please retry shortly, or add your own key"})),
    (429, err("The model is overloaded and not available", None, "overloaded")),
    (498, err("Flex tier capacity exceeded", "capacity_exceeded")),
    (529, err("Overloaded", None, "overloaded_error")),
    (200, err("slow down", 429)),
    (200, {"base_resp": {"status_code": 1002, "status_msg": "rate limit"}}),
    (200, {"error_code": 18, "error_msg": "Open api qps request limit reached"}),
    (403, err("You have exceeded a secondary rate limit")),
]  # fmt: skip
MODERATED = [
    (403, err("Your chosen model requires moderation and your input was flagged for violence", 403)),
    (400, err("The response was filtered due to the prompt triggering Azure OpenAI's content management "
              "policy.", "content_filter")),
    (400, err("Input data may contain inappropriate content.", "data_inspection_failed")),
    (400, err("系统检测到输入或生成内容可能包含不安全或敏感内容", "1301")),
    (400, err("System detected potentially unsafe or sensitive content in input or generation.", "1301")),
    (400, err("Content Exists Risk", "invalid_request_error", "invalid_request_error")),
    (400, err("The request was rejected because it was considered high risk", None, "content_filter")),
    (400, err("The request failed because the input text may contain sensitive information.",
              "InputTextSensitiveContentDetected.PolicyViolation")),
    (400, err("violence", "SensitiveContentDetected.Violence")),
    (500, err("user sensitive words detected", "sensitive_words_detected", "new_api_error")),
    (200, {"choices": None, "base_resp": {"status_code": 1026, "status_msg": "input new_sensitive"}}),
    (200, err("Input was flagged by moderation", 403)),
    (451, {"message": "内容违规"}),
    (451, err("The content you provided or machine outputted is blocked.", None, "censorship_blocked")),
    (403, {"code": "denied", "error": "Content violates usage guidelines. Failed check: CHECK_TYPE_X"}),
]  # fmt: skip
MODEL = [
    (404, err("The model `m` does not exist or you do not have access to it.", "model_not_found")),
    (404, {"detail": "Not Found"}),
    (404, "404 page not found"),
    (405, "<html>"),
    (400, err("模型不存在，请检查模型代码。", "1211")),
    (400, {"code": 20012, "message": "Model does not exist. Please check it carefully.", "data": None}),
    (400, err("Model Not Exist", "invalid_request_error", "invalid_request_error")),
    (400, err("m is not a valid model ID", 400)),
    (403, {"code": 30003, "message": "Model disabled.", "data": None}),
    (403, err("Access to model denied. Please make sure you are eligible for using the model.",
              "AccessDenied.Unpurchased")),
    (403, err("Project `p` does not have access to model `m`", "model_not_found")),
    (403, err("Your account has not activated the model m. Please activate it.", "ModelNotOpen")),
    (400, err("The requested model 'm' is not supported by any provider.", "model_not_supported")),
    (403, err("The model `m` is blocked at the organization level.", "model_permission_blocked_org")),
    (404, err('model "m" not found, try pulling it first', None, "api_error")),
    (429, err("当前订阅套餐暂未开放该模型权限", "1311")),
    (401, err("Model m not supported", None, "ModelError")),
]  # fmt: skip
KEY = [
    (401, err("Incorrect API key provided: sk-***", "invalid_api_key")),
    (401, ""),
    (401, "<html>401 Authorization Required</html>"),
    (401, err("无效的令牌", None, "new_api_error")),
    (400, [err("API key not valid. Please pass a valid API key.", 400, status="INVALID_ARGUMENT")]),
    (403, {"status": 403, "title": "Forbidden", "detail": "Authorization failed"}),
    (403, err("Invalid API key", "invalid_api_key")),
    (200, err("User not found.", 401)),
]
REFUSED = [
    (400, err("this prompt is not allowed")),
    (404, err("No endpoints found that support the provided parameters.", 404)),
    (422, {"detail": [{"loc": ["body", "top_k"], "msg": "Extra inputs are not permitted"}]}),
    (400, err("Unsupported value: 'temperature' is not permitted with this model.", "unsupported_value")),
    (400, err("Invalid value for max_tokens: it must be at most 4096")),
    (400, err("This model's maximum context length is 4096 tokens", "context_length_exceeded")),
    (400, err("Invalid parameter: stop token is missing")),
    (413, err("Request too large for model m on tokens per minute (TPM): Limit 6000, Requested 12328. See "
              "https://console.groq.com/settings/billing", "rate_limit_exceeded", "tokens")),
    (429, err("Request too large for gpt-4 on tokens per min (TPM): Limit 10000, Requested 12000.",
              "rate_limit_exceeded", "tokens")),
    (403, "<html><head><title>Attention Required! | Cloudflare</title></head>Sorry, you have been blocked"),
    (200, err("bad field", 400)),
    (403, err("Input token count + max_tokens exceeds the model's context length")),
    (418, ""),
]  # fmt: skip
TEMPORARY = [
    (500, err("oops")),
    (502, "<html><title>502 Bad Gateway</title></html>"),
    (408, err("slow")),
    (409, ""),
    (424, {"error": "Request failed during generation", "error_type": "generation"}),
    (400, {"error": "The model has crashed without additional information. (Exit code: 0)"}),
    (400, {"error": "Model unloaded."}),
    (200, ""),
    (200, {"choices": []}),
    (200, err("Internal server error", "server_error")),
    (200, {"object": "error", "message": "CUDA error", "code": 500}),
]
SLOW = [
    (504, ""),
    (524, "<html><title>example.com | 524: A timeout occurred</title></html>"),
    (408, err("Your request timed out", 408)),
    (200, err("Provider timed out", 504)),
]
FORBIDDEN = [
    (403, err("Country, region, or territory not supported", "unsupported_country_region_territory")),
    (403, ""),
    (403, {"message": "Forbidden"}),
]
ADDRESS = [
    (200, {"error": "Unexpected endpoint or method. (POST /chat/completions)"}),
    (404, err("Invalid URL (POST /chat/completions)", None, "invalid_request_error")),
]
EXAMPLES = [
    (kind, status, body)
    for kind, bodies in {
        FailureKind.QUOTA: QUOTA,
        FailureKind.OVERLOADED: OVERLOADED,
        FailureKind.MODERATED: MODERATED,
        FailureKind.MODEL: MODEL,
        FailureKind.KEY: KEY,
        FailureKind.REFUSED: REFUSED,
        FailureKind.TEMPORARY: TEMPORARY,
        FailureKind.SLOW: SLOW,
        FailureKind.FORBIDDEN: FORBIDDEN,
        FailureKind.ADDRESS: ADDRESS,
    }.items()
    for status, body in bodies
]


@pytest.mark.parametrize(
    ("kind", "status", "body"), EXAMPLES, ids=lambda value: str(value).replace("\n", " ")[:70]
)
def test_answers_of_servers(kind: FailureKind, status: int, body: object) -> None:
    raw = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    assert classify(evidence(status, raw), requested_wait_s({}, raw, 0.0)) is kind


def test_a_wait_means_a_limit_a_minute_unless_the_account_is_empty() -> None:
    unclear = Evidence(429, frozenset(["insufficient_quota"]), OPENAI_QUOTA)
    assert classify(unclear) is FailureKind.QUOTA
    assert classify(unclear, 20.0) is FailureKind.OVERLOADED
    assert classify(Evidence(429, words="余额不足"), 20.0) is FailureKind.QUOTA
    assert classify(Evidence(402, words="in-flight budget"), 2.0) is FailureKind.OVERLOADED


@given(
    st.integers(200, 599), st.sets(st.text(max_size=9)), st.text(), st.booleans(), st.none() | st.floats(0)
)
def test_any_answer_is_of_one_kind(
    status: int, codes: set[str], words: str, html: bool, wait_s: float | None
) -> None:
    assert isinstance(classify(Evidence(status, frozenset(codes), words, html), wait_s), FailureKind)


def test_long_texts_are_classified_in_time_linear_in_their_length() -> None:
    """Patterns over an unbounded part would need minutes for these, and the test would be stopped."""
    for unit in ("model ", "free tier ", "quota is ", "insufficient ", "a1b2c3d4", "exceeded your current "):
        classify(Evidence(403, words=unit * (4000 // len(unit))))
        alike(unit * 1000)


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        ("no (request id: 20250423020142736dLoIRrS6)", "no (request id: 20250423020144000000894a)", True),
        ("no. Request id: 4d8a20d5-ada7-4a7e-919d-b83f7", "no. Request id: 7fd1e4a3-0000-4a7e-919d", True),
        ("bad at 2026-01-01T10:00:00Z", "bad at 2026-01-01T10:00:09Z", True),
        ("9 tokens too long", "10 tokens too long", False),
        ("not this question", "not that question", False),
    ],
)  # fmt: skip
def test_refusals_are_compared_without_ids(one: str, other: str, equal: bool) -> None:
    assert (alike(one) == alike(other)) is equal
