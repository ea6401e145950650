"""What servers write when a request fails: codes and words, by what they mean.

From the documentation and public bug reports of servers and gateways. A number that several servers use for
different things is left out; its message has words.
"""

from __future__ import annotations

import re
from enum import Enum


class FailureKind(Enum):
    """What a failed attempt means for the request and for the run."""

    #: may pass: send again
    TEMPORARY = "temporary"
    #: the server has too much to do, or a limit a minute is reached: send again, and fewer at a time
    OVERLOADED = "overloaded"
    #: the model takes longer than the time limit: a third attempt would only cost as much
    SLOW = "slow"
    #: the key is missing, wrong or expired
    KEY = "key"
    #: access refused for a reason that the server does not give
    FORBIDDEN = "forbidden"
    #: no balance, credit or quota for today is left
    QUOTA = "quota"
    #: the model does not exist, or the account may not use it
    MODEL = "model"
    #: no such path: the base URL is wrong
    ADDRESS = "address"
    #: the content of this question was refused
    MODERATED = "moderated"
    #: this request was refused
    REFUSED = "refused"


def _codes(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _words(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(patterns), re.IGNORECASE)


#: error codes and types in lower case, by kind
CODES = {
    # 1113, 1304, 1308 to 1310: Zhipu; 30001, 30011: SiliconFlow; 1008: MiniMax
    FailureKind.QUOTA: _codes("""
        insufficient_user_quota insufficient_balance insufficientbalance insufficient_balance_error
        insufficient_credits creditserror arrearage accountoverdueerror operationdenied.serviceoverdue
        exceeded_current_quota_error pre_consume_token_quota_failed token_quota_exhausted quota_exhausted
        quota_not_enough billing_hard_limit_reached billing_not_active billing_error payment_required
        budget_exceeded account_overdue allocationquota.freetieronly openrouter_free_tier_daily
        setlimitexceeded modelquotaexceeded
        1113 1304 1308 1309 1310 30001 30011 1008
    """),
    # 1301: Zhipu; 1026, 1027: MiniMax
    FailureKind.MODERATED: _codes("""
        content_filter content_filter_error content_policy_violation content_moderation prohibited_content
        responsibleaipolicyviolation data_inspection_failed datainspectionfailed sensitive_words_detected
        prompt_blocked moderation_blocked safety_error 1301 1026 1027
    """),
    FailureKind.KEY: _codes("""
        invalid_api_key incorrect_api_key api_key_invalid invalidapikey missing_api_key token_expired
        invalid_authentication invalid_authentication_error authentication_error authenticationerror
        unauthenticated unauthorized account_deactivated
    """),
    # 1211, 1311: Zhipu; 20012, 30003: SiliconFlow
    FailureKind.MODEL: _codes("""
        model_not_found modelnotfound model_not_available model_not_exist modelnotopen unknown_model
        invalid_model model_disabled model_decommissioned model_access_denied model.accessdenied
        model_terms_required modelerror deploymentnotfound invalidendpointormodel.notfound
        invalidendpointormodel.modelidaccessdisabled invalidendpoint.closedendpoint
        model_not_supported accessdenied.unpurchased operationdenied.servicenotopen 1211 1311 20012 30003
    """),
    # 1302, 1303, 1305: Zhipu
    FailureKind.OVERLOADED: _codes("""
        rate_limit_exceeded rate_limit_error rate_limit_reached_error rate_limited ratelimit too_many_requests
        toomanyrequests overloaded overloaded_error engine_overloaded_error server_overloaded serveroverloaded
        resource_exhausted insufficient_system_resource throttling limit_requests limit_burst_rate
        openrouter_in_flight_budget 1302 1303 1305
    """),
}
#: beginnings of codes that go on with a detail
CODE_PREFIXES = {
    "sensitivecontentdetected": FailureKind.MODERATED,
    "inputtextsensitivecontentdetected": FailureKind.MODERATED,
    "outputtextsensitivecontentdetected": FailureKind.MODERATED,
    "inputtextriskdetection": FailureKind.MODERATED,
    "outputtextriskdetection": FailureKind.MODERATED,
    "datainspection": FailureKind.MODERATED,
    "ratelimitexceeded": FailureKind.OVERLOADED,
    "accountratelimitexceeded": FailureKind.OVERLOADED,
    "throttling.": FailureKind.OVERLOADED,
    "throttlingexception": FailureKind.OVERLOADED,
}

ADDRESS = _words(r"unexpected endpoint or method", r"invalid url \(", r"(?:no such|unknown) endpoint")
#: a busy server, whatever the code: gateways keep an upstream's code beside their own message
BUSY = _words(
    r"负载已饱和",
    r"(?:aliyun|alibabacloud)\S*#token-limit",  # DashScope's limit a minute, in the words of an empty account
    r"allocated quota exceeded, please increase your quota limit",
)
#: the account is empty, whatever else the message says
QUOTA = _words(
    r"insufficient[\s_]*(?:(?:account|user|paid|token)\s+)?(?:balance|credits?|funds|quota\b)",
    r"(?:balance|credits?|quota)\s+(?:is|are|was|has been)\s+(?:\w+\s+)?"
    r"(?:insufficient|not enough|too low|exhausted|used up|empty|depleted|negative|overdue)",
    r"(?:not enough|no|out of|lack of|requires? more)\s+(?:\w+\s+)?(?:credits?|balance)\b",
    r"(?:doesn't|does not|don't) have (?:any|enough) credits",
    r"used (?:all|up) (?:your |the )?(?:available )?credits",
    r"exceeded your (?:monthly|included)\s[^.\n]{0,40}?credits",
    r"(?:overdue|in arrears|arrearage|outstanding) (?:balance|payment|bill)|account is in arrears",
    r"account[^.\n]{0,30}\boverdue",
    r"account is (?:not active|suspended)[^\n]{0,80}(?:billing|balance|plan)|account is in good standing",
    r"free-models-per-day",
    r"payment (?:is )?required|add a payment method|no (?:active )?(?:payment|billing) method",
    r"billing (?:hard )?limit|billing (?:is )?not active|spend(?:ing)? (?:limit|cap)",
    r"(?:reached|exceeded) (?:your|kimi|the)\s(?:\w+\s){0,4}usage limit|usage limits? (?:reached|exceeded)",
    r"(?:key|credit|budget) (?:limit )?(?:has been )?exceeded|credit limit reached",
    r"exceededbudget|over budget",
    r"please (?:recharge|top[\s-]?up|add (?:more )?credits?)",
    r"余额不足|余额.{0,6}(?:不够|为负|耗尽)|欠费|额度(?:已|不足|用尽|用完)|额度.{0,8}(?:用尽|用完|耗尽|不足)",
    r"配额.{0,6}(?:用尽|用完|耗尽|不足)|资源包.{0,10}(?:用尽|用完|耗尽|不足)|无可用资源包|请.{0,6}充值",
    r"(?:每日|当日|今日|当天|本月|每月).{0,12}(?:上限|限额|用完|用尽)|套餐.{0,8}(?:到期|过期|用尽|用完)",
)
#: an empty account or a day's limit, unless the server asks for a wait: then it is a limit a minute
UNCLEAR_QUOTA = _words(
    r"exceeded your current\s[^.\n]{0,40}?quota",
    r"\binsufficient_quota\b",
    r"free[\s_-]*(?:tier|quota|allocated quota|allowance|trial|usage|plan|requests?)[^.\n]{0,60}"
    r"\b(?:exhausted|exceeded|used up|expired|ended|run out|depleted|only|reached)\b",
    r"\b(?:exhausted|used up|exceeded)\b[^.\n]{0,30}\bfree[\s_-](?:tier|trial|quota|allocation)",
    r"\bper[\s-]?day\b|\bdaily\b|\b(?:rpd|tpd)\b|\bper month\b",
)
#: Gemini asks for a wait of seconds although the limit is a day's, or although the model has no free quota
NEVER_TODAY = _words(r"requestsperday|perdayper|tokensper\w*perday|\blimit: 0\b")
#: a local server that will load its model again
RELOADING = _words(r"model (?:has |was )?(?:crashed|unloaded)|model is (?:being )?(?:un|re)loaded")
#: Together refuses a prompt that is too long with 403
TOO_LONG = _words(r"context[ _-]?(?:length|window)|too long|input token count")
#: one request is larger than a whole minute's limit
TOO_LARGE = _words(r"request too large for|tokens must be reduced")
MODERATED = _words(
    r"content[\s_]*(?:management\s+|safety\s+)?(?:policy|filter|moderation)",
    r"\bmoderat(?:ion|ed)\b|\bflagged\b|high risk|content exists risk|risk control|risky content",
    r"inappropriate (?:content|information)|potentially unsafe",
    r"(?:sensitive|unsafe|harmful|prohibited) (?:or \w+ )?(?:content|information|words?|text)",
    r"safety (?:system|filter|polic|reason|setting|check|concern|guideline)",
    r"violat\w+ (?:\w+\s){0,4}(?:polic|terms|guideline)|data inspection|usage polic",
    r"敏感|违规|不安全|内容安全|安全策略|审核|违法|不当内容|风险内容|高风险",
)
KEY = _words(
    r"api[\s_-]?key[^.\n]{0,30}(?:not valid|invalid|incorrect|expired|revoked|disabled|missing)",
    r"(?:invalid|incorrect|expired|missing|no|wrong|valid)\s+(?:openai\s+)?"
    r"(?:api[\s_-]?key|authentication|authorization|credentials?)\b",
    r"unauthori[sz]ed|auth(?:entication|orization) (?:failed|error|required)|invalid bearer",
    r"令牌.{0,6}(?:无效|过期|错误|不存在)|无效的(?:令牌|密钥)|身份验证|鉴权失败",
)
MODEL = _words(
    r"model\b[^.\n]{0,100}?(?:does not exist|doesn't exist|not exist|not found|has been (?:deprecated|"
    r"decommissioned|removed)|is not a valid model|you do not have access|no longer available)",
    r"(?:no such|unknown|not found the|does not have access to)\s+(?:the\s+|this\s+)?model\b",
    r"invalid model(?: name| id|:)|not a valid model|activate the model|no endpoints found",
    r"模型.{0,40}(?:不存在|未开通|已下线|未找到)",
)
#: a gateway that knows the model, but no provider of it that takes the request's fields
UNSUPPORTED = _words(r"no endpoints found that (?:support|can handle)")
#: in a 401 or 403 these words mean the model too
MODEL_ACCESS = _words(
    r"model\b[^.\n]{0,100}(?:not available|not open|unavailable|disabled|no access|not authori[sz]ed|"
    r"not activated|not enabled|not permitted|not allowed|not supported|denied|blocked)",
    r"(?:access to|not allowed to (?:use|access)|permission to (?:use|access))\s+(?:the\s+|this\s+)?model\b",
    r"模型.{0,40}(?:无权|没有权限|不可用|未授权)|(?:无权|没有权限).{0,20}模型",
)
OVERLOADED = _words(
    r"rate[\s_-]?limit|too many requests|request limit reached|throttl|concurren\w+ (?:limit|request)",
    r"overload|over capacity|at capacity|(?:server|system|service) is (?:too )?busy",
    r"(?:速率|并发|频率|频次).{0,12}(?:限制|超|过高|上限)|限流|请求过于频繁|系统繁忙|稍后再?[试重]",
)
TIMED_OUT = _words(r"time[ds]?[\s-]?out|deadline exceeded|超时")
