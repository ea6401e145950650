"""The table of ``answer_words``: how about 60 languages call an answer, a result and a total.

The nouns are those of the prompts of MGSM (Shi et al. 2022) and MMMLU, and of dictionaries.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Language:
    """The words of one language, lower case, separated by ``|``.

    ``answer`` has nouns for a reply to a question, ``result`` nouns for the outcome of a calculation,
    ``total`` nouns for a sum.
    ``copula`` has the verbs and particles between noun and answer, ``filler`` what may stand between or
    before them (correct, final, therefore, the). In a language with ``direct`` the answer may follow the noun
    without a copula. ``unspaced`` scripts write words without blanks between them. Words are ``whole`` unless
    more may be attached to them.
    """

    answer: str
    result: str = ""
    copula: str = ""
    filler: str = ""
    total: str = ""
    direct: bool = False
    unspaced: bool = False
    whole: bool = True


LANGUAGES: dict[str, Language] = {
    "en": Language(
        "answer|answers|ans|finalanswer|correctanswer",
        "result|results|solution|conclusion",
        "is|are|be|was|would|should|must|will|equals|comes|to|as|follows",
        "the|a|an|final|correct|right|true|best|my|our|exact|simplified|numerical|overall|therefore|thus|hence|so"
        "|then|simply|just|only|clearly|probably|most|likely|approximately|about|exactly|roughly|therefore|equal"
        "|option|choice|letter|number|indeed|actually",
        total="total|sum|value",
    ),
    "zh": Language(
        "答案|答|答复|答曰|解答",
        "结果|結果|结论|結論|得数|得數",
        "是|为|為|等于|等於|即|应|應|该|該|应该|應該|应为|應為|应当|應當|就是|乃|得|选|選|有|如下",
        "最终|最終|最后|最後|正确|正確|最佳|标准|標準|的|所以|因此|故|综上|綜上|就|大约|大約|约|約|共|选项|選項|您的|我的"
        "|本题|本題|此题|此題",
        direct=True,
        unspaced=True,
        whole=False,
        total="总数|總數|总计|總計|合计|合計|总和|總和|总共|總共|一共",
    ),
    "ja": Language(
        "答え|答|こたえ|回答|解答|正解|正答",
        "結果|解",
        "は|が|です|となります|になります|として|なので",
        "最終的な|最終|正しい|選択肢|よって|したがって|従って|ゆえに|つまり|最終的に|約|およそ|の",
        direct=True,
        unspaced=True,
        whole=False,
        total="合計|総数",
    ),
    "ko": Language(
        "정답|답변|답안|대답|해답|답",
        "결과|결론",
        "은|는|이|가|으로|로|란|은요",
        "번|최종|최종적인|올바른|정확한|옳은|맞는|따라서|그러므로|그래서|즉|약|총|제|나의|선택지",
        direct=True,
        whole=False,
        total="합계|총합",
    ),
    "de": Language(
        "antwort|antworten|antw",
        "ergebnis|resultat|endergebnis|lösung|loesung",
        "ist|lautet|wäre|sind|beträgt|muss|sein|also|heißt",
        "die|das|der|richtige|korrekte|endgültige|finale|endgültig|meine|unsere|somit|daher|also|folglich|deshalb"
        "|genau|etwa|ungefähr|option|buchstabe|auswahl",
        total="summe|gesamtsumme",
    ),
    "fr": Language(
        "réponse|réponses|reponse|rép",
        "résultat|resultat|conclusion|solution",
        "est|serait|sont|vaut|doit|être|etait|était",
        "la|le|les|l|l'|bonne|correcte|exacte|finale|final|juste|ma|donc|ainsi|alors|environ|exactement|option|lettre"
        "|choix|par|conséquent",
        total="total|somme",
    ),
    "es": Language(
        "respuesta|respuestas",
        "resultado|conclusión|solución|solucion",
        "es|sería|seria|son|debe|ser|será|sera",
        "la|el|las|los|correcta|correcto|final|definitiva|mi|por|lo|tanto|entonces|así|aproximadamente|exactamente"
        "|opción|opcion|letra|alternativa",
        total="total|suma",
    ),
    "pt": Language(
        "resposta|respostas|gabarito",
        "resultado|conclusão|solução|solucao",
        "é|e|seria|são|será|deve|ser",
        "a|o|as|os|correta|correto|certa|final|minha|portanto|então|logo|assim|aproximadamente|exatamente|opção"
        "|opcao|letra|alternativa",
        total="total|soma",
    ),
    "it": Language(
        "risposta|risposte",
        "risultato|conclusione|soluzione",
        "è|e|e'|sarebbe|sono|sarà|deve|essere",
        "la|il|le|i|l'|corretta|esatta|giusta|finale|mia|quindi|dunque|perciò|pertanto|circa|esattamente|opzione"
        "|lettera|alternativa",
        total="totale|somma",
    ),
    "nl": Language(
        "antwoord|antwoorden",
        "resultaat|uitkomst|oplossing",
        "is|zijn|luidt|zou|bedraagt|moet",
        "het|de|juiste|correcte|goede|definitieve|eindelijke|uiteindelijke|mijn|dus|daarom|ongeveer|precies|optie"
        "|letter|keuze",
        total="totaal|som",
    ),
    "sv": Language(
        "svar|svaret",
        "resultat|resultatet|lösning|lösningen",
        "är|blir|vore|måste|vara",
        "det|den|rätta|rätt|korrekta|slutgiltiga|slutliga|mitt|alltså|därför|således|ungefär|alternativ|bokstav",
        total="summa|summan|totalt",
    ),
    "da": Language(
        "svar|svaret|fasit",
        "resultat|resultatet|facit|løsning|løsningen",
        "er|bliver|blir|må|være",
        "det|den|rigtige|korrekte|riktige|endelige|mit|mitt|altså|derfor|således|cirka|omtrent|mulighed|alternativ"
        "|bogstav",
        total="sum|summen",
    ),
    "fi": Language(
        "vastaus|vastaukseni|oikea vastaus",
        "tulos|lopputulos|ratkaisu",
        "on|olisi|ovat",
        "oikea|lopullinen|siis|joten|näin|ollen|noin|tasan|vaihtoehto|kirjain",
        total="summa|yhteensä",
    ),
    "pl": Language(
        "odpowiedź|odpowiedz|odp|odpowiedzią",
        "wynik|wniosek|rozwiązanie",
        "to|jest|wynosi|brzmi|byłoby|będzie",
        "prawidłowa|poprawna|właściwa|ostateczna|końcowa|moja|więc|zatem|dlatego|około|dokładnie|opcja|litera"
        "|prawidłową|poprawną",
        total="suma|razem|łącznie",
    ),
    "cs": Language(
        "odpověď|odpověd|odpovědí|odpoveď",
        "výsledek|výsledok|řešení|riešenie",
        "je|zní|znie|by|byla|bude|činí",
        "správná|správnou|správna|konečná|finální|moje|moja|tedy|proto|teda|takže|přibližně|možnost|možnosť|písmeno",
        total="součet|súčet|celkem|spolu",
    ),
    "ru": Language(
        "ответ|ответом|отв|ответы",
        "результат|итог|вывод|решение",
        "это|есть|будет|равен|равно|равна|является|составляет|таков",
        "итак|ответа|правильный|правильным|верный|верным|окончательный|конечный|итоговый|мой|наш|таким|образом|следовательно"
        "|значит|поэтому|примерно|около|ровно|вариант|буква|под|буквой",
        total="итого|сумма|всего",
    ),
    "uk": Language(
        "відповідь|відповіддю|відп",
        "результат|підсумок|розв'язок|рішення",
        "це|є|буде|дорівнює|становить",
        "правильна|правильною|вірна|остаточна|кінцева|моя|таким|чином|отже|тому|приблизно|варіант|літера",
        total="сума|разом|всього",
    ),
    "bg": Language(
        "отговор|отговорът|отговора",
        "резултат|резултатът|резултата|решение|решението",
        "е|са|би|бил|било|трябва|да|равен",
        "правилният|правилния|верният|верния|правилен|верен|крайният|окончателният|моят|следователно|значи|така"
        "|около|опция|буква",
        total="сума|сбор",
    ),
    "sr": Language(
        "odgovor|odgovori|rješenje|rešenje|одговор|решење|rešitev",
        "rezultat|резултат|rezultata",
        "je|bi|bio|bit|iznosi|glasi|је|износи",
        "točan|tačan|ispravan|pravilen|konačan|konačni|končni|moj|dakle|stoga|zato|otprilike|тачан|коначан|opcija"
        "|slovo",
        total="zbroj|zbir|ukupno",
    ),
    "ro": Language(
        "răspuns|răspunsul|raspuns|raspunsul",
        "rezultat|rezultatul|concluzia|soluția|soluţia",
        "este|e|sunt|ar|fi|va",
        "corect|corectă|final|finală|meu|deci|prin|urmare|astfel|așadar|aproximativ|exact|opțiunea|varianta|litera",
        total="total|totalul|suma",
    ),
    "hu": Language(
        "válasz|válaszom|válasza|felelet",
        "eredmény|végeredmény|megoldás|megoldása",
        "az|a|lenne|van",
        "helyes|végső|jó|tehát|ezért|így|körülbelül|pontosan|lehetőség|betű",
        total="összeg|összesen",
    ),
    "el": Language(
        "απάντηση|απαντηση",
        "αποτέλεσμα|συμπέρασμα|λύση",
        "είναι|ειναι|θα|ήταν|ισούται|με",
        "η|το|ο|σωστή|ορθή|τελική|τελικό|μου|άρα|επομένως|συνεπώς|λοιπόν|περίπου|ακριβώς|επιλογή|γράμμα",
        total="σύνολο|άθροισμα",
    ),
    "tr": Language(
        "cevap|cevabı|cevabım|yanıt|yanıtı|yanıtım",
        "sonuç|sonucu|çözüm",
        "olur|olacaktır|olarak|şudur|şu",
        "doğru|nihai|son|kesin|en|bu|nedenle|yüzden|dolayısıyla|yaklaşık|tam|seçenek|şık|şıkkı",
        direct=True,
        total="toplam",
    ),
    "ar": Language(
        "الإجابة|إجابة|الاجابة|اجابة|الجواب|جواب|الإجابه|فالإجابة|فالجواب|والإجابة|جوابي|إجابتي",
        "النتيجة|نتيجة|الناتج|الحل",
        "هي|هو|هى|تكون|يكون|يساوي|تساوي|ستكون",
        "الصحيحة|الصحيح|النهائية|النهائي|صحيحة|إذن|إذا|لذلك|لذا|وبالتالي|بالتالي|تقريبا|حوالي|الخيار|الحرف|الصحيحه",
        direct=True,
        total="المجموع|الإجمالي|مجموع",
    ),
    "fa": Language(
        "پاسخ|جواب|پاسخی|گزینه",
        "نتیجه|حاصل",
        "برابر|با|عبارت|از|می‌شود|میشود|است",
        "صحیح|درست|نهایی|نهائی|بنابراین|پس|لذا|در|حدود|حرف|ی|است",
        direct=True,
        total="مجموع",
    ),
    "ur": Language(
        "جواب|حل",
        "نتیجہ",
        "ہے|ہوگا",
        "صحیح|درست|حتمی|آخری|لہذا|اس|لیے|تقریباً",
        direct=True,
        total="کل|مجموعہ",
    ),
    "he": Language(
        "תשובה|התשובה|תשובתי",
        "תוצאה|התוצאה|פתרון|הפתרון",
        "היא|הוא|הינה|תהיה|שווה",
        "הנכונה|נכונה|הסופית|סופית|לכן|לפיכך|אז|כ|בערך|אפשרות|האות",
        direct=True,
        total='סה"כ|סכום|הסכום',
    ),
    "hi": Language(
        "उत्तर|जवाब",
        "परिणाम|नतीजा|निष्कर्ष|हल",
        "है|होगा|हैं|यह|का|के",
        "सही|अंतिम|सटीक|इसलिए|अतः|अत|तो|मेरा|लगभग|विकल्प",
        direct=True,
        total="कुल|योग",
    ),
    "bn": Language(
        "উত্তর|উত্তরটি|উত্তরটা|জবাব",
        "ফলাফল|ফল|সমাধান",
        "হলো|হল|হচ্ছে|হবে|হয়|হয়",
        "সঠিক|চূড়ান্ত|চূড়ান্ত|শেষ|তাই|সুতরাং|অতএব|আমার|প্রায়|বিকল্প",
        direct=True,
        total="মোট|যোগফল",
    ),
    "mr": Language("उत्तर", "निकाल", "आहे|होईल", "योग्य|बरोबर|अंतिम|म्हणून|पर्याय", direct=True, total="एकूण|बेरीज"),
    "gu": Language("જવાબ|ઉત્તર", "પરિણામ", "છે|હશે", "સાચો|અંતિમ|તેથી|વિકલ્પ", direct=True, total="કુલ"),
    "pa": Language("ਉੱਤਰ|ਜਵਾਬ", "ਨਤੀਜਾ", "ਹੈ", "ਸਹੀ|ਅੰਤਿਮ|ਇਸ|ਲਈ", direct=True, total="ਕੁੱਲ"),
    "ta": Language(
        "பதில்|விடை|விடையானது",
        "முடிவு",
        "ஆகும்|என்பது",
        "சரியான|இறுதி|எனவே|ஆகவே|விருப்பம்",
        direct=True,
        total="மொத்தம்",
    ),
    "te": Language(
        "సమాధానం|జవాబు|సమాధానము",
        "ఫలితం",
        "అవుతుంది|ఉంది",
        "సరైన|తుది|చివరి|కాబట్టి|అందువల్ల|ఎంపిక",
        direct=True,
        total="మొత్తం",
    ),
    "kn": Language("ಉತ್ತರ|ಉತ್ತರವು", "ಫಲಿತಾಂಶ", "ಆಗಿದೆ", "ಸರಿಯಾದ|ಅಂತಿಮ|ಆದ್ದರಿಂದ|ಆಯ್ಕೆ", direct=True, total="ಒಟ್ಟು"),
    "ml": Language("ഉത്തരം", "ഫലം", "ആണ്", "ശരിയായ|അന്തിമ|അതിനാൽ", direct=True, total="ആകെ"),
    "th": Language(
        "คำตอบ|เฉลย|ตอบ",
        "ผลลัพธ์|สรุป|ข้อสรุป",
        "คือ|เป็น|เท่ากับ|ว่า|จึง",
        "ที่ถูกต้อง|ถูกต้อง|สุดท้าย|ที่|ดังนั้น|เพราะฉะนั้น|ประมาณ|ข้อ|ตัวเลือก|ของ|ก็|จึง",
        direct=True,
        unspaced=True,
        whole=False,
        total="ผลรวม|รวมทั้งหมด",
    ),
    "km": Language(
        "ចម្លើយ", "លទ្ធផល", "គឺ", "ត្រឹមត្រូវ|ចុងក្រោយ|ដូច្នេះ", direct=True, unspaced=True, whole=False, total="សរុប"
    ),
    "my": Language(
        "အဖြေ|အဖြေမှာ|အဖြေက",
        "ရလဒ်",
        "မှာ|က|သည်",
        "မှန်|ထို့ကြောင့်",
        direct=True,
        unspaced=True,
        whole=False,
        total="စုစုပေါင်း",
    ),
    "vi": Language(
        "đáp án|trả lời|câu trả lời|đáp số",
        "kết quả|kết luận|lời giải",
        "là|sẽ|bằng",
        "đúng|chính xác|cuối cùng|của|tôi|vậy|do đó|vì|nên|khoảng|lựa chọn|phương án",
        total="tổng|tổng cộng",
    ),
    "id": Language(
        "jawaban|jawabannya|jawapan|jawapannya|jawab",
        "hasil|hasilnya|keputusan",
        "adalah|ialah|yaitu|yakni|merupakan",
        "yang|benar|tepat|betul|akhir|akhirnya|muktamad|saya|jadi|maka|oleh|karena|itu|sekitar|kira-kira|pilihan"
        "|opsi|huruf",
        total="total|jumlah",
    ),
    "tl": Language(
        "sagot|kasagutan",
        "resulta",
        "ay",
        "ang|na|tamang|tama|huling|aking|kaya|samakatuwid|mga",
        total="kabuuan",
    ),
    "sw": Language(
        "jibu|majibu",
        "matokeo",
        "ni|lingekuwa",
        "lililo|sahihi|la|mwisho|langu|kwa hiyo|hivyo|takriban",
        total="jumla",
    ),
    "yo": Language(
        "ìdáhùn|idahun|idáhùn|ìdáhun", "àbájáde", "ni|jẹ́", "tó|tọ́|ìkẹyìn|nítorí|náà", total="àpapọ̀"
    ),
    "eo": Language("respondo", "rezulto", "estas", "la|ĝusta|fina|do", total="sumo"),
    "ca": Language(
        "resposta",
        "resultat",
        "és|es|seria",
        "la|el|correcta|final|per|tant|aproximadament",
        total="total",
    ),
    "eu": Language("erantzuna", "emaitza", "da", "zuzena|azken|beraz", total="guztira"),
    "lt": Language(
        "atsakymas|ats", "rezultatas", "yra|būtų", "teisingas|galutinis|taigi|todėl", total="suma|iš viso"
    ),
    "lv": Language("atbilde", "rezultāts", "ir|būtu", "pareizā|galīgā|tātad|tāpēc", total="summa|kopā"),
    "et": Language("vastus", "tulemus", "on|oleks", "õige|lõplik|seega|niisiis", total="kokku"),
    "ka": Language(
        "პასუხი|პასუხია", "შედეგი", "არის|იქნება", "სწორი|საბოლოო|ამიტომ", direct=True, total="ჯამი"
    ),
    "hy": Language("պատասխան|պատասխանը", "արդյունք|արդյունքը", "է", "ճիշտ|վերջնական|ուրեմն", direct=True),
    "kk": Language(
        "жауап|жауабы|жауабым", "нәтиже", "болады", "дұрыс|соңғы|сондықтан", direct=True, total="барлығы"
    ),
    "az": Language(
        "cavab|cavabı", "nəticə", "olacaq|budur", "düzgün|son|yekun|beləliklə", direct=True, total="cəmi"
    ),
    "mn": Language("хариулт|хариу", "үр дүн", "нь|бол", "зөв|эцсийн|тиймээс", direct=True, total="нийт"),
    "am": Language("መልስ|መልሱ", "ውጤት", "ነው", "ትክክለኛ|የመጨረሻ|ስለዚህ", direct=True, total="ድምር"),
    "ne": Language("उत्तर|जवाफ", "नतिजा", "हो|हुनेछ", "सही|अन्तिम|त्यसैले", direct=True, total="जम्मा"),
}
