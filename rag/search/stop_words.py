"""Words of questions that say nothing about what is asked for. English, German, French and Spanish.

Only for choosing what the lexical side asks for: a query of nothing but these keeps them all.
"""

from __future__ import annotations

from collections.abc import Collection

_ENGLISH = """
a about above after again against all also am an and any are as at be because been before being below between both but
by can cannot could did do does doing done down during each either else ever every few for from further get gets getting
give given gives got had has have having he her here hers him his how however i if in into is it its itself just let
like may me might more most much must my need needs no nor not now of off on once one only or other our ours out over
own please same shall she should show so some such tell than that the their theirs them then there these they this those
through to too toward under until up upon us use used uses using very via want was way we were what when where whether
which while who whom whose why will with within without would you your yours
s t d ll m re ve don doesn didn isn aren wasn won couldn
"""
_GERMAN = """
aber als am an auch auf aus bei bin bis da damit das dass dein dem den der des die dies diese diesem diesen dieser
dieses doch dort du durch ein eine einem einen einer eines er es für gibt habe haben hat ich ihr im in ist ja kann kein
keine können man mein mit muss nach nicht noch nur ob oder ohne sehr sein sich sie sind so soll über um und uns unter
vom von vor wann warum was weil welche welchem welchen welcher welches wenn wer werden wie wieder wird wo zu zum zur
"""
_FRENCH = """
au aux avec ce ces cette comment d dans de des du elle en est et il ils je l la le les leur lui ma mais même mes mon ne
nos notre nous on ou où par pas pour pourquoi qu quand que quel quelle quelles quels qui sa se ses son sont sur ta te
tes toi ton tu un une vos votre vous
"""
_SPANISH = """
al cómo con cual cuál cuando cuándo de del desde donde dónde el ella en entre es esta está este esto la las lo los más
me mi muy no nos o para pero por porque qué que quién se si sin sobre son su sus un una unas uno unos y ya
"""

_LANGUAGES = tuple(frozenset(words.split()) for words in (_ENGLISH, _GERMAN, _FRENCH, _SPANISH))


def stop_words(words: Collection[str]) -> frozenset[str]:
    """Those of the language most of whose stop words are among `words`; English when that is not clear.

    One language's alone: "die" and "mit" are words of content in English.
    """
    return max(_LANGUAGES, key=lambda language: sum(word in language for word in words))
