"""Instructions of IFBench about words and sentences (Pyatkin et al., arXiv:2507.02833).

Each verifier decides as allenai/IFBench does at commit db69a6f (ifbench/instructions.py). Where the reference
ends with an exception, the instruction is not followed. The lists below are part of the prompts.

Four instructions are missing, which need data or libraries of their own: ``format:emoji``,
``ratio:stop_words``, ``words:odd_even_syllables`` and ``words:start_verb``.
"""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Mapping
from itertools import pairwise

from pytest_llmeval.scoring.instructions.instruction import Instruction, count, position, text
from pytest_llmeval.scoring.instructions.reply import Reply

MARKS = string.punctuation
AROUND = MARKS + " "
WITHOUT_MARKS = str.maketrans("", "", MARKS)
_NUMBER = re.compile(r"\d+")
_JAPANESE = re.compile("[\u3040-\u30ff\u4e00-\u9fff]")
_CONJUNCTIONS = ("and", "but", "for", "nor", "or", "so", "yet")
_CONSONANTS = re.compile("[bcdfghjklmnpqrstvwxyz]{2}")
_PRIMES = frozenset(
    number for number in range(2, 98) if all(number % smaller for smaller in range(2, number))
)
_NAMES = (
    *("Emma", "Liam", "Sophia", "Jackson", "Olivia", "Noah", "Ava", "Lucas", "Isabella", "Mason", "Mia"),
    *("Ethan", "Charlotte", "Alexander", "Amelia", "Benjamin", "Harper", "Leo", "Zoe", "Daniel", "Chloe"),
    *("Samuel", "Lily", "Matthew", "Grace", "Owen", "Abigail", "Gabriel", "Ella", "Jacob", "Scarlett"),
    *("Nathan", "Victoria", "Elijah", "Layla", "Nicholas", "Audrey", "David", "Hannah", "Christopher"),
    *("Penelope", "Thomas", "Nora", "Andrew", "Aria", "Joseph", "Claire", "Ryan", "Stella", "Jonathan"),
)
_PRONOUNS = frozenset(
    (
        *("i", "me", "we", "us", "you", "he", "him", "she", "her", "it", "they", "them", "my", "mine", "our"),
        *("ours", "your", "yours", "his", "hers", "its", "their", "theirs", "myself", "ourselves"),
        *("yourself", "yourselves", "himself", "herself", "itself", "themselves", "this", "that", "these"),
        *("those", "who", "whom", "whose", "which", "what", "whoever", "whomever", "whatever", "whichever"),
        *("anybody", "anyone", "anything", "everybody", "everyone", "everything", "nobody", "nothing"),
        *("somebody", "someone", "something", "each", "either", "neither", "both", "all", "some", "any"),
        "none",
    )
)


def word_count_range(reply: Reply, min_words: int, max_words: int) -> bool:
    """The number of words is in a range."""
    return min_words <= len(reply.words) <= max_words


def unique_word_count(reply: Reply, N: int) -> bool:
    """There are at least so many different words."""
    return len({word.strip(AROUND) for word in reply.text.lower().split()}) >= N


def keywords_multiple(reply: Reply, **keywords: str) -> bool:
    """Five keywords occur once, twice, 3, 5 and 7 times."""
    content = reply.text.lower()
    return all(
        content.count(keywords[f"keyword{at}"].lower()) == times
        for at, times in enumerate((1, 2, 3, 5, 7), start=1)
    )


def conjunctions(reply: Reply, small_n: int) -> bool:
    """There are at least so many different spellings of coordinating conjunctions."""
    found = {word for word in reply.text.split() if word.strip(AROUND).lower() in _CONJUNCTIONS}
    return len(found) >= small_n


def person_names(reply: Reply, N: int) -> bool:
    """There are at least so many of the names in the prompt."""
    return sum(re.search(rf"\b{name}\b", reply.text) is not None for name in _NAMES) >= N


def numbers(reply: Reply, N: int) -> bool:
    """There are exactly so many numbers."""
    return len(_NUMBER.findall(_bare(reply.text))) == N


def punctuation(reply: Reply) -> bool:
    """All marks of punctuation occur, with an interrobang beside them."""
    content = reply.text
    if not any(mark in content for mark in ("!?", "?!", "‽")):
        return False
    mark = "?!" if "?!" in content else "!?"
    return set(".,!?;:") <= set(content.replace(mark, "", 1))


def pronouns(reply: Reply, N: int) -> bool:
    """There are at least so many pronouns."""
    content = Reply(reply.text.replace("/", " ").lower(), reply.linguistics)
    return sum(token in _PRONOUNS for token in content.tokens) >= N


def words_japanese(reply: Reply, N: int) -> bool:
    """Every Nth word is Japanese."""
    every = (word.strip(AROUND) for word in reply.text.split()[N - 1 :: N])
    return all(not word or word.isdigit() or _JAPANESE.search(word) is not None for word in every)


def trigram_overlap(reply: Reply, reference_text: str, percentage: int) -> bool:
    """So many percent of the different triples of characters, give or take 2, are in the reference."""
    own = _trigrams(reply.text)
    return bool(own) and (
        percentage - 2 <= 100 * (len(own & _trigrams(reference_text)) / len(own)) <= percentage + 2
    )


def _trigrams(content: str) -> set[str]:
    return {content[at : at + 3] for at in range(len(content) - 2)}


def sentence_type(reply: Reply) -> bool:
    """There are twice as many statements as questions."""
    ends = _ends(reply)
    return ends["."] == 2 * ends["?"]


def sentence_balance(reply: Reply) -> bool:
    """There are as many statements as questions as exclamations."""
    ends = _ends(reply)
    return ends["."] == ends["?"] == ends["!"]


def _ends(reply: Reply) -> Counter[str]:
    return Counter(sentence[-1:] for sentence in reply.sentences)


def sentence_lengths(reply: Reply) -> bool:
    """There are three sentences with the same number of characters."""
    lengths = [len(sentence.strip()) for sentence in reply.sentences]
    return len(lengths) == 3 and len(set(lengths)) == 1


def alphabet_loop(reply: Reply) -> bool:
    """The words begin with one letter of the alphabet after the other."""
    words = [word.lower() for word in _bare(reply.text).strip(AROUND).split()]
    letters = string.ascii_lowercase
    # only the first letter of the first word is put into small letters there: "İ" has two of them
    if not words or _bare(reply.text).strip(AROUND)[0].lower() not in letters:
        return False
    return all(
        after[0] == letters[(letters.index(words[0][0]) + at) % 26] for at, after in enumerate(words[1:], 1)
    )


def three_vowels(reply: Reply) -> bool:
    """There is one paragraph, with at most three different vowels."""
    content = reply.text.strip()
    return "\n" not in content and len(set(content.lower()) & set("aeiou")) <= 3


def consonant_clusters(reply: Reply) -> bool:
    """Each word has two consonants one after the other."""
    return all(_CONSONANTS.search(word) for word in reply.text.lower().split())


def alliteration_increment(reply: Reply) -> bool:
    """Each sentence has more words in alliteration than the one before."""
    counts = [_alliterative(sentence) for sentence in reply.sentences]
    return all(before < after for before, after in pairwise(counts))


def _alliterative(sentence: str) -> int:
    initials = [word[0] for word in (word.lstrip(AROUND) for word in sentence.lower().split()) if word]
    number, inside = 0, False
    for before, after in pairwise(initials):
        number += (1 if inside else 2) if before == after else 0
        inside = before == after
    return number


def palindromes(reply: Reply) -> bool:
    """There are ten palindromes of at least five letters."""
    words = _bare(reply.text).lower().split()
    return sum(len(word) >= 5 and word == word[::-1] for word in words) >= 10


def prime_lengths(reply: Reply) -> bool:
    """The lengths of all words are primes."""
    return all(len(word) in _PRIMES for word in _bare(reply.text).split())


def word_repeats(reply: Reply, small_n: int) -> bool:
    """No word occurs more often than this."""
    return max(Counter(_bare(reply.text.lower()).split()).values(), default=0) <= small_n


def sentence_keyword(reply: Reply, word: str, N: int) -> bool:
    """The Nth sentence has the word."""
    sentences = reply.sentences
    pattern = rf"\b{re.escape(word)}\b"
    return len(sentences) >= N and re.search(pattern, sentences[N - 1], re.IGNORECASE) is not None


def last_word_first(reply: Reply) -> bool:
    """Each sentence begins with the last word of the one before."""
    for before, after in pairwise(reply.sentences):
        last, first = before.rstrip(AROUND).split(), after.lstrip(AROUND).split()
        if not last or not first or last[-1].lower() != first[0].lower():
            return False
    return True


def paragraph_last_first(reply: Reply) -> bool:
    """Each paragraph ends with its first word."""
    paragraphs = (line.strip().lower().strip(AROUND).split() for line in reply.text.split("\n"))
    return all(not words or words[0] == words[-1] for words in paragraphs)


def sentence_increment(reply: Reply, small_n: int) -> bool:
    """Each sentence has so many words more than the one before."""
    counts = [len(_bare(sentence).split()) for sentence in reply.sentences]
    return all(after == before + small_n for before, after in pairwise(counts))


def no_consecutive(reply: Reply) -> bool:
    """No two words in succession begin with the same letter."""
    return all(before[0] != after[0] for before, after in pairwise(_bare(reply.text.lower()).split()))


def keyword_position(reply: Reply, keyword: str, n: int, m: int) -> bool:
    """The keyword is the mth word of the nth sentence."""
    sentences = reply.sentences
    if len(sentences) < n:
        return False
    tokens = Reply(sentences[n - 1], reply.linguistics).tokens
    words = [token for token in tokens if any(map(str.isalnum, token))]
    return len(words) >= m and words[m - 1].lower() == keyword.lower()


def words_position(reply: Reply, keyword: str) -> bool:
    """The keyword is the second word and the last but one."""
    tokens = [token.lower() for token in reply.tokens]
    # an empty text is in every text: so is a token of several marks in MARKS if it stands there
    if tokens and tokens[-1] in MARKS:
        return len(tokens) >= 3 and tokens[1] == tokens[-3] == keyword.lower()
    return len(tokens) >= 2 and tokens[1] == tokens[-2] == keyword.lower()


def title_case(reply: Reply) -> bool:
    """No word is in small letters, or begins with one before capitals."""
    for word in reply.tokens:
        if word[:1].isalpha() and word[0].islower():
            rest = word[1:]
            if not rest or rest.isupper() or rest.islower():
                return False
    return True


def _bare(content: str) -> str:
    return content.translate(WITHOUT_MARKS)


WORDS_AND_SENTENCES: Mapping[str, Instruction] = {
    "count:word_count_range": Instruction(word_count_range, {"min_words": count, "max_words": count}),
    "count:unique_word_count": Instruction(unique_word_count, {"N": count}),
    "count:keywords_multiple": Instruction(keywords_multiple, {f"keyword{at}": text for at in range(1, 6)}),
    "count:conjunctions": Instruction(conjunctions, {"small_n": count}),
    "count:person_names": Instruction(person_names, {"N": count}),
    "count:numbers": Instruction(numbers, {"N": count}),
    "count:punctuation": Instruction(punctuation),
    "count:pronouns": Instruction(pronouns, {"N": count}, needs=("tokens",)),
    "count:words_japanese": Instruction(words_japanese, {"N": position}),
    "ratio:overlap": Instruction(trigram_overlap, {"reference_text": text, "percentage": count}),
    "ratio:sentence_type": Instruction(sentence_type, needs=("sentences",)),
    "ratio:sentence_balance": Instruction(sentence_balance, needs=("sentences",)),
    "ratio:sentence_words": Instruction(sentence_lengths, needs=("sentences",)),
    "words:alphabet": Instruction(alphabet_loop),
    "words:vowel": Instruction(three_vowels),
    "words:consonants": Instruction(consonant_clusters),
    "words:palindrome": Instruction(palindromes),
    "words:prime_lengths": Instruction(prime_lengths),
    "words:repeats": Instruction(word_repeats, {"small_n": count}),
    "words:last_first": Instruction(last_word_first, needs=("sentences",)),
    "words:paragraph_last_first": Instruction(paragraph_last_first),
    "words:no_consecutive": Instruction(no_consecutive),
    "words:keywords_specific_position": Instruction(
        keyword_position, {"keyword": text, "n": position, "m": position}, ("sentences", "tokens")
    ),
    "words:words_position": Instruction(words_position, {"keyword": text}, needs=("tokens",)),
    "sentence:alliteration_increment": Instruction(alliteration_increment, needs=("sentences",)),
    "sentence:keyword": Instruction(sentence_keyword, {"word": text, "N": position}, needs=("sentences",)),
    "sentence:increment": Instruction(sentence_increment, {"small_n": count}, needs=("sentences",)),
    "format:title_case": Instruction(title_case, needs=("tokens",)),
}
