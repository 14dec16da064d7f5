"""Letters that look like Latin ones, for whom compatibility decomposition (UAX #15) does not know.

A small table in the spirit of Unicode's confusables (UTS #39): what is used to get past word lists, and no more.
"""

from __future__ import annotations

_LOOK_ALIKE = {
    # Cyrillic
    "a": "аӓ", "b": "вьЬ", "c": "сҫ", "d": "ԁ", "e": "еёєҽ", "f": "ғ", "g": "ԍ", "h": "һнԋ", "i": "іїӏ", "j": "ј",
    "k": "кқ", "l": "ӀՀ", "m": "м", "n": "пиҋ", "o": "оөӧ", "p": "р", "q": "ԛ", "r": "г", "s": "ѕ", "t": "тҭ",
    "u": "цџ", "v": "ѵѷ", "w": "ѡԝш", "x": "хҳ", "y": "уүў", "z": "з",
}  # fmt: skip
_OTHERS = {
    # Greek, Armenian, Hebrew, Cherokee, Lisu, IPA, small capitals, barred and hooked Latin letters
    "a": "αɑɐᴀꓮꭺƛ", "b": "βʙꓐᏼƀɓ", "c": "ϲᴄꓚꮯɔƈ", "d": "δᴅꓓɖđɗðꭰ", "e": "εϵɛᴇꓰəǝɘꭼ", "f": "ꜰꓝƒϝſ", "g": "ɡɢցꓖǥɠ",
    "h": "ηʜհꓧħɦꮋ", "i": "ιıɩɪꓲɨꭵ", "j": "յᴊꓙʝɉ", "k": "κᴋꓗƙꮶ", "l": "ʟꓡłɭƚꮮ", "m": "μᴍꓟɱꮇ", "n": "νɴոꓠŋɲƞ",
    "o": "οσօᴏꓳøɵס", "p": "ρᴘꓑþƥꮲ", "q": "զǫ", "r": "ʀꓣɍɾꭱ", "s": "ꜱꓢʂꮪ", "t": "τᴛꓔŧƭꭲ", "u": "υսᴜꓴʉʊ", "v": "ᴠꓦʋꮩ",
    "w": "ωᴡꓪɯꮃ", "x": "χꓫ", "y": "γʏꓬɏƴ", "z": "ζᴢꓜƶꮓ", "ae": "æ", "oe": "œ",
}  # fmt: skip

LATIN: dict[int, str] = {
    ord(letter): latin for table in (_LOOK_ALIKE, _OTHERS) for latin, letters in table.items() for letter in letters
}
"""For ``str.translate``, after case folding."""

SIGNS: dict[int, str] = {
    **{0x1F1E6 + place: chr(ord("a") + place) for place in range(26)},  # regional indicators
    **{0x1F150 + place: chr(ord("a") + place) for place in range(26)},  # negative circled letters
    **{0x1F170 + place: chr(ord("a") + place) for place in range(26)},  # negative squared letters
    **dict.fromkeys(map(ord, "👶🧒👧👦"), " child "),
    ord("🔞"): " nsfw ",
    ord("ϲ"): "c",
    ord("ϵ"): "e",
    ord("⠀"): " ",  # a blank of Braille
}
"""Before anything else: signs that are letters or words, and letters that compatibility forms make others of."""

LEET: dict[int, str] = {
    ord(sign): letter for sign, letter in zip("013456789@$!€£+|*¡¢", "oieasbtbgasieltlaic", strict=True)
}
"""Digits and signs that stand for letters within a word; 1 is read as l, too."""
