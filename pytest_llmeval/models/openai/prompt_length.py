"""Does a refusal say that the prompt is too long? Then fewer shots help, otherwise they are dropped in vain.

Every server says it in its own words, and many say "too long" of something else: a list of stops, a token
limit, a user's name. The wordings are from documentation and public bug reports of the servers named beside
them.
"""

from __future__ import annotations

import re
from collections.abc import Collection

#: error codes and types in lower case
_CODES = frozenset(
    [
        *("context_length_exceeded", "context_window_exceeded", "model_context_window_exceeded"),
        *("exceed_context_size_error", "prompt_too_long", "input_too_long", "request_too_large"),
        "tokens_limit_reached",  # GitHub Models
        "1261",  # Zhipu
    ]
)


def _words(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(patterns), re.IGNORECASE)


_CONTENT = (
    r"(?:prompt|input|inputs|messages?|request(?: body| entity)?|query|conversation|payload|content|text)"
)
_ZH_CONTENT = r"(?:prompt|提示词?|输入|上下文|请求|消息|文本|对话|问题|内容)"
_TOO_LONG = _words(
    # OpenAI, vLLM, SGLang, llama.cpp, DeepSeek, OpenRouter, Together, LM Studio, MiniMax, Anthropic
    r"context[\s_-]*(?:length|window|size|limit)|maximum context|context (?:the )?overflow",
    # vLLM, SiliconFlow, xAI, SGLang, Poolside
    r"max(?:imum)?[\s_]*(?:allowed )?(?:model|prompt|input|seq(?:uence)?)[\s_]*len",
    # Anthropic, Bedrock, Ollama, Fireworks, Ark, GitHub Models, nginx
    rf"\b{_CONTENT}\b[^.\n]{{0,30}}? too (?:long|large)",
    # Mistral
    r"tokens?,? too large for model|too large for (?:the )?model with",
    # Groq, Cerebras, OpenAI; a request that exceeds a whole minute's tokens is too large as well
    r"reduce (?:the length of )?(?:the |your )?(?:input |message )?(?:messages?|prompt|input|size)\b",
    r"current length is \d+ while limit is|request too large for|tokens must be reduced",
    # Cohere, AI21, OpenAI's embeddings
    r"too many (?:input |prompt )?tokens|token limit exceeded|input tokens exceed",
    # Gemini, Ark, Moonshot, Copilot, Stepfun
    r"exceed\w*[^.\n]{0,40}(?:token limit|max(?:imum)? (?:number of )?(?:\w+ )?tokens)",
    r"(?:prompt|input|message|request) tokens?(?: count)?(?: of \d+)? exceed|input token count",
    # transformers' servers, gateways and others that say it in their own way
    rf"(?<!output )(?<!completion )\b(?:{_CONTENT}|input_tokens|sequence|tokens)\b[^.\n]{{0,40}}?\bexceed",
    rf"\b{_CONTENT}\b[^.\n]{{0,30}}longer than|sequence length|length limit exceeded|max_prompt_tokens",
    r"\b(?:message|content|text|prompt|input)[\s_]+(?:length|size)\b[^.\n]{0,20}(?:error|limit|over)",
    rf"(?:shorten|truncate|trim|reduce)\b[^.\n]{{0,30}}\b{_CONTENT}\b|prompt tokens and max_tokens",
    r"max(?:imum)? (?:tokens|length)\b[^.\n]{0,20}(?:in (?:the )?prompt|\binput)",
    # TGI and what is built on it
    r"`?inputs`? (?:tokens \+|must have less than)",
    # DashScope, SGLang
    r"range of input length|input length[^.\n]{0,40}(?:exceed|longer|greater)",
    # Zhipu in English, Baidu
    r"prompt (?:length )?exceeds|max(?:imum)? input characters",
    r"max(?:imum)? length of (?:\w+ ){0,2}(?:question|message|input)",
    # Zhipu, Spark, Hunyuan and gateways in Chinese
    rf"{_ZH_CONTENT}[^，。\n]{{0,16}}(?:超长|过长|太长|超限|太多|超[过出])",
    r"tokens?\s*(?:数量?|总数|长度)?[^，。\n]{0,8}(?:超[过出]|超限)|上下文长度",
    r"字数[^，。\n]{0,8}(?:超|过多|太多)|最大(?:长度|上下文)[^。\n]{0,20}输入",
)
_ANSWER_LIMITS = r"max_tokens|max_completion_tokens|max_new_tokens|max_output_tokens|maxoutputtokens"
#: another parameter is what a sentence is about
_OTHER = _words(
    rf"(?:^|[\s'\"`])(?:{_ANSWER_LIMITS}|stop(?:_sequences?|s)?|tools?|functions?|user|metadata|logit_bias)"
    r"(?:\[\d+\])?['\"`]?\s*(?:\(\d+\)\s*)?(?::|is\b|are\b|was\b|must\b|should\b|exceeds?\b|cannot\b|too\b|"
    r"参数|超|过|必须)"
)
#: a limit on tokens a minute, which passes
_BUSY = _words(r"please wait before|throttl")
_PROMPT = _words(r"context|\binputs?\b|prompt|messages\b|上下文|输入")
_NUMBER = r"(\d[\d,]*)"
#: how many tokens prompt and answer may have together
_LIMITS = (
    re.compile(rf"\d\s*\+\s*\d[\d,]*\s*>\s*{_NUMBER}"),  # Anthropic
    re.compile(rf"max_new_tokens`? must be <= {_NUMBER}", re.IGNORECASE),  # TGI
    re.compile(
        r"(?:context|maximum model)[\s_-]*(?:length|window|size)(?: limit)?\s*(?:is|of|:|=|\()?\s*"
        rf"(?:only\s*)?{_NUMBER}",
        re.IGNORECASE,
    ),
)


def mentions_length(message: str, codes: Collection[str] = (), status: int = 0) -> bool:
    """Whether a server's error is about a prompt that is too long, or about prompt and answer together.

    ``codes`` are the error's codes and types in lower case.
    """
    if not _CODES.isdisjoint(codes) or status == 413:
        return True
    if _TOO_LONG.search(message) is None or _BUSY.search(message) is not None:
        return False
    return _OTHER.search(message) is None or _PROMPT.search(message) is not None


def leaves_no_room(message: str, answer_tokens: int) -> bool:
    """Whether the answer alone, of ``answer_tokens``, fills the context that the error names.

    >>> leaves_no_room("This model's maximum context length is 4096 tokens", 8192)
    True
    """
    for pattern in _LIMITS:
        if (match := pattern.search(message)) is not None:
            return answer_tokens >= int(match[1].replace(",", ""))
    return False
