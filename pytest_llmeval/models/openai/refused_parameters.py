"""Which parameter does a refusal name? From the wordings of servers in documentation and bug reports.

A server that refuses a parameter says so in the first answer; the same request without it is then answered.
The rules are narrow for parameters that change answers, and wide for stop strings, which can be applied to
the answer just as well.
"""

from __future__ import annotations

import re

_MIN_TEMPERATURE = 0.01


def _words(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(patterns), re.IGNORECASE)


_REFUSAL = _words(
    # OpenAI, Azure, vLLM, Groq, xAI, Databricks, LiteLLM
    r"unsupported|not (?:currently )?(?:be )?support(?:ed)?|does(?:n't| not) support|no support for",
    # pydantic (Mistral, vLLM), serde (TGI, Groq), protobuf (Gemini), older OpenAI
    r"extra (?:inputs?|fields?)|un(?:known|recogni[sz]ed|expected)",
    r"not (?:permitted|allowed|accepted|available|applicable|compatible)|incompatible",
    # Claude on Bedrock and elsewhere, Kimi, OpenAI
    r"deprecated|cannot (?:both )?be|can(?:not|'t) (?:set|use|specify)|may only be",
    r"(?:must|should) (?:be |equal )(?:set to |equal to )?1(?:\.0)?(?![.\d])",
    r"only (?:the value )?\d(?:\.\d+)? (?:is|can be)\b",
    r"only\b[^\n]{0,30}(?:\b1(?:\.0)?\b|default)[^\n]{0,30}(?:allowed|supported|accepted|permitted|valid)",
    r"only (?:allows?|supports?|accepts?)\b|only be\b|(?:please )?(?:remove|omit|unset) |been removed",
    r"requires? \w+ to be|(?:is|are) fixed\b|expected 1(?:\.0)?(?![.\d])",
    r"不支持|不允许|无法识别|未知(?:的)?参数|只能|[仅只]支持|固定为",
)
#: the lowest temperature is above 0: "must be greater than 0", "(0,1]", "[0.01, 1]"
_ABOVE_ZERO = _words(
    r"(?:greater|larger|bigger|more|higher) than (?:0(?:\.0+)?)(?![.\d])(?! or equal)",
    r"(?<![=<>])> ?0(?:\.0+)?(?![.\d])|strictly positive|(?:be|a) positive",
    r"\(\s*0(?:\.0+)?\s*[,~，]|大于\s*0(?![.\d])",
)
_LOWEST = re.compile(
    r"(?:(?:between|from|>=|at least|greater than or equal to|no less than|不小于|大于等于)\s*|\[\s*)"
    r"(0\.\d*[1-9]\d*)",
    re.IGNORECASE,
)
_STOP = _words(
    r"['\"`]stop['\"`]|\bstop[_ -]?(?:sequences?|words?|strings?|tokens?|list)\b|stopsequences|\bstop\[\d",
    r"^stop\b\s*[:=]|\bbody\W{1,4}stop\b|\bstop\b['\"`]?\s+(?:parameter|argument|field|is\b|are\b|must\b|不|参数)",
    r"(?:support(?:ed|s)?|parameters?|arguments?|fields?|keys?|supplied|参数)\s*[:：]?\s*[\[({]?['\"`]?stop\b",
    r"\bstop\s+(?:should|may|can|has|have)\b|[:：]\s*stop\s*$|\bstop ?参数|停止(?:词|序列|符)",
)
_COUNTS = re.compile(
    r"(?:maximum (?:length|number|of)(?: (?:of|is))?|at most|up to|(?:not|cannot) exceed|no more than|"
    r"exceeds? (?:the )?(?:limit|maximum)(?: of)?|limit(?:ed)? (?:is|to|of)|max(?:imum)? ?[:=(]?|<=|"
    r"最多|不(?:能)?超过)\s*(\d{1,3})(?!\d)",
    re.IGNORECASE,
)
_NEEDS_STREAM = _words(
    # DashScope, Bailian, vLLM-based gateways, Anthropic, xAI, proxies of Codex and Qwen
    r"only supports? (?:the )?stream|enable the stream parameter|for non-streaming calls",
    r"stream(?:ing)?['\"`]? (?:\w+ )?must be (?:set to )?(?:true|enabled)",
    r"must (?:be stream|set ['\"`]?stream|use stream)|set stream ?(?:to |= ?)true",
    r"streaming is (?:strongly )?(?:required|recommended)|requires? (?:the )?stream(?:ing)?\b",
    r"non-?stream\w*[^.\n]{0,40}(?:not|un)[ -]?support|does not support (?:http call|non-?stream)",
    r"stream is required|(?:only|with|set) stream ?= ?true|stream ?= ?true is required|use stream(?:ing)?\b",
    r"only stream(?:ing|ed)?\b[^.\n]{0,20}(?:supported|allowed)|non-?stream\w* \w+ are not allowed",
    r"(?:只|仅)支持流式|不支持非流式|非流式[^，。\n]{0,12}不支持",
)
_REFUSES_STREAM = _words(
    r"stream['\"`]? does not support true",
    r"(?<!non-)(?<!non)stream(?:ing)? (?:mode )?is not (?:supported|allowed)",
    r"unsupported (?:value|parameter)[^.\n]{0,10}['\"`]stream['\"`]|does not support stream(?:ing|ed)?\b",
    r"stream['\"`]? must be (?:set to )?false|(?<!非)流式[^，。\n]{0,8}不支持|不支持流式",
)
_ANSWER_LIMIT = r"(?:max_tokens|max_completion_tokens|max_new_tokens|max_output_tokens|maxoutputtokens)"
_SIZE = _words(r"too (?:large|long|big|high)|exceed|at most|less than|must be <|range of|超[过出]|最大")
_MAXIMUM = re.compile(
    r"(?:at most|less than or equal to|<=|> |not (?:be )?(?:exceed|greater than|larger than)|"
    r"exceeds? (?:the )?(?:maximum|limit)(?: (?:value|of|limit))*|"
    r"maximum (?:value )?(?:is|of|for[^\n.]{0,40}?is)|up to|no more than|supports? (?:only )?|"
    r"should be \[\s*\d+\s*,|between \d+ and|in \[\s*\d+\s*,|最大(?:值)?(?:为|是)?|不(?:能)?超过)"
    r"[\s:(]*(\d[\d,]*)(?:\.0)?(?![\d.]\d)",
    re.IGNORECASE,
)


def mentions_logprobs(error_message: str) -> bool:
    """Whether a server's error is about log-probabilities."""
    return "logprob" in error_message.lower()


def is_refused(name: str, message: str) -> bool:
    """Whether a server refuses the parameter ``name`` itself, and not only its value.

    >>> is_refused("temperature", "invalid temperature: only 1 is allowed for this model")
    True
    >>> is_refused("temperature", "temperature must be below 2")
    False
    """
    named = re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", message, re.IGNORECASE | re.ASCII)
    return named is not None and _REFUSAL.search(message) is not None


def minimum_temperature(message: str) -> float | None:
    """The temperature to send instead of 0 if the server's range begins above 0; None if it does not say so.

    >>> minimum_temperature("invalid params, temperature must in (0,1]")
    0.01
    """
    if "temperature" not in message.lower():
        return None
    if (lowest := _LOWEST.search(message)) is not None:
        return float(lowest[1])
    return _MIN_TEMPERATURE if _ABOVE_ZERO.search(message) else None


def is_stop_refused(message: str) -> bool:
    """Whether a refusal is about stop strings: that there are any, too many, or too long ones."""
    return _STOP.search(message) is not None


def maximum_stops(message: str, sent: int) -> int:
    """How many of ``sent`` stop strings the server accepts; 0 if it does not say."""
    numbers = [int(number) for number in _COUNTS.findall(message)]
    return next((number for number in numbers if 0 < number < sent), 0)


def needs_stream(message: str) -> bool:
    """Whether the server answers only streamed requests."""
    return _NEEDS_STREAM.search(message) is not None


def refuses_stream(message: str) -> bool:
    """Whether the server refuses streamed requests."""
    return _REFUSES_STREAM.search(message) is not None


def is_about_size(message: str) -> bool:
    """Whether a refusal of a token limit is about its value, not its name."""
    return _SIZE.search(message) is not None and _REFUSAL.search(message) is None


def maximum_answer(message: str, sent: object) -> int | None:
    """The longest answer, in tokens, that the server allows, if ``sent`` exceeds it; None if it does not say.

    A limit that depends on the prompt's length is another matter: the context is full.

    >>> maximum_answer("max_tokens is too large: 32000. This model supports at most 16384 tokens", 32000)
    16384
    """
    if not isinstance(sent, int) or re.search(_ANSWER_LIMIT, message, re.IGNORECASE) is None:
        return None
    if re.search(r"context|\binputs?\b|prompt|messages\b|上下文|输入", message, re.IGNORECASE):
        return None
    numbers = [int(number.replace(",", "")) for number in _MAXIMUM.findall(message)]
    return next((number for number in numbers if 0 < number < sent), None)
