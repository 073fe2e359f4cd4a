"""models fit, suggest, options: what fits here, what suits here, and what was chosen."""

from __future__ import annotations

from pydantic import ValidationError

from desktop import wire_models as wire
from desktop.cli.console import bytes_text, count_text
from desktop.cli.context import DONE, WRONG_USAGE, Context
from desktop.cli.hub import is_repo, variant_file


async def fit(context: Context) -> int:
    """Whether a model fits, where, with how much context and how fast; of the Hub before it is fetched."""
    wanted = context.arguments
    options = wire.ModelOptions(
        context=wanted.context,
        slots=wanted.slots,
        cache_type_k=wanted.cache_type,
        cache_type_v=wanted.cache_type,
        gpu_layers=wanted.gpu_layers,
        cpu_expert_layers=wanted.cpu_expert_layers,
        draft_model=wanted.draft,
    )
    async with context.client() as client:
        if is_repo(wanted.id):
            context.console.progress(None, "reading the file's header on the Hub")
            repo, file = await variant_file(client, wanted.id)
            remote = await client.hub_fit(repo, file, options=options)
            context.console.result(remote.model_dump(), fit_text(context, file, remote.fit))
        else:
            chosen = options if options.model_dump(exclude_none=True) else None
            local = await client.model_fit(wanted.id, chosen)
            context.console.result(local.model_dump(), fit_text(context, wanted.id, local))
    return DONE


def fit_text(context: Context, name: str, found: wire.Fit) -> str:
    """The answer in a sentence, then what each memory would hold."""
    speed = f"{found.tokens_per_s:.3g} tokens/s {found.speed_source}" if found.tokens_per_s else "not known"
    reads = f", reads {found.prompt_tokens_per_s:.3g} tokens/s" if found.prompt_tokens_per_s else ""
    lines = [
        f"{name}: {found.sentence}",
        f"  needs                {bytes_text(found.needed_bytes)} of {bytes_text(found.free_bytes)} free",
        f"  context              {found.context} tokens in each of {found.slots} slots",
        f"  largest context      {found.largest_context} tokens (trained for {found.trained_context})",
        f"  cache                {found.cache_type_k} / {found.cache_type_v}",
        f"  speed                {speed}{reads}",
    ]
    rows = [
        (device.device, *(bytes_text(count) for count in _held(device)), bytes_text(device.free_bytes))
        for device in found.devices
    ]
    header = ("MEMORY", "WEIGHTS", "CACHE", "COMPUTE", "PICTURES", "DRAFT", "OTHER", "ALL", "FREE")
    return "\n".join([*lines, "", context.console.table(header, rows)])


def _held(device: wire.DeviceNeed) -> tuple[int, ...]:
    return (
        device.weights_bytes,
        device.kv_bytes,
        device.compute_bytes,
        device.projector_bytes,
        device.draft_bytes,
        device.other_bytes,
        device.total_bytes,
    )


async def suggest(context: Context) -> int:
    """What suits this machine, by memory, speed and task, each with its reason."""
    async with context.client() as client:
        found = await client.suggestions(context.arguments.task or "")
    blocks = [_suggestion_text(one) for one in found.suggestions]
    nothing = f"Nothing in the catalogue fits into {bytes_text(found.memory_bytes)}."
    context.console.result(found.model_dump(), "\n\n".join(blocks) if blocks else nothing)
    return DONE


def _suggestion_text(one: wire.Suggestion) -> str:
    model = one.model
    about = "" if model.checked else "about "
    facts = ", ".join(
        filter(
            None,
            (
                f"{count_text(model.params)} parameters",
                model.quant,
                about + bytes_text(model.file_bytes),
                model.licence,
            ),
        )
    )
    get = f"here as {model.installed}" if model.installed else f"jackdaw models pull {model.repo}:{model.quant}"
    unchecked = "" if model.checked else "\n  From our list, which was not compared with the Hub yet."
    return f"{one.task}: {model.name} ({facts})\n  {one.reason}\n  {get}{unchecked}"


async def options(context: Context) -> int:
    """What was chosen for a model; NAME=VALUE changes it, NAME= leaves it to the fit again."""
    wanted = context.arguments
    async with context.client() as client:
        if not wanted.changes:
            chosen = await client.model_options(wanted.id)
        else:
            try:
                changes = wire.ModelOptions.model_validate(dict(map(_change, wanted.changes)))
            except (ValueError, ValidationError) as error:
                context.console.error(_why_not(error), f"The options are: {', '.join(wire.ModelOptions.model_fields)}.")
                return WRONG_USAGE
            chosen = await client.set_model_options(wanted.id, changes)
        cost = await client.model_fit(wanted.id)
    shown = chosen.model_dump()
    lines = [f"  {name:<20} {_option_text(name, value, cost)}" for name, value in shown.items()]
    text = "\n".join([wanted.id, *lines, "", f"{wanted.id}: {cost.sentence}"])
    context.console.result({**shown, "fit": cost.model_dump()}, text)
    return DONE


def _option_text(name: str, value: object, cost: wire.Fit) -> str:
    """A chosen value, or what the fit takes in its place as things are."""
    if value is not None:
        return (
            ", ".join(f"{one['id']}:{one['scale']:g}" for one in value) or "none"
            if isinstance(value, list)
            else str(value)
        )
    taken = getattr(cost, name, None)
    return "left to the fit" if taken in (None, "") else f"left to the fit, now {taken}"


def _change(text: str) -> tuple[str, object]:
    """NAME=VALUE as a field. Adapters are ID[:SCALE], several with commas."""
    name, equals, value = text.partition("=")
    if not equals or name not in wire.ModelOptions.model_fields:
        raise ValueError(f"{text!r} is no option with a value.")
    if value == "":
        return name, None
    if name == "adapters":
        return name, [_adapter(part) for part in value.split(",")]
    if name == "projector":
        return name, value.lower() in ("1", "true", "yes", "on")
    return name, "" if name == "draft_model" and value == "none" else value


def _adapter(text: str) -> dict[str, object]:
    name, colon, scale = text.rpartition(":")
    return {"id": name, "scale": scale} if colon else {"id": text}


def _why_not(error: ValueError) -> str:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"{'.'.join(str(part) for part in first['loc'])}: {first['msg'].lower()}."
    return str(error)
