"""Whether this process should be sent requests: for load balancers and orchestrators."""

import time
from collections.abc import Iterator

from fastapi import APIRouter, Request, Response

from dashboard import models
from dashboard.answers import Context, ContextDependency
from dashboard.kept import to_json
from dashboard.live import Live
from pipeline import __version__
from pipeline.errors import SmartSensorError

router = APIRouter(prefix="/api", tags=["operation"])

_LOOKED_WITHIN_S = 10.0


@router.get(
    "/ready",
    response_model=models.Ready,
    responses={503: {"model": models.Ready}},
    summary="Should it get requests?",
)
@router.head("/ready", include_in_schema=False)
def ready(request: Request, context: ContextDependency) -> Response:
    """200 when all is there that answers need, else 503 with the reasons."""
    reasons = list(_missing(request, context))
    body = {"status": "unavailable" if reasons else "ready", "reasons": reasons}
    return Response(to_json(body), 503 if reasons else 200, media_type="application/json")


def _missing(request: Request, context: Context) -> Iterator[str]:
    if request.app.state.stopping:
        yield "stopping: this server is shutting down"
        return
    try:
        # Notices a database that has gone, or that another one has taken the place of.
        context.store.version()
        if not context.store.is_current():
            yield f"schema: is not that of version {__version__}, which runs here"
    except SmartSensorError as error:
        yield f"database: {error if request.state.may_read else 'does not answer'}"
    live: Live = request.app.state.live
    if live.looked_at is None:
        yield "live updates: have not looked for changes yet"
    elif (silent_s := time.monotonic() - live.looked_at) > _LOOKED_WITHIN_S:
        yield f"live updates: have not looked for changes for {silent_s:.0f} s"
