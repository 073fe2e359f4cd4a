"""Jobs, and the keys of the port."""

from __future__ import annotations

from desktop import wire
from desktop.service.control_route import Call, ControlRoute
from desktop.service.core import Core
from desktop.service.job_record import JobRecord
from desktop.service.keys import KeyRecord

JOBS = "/jackdaw/v1/jobs"
KEYS = "/jackdaw/v1/keys"


async def start_job(core: Core, call: Call) -> wire.Job:
    body = call.body(wire.JobRequest)
    return job_row(await core.jobs.start(body.kind, body.options))


async def list_jobs(core: Core, call: Call) -> wire.JobList:
    return wire.JobList(jobs=[job_row(record) for record in core.jobs.all()])


async def get_job(core: Core, call: Call) -> wire.Job:
    return job_row(core.jobs.get(call.path["job_id"]))


async def cancel_job(core: Core, call: Call) -> wire.Job:
    keep_partial = call.query.get("keep_partial") in ("true", "1")
    return job_row(await core.jobs.cancel(call.path["job_id"], keep_partial=keep_partial))


async def pause_job(core: Core, call: Call) -> wire.Job:
    return job_row(await core.jobs.pause(call.path["job_id"]))


async def resume_job(core: Core, call: Call) -> wire.Job:
    return job_row(await core.jobs.resume(call.path["job_id"]))


async def list_keys(core: Core, call: Call) -> wire.KeyList:
    return wire.KeyList(keys=[key_row(record) for record in core.keys.all()])


async def new_key(core: Core, call: Call) -> wire.NewKey:
    record, secret = await core.keys.create(call.body(wire.NewKeyRequest).name)
    return wire.NewKey(id=record.id, name=record.name, created_at=record.created_at, secret=secret)


async def revoke_key(core: Core, call: Call) -> wire.Key:
    return key_row(await core.keys.revoke(call.path["name"]))


def job_row(record: JobRecord) -> wire.Job:
    return wire.Job.model_validate(record.wire())


def key_row(record: KeyRecord) -> wire.Key:
    return wire.Key(
        id=record.id,
        name=record.name,
        created_at=record.created_at,
        last_used_at=record.last_used_at,
        revoked_at=record.revoked_at,
    )


ROUTES = (
    ControlRoute(
        "POST",
        JOBS,
        "Start a job, or return the one that is at the same thing",
        start_job,
        wire.JobRequest,
        wire.Job,
        status=201,
    ),
    ControlRoute("GET", JOBS, "What is not over, and the last 200 that are", list_jobs, answer=wire.JobList),
    ControlRoute("GET", JOBS + "/{job_id}", "One job", get_job, answer=wire.Job),
    ControlRoute("DELETE", JOBS + "/{job_id}", "Cancel a job", cancel_job, answer=wire.Job, query=("keep_partial",)),
    ControlRoute("POST", JOBS + "/{job_id}/pause", "Stop for now and keep what is done", pause_job, answer=wire.Job),
    ControlRoute("POST", JOBS + "/{job_id}/resume", "Go on, or try again", resume_job, answer=wire.Job),
    ControlRoute("GET", KEYS, "All keys of the port", list_keys, answer=wire.KeyList),
    ControlRoute("POST", KEYS, "Make a key, shown once", new_key, wire.NewKeyRequest, wire.NewKey, status=201),
    # :path, because a name may hold a slash
    ControlRoute("DELETE", KEYS + "/{name:path}", "Revoke a key", revoke_key, answer=wire.Key),
)
