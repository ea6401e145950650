"""Replies to a prompt of IFEval that meet and miss its instructions, made from other texts."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

#: texts with much that instructions ask for; other texts may be added to them
TEXTS = (
    'Dr. Smith went to Washington D.C. yesterday. He said: "It\'s cold!" Was it? Yes... about 3.5 degrees.',
    "# Heading\n\n* one point\n* another point\n- a third\n\n**Bold** and *italic* text.\n\n***\n\nThe end.",
    "```python\ndef f(x):\n    # add [one]\n    return x + 1\n```\nThis adds one. See https://example.org/.",
    '{"name": "Ada", "skills": ["logic", "looms"], "age": 36}',
    "My answer is yes.",
    "Section 1\nFirst things first.\nSECTION 2 Then the rest.\nSection3: the last, I hope.",
    "<<A Day at the Sea>>\n\nWe went there early. The waves were high; nobody swam.\n\nP.S. Bring a towel.",
    "Dear [name],\n\nthanks for [reason]. I live at [address].\n\nYours,\n[sender]\n\np. p. s: Call me.",
    "THE QUICK BROWN FOX JUMPS OVER THE LAZY DOG. IT'S A U.S. ARMY THING, SAYS NASA. MY DOGS' BONES.",
    "one answer ****** another answer",
    '"Everything stands in quotes, even this."',
    "12345 + 67890 = 80235",
    "...",
    "\n\nA reply after two empty lines.\nIts second!\n\n\n\nIts third part, e.g. this. And i.e. that.",
    'I\'m sure of it. Mr. Jones vs. Mrs. Jones, Inc. No. 5 is alive! "Really?" she asked. Yes.',
)
#: texts in other languages than English
LANGUAGES = {
    "zh": "北京是中国的首都。它有很多名胜古迹，例如故宫、长城。你想去吗？",
    "de": "Der Hund schläft im Garten. Die Katze sitzt auf dem Dach und wartet, bis es Abend wird.",
    "fr": "Le chien dort dans le jardin. Le chat attend sur le toit que la nuit tombe enfin.",
    "es": "El perro duerme en el jardín. El gato espera en el tejado hasta que llegue la noche.",
    "it": "Il cane dorme nel giardino. Il gatto aspetta sul tetto che arrivi la sera, come sempre.",
    "pt": "O cachorro dorme no jardim. O gato espera no telhado até que chegue a noite, como sempre.",
    "fi": "Koira nukkuu puutarhassa. Kissa istuu katolla ja odottaa, että ilta tulee.",
    "sw": "Mbwa analala kwenye bustani. Paka anakaa juu ya paa na kusubiri usiku uingie.",
    "vi": "Con chó ngủ trong vườn. Con mèo ngồi trên mái nhà và chờ đến khi trời tối.",
    "ru": "Собака спит в саду. Кошка сидит на крыше и ждёт, когда наступит вечер.",
    "bg": "Кучето спи в градината. Котката седи на покрива и чака да се стъмни.",
    "hi": "यह एक छोटा वाक्य है। भारत एक बड़ा देश है और यहाँ अनेक भाषाएँ बोली जाती हैं।",
    "mr": "कुत्रा बागेत झोपला आहे. मांजर छपरावर बसून संध्याकाळ होण्याची वाट पाहत आहे.",
    "ne": "कुकुर बगैंचामा सुतिरहेको छ। बिरालो छतमा बसेर साँझ पर्ने प्रतीक्षा गरिरहेको छ।",
    "bn": "কুকুরটি বাগানে ঘুমাচ্ছে। বিড়ালটি ছাদে বসে সন্ধ্যার জন্য অপেক্ষা করছে।",
    "pa": "ਕੁੱਤਾ ਬਾਗ ਵਿੱਚ ਸੌਂ ਰਿਹਾ ਹੈ। ਬਿੱਲੀ ਛੱਤ ਉੱਤੇ ਬੈਠੀ ਸ਼ਾਮ ਦੀ ਉਡੀਕ ਕਰ ਰਹੀ ਹੈ।",
    "gu": "કૂતરો બગીચામાં સૂઈ રહ્યો છે. બિલાડી છત પર બેસીને સાંજની રાહ જુએ છે.",
    "ta": "நாய் தோட்டத்தில் தூங்குகிறது. பூனை கூரையில் அமர்ந்து மாலைக்காகக் காத்திருக்கிறது.",
    "te": "కుక్క తోటలో నిద్రపోతోంది. పిల్లి పైకప్పు మీద కూర్చుని సాయంత్రం కోసం ఎదురు చూస్తోంది.",
    "kn": "ನಾಯಿ ತೋಟದಲ್ಲಿ ಮಲಗಿದೆ. ಬೆಕ್ಕು ಛಾವಣಿಯ ಮೇಲೆ ಕುಳಿತು ಸಂಜೆಗಾಗಿ ಕಾಯುತ್ತಿದೆ.",
    "ml": "നായ തോട്ടത്തിൽ ഉറങ്ങുന്നു. പൂച്ച മേൽക്കൂരയിൽ ഇരുന്ന് വൈകുന്നേരം കാത്തിരിക്കുന്നു.",
    "th": "สุนัขนอนอยู่ในสวน แมวนั่งอยู่บนหลังคาและรอจนกว่าจะถึงเวลาเย็น",
    "ko": "개가 정원에서 자고 있습니다. 고양이는 지붕 위에 앉아 저녁이 되기를 기다립니다.",
    "ja": "犬は庭で寝ています。猫は屋根の上に座って、夕方になるのを待っています。",
    "ar": "الكلب ينام في الحديقة. القطة تجلس على السطح وتنتظر حلول المساء.",
    "fa": "سگ در باغ خوابیده است. گربه روی بام نشسته و منتظر است تا شب شود.",
    "ur": "کتا باغ میں سو رہا ہے۔ بلی چھت پر بیٹھی شام ہونے کا انتظار کر رہی ہے۔",
}

Edit = Callable[[str, random.Random], str]


def replies(prompt: Mapping[str, Any], texts: Sequence[str], count: int) -> Iterator[str]:
    """``count`` replies to a prompt: texts as they are, and edited to meet or to miss its instructions."""
    chance = random.Random(prompt["key"])
    yield from ("", " \n\t", prompt["prompt"])
    pairs = list(zip(prompt["instruction_id_list"], prompt["kwargs"], strict=True))
    for _ in range(count - 3):
        reply = chance.choice([*texts, *LANGUAGES.values()])
        for _ in range(chance.randint(0, 2)):
            reply = chance.choice(GENERAL)(reply, chance)
        for name, arguments in chance.sample(pairs, len(pairs)):
            if chance.random() < 0.75:
                reply = _edited(reply, name, arguments, chance)
        if chance.random() < 0.25:
            reply = chance.choice(GENERAL)(reply, chance)
        yield reply


def _repeated(reply: str, chance: random.Random) -> str:
    return chance.choice([" ", "\n", "\n\n"]).join([reply] * chance.randint(2, 6))


GENERAL: tuple[Edit, ...] = (
    lambda reply, chance: reply.upper(),
    lambda reply, chance: reply.lower(),
    lambda reply, chance: f"Sure, here it is:\n{reply}",
    lambda reply, chance: f"**{reply}**\n\nLet me know if you need more!",
    lambda reply, chance: f"```json\n{reply}\n```",
    lambda reply, chance: reply.replace(",", ""),
    lambda reply, chance: f'"{reply}"',
    lambda reply, chance: reply[: chance.randint(0, len(reply))],
    _repeated,
    lambda reply, chance: "".join(chance.sample(reply, len(reply))),
)


def _near(number: int, chance: random.Random) -> int:
    return max(0, number + chance.choice([-1, -1, 0, 0, 0, 1, 2]))


def _edited(reply: str, name: str, arguments: Mapping[str, Any], chance: random.Random) -> str:
    """The reply, edited towards following an instruction, or just not."""
    match name.split(":")[1]:
        case "existence":
            return reply + " " + " ".join(arguments["keywords"][chance.randint(0, 1) :])
        case "frequency":
            word = chance.choice([str, str.upper, lambda text: f"x{text}y"])(arguments["keyword"])
            return reply + f" {word}" * _near(arguments["frequency"], chance)
        case "forbidden_words":
            word = chance.choice(arguments["forbidden_words"])
            return reply + chance.choice([f" {word.title()}.", f" {word}s", f"-{word}-", ""])
        case "letter_frequency":
            return reply + " " + arguments["letter"] * _near(arguments["let_frequency"], chance)
        case "response_language":
            wanted = LANGUAGES.get(arguments["language"], reply)
            return chance.choice([wanted, wanted, wanted, reply, chance.choice([*LANGUAGES.values()])])
        case "number_sentences":
            sentence = chance.choice(
                ["It is so. ", "Is it so? ", "Mr. X came at 5 p.m. today! ", "so it is.\n"]
            )
            return sentence * _near(arguments["num_sentences"], chance)
        case "number_paragraphs":
            number = _near(arguments["num_paragraphs"], chance)
            parts = [chance.choice([reply, "Text.", "Text.", "Text.", "  "]) for _ in range(number)]
            return chance.choice(["\n***\n", "***", "\n\n***\n\n"]).join(parts)
        case "number_words":
            return "word " * _near(arguments["num_words"], chance)
        case "nth_paragraph_first_word":
            number = _near(arguments["num_paragraphs"], chance)
            parts = [chance.choice(["Some text.", "Other text.", reply]) for _ in range(number)]
            for place in range(number):
                if chance.random() < 0.6:
                    parts[place] = chance.choice(["{}", '"{}"', "'{},", "{}'s", " {}", "{}ed"]).format(
                        arguments["first_word"] + chance.choice(["", ". And", " and more"])
                    )
            return chance.choice(["\n\n", "\n\n", "\n\n\n\n", "\n"]).join(parts)
        case "number_placeholders":
            return reply + chance.choice([" [name]", "[]", " [a[b]", "]["]) * _near(
                arguments["num_placeholders"], chance
            )
        case "postscript":
            mark = chance.choice([arguments["postscript_marker"], "P.S.", "p. s.", "P.P.S", "P. P. S.", "PS"])
            return f"{reply}\n\n{mark} Not to forget"
        case "number_bullet_lists":
            bullet = chance.choice(["* point\n", "- point\n", "  * point\n", "** point\n", "*\n", "\n\n-\n"])
            return bullet * _near(arguments["num_bullets"], chance)
        case "constrained_response":
            return chance.choice(["My answer is yes.", " My answer is maybe. So.", "my answer is no.", reply])
        case "number_highlighted_sections":
            part = chance.choice([" *part*", " **part**", " * *", "***part***", " *a\nb*", "****"])
            return reply + part * _near(arguments["num_highlights"], chance)
        case "multiple_sections":
            head = arguments["section_spliter"]
            lines = [head + chance.choice([" ", "", "\n", " X"]) + f"{at + 1}\nText" for at in range(8)]
            return "\n".join(lines[: _near(arguments["num_sections"], chance)])
        case "json_format":
            value = json.dumps({"reply": reply}, indent=chance.choice([None, 2]))
            return chance.choice(["{}", "```json\n{}\n```", "```\n{}```", "```JSON{}", "Here: {}"]).replace(
                "{}", value
            )
        case "title":
            return chance.choice(
                ["<<{}>>", "<<Title>>\n{}", "<<<>>>{}", "<< >>{}", "<<{}", "<<a\nb>>"]
            ).replace("{}", reply)
        case "two_responses":
            other = chance.choice([reply, "Another reply.", " ", f"{reply} "])
            return chance.choice(["******", "\n******\n", "*******", "****** ******"]).join([reply, other])
        case "repeat_prompt":
            repeated = chance.choice([str, str.upper, str.strip])(arguments["prompt_to_repeat"])
            return chance.choice(["", "", "\n", "So: ", "**"]) + repeated + "\n\n" + reply
        case "end_checker":
            return reply + " " + arguments["end_phrase"] + chance.choice(["", '"', "\n", "!", '"\n'])
        case "quotation":
            return chance.choice(['"', '"', "“", ' "', "'"]) + reply + chance.choice(['"', '"\n', "”"])
        case "capital_word_frequency":
            word = chance.choice([" NASA", " U.S.", " THE DOG'S", " X-RAY.", " A,", " Iot", " I'M"])
            return reply + word * _near(arguments["capital_frequency"], chance)
        case "english_capital":
            return chance.choice([reply.upper(), "HELLO WORLD, THIS IS ENGLISH TEXT FOR YOU.", reply])
        case "english_lowercase":
            return chance.choice([reply.lower(), "hello world, this is english text for you.", reply])
        case "no_comma":
            return chance.choice([reply.replace(",", ""), reply, reply.replace(",", "，")])
    raise AssertionError(name)
