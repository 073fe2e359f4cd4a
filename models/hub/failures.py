"""An HTTP status of the Hub as an error of ours, each with a sentence of its own and the next step."""

from __future__ import annotations

import datetime
import email.utils
import re
from collections.abc import Mapping

from models.errors import HubError, HubTrouble, LicenceNeeded, LoginNeeded, RateLimited, RepoNotFound

# The Hub counts requests in windows of five minutes (its page "Rate limits"); a longer wish is not believed.
MAX_WAIT_S = 3600.0
DEFAULT_WAIT_S = 60.0
# `ratelimit: "api";r=0;t=55`, draft-ietf-httpapi-ratelimit-headers-09: t seconds until requests are allowed again.
_RATE_LIMIT = re.compile(r'"\w+"\s*;\s*r\s*=\s*\d+\s*;\s*t\s*=\s*(\d+)')


def failure(
    status: int, headers: Mapping[str, str], *, endpoint: str, host: str, repo: str = "", has_token: bool = False
) -> HubError | None:
    """The error of an answer with `status`, None below 400.

    `headers` with lower-case names or of a mapping that ignores case; `repo` is what was asked for, if anything.
    X-Error-Code tells a gated repository from a missing one, as in huggingface_hub's own hf_raise_for_status.
    """
    if status < 400:
        return None
    code = headers.get("x-error-code") or ""
    what = repo or "this"
    if status == 429:
        return _too_many(headers, host)
    if status == 404 or code in ("RepoNotFound", "RevisionNotFound", "EntryNotFound"):
        return _not_found(code, what, host, has_token)
    if code == "GatedRepo" and status == 403:
        return LicenceNeeded(
            f"The terms of {what} are not accepted by the owner of this token.",
            url=f"{endpoint}/{repo}",
            hint=f"Read and accept them at {endpoint}/{repo}, then try again.",
        )
    if status in (401, 403):
        return _no_access(status, what, host, has_token)
    if status >= 500:
        return HubTrouble(f"{host} has trouble of its own (HTTP {status}).", status=status, hint="Try again later.")
    return HubTrouble(
        f"{host} refused the request (HTTP {status}).", status=status, hint="This may be a fault of ours."
    )


def retry_after_s(headers: Mapping[str, str]) -> float:
    """Seconds the server asks to wait: Retry-After as number or date, else the rate limit's reset; at most an hour."""
    stated = (headers.get("retry-after") or "").strip()
    if stated.isascii() and stated.isdigit():
        return min(float(stated), MAX_WAIT_S)
    if stated:
        try:
            until = email.utils.parsedate_to_datetime(stated)
        except ValueError:
            return DEFAULT_WAIT_S
        now = datetime.datetime.now(datetime.UTC)
        aware = until if until.tzinfo else until.replace(tzinfo=datetime.UTC)
        return min(max((aware - now).total_seconds(), 1.0), MAX_WAIT_S)
    if found := _RATE_LIMIT.search(headers.get("ratelimit") or ""):
        return min(float(found[1]), MAX_WAIT_S)
    return DEFAULT_WAIT_S


def _too_many(headers: Mapping[str, str], host: str) -> RateLimited:
    wait_s = retry_after_s(headers)
    return RateLimited(
        f"{host} asks to wait {wait_s:.0f} s: too many requests were made from here.",
        retry_after_s=wait_s,
        hint="Nothing is sent until then. A token raises the limit.",
    )


def _not_found(code: str, what: str, host: str, has_token: bool) -> RepoNotFound:
    if code == "EntryNotFound":
        return RepoNotFound(f"{what} does not hold that file at this commit.", hint="Look at its files again.")
    if code == "RevisionNotFound":
        return RepoNotFound(f"{what} has no such branch, tag or commit.", hint="Leave --revision out for the newest.")
    hint = (
        "Check the name." if has_token else "Check the name; a private repository needs a token: `jackdaw hub login`."
    )
    return RepoNotFound(f"{what} is not on {host}, or it is private.", hint=hint)


def _no_access(status: int, what: str, host: str, has_token: bool) -> LoginNeeded:
    if not has_token:
        return LoginNeeded(f"{host} wants to know who asks for {what}.", hint="Log in with `jackdaw hub login`.")
    if status == 401:
        return LoginNeeded(f"{host} does not accept the token.", hint="Log in again with `jackdaw hub login`.")
    return LoginNeeded(
        f"The token may not read {what}.", hint="Give it the right to read this repository, or gated ones in general."
    )
