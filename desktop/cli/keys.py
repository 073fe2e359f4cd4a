"""key new, key list, key revoke."""

from __future__ import annotations

from datetime import datetime

from desktop.cli.context import DONE, Context


async def new(context: Context) -> int:
    """Make a key. Its secret is printed here and kept nowhere."""
    async with context.client() as client:
        key = await client.new_key(context.arguments.name)
        number = (await client.status()).port.number
    if context.arguments.quiet and not context.console.as_json:
        context.console.line(key.secret)
        return DONE
    text = (
        f"{key.secret}\nThis is the only time the key is shown. It opens http://127.0.0.1:{number}/v1 for {key.name}."
    )
    context.console.result(key.model_dump(), text)
    return DONE


async def show(context: Context) -> int:
    """All keys, without their secrets: only hashes are kept."""
    async with context.client() as client:
        keys = await client.keys()
    rows = [
        (key.name, _day(key.created_at), _day(key.last_used_at), "revoked" if key.revoked_at else "valid")
        for key in keys
    ]
    table = context.console.table(("NAME", "MADE", "LAST USED", "STATE"), rows)
    context.console.result(
        [key.model_dump() for key in keys], table if keys else "No keys yet. Make one with: jackdaw key new NAME"
    )
    return DONE


async def revoke(context: Context) -> int:
    """Make a key worthless at once."""
    async with context.client() as client:
        key = await client.revoke_key(context.arguments.name)
    context.console.result(key.model_dump(), f"The key {key.name} is revoked.")
    return DONE


def _day(time: float | None) -> str:
    return datetime.fromtimestamp(time).astimezone().strftime("%Y-%m-%d %H:%M") if time else "never"
