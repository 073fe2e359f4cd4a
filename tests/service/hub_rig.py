"""A service beside a Hub of our own, for tests: both are real, and talk HTTP."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator
from pathlib import Path

from desktop.client import Client
from desktop.paths import Paths
from desktop.wire import Job
from tests.fake_hub import FakeHub
from tests.service.running import RunningService, eventually_async, running

REPO = "acme/tiny-GGUF"
OVER = ("done", "failed", "cancelled", "paused", "interrupted")
# The keyring of whoever runs the tests is none of ours.
NO_KEYRING = {"PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring"}


@contextlib.contextmanager
def beside(hub: FakeHub, paths: Paths, environ: dict[str, str]) -> Iterator[RunningService]:
    """A service whose Hub this is."""
    with running(paths, environ={**environ, **NO_KEYRING}) as service:

        async def point(client: Client) -> None:
            await client.patch_settings({"hub_endpoint": hub.endpoint})

        service.use(point)
        yield service


async def ended(client: Client, job_id: str, within_s: float = 60.0) -> Job:
    """The job once nothing moves any more."""

    async def over() -> Job | None:
        job = await client.job(job_id)
        return job if job.state in OVER else None

    job = await eventually_async(over, within_s)
    assert job is not None
    return job


async def reached(client: Client, job_id: str, state: str, within_s: float = 20.0) -> Job:
    async def there() -> Job | None:
        job = await client.job(job_id)
        assert job.state == state or job.state not in OVER, job
        return job if job.state == state else None

    job = await eventually_async(there, within_s)
    assert job is not None
    return job


async def pulled(client: Client, **options: object) -> Job:
    """A download, from start to end."""
    return await ended(client, (await client.start_job("download", options)).id)


def files_below(folder: Path) -> list[str]:
    """What lies there, by relative names."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def sha256_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
