"""Runs under ``/v1``: each cycle that was, and one that is requested."""

from __future__ import annotations

import json

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from yieldbot.api.answering import caller_of, fields_of, listed, missing, needs, service_of, single
from yieldbot.api.idempotency import once
from yieldbot.api.problems import Problem
from yieldbot.api.resources import JobsBody
from yieldbot.app.admission import Scope
from yieldbot.app.collections import Page
from yieldbot.app.requested_runs import RunRow
from yieldbot.model.json_text import loads

router = APIRouter()


class RunBody(BaseModel):
    """What to run."""

    model_config = ConfigDict(extra="forbid")

    jobs: JobsBody = Field(default_factory=JobsBody, description="which jobs")


@router.get("/runs", dependencies=[Depends(needs(Scope.READ, None))], response_model=Page[RunRow])
async def runs(request: Request) -> Response:
    """Every run, the newest first: when, who asked, how each job ended, its plan, how long it took."""
    found = await service_of(request).runs(caller_of(request))
    return listed(request, found, fields_of(RunRow), "id", ())


@router.post("/runs", dependencies=[Depends(needs(Scope.RUN))], response_model=RunRow, status_code=202)
async def start(request: Request, body: RunBody | None = None) -> Response:
    """Start a run and do not wait for it (202): `Location` names it. Its plans are rehearsed and wait for a person.
    Needs the header Idempotency-Key."""
    caller, service = caller_of(request), service_of(request)
    jobs = service.jobs_of(caller, (body or RunBody()).jobs.model_dump())

    async def work() -> tuple[int, str]:
        if service.workers.full:
            raise Problem(503, "BUSY", "too many jobs wait already", {"Retry-After": "30"})
        row = service.start_run(caller, jobs)
        return 202, json.dumps(row.model_dump(mode="json"), separators=(",", ":"), allow_nan=False)

    answer = await once(request, {"jobs": jobs}, work)
    answer.headers["Location"] = f"/v1/runs/{loads(bytes(answer.body))['id']}"
    return answer


@router.get("/runs/{run_id}", dependencies=[Depends(needs(Scope.READ, ("fields",)))], response_model=RunRow)
async def run(request: Request, run_id: str) -> Response:
    """One run, also while it is in progress."""
    found = await service_of(request).runs(caller_of(request))
    row = next((row for row in found.rows if row["id"] == run_id), None)
    if row is None:
        raise missing()
    return single(request, row, fields_of(RunRow))
