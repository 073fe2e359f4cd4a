"""The part of the client that is about models: the library, the Hub, the catalogue, other programs' stores, jobs.

Long work (download, scan, convert, quantize, measure …) is a job: `start_job` returns at once, events tell how it goes.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from desktop import wire, wire_models
from desktop.connection import ROOT, Connection, absolute, under, with_query

# Loading reads a file of any size from any disk; the service's own deadline moves with the child's activity.
LOAD_TIMEOUT_S = 3600.0
# What the Hub is asked for on the way; the service gives up on it earlier, and says why.
HUB_TIMEOUT_S = 120.0


class ModelsClient(Connection):
    """Models, and everything that brings, makes, measures or removes them."""

    # the library

    async def models(self) -> list[wire.Model]:
        return await self._list(f"{ROOT}/models", "models", wire.Model)

    async def model(self, model_id: str) -> wire.Model:
        return await self._call("GET", under("models", model_id), answer=wire.Model)

    async def import_model(self, path: Path) -> wire.Model:
        """Take a GGUF file into the library where it lies; the path is made absolute here, where it was typed."""
        body = wire.ImportRequest(path=absolute(path))
        return await self._call("POST", f"{ROOT}/models/import", body, answer=wire.Model, timeout_s=600)

    async def remove_model(self, model_id: str) -> wire.RemovedModel:
        return await self._call("DELETE", under("models", model_id), answer=wire.RemovedModel, timeout_s=120)

    async def load_model(self, model_id: str) -> wire.Model:
        return await self._call("POST", under("models", model_id, "load"), answer=wire.Model, timeout_s=LOAD_TIMEOUT_S)

    async def unload_model(self, model_id: str) -> wire.Model:
        return await self._call("POST", under("models", model_id, "unload"), answer=wire.Model, timeout_s=120)

    async def model_log(self, model_id: str) -> list[str]:
        return [str(line) for line in (await self._json("GET", under("models", model_id, "log")))["lines"]]

    async def model_details(self, model_id: str) -> wire_models.Details:
        return await self._call("GET", under("models", model_id, "details"), answer=wire_models.Details)

    async def model_options(self, model_id: str) -> wire_models.ModelOptions:
        """What the user chose for this model; fields that are None are left to the fit."""
        return await self._call("GET", under("models", model_id, "options"), answer=wire_models.ModelOptions)

    async def set_model_options(self, model_id: str, options: wire_models.ModelOptions) -> wire_models.ModelOptions:
        """Change the fields that are set in `options`, None included, and keep the others; answers with all of them."""
        target = under("models", model_id, "options")
        return await self._call("PATCH", target, options, answer=wire_models.ModelOptions)

    async def model_fit(self, model_id: str, options: wire_models.ModelOptions | None = None) -> wire_models.Fit:
        """What these options would cost here and now; None asks for the remembered ones. Nothing is changed."""
        return await self._call("POST", under("models", model_id, "fit"), options, answer=wire_models.Fit)

    async def measurements(self, model_id: str) -> wire_models.MeasurementList:
        """All measurements of the family this model belongs to: its source and everything quantized from it."""
        target = under("models", model_id, "measurements")
        return await self._call("GET", target, answer=wire_models.MeasurementList)

    async def quant_types(self, model_id: str) -> wire_models.QuantTypeList:
        """What this model can be quantized to, with estimated sizes."""
        return await self._call("GET", under("models", model_id, "quants"), answer=wire_models.QuantTypeList)

    # the Hub

    async def hub_search(
        self,
        q: str = "",
        *,
        author: str = "",
        task: str = "",
        licence: str = "",
        architecture: str = "",
        sort: str = "",
        limit: int | None = None,
        next: str = "",
        format: str = "",
    ) -> wire_models.HubSearch:
        """One page of results; `next` is the cursor of the page before. `sort`: downloads, likes, updated or trending.

        `format`: gguf (what runs as it is; the default), safetensors (what may be converted) or any.
        """
        query = {
            "q": q,
            "author": author,
            "task": task,
            "licence": licence,
            "architecture": architecture,
            "sort": sort,
            "limit": limit,
            "next": next,
            "format": format,
        }
        target = with_query(f"{ROOT}/hub/search", query)
        return await self._call("GET", target, answer=wire_models.HubSearch, timeout_s=HUB_TIMEOUT_S)

    async def hub_repo(self, repo: str, revision: str = "", *, fit: bool = False) -> wire_models.HubRepo:
        """A repository. With `fit` one header is read, by which all variants get their verdict and speed."""
        target = with_query(f"{ROOT}/hub/repo", {"repo": repo, "revision": revision, "fit": "1" if fit else ""})
        return await self._call("GET", target, answer=wire_models.HubRepo, timeout_s=HUB_TIMEOUT_S)

    async def hub_card(self, repo: str) -> wire_models.HubCard:
        target = with_query(f"{ROOT}/hub/card", {"repo": repo})
        return await self._call("GET", target, answer=wire_models.HubCard, timeout_s=HUB_TIMEOUT_S)

    async def hub_fit(
        self, repo: str, file: str, revision: str = "", options: wire_models.ModelOptions | None = None
    ) -> wire_models.HubFit:
        """Judge one file of the Hub by its own header. Of `options`, draft model and adapters say nothing here."""
        chosen = options.model_dump(exclude_none=True) if options is not None else {}
        wishes = {name: value for name, value in chosen.items() if name not in ("draft_model", "adapters", "projector")}
        target = with_query(f"{ROOT}/hub/fit", {"repo": repo, "file": file, "revision": revision, **wishes})
        return await self._call("GET", target, answer=wire_models.HubFit, timeout_s=HUB_TIMEOUT_S)

    async def hub_token(self) -> wire_models.HubToken:
        return await self._call("GET", f"{ROOT}/hub/token", answer=wire_models.HubToken)

    async def set_hub_token(self, token: str, *, session_only: bool = False) -> wire_models.HubToken:
        """Keep a token in the keyring; `session_only` consents to memory alone where there is no keyring."""
        body = wire_models.HubTokenRequest(token=token, session_only=session_only)
        target = f"{ROOT}/hub/token"
        return await self._call("POST", target, body, answer=wire_models.HubToken, timeout_s=HUB_TIMEOUT_S)

    async def forget_hub_token(self) -> wire_models.HubToken:
        return await self._call("DELETE", f"{ROOT}/hub/token", answer=wire_models.HubToken)

    # what suits this machine, and what is on its disk already

    async def catalogue(self, task: str = "") -> wire_models.Catalogue:
        target = with_query(f"{ROOT}/catalogue", {"task": task})
        return await self._call("GET", target, answer=wire_models.Catalogue)

    async def suggestions(self, task: str = "") -> wire_models.Suggestions:
        target = with_query(f"{ROOT}/catalogue/suggest", {"task": task})
        return await self._call("GET", target, answer=wire_models.Suggestions, timeout_s=HUB_TIMEOUT_S)

    async def stores(self) -> wire_models.StoreReport:
        """The last scan; the job `scan` makes a new one."""
        return await self._call("GET", f"{ROOT}/stores", answer=wire_models.StoreReport)

    async def disk(self) -> wire_models.DiskUse:
        return await self._call("GET", f"{ROOT}/disk", answer=wire_models.DiskUse)

    async def adapters(self) -> list[wire_models.Adapter]:
        return await self._list(f"{ROOT}/adapters", "adapters", wire_models.Adapter)

    async def remove_adapter(self, adapter_id: str) -> wire_models.Adapter:
        return await self._call("DELETE", under("adapters", adapter_id), answer=wire_models.Adapter)

    # jobs

    async def start_job(self, kind: str, options: Mapping[str, Any] | None = None) -> wire.Job:
        """Start a job; one that is at the same thing already is returned instead."""
        body = wire.JobRequest(kind=kind, options=dict(options or {}))
        return await self._call("POST", f"{ROOT}/jobs", body, answer=wire.Job)

    async def jobs(self) -> list[wire.Job]:
        return await self._list(f"{ROOT}/jobs", "jobs", wire.Job)

    async def job(self, job_id: str) -> wire.Job:
        return await self._call("GET", under("jobs", job_id), answer=wire.Job)

    async def cancel_job(self, job_id: str, *, keep_partial: bool = False) -> wire.Job:
        """End a job. What a download has so far goes too, unless `keep_partial`: a later one goes on from there."""
        target = with_query(under("jobs", job_id), {"keep_partial": "true" if keep_partial else ""})
        return await self._call("DELETE", target, answer=wire.Job)

    async def pause_job(self, job_id: str) -> wire.Job:
        """Stop for now and keep what is done; raises ClientError (job_cannot_pause) for kinds that cannot."""
        return await self._call("POST", under("jobs", job_id, "pause"), answer=wire.Job)

    async def resume_job(self, job_id: str) -> wire.Job:
        """Go on with a job that is paused, interrupted or failed in a way that can go on."""
        return await self._call("POST", under("jobs", job_id, "resume"), answer=wire.Job)
