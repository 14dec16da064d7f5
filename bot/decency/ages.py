"""Ages below 18 as people write them, in the usual languages."""

from __future__ import annotations

import re

_NUMBERS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen"
    " ein eins zwei drei vier fünf sechs sieben acht neun zehn elf zwölf dreizehn vierzehn fünfzehn sechzehn siebzehn"
    " deux trois quatre cinq sept huit neuf dix onze douze treize quatorze quinze seize"
    " dos tres cuatro cinco seis siete ocho nueve diez once doce trece catorce quince dieciséis diecisiete"
    " dois três quatro sete oito nove dez onze doze treze quatorze quinze dezesseis dezessete"
    " due tre quattro cinque sei sette otto nove dieci undici dodici tredici quattordici quindici sedici diciassette"
    " twaalf dertien veertien vijftien zestien zeventien"
    " шесть семь восемь девять десять одиннадцать двенадцать тринадцать четырнадцать пятнадцать шестнадцать семнадцать"
)
_UNDER_18 = rf"(?:0?\d|1[0-7]|{'|'.join(dict.fromkeys(_NUMBERS.split()))})"
_MEASURES = (
    "feet|foot|ft|cm|m|km|kg|lbs?|pounds|inch|inches|meters?|metres?|miles?|percent|times|of|persons?|people|"
    "steps|am|pm"
)
_YEARS = (
    "yo|yos|yrold|yearold|ans|años|añitos|anos|aninhos|anni|annetti|jahre|jahren|jährige|jährig|jähriges|"
    "jähriger|jaar|jarige|jarig|lat|latka|letnia|letni|лет|летняя|летний|летние|года|років|yaşında|yasinda|år|"
    "årig|let|éves|ani|tahun|χρονών|ετών"
)
_NOT_A_MEASURE = rf"(?! (?:{_MEASURES})(?= |$))"
_WAYS = (
    rf"{_UNDER_18}(?: and a half| 1 2)? ?(?:years?|yrs?|y|months?|mo|weeks?) ?(?:olds?|o|of age|young)",
    rf"{_UNDER_18} (?:{_YEARS})",
    r"(?:age|aged|ages|alter|im alter von|edad|edad de|idade|età|возраст|возрасте|wiek)(?: of| is| about| around)?"
    rf" {_UNDER_18}",
    rf"(?:looks|looking|look|appears|seems)(?: like| to be| about| around| only)* {_UNDER_18}(?= |$){_NOT_A_MEASURE}",
    r"(?:she|he|who|im|i m|they|he s|she s|shes|hes|girl|boy|model)"
    rf"(?: is| are| was| turned| turns| just turned| only| just| about)+ {_UNDER_18}(?= |$){_NOT_A_MEASURE}",
    rf"(?:barely|only|just|not even|just turned) {_UNDER_18}(?= |$){_NOT_A_MEASURE}",
    rf"{_UNDER_18} (?:f|female|females|male)",
    r"(?:under|below|younger than|less than|not|not yet)(?: the)?(?: age)?(?: of)?"
    r" (?:18|eighteen|1[0-7]|sixteen|seventeen)",
    r"\d{1,3} (?:months?|weeks?|days?) old",
    rf"grade {_UNDER_18}",
    r"\d (?:st|nd|rd|th) (?:grade|grader|graders)",
)
AGES = re.compile(rf"(?:^| )(?:{'|'.join(_WAYS)})(?= |$)")
"""In a line of words with single spaces."""

AGES_ANYWHERE = re.compile(
    r"(?<![\d一二三四五六七八九十百])(?:\d|1[0-7]|[一二三四五六七八九]|十[一二三四五六七]?)\s*(?:歳|才|岁|歲|살|세|साल|ปี|سنوات|سنة)"
)
"""In scripts that put no spaces between words."""
