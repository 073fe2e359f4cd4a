"""The Hub's token as the wire tells of it: whether there is one, where it is kept, whose it is; never the token."""

from __future__ import annotations

import asyncio

from desktop.service.errors import BadRequest
from desktop.wire_models import HubToken
from models.errors import LoginNeeded, ModelsError
from models.hub.client import Hub
from models.tokens import HubTokens

ASKED_S = 5.0  # whose it is, is worth a short wait and no error


class HubTokenKeeper:
    """Keeps the token and remembers whose it is, which the Hub is asked once per token."""

    def __init__(self, tokens: HubTokens, hub: Hub) -> None:
        self._tokens = tokens
        self._hub = hub
        self._user = ""

    async def row(self) -> HubToken:
        """What is known of it."""
        state = await asyncio.to_thread(self._tokens.state)
        problem = await self._ask_whose() if state.present and not self._user else ""
        user = self._user if state.present else ""
        return HubToken(present=state.present, kept=state.kept, user=user, problem=problem or state.problem)

    async def remember(self, token: str, *, session_only: bool) -> None:
        """Keep it, unless the Hub says that it is none.

        Raises KeyringMissing without a keyring and without consent to the session alone, BadRequest, LoginNeeded. A Hub
        that cannot be asked has nothing against it.
        """
        try:
            await asyncio.to_thread(self._tokens.remember, token, session_only=session_only)
        except ValueError as error:
            hint = "Copy it whole from the settings of your account on the Hub; it begins with hf_."
            raise BadRequest("bad_token", f"This cannot be a token: {error}.", hint=hint) from None
        self._user = ""
        try:
            await self._learn_whose()
        except LoginNeeded as error:
            await self.forget()
            hint = "It may have been revoked, or not been copied whole. Nothing was kept."
            raise LoginNeeded(error.message, hint=hint) from error

    async def forget(self) -> None:
        """Remove it from the keyring and from memory."""
        await asyncio.to_thread(self._tokens.forget)
        self._user = ""

    async def _ask_whose(self) -> str:
        """What the Hub has against the token, "" when it has nothing or could not be asked."""
        try:
            await self._learn_whose()
        except LoginNeeded as error:
            return error.message
        return ""

    async def _learn_whose(self) -> None:
        """Learn the account's name, if the Hub answers. Raises LoginNeeded when it does not accept the token."""
        try:
            self._user = (await asyncio.wait_for(self._hub.whoami(), ASKED_S)).name
        except LoginNeeded:
            raise
        except (ModelsError, TimeoutError):
            pass
