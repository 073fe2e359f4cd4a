"""English words that carry no meaning of their own: what a question is about stands in the others."""

from __future__ import annotations

_WORDS = """
a about after all also am an and any are as at be because been before being but by can could did do does doing done
else for from get give go had has have he her him his how i if in into is it its just know let like made make many may
me might more most much must my need new no not now of off on once one only or other our out over own please same say
see shall she should show so some such tell than that the their them then there these they thing this those to too up
us use used using very want was way we were what when where which while who whom whose why will with would you your
"""
COMMON_WORDS = frozenset(_WORDS.split())
# What an answer says about itself and its passages.
ANSWER_WORDS = frozenset(("according", "passage", "passages", "file", "files", "document", "states", "said", "given"))
