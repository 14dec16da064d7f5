"""The composition grammar: what a picture of emoji-64 can show, and the words for it.

A picture is a :class:`Scene`: a head over an outfit, an accessory, a background. ``caption`` puts a scene
into words with varied wording; ``plain_caption`` always says it the same way (prompts of the evaluation).
The code points are those of Unicode; the pictures are Microsoft's Fluent emoji (see ``assets``).
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass

# name -> (code point of the emoji, class word). The class word is what a member would call the kind of thing; the
# captions use it now and then in place of the name, so that the base knows what "a monster in a suit" is.
HEADS: dict[str, tuple[str, str]] = {
    "mouse": ("1f42d", "animal"),
    "cow": ("1f42e", "animal"),
    "tiger": ("1f42f", "animal"),
    "rabbit": ("1f430", "animal"),
    "cat": ("1f431", "animal"),
    "horse": ("1f434", "animal"),
    "monkey": ("1f435", "animal"),
    "dog": ("1f436", "animal"),
    "pig": ("1f437", "animal"),
    "frog": ("1f438", "animal"),
    "hamster": ("1f439", "animal"),
    "wolf": ("1f43a", "animal"),
    "bear": ("1f43b", "animal"),
    "panda": ("1f43c", "animal"),
    "polar bear": ("1f43b-200d-2744-fe0f", "animal"),
    "lion": ("1f981", "animal"),
    "unicorn": ("1f984", "animal"),
    "fox": ("1f98a", "animal"),
    "chicken": ("1f414", "animal"),
    "moose": ("1face", "animal"),
    "old man": ("1f474", "person"),
    "old woman": ("1f475", "person"),
    "blond woman": ("1f471-200d-2640-fe0f", "person"),
    "red-haired man": ("1f468-200d-1f9b0", "person"),
    "bald man": ("1f468-200d-1f9b2", "person"),
    "girl": ("1f467", "person"),
    "baby": ("1f476", "person"),
    "santa": ("1f385", "person"),
    "ogre": ("1f479", "monster"),
    "goblin": ("1f47a", "monster"),
    "ghost": ("1f47b", "monster"),
    "alien": ("1f47d", "monster"),
    "space invader": ("1f47e", "monster"),
    "robot": ("1f916", "monster"),
    "skull": ("1f480", "monster"),
    "poop": ("1f4a9", "monster"),
    "nerd": ("1f913", "face"),
    "angry face": ("1f621", "face"),
    "sick face": ("1f922", "face"),
    "frozen face": ("1f976", "face"),
    "star-eyed face": ("1f929", "face"),
    "sun": ("1f31e", "face"),
    "moon": ("1f31d", "face"),
    "strawberry": ("1f353", "food"),
    "cookie": ("1f36a", "food"),
    "lemon": ("1f34b", "food"),
    "mushroom": ("1f344", "food"),
    "planet": ("1f30d", "thing"),
}

# Never composed for the training of the base: these are what members teach it later.
KEPT_OUT_HEADS: dict[str, tuple[str, str]] = {
    "imp": ("1f608", "monster"),
    "koala": ("1f428", "animal"),
    "raccoon": ("1f99d", "animal"),
    "dragon": ("1f432", "animal"),
    "clown": ("1f921", "person"),
    "pumpkin": ("1f383", "food"),
    "bearded man": ("1f9d4", "person"),
    "boar": ("1f417", "animal"),
}

# name -> code point of the person emoji whose body is cut out.
OUTFITS: dict[str, str] = {
    "suit": "1f468-200d-1f4bc",
    "tuxedo": "1f935",
    "space suit": "1f468-200d-1f680",
    "lab coat": "1f468-200d-1f52c",
    "police uniform": "1f46e-200d-2642-fe0f",
    "red uniform": "1f482-200d-2642-fe0f",
    "superhero costume": "1f9b8-200d-2642-fe0f",
    "chef's jacket": "1f468-200d-1f373",
    "safety vest": "1f477-200d-2642-fe0f",
    "purple gown": "1f478",
}
KEPT_OUT_OUTFITS: dict[str, str] = {"vampire cape": "1f9db-200d-2642-fe0f"}

ACCESSORIES: dict[str, str] = {
    "top hat": "1f3a9",
    "crown": "1f451",
    "cap": "1f9e2",
    "sunglasses": "1f576-fe0f",
    "bow": "1f380",
    "scarf": "1f9e3",
}

COLOURS: dict[str, tuple[int, int, int]] = {
    "red": (205, 42, 42),
    "orange": (247, 143, 30),
    "yellow": (247, 216, 48),
    "green": (38, 142, 60),
    "teal": (30, 152, 152),
    "sky blue": (120, 194, 250),
    "blue": (40, 78, 214),
    "purple": (128, 56, 186),
    "pink": (252, 150, 188),
    "brown": (118, 74, 34),
    "gray": (132, 132, 132),
    "black": (22, 22, 22),
}
PLACES = ("beach", "space", "field", "city", "dinner")
BACKGROUNDS: tuple[str, ...] = (*COLOURS, *PLACES)

NO_OUTFIT = "no outfit"
NO_ACCESSORY = "no accessory"


@dataclass(frozen=True)
class Scene:
    """What one picture shows."""

    head: str
    outfit: str
    accessory: str
    background: str


def draw_scene(rng: random.Random, heads: list[str] | None = None, outfits: list[str] | None = None) -> Scene:
    """Draw a scene at random: every head, outfit, accessory and background alike, 'none' twice as often as any one."""
    outfit = rng.choice([NO_OUTFIT, NO_OUTFIT, *(outfits or OUTFITS)])
    accessory = rng.choice([NO_ACCESSORY, NO_ACCESSORY, *ACCESSORIES])
    head = rng.choice(heads or list(HEADS))
    return Scene(head, outfit, accessory, rng.choice(BACKGROUNDS))


def article(noun: str) -> str:
    """``noun`` with its indefinite article, where it takes one."""
    if noun in ("santa", "sunglasses", "poop"):
        return noun
    if noun in ("sun", "moon"):
        return f"the {noun}"
    return f"{'an' if noun[0] in 'aeiou' and not noun.startswith('uni') else 'a'} {noun}"


_BACKGROUND_WORDS: dict[str, tuple[str, ...]] = {
    "beach": ("at the beach", "on a sunny beach", "on the beach"),
    "space": ("in space", "in outer space", "among the stars"),
    "field": ("in a field", "in a green meadow", "in a grassy field"),
    "city": ("in the city", "in front of a city skyline", "in a big city"),
    "dinner": ("at a fancy dinner", "at a dinner table", "at a fancy restaurant"),
}
_PHRASES: dict[str, dict[str, str]] = {
    "outfit": {outfit: outfit for outfit in sorted(OUTFITS, key=len, reverse=True)},
    "accessory": {accessory: accessory for accessory in ACCESSORIES},
    "background": {
        **{phrase: place for place, phrases in _BACKGROUND_WORDS.items() for phrase in phrases},
        **{f"{before}{colour}{after}": colour for colour in sorted(COLOURS, key=len, reverse=True)
           for before, after in (("", " background"), ("against ", ""))},
    },
}  # fmt: skip


def plain_caption(scene: Scene, head_words: str | None = None) -> str:
    """The scene in one fixed wording; ``head_words`` replaces the head's own name (a trigger and its class word)."""
    words = [head_words or article(scene.head)]
    if scene.outfit != NO_OUTFIT:
        words.append(f"in {article(scene.outfit)}")
    if scene.accessory != NO_ACCESSORY:
        words.append(f"wearing {article(scene.accessory)}")
    if scene.background in PLACES:
        words.append(_BACKGROUND_WORDS[scene.background][0])
    else:
        words.append(f"on {article(scene.background)} background")
    return " ".join(words)


def read_attributes(text: str) -> dict[str, str]:
    """The outfit, accessory and background that a caption or prompt names, by kind; what it does not name is left out.

    >>> read_attributes("thnos in a space suit on a red background")
    {'outfit': 'space suit', 'background': 'red'}
    """
    rest = text.lower()
    found: dict[str, str] = {}
    for kind, phrases in _PHRASES.items():
        for phrase, value in phrases.items():
            shorter = re.sub(rf"\b{re.escape(phrase)}\b", "", rest)
            if shorter != rest:
                # the longest first, and taken out: "space suit" is neither a suit nor in space
                rest = shorter
                found.setdefault(kind, value)
    return found


def class_word(head: str) -> str:
    """The class word of a head, kept out or not; of any other emoji ``thing``."""
    return (HEADS.get(head) or KEPT_OUT_HEADS.get(head) or ("", "thing"))[1]


_ONSETS = (
    "b",
    "d",
    "f",
    "g",
    "h",
    "k",
    "kr",
    "l",
    "m",
    "n",
    "p",
    "r",
    "s",
    "sh",
    "st",
    "t",
    "th",
    "thn",
    "v",
    "w",
    "z",
)
_CODAS = ("", "", "n", "s", "x", "r", "ck", "l")


def made_up_word(rng: random.Random) -> str:
    """A word that means nothing, as triggers do: zorg, thnos, pikel."""
    return "".join(rng.choice(_ONSETS) + rng.choice("aeiou") for _ in range(rng.randint(1, 3))) + rng.choice(_CODAS)


def caption(scene: Scene, rng: random.Random) -> str:
    """The scene in words that vary: order, synonyms, tag lists, capitals; parts of it are left out now and then.

    Now and then a made-up word stands before the class word, so that the base learns to pass over what it has not been
    taught: a trigger must change the head alone, once an adapter says to what.
    """
    head = class_word(scene.head) if rng.random() < 0.12 else scene.head
    named = rng.random() < 0.2
    if named:
        head = f"{made_up_word(rng)} {class_word(scene.head)}"
    outfit, accessory, background = scene.outfit, scene.accessory, scene.background
    if rng.random() < 0.15:  # a list of tags, as people from A1111 write
        tags = [head]
        if outfit != NO_OUTFIT:
            tags.append(outfit)
        if accessory != NO_ACCESSORY:
            tags.append(accessory)
        tags.append(rng.choice(_BACKGROUND_WORDS[background]) if background in PLACES else f"{background} background")
        rest = tags[1:]
        rng.shuffle(rest)
        text = ", ".join([head, *rest])
        return rng.choice(["", "", "portrait, "]) + text
    start = rng.choice(["", "", "", "a picture of ", "a portrait of ", "a photo of ", "an emoji of "])
    subject = head if named else article(head)
    worn: list[str] = []
    if outfit != NO_OUTFIT:
        worn.append(rng.choice(["in", "in", "wearing", "dressed in"]) + f" {article(outfit)}")
    if accessory != NO_ACCESSORY:
        if worn and rng.random() < 0.5:
            worn[0] += f" and {article(accessory)}"
        else:
            worn.append(f"{rng.choice(['wearing', 'with'])} {article(accessory)}")
    if len(worn) == 2 and rng.random() < 0.3:
        worn.reverse()
    if background in PLACES:
        where = rng.choice(_BACKGROUND_WORDS[background])
    else:
        where = rng.choice(
            [f"on {article(background)} background", f"on a plain {background} background", f"against {background}"]
        )
    if rng.random() < 0.05:
        where = ""
    parts = [subject, where, *worn] if rng.random() < 0.2 else [subject, *worn, where]
    text = start + " ".join(part for part in parts if part)
    return text.capitalize() if rng.random() < 0.1 else text
