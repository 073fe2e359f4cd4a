"""models search, models show REPO, models pull; hub login and logout."""

from __future__ import annotations

import asyncio
import getpass
import shlex
import sys
from datetime import datetime

from desktop import wire_models as wire
from desktop.cli.console import bytes_text, count_text
from desktop.cli.context import DONE, FAILED, WRONG_USAGE, Context
from desktop.cli.markdown import TerminalMarkdown
from desktop.cli.work import model_ids, see_through
from desktop.client import Client, ClientError

MAX_TOKEN_CHARACTERS = 500


async def search(context: Context) -> int:
    """Repositories of the Hub that match."""
    wanted = context.arguments
    async with context.client() as client:
        context.console.progress(None, "asking the Hub")
        page = await client.hub_search(
            " ".join(wanted.words),
            author=wanted.author,
            task=wanted.task,
            licence=wanted.licence,
            architecture=wanted.arch,
            sort=wanted.sort,
            limit=wanted.limit,
            next=wanted.next,
            format=wanted.format,
        )
    header = ("REPOSITORY", "PARAMETERS", "ARCHITECTURE", "LICENCE", "DOWNLOADS", "LIKES", "UPDATED", "")
    text = context.console.table(header, [_row(model) for model in page.models])
    if page.next:
        text += f"\nMore with: --next {page.next}"
    nothing = "Nothing on the Hub matches. Fewer words, or another task, may."
    context.console.result(page.model_dump(), text if page.models else nothing)
    return DONE


def is_repo(name: str) -> bool:
    """Whether what was typed names a repository of the Hub and no model of the library: those have no slash."""
    return "/" in name


def split_name(name: str) -> tuple[str, str]:
    """REPO[:QUANT] as its two parts."""
    repo, _, variant = name.partition(":")
    return repo, variant


async def show(context: Context) -> int:
    """A repository: what of it can be loaded, and what suits this machine."""
    repo, _ = split_name(context.arguments.id)
    async with context.client() as client:
        context.console.progress(None, "asking the Hub")
        found = await client.hub_repo(repo, fit=True)
    context.console.result(found.model_dump(), repo_text(context, found))
    return DONE


async def card(context: Context) -> int:
    """A repository's model card. Control characters are left out; nothing in it is fetched or run."""
    repo, _ = split_name(context.arguments.repo)
    async with context.client() as client:
        context.console.progress(None, "asking the Hub")
        found = await client.hub_card(repo)
    text = found.markdown.strip()
    if context.console.styled:
        shown = TerminalMarkdown()
        context.console.clear_progress()
        context.console.write(shown.feed(f"{text}\n") + shown.end())
    else:
        context.console.result(found.model_dump(), text or f"{found.repo} has no model card.")
    return DONE


def repo_text(context: Context, found: wire.HubRepo) -> str:
    """Facts, then a table of variants with the recommended one marked."""
    facts = (
        ("task", found.task),
        ("architecture", found.architecture),
        ("parameters", count_text(found.params) if found.params else ""),
        ("trained context", f"{found.context_length} tokens" if found.context_length else ""),
        ("licence", " ".join(filter(None, (found.licence, found.licence_url)))),
        ("made from", found.base_model),
        ("access", access_text(found)),
        ("commit", found.commit),
        ("page", found.url),
    )
    lines = [found.repo, *(f"  {name:<20} {value}" for name, value in facts if value)]
    if found.variants:
        rows = [_variant_row(variant) for variant in found.variants]
        lines += ["", context.console.table(("QUANT", "SIZE", "FITS", "TOKENS/S", "", "MEANS"), rows)]
        lines += [f"Get one with: jackdaw models pull {found.repo}:QUANT"]
    elif found.convertible:
        lines += ["", f"It holds safetensors. Make a GGUF file of it with: jackdaw models convert {found.repo}"]
    else:
        lines += ["", found.convert_problem or "It holds nothing that can be loaded."]
    return "\n".join(lines)


async def pull(context: Context) -> int:
    """Download a model; one that was begun goes on where it was."""
    repo, variant = split_name(context.arguments.name)
    async with context.client() as client:
        context.console.progress(None, "asking the Hub")
        found = await client.hub_repo(repo, context.arguments.revision)
        _check_access(found)
        options: dict[str, object] = {"repo": found.repo}
        if context.arguments.revision:
            options["revision"] = context.arguments.revision
        if context.arguments.file:
            options["files"] = context.arguments.file
        else:
            chosen = _chosen(found, variant)
            if chosen.installed:
                done = f"{chosen.installed} is here already."
                context.console.result({"models": [chosen.installed], "fetched": False}, done)
                return DONE
            if not variant:
                context.console.note(_why(chosen))
            options["variant"] = chosen.name
        again = shlex.join(["jackdaw", *context.argv])
        job = await see_through(context, client, await client.start_job("download", options), go_on=again)
    result = job.result or {}
    models = model_ids(job)
    context.console.result({**result, "models": models}, _got(models, fetched=bool(result.get("fetched"))))
    return DONE


def _got(models: list[str], *, fetched: bool) -> str:
    if not models:
        return "Got the files."
    what = f"Got {models[0]}." if fetched else f"{models[0]} is on this disk already and is used where it lies."
    return f"{what} Talk to it with: jackdaw chat -m {models[0]}"


def _check_access(found: wire.HubRepo) -> None:
    if found.access == "log_in":
        text = f"{found.repo} is gated: its files are for people who are logged in and accepted its terms."
        raise ClientError("hub_login_needed", text, hint="Log in with: jackdaw hub login")
    if found.access == "accept_licence":
        text = f"The terms of {found.repo} are not accepted by the owner of the token."
        raise ClientError("hub_licence_needed", text, hint=f"Read and accept them at {found.url}, then try again.")


def _chosen(found: wire.HubRepo, name: str) -> wire.HubVariant:
    if not found.variants:
        what = f"Convert it with: jackdaw models convert {found.repo}" if found.convertible else found.convert_problem
        raise ClientError("no_variant", f"{found.repo} holds no GGUF file.", hint=what)
    if not name:
        return next((variant for variant in found.variants if variant.recommended), found.variants[0])
    wanted = name.casefold()
    matches = [variant for variant in found.variants if wanted in (variant.name.casefold(), variant.quant.casefold())]
    exact = [variant for variant in matches if variant.name.casefold() == wanted]
    if len(exact or matches) == 1:
        return (exact or matches)[0]
    names = ", ".join(variant.name for variant in matches or found.variants)
    text = f"{found.repo} has {'several' if matches else 'no'} {name}."
    raise ClientError("no_variant", text, hint=f"It has: {names}.")


def _why(chosen: wire.HubVariant) -> str:
    return f"Chose {chosen.name}, {bytes_text(chosen.bytes)}, as recommended here. {chosen.about}"


async def login(context: Context) -> int:
    """Keep a token of the Hub. It is read from a hidden prompt or from standard input, never from the command line."""
    token = await asyncio.to_thread(_read_token)
    if not token:
        context.console.error("No token was given.", "Make one at https://huggingface.co/settings/tokens.")
        return WRONG_USAGE
    async with context.client() as client:
        try:
            state = await client.set_hub_token(token, session_only=context.arguments.session)
        except ClientError as error:
            if error.kind != "keyring_missing":
                raise
            hint = "Keep it in memory, until the service ends, with: jackdaw hub login --session"
            raise ClientError(error.kind, error.message, hint=hint) from error
    place = "in the system's keyring" if state.kept == "keyring" else "for this session, in memory alone"
    context.console.result(state.model_dump(), f"Logged in{f' as {state.user}' if state.user else ''}; kept {place}.")
    return DONE


def _read_token() -> str:
    if sys.stdin.isatty():
        return getpass.getpass("Token (not shown): ").strip()
    return sys.stdin.readline(MAX_TOKEN_CHARACTERS + 2).strip()


async def logout(context: Context) -> int:
    """Forget the token."""
    async with context.client() as client:
        state = await client.forget_hub_token()
    context.console.result(state.model_dump(), "The token is forgotten.")
    return DONE if not state.present else FAILED


async def whoami(context: Context) -> int:
    """Whether a token is known, and whose it is."""
    async with context.client() as client:
        state = await client.hub_token()
    context.console.result(state.model_dump(), token_text(state))
    return DONE


def token_text(state: wire.HubToken) -> str:
    if not state.present:
        return f"No token is known. {state.problem}".strip()
    place = "in the system's keyring" if state.kept == "keyring" else "for this session"
    return f"Logged in{f' as {state.user}' if state.user else ''}; the token is kept {place}."


async def variant_file(client: Client, name: str, revision: str = "") -> tuple[str, str]:
    """The repository and the first file of REPO[:QUANT]."""
    repo, variant = split_name(name)
    found = await client.hub_repo(repo, revision)
    return found.repo, _chosen(found, variant).files[0].path


def access_text(found: wire.HubRepo) -> str:
    return {
        "open": "",
        "granted": "gated; this token may fetch it",
        "log_in": "gated; log in with `jackdaw hub login`",
        "accept_licence": f"gated; accept its terms at {found.url}",
    }[found.access]


def _row(model: wire.HubModel) -> tuple[str, ...]:
    marks = [*(["gated"] if model.gated else []), *(["installed"] if model.installed else [])]
    return (
        model.repo,
        count_text(model.params) if model.params else "-",
        model.architecture or "-",
        model.licence or "-",
        str(model.downloads),
        str(model.likes),
        datetime.fromtimestamp(model.updated_at).astimezone().strftime("%Y-%m-%d") if model.updated_at else "-",
        ", ".join(marks),
    )


def _variant_row(variant: wire.HubVariant) -> tuple[str, ...]:
    marks = [
        *(["recommended"] if variant.recommended else []),
        *(["installed"] if variant.installed else []),
        *(["on this disk"] if variant.on_disk and not variant.installed else []),
        *(["with pictures"] if variant.projector else []),
    ]
    speed = f"{variant.tokens_per_s:.3g}" if variant.tokens_per_s else "-"
    fits = {"fits": "yes", "tight": "tight", "too_large": "no"}.get(variant.verdict or "", "-")
    return variant.name, bytes_text(variant.bytes), fits, speed, ", ".join(marks), variant.about
