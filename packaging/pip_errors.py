"""What went wrong in pip, in one sentence: set-up's users should not have to read its log."""

from __future__ import annotations

from console import SetupError

UNREACHABLE = (
    "failed to establish",
    "name resolution",
    "network is unreachable",
    "connecttimeout",
    "max retries",
    "connection refused",
    "connection broken",
    "read timed out",
    "proxyerror",
    "newconnectionerror",
    "(from versions: none)",  # what pip says after its last silent try; the lock names nothing that does not exist
)


def explain_pip(output: str, what: str) -> SetupError:
    """The failure behind pip's output, with the next step. Unknown ones carry pip's own last error line."""
    text = output.lower()
    if "no space left on device" in text or "disk quota exceeded" in text:
        return SetupError(f"The disk is full: {what} could not be written.", "df -h . && python3 -m pip cache purge")
    if "do not match the hashes" in text:
        return SetupError(
            f"{what} is not what this version was made with: its hash differs.", "python3 -m pip cache purge"
        )
    if is_network(output):
        return SetupError(
            f"No network: {what} could not be downloaded.",
            "Go online and run the same command again, or name a mirror: PIP_INDEX_URL=https://MIRROR/simple make run",
        )
    errors = [line.strip() for line in output.splitlines() if line.lstrip().lower().startswith("error")]
    detail = errors[-1] if errors else (output.strip().splitlines() or ["no output"])[-1]
    return SetupError(f"pip could not get {what}: {detail}")


def is_network(output: str) -> bool:
    """Whether pip failed for want of a network: trying again may help."""
    text = output.lower()
    return any(words in text for words in UNREACHABLE)
