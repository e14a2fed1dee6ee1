"""Converts language names as models write them (`en`, `eng`, `eng_Latn`, `English`) to BCP-47 codes."""

import re
from collections.abc import Iterable, Sequence

Hints = Sequence[str | None]
"""For each text, the language that its network states: a code, or several separated by commas."""

_TABLE = """
af afr Latn Afrikaans
am amh Ethi Amharic
ar ara Arab Arabic
as asm Beng Assamese
az aze Latn Azerbaijani
be bel Cyrl Belarusian
bg bul Cyrl Bulgarian
bn ben Beng Bengali
bs bos Latn Bosnian
ca cat Latn Catalan
cs ces Latn Czech
cy cym Latn Welsh
da dan Latn Danish
de deu Latn German
el ell Grek Greek
en eng Latn English
eo epo Latn Esperanto
es spa Latn Spanish
et est Latn Estonian
eu eus Latn Basque
fa fas Arab Persian
fi fin Latn Finnish
fr fra Latn French
ga gle Latn Irish
gl glg Latn Galician
gu guj Gujr Gujarati
ha hau Latn Hausa
he heb Hebr Hebrew
hi hin Deva Hindi
hr hrv Latn Croatian
ht hat Latn Haitian
hu hun Latn Hungarian
hy hye Armn Armenian
id ind Latn Indonesian
ig ibo Latn Igbo
is isl Latn Icelandic
it ita Latn Italian
ja jpn Jpan Japanese
ka kat Geor Georgian
kk kaz Cyrl Kazakh
km khm Khmr Khmer
kn kan Knda Kannada
ko kor Hang Korean
ku kur Latn Kurdish
la lat Latn Latin
lg lug Latn Ganda
lo lao Laoo Lao
lt lit Latn Lithuanian
lv lav Latn Latvian
mg mlg Latn Malagasy
mi mri Latn Maori
mk mkd Cyrl Macedonian
ml mal Mlym Malayalam
mn mon Cyrl Mongolian
mr mar Deva Marathi
ms msa Latn Malay
mt mlt Latn Maltese
my mya Mymr Burmese
nb nob Latn Norwegian
ne nep Deva Nepali
nl nld Latn Dutch
nn nno Latn Nynorsk
om orm Latn Oromo
or ori Orya Odia
pa pan Guru Punjabi
pl pol Latn Polish
ps pus Arab Pashto
pt por Latn Portuguese
ro ron Latn Romanian
ru rus Cyrl Russian
sd snd Arab Sindhi
si sin Sinh Sinhala
sk slk Latn Slovak
sl slv Latn Slovenian
sn sna Latn Shona
so som Latn Somali
sq sqi Latn Albanian
sr srp Cyrl Serbian
st sot Latn Sotho
sv swe Latn Swedish
sw swa Latn Swahili
ta tam Taml Tamil
te tel Telu Telugu
th tha Thai Thai
ti tir Ethi Tigrinya
tl tgl Latn Tagalog
tn tsn Latn Tswana
tr tur Latn Turkish
ts tso Latn Tsonga
ug uig Arab Uyghur
uk ukr Cyrl Ukrainian
ur urd Arab Urdu
uz uzb Latn Uzbek
vi vie Latn Vietnamese
xh xho Latn Xhosa
yi yid Hebr Yiddish
yo yor Latn Yoruba
zh zho Hans Chinese
zu zul Latn Zulu
"""
"""ISO 639-1 code, ISO 639-3 code, usual script and English name."""

_OTHER_CODES = {
    "in": "id", "iw": "he", "ji": "yi", "no": "nb",
    "als": "sq", "arb": "ar", "azj": "az", "cmn": "zh", "ekk": "et", "fil": "tl", "gaz": "om", "khk": "mn", "kmr": "ku",
    "lvs": "lv", "nor": "nb", "npi": "ne", "ory": "or", "pbt": "ps", "pes": "fa", "plt": "mg", "swh": "sw", "uzn": "uz",
    "ydd": "yi", "zsm": "ms",
}  # fmt: skip
"""Codes that ISO 639-1 withdrew, `no`, and other ISO 639-3 codes, mostly of members of a macrolanguage, with the two-letter
code used for them."""

_NONE = {"und", "unk", "unknown", "other", "none"}
_CODE = re.compile(r"[a-z]{2,3}")
_PART = re.compile(r"[a-z0-9]{2,8}")
_ROWS = [line.split() for line in _TABLE.strip().splitlines()]
_BY_CODE = {code: short for short, code, _, _ in _ROWS} | _OTHER_CODES
_BY_NAME = {name.lower(): short for short, _, _, name in _ROWS}
_SCRIPTS = {short: script for short, _, script, _ in _ROWS}


def language_of(label: str) -> str | None:
    """Return the BCP-47 code of a label, `und` if it means no language, or None if it is not recognised.

    >>> language_of("eng_Latn"), language_of("hin_Latn"), language_of("French"), language_of("pt-br")
    ('en', 'hi-Latn', 'fr', 'pt-BR')
    """
    name = label.strip().lower().removeprefix("__label__")
    if name in _NONE:
        return "und"
    if name in _BY_NAME:
        return _BY_NAME[name]
    first, *rest = re.split("[-_]", name)
    if not _CODE.fullmatch(first) or not all(map(_PART.fullmatch, rest)):
        return None
    language = _BY_CODE.get(first, first)
    parts = [part.title() if len(part) == 4 else part.upper() if len(part) == 2 else part for part in rest]
    return "-".join([language, *(part for part in parts if part != _SCRIPTS.get(language))])


def hinted(hint: str | None, languages: Iterable[str]) -> frozenset[str]:
    """Return those of `languages` that a network's hint means; none if it is not recognised.

    A hint lists one or more codes, separated by commas. A code means the language in every script, unless it names one.

    >>> sorted(hinted("pt-BR,hi", ["en", "hi", "hi-Latn", "pt"]))
    ['hi', 'hi-Latn', 'pt']
    """
    codes = {code for part in (hint or "").split(",") if (code := language_of(part))} - {"und"}
    if not codes:
        return frozenset()
    known = frozenset(languages)
    named = {code for code in codes & known if "-" in code}
    primary = {code.partition("-")[0] for code in codes - named}
    return frozenset(named | {each for each in known if each.partition("-")[0] in primary})
