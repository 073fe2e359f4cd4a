"""Made-up facts, the files that state them, and questions to them: for training, and (from others) for the tests."""

from __future__ import annotations

import random
import zlib
from dataclasses import dataclass

_ADJECTIVES = """
amber ancient arctic autumn azure bold brave bright bronze calm cedar clever coastal copper coral crimson crystal dapper
distant dusty eager early eastern electric elegant emerald fabled fearless frosty gentle giant gilded golden granite
green hidden hollow humble icy indigo iron ivory jade jolly keen late lively lone lucky lunar marble mellow merry mighty
misty
modest narrow nimble noble northern ochre olive orange pale pearl placid polar proud purple quick quiet rapid rare royal
ruby rustic sandy scarlet silent silver sleepy smooth solar solid southern spotted stormy subtle sunny swift tall teal
tidy tiny velvet violet vivid western white wild winter wooden young
"""
_NOUNS = """
anchor antelope badger bakery bamboo basin beacon beaver bison bobcat bridge cabin camel canyon castle comet condor
cottage cougar coyote crane cricket desert dolphin donkey eagle falcon ferret finch forest fountain fox garden gazelle
gecko glacier goose gorge harbor hawk heron hornet ibex island jackal jaguar jungle kestrel kiwi lagoon lantern lemur
leopard lizard llama lobster lynx magpie mantis marmot meadow mill mole moose mountain newt ocelot orchard osprey otter
owl panda panther parrot pelican penguin pigeon plateau prairie puffin python quail rabbit raven reef river robin
salmon seal sparrow spider squid stork summit swan tapir tiger toad tower trout tulip turtle valley viper volcano
walrus weasel willow wolf wombat wren zebra
"""
ADJECTIVES = tuple(_ADJECTIVES.split())
NOUNS = tuple(_NOUNS.split())
ATTRIBUTES = (
    "access code",
    "badge number",
    "budget code",
    "gate number",
    "invoice number",
    "key number",
    "locker number",
    "meter reading",
    "order number",
    "parcel number",
    "phone extension",
    "port number",
    "project code",
    "room number",
    "serial number",
    "ticket number",
)
_STATED = (
    "The {attribute} of {name} is {value}.",
    "From today the {attribute} of {name} is {value}.",
    "Note that the {attribute} of {name} is {value}.",
)
_ASKED = (
    "What is the {attribute} of {name}?",
    "Which {attribute} does {name} have?",
    "Tell me the {attribute} of {name}.",
    "What {attribute} is used for {name}?",
)
_FILLERS = (
    "The team met in the morning and wrote this down.",
    "Nothing else was decided that day.",
    "Please keep this page up to date.",
    "The old list was thrown away last year.",
    "Questions go to the front desk.",
    "This note was checked twice.",
    "See the plan on the wall for more.",
    "The next review is in spring.",
    "Lunch was served at noon.",
    "All doors close in the evening.",
)
ANSWER = "The {attribute} of {name} is {value} [{number}]."
TEST_SHARE = 8  # one name of so many is kept for the tests and never trained on


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing to ask for. `value` is two groups of three digits."""

    name: str
    attribute: str
    value: str

    def stated(self, rng: random.Random) -> str:
        return rng.choice(_STATED).format(attribute=self.attribute, name=self.name, value=self.value)

    def asked(self, rng: random.Random) -> str:
        return rng.choice(_ASKED).format(attribute=self.attribute, name=self.name)

    def answer(self, number: int) -> str:
        return ANSWER.format(attribute=self.attribute, name=self.name, value=self.value, number=number)


@dataclass(frozen=True, slots=True)
class Note:
    """A small file that states a fact."""

    path: str
    text: str
    fact: Fact


def for_tests(name: str) -> bool:
    """Whether a name is kept back from training, decided by the name alone."""
    return zlib.crc32(name.encode()) % TEST_SHARE == 0


def new_name(rng: random.Random, *, tests: bool, near: str = "") -> str:
    """Two words; for the tests such that no training has seen together. One is shared with `near`, if that is given."""
    while True:
        words = [rng.choice(ADJECTIVES).title(), rng.choice(NOUNS).title()]
        if near:
            shared = rng.randrange(2)
            words[shared] = near.split()[shared]
        name = " ".join(words)
        if for_tests(name) == tests and name != near:
            return name


def new_value(rng: random.Random) -> str:
    return f"{rng.randrange(100, 1000)}-{rng.randrange(100, 1000)}"


def new_note(rng: random.Random, *, tests: bool, name: str = "", attribute: str = "") -> Note:
    """A file with one fact about a name among other sentences, with a heading or without."""
    name = name or new_name(rng, tests=tests)
    fact = Fact(name, attribute or rng.choice(ATTRIBUTES), new_value(rng))
    sentences = [fact.stated(rng), *rng.sample(_FILLERS, rng.randrange(0, 3))]
    rng.shuffle(sentences)
    heading = f"# {name}\n\n" if rng.random() < 0.6 else ""
    separator = rng.choice((" ", " ", "\n"))
    folder = rng.choice(("notes", "docs", "office", "lists"))
    return Note(f"{folder}/{name.lower().replace(' ', '-')}.md", heading + separator.join(sentences) + "\n", fact)
