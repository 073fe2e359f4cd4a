"""What a card shows, as plain data. No Qt: what the views say is decided in functions that make these."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Tag:
    """A chip: words in a tone (`Tone` of components/chip.py), with an icon in front; `mono` for quantizations."""

    text: str
    tone: str = "neutral"
    icon: str = ""
    mono: bool = False


@dataclass(frozen=True, slots=True)
class Act:
    """Something that can be done with a card.

    Without `text` it is an icon alone, and `name` is what it is called; `menu` ones stand in the card's menu only.
    `delete` marks what the Delete key does.
    """

    id: str
    text: str = ""
    icon: str = ""
    name: str = ""
    menu: bool = False
    delete: bool = False

    @property
    def title(self) -> str:
        return self.name or self.text


@dataclass(frozen=True, slots=True)
class Progress:
    """A bar under the card's words. `fraction` None: it goes on and nobody knows how far."""

    fraction: float | None
    words: str
    token: str = "accent"


@dataclass(frozen=True, slots=True)
class Card:
    """One card of a list, or with `heading` the words between cards. `key` is what it is about, like "model:id"."""

    key: str
    title: str
    by: str = ""
    about: str = ""
    tags: tuple[Tag, ...] = ()
    remark: str = ""  # a size, before the buttons
    badge: Tag | None = None  # what stands out, before the buttons
    acts: tuple[Act, ...] = ()
    progress: Progress | None = None
    problem: str = ""  # why something went wrong, and what to do
    heading: bool = False
    about_is_path: bool = False  # on one line, its end in sight

    @property
    def kind(self) -> str:
        return self.key.partition(":")[0]

    @property
    def subject(self) -> str:
        return self.key.partition(":")[2]

    @property
    def shown_acts(self) -> tuple[Act, ...]:
        return tuple(act for act in self.acts if not act.menu)

    @property
    def spoken(self) -> str:
        """All of it, as a screen reader says it, with what Enter does at the end."""
        parts = [self.title, self.by, self.badge.text if self.badge else "", self.about]
        parts += [tag.text for tag in self.tags]
        parts += [self.remark, self.progress.words if self.progress else "", self.problem]
        if acts := self.shown_acts:
            parts.append(f"Enter: {acts[0].title}")
        return ", ".join(part for part in parts if part)


def heading(words: str) -> Card:
    """The line above a group of cards."""
    return Card(f"heading:{words}", words, heading=True)
