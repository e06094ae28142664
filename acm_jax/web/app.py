"""Web application of `acm-jax demo`: passes the requests to sessions."""

import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import (
  FileResponse,
  JSONResponse,
  PlainTextResponse,
  Response,
)
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from acm_jax.host.staging import naming
from acm_jax.running import drawing
from acm_jax.tracking.result import Result
from acm_jax.tracking.video_tracker import VideoTracker
from acm_jax.web import opening
from acm_jax.web.middleware import Guard
from acm_jax.web.session import Session
from acm_jax.web.sessions import FullError, Sessions
from acm_jax.web.shown import Shown
from acm_jax.web.sources import Captured, Limits

# Size of a body that is not a video, bytes. A frame of the camera is the
# largest.
_MOST_BODY = 10_000_000
_PAGE = Path(__file__).with_name('page')


class Setting(NamedTuple):
  """What the application is started with.

  Attributes:
    name: Name of the tracker.
    new_tracker: Function that makes a tracker without a target.
    root: Folder for temporary files.
    limits: Limits on videos.
    lost_score: Score below which a target is lost.
    found_score: Score above which a lost target is found again.
    local: Whether only this machine reaches the application. Otherwise, no
      addresses are opened, because others could then reach what this machine
      reaches.
  """

  name: str
  new_tracker: Callable[[], VideoTracker]
  root: Path
  limits: Limits
  lost_score: float
  found_score: float
  local: bool


def make(setting: Setting) -> Starlette:
  """Makes the application.

  `state.stop` of the application is a function that makes work in progress
  fail, so that the application can end.
  """
  handlers = _Handlers(setting)
  session, target = '/sessions/{key}', '/sessions/{key}/targets'
  routes = [
    Route('/about', handlers.about),
    Route('/sessions', handlers.open, methods=['POST']),
    Route(f'{session}/close', handlers.close, methods=['POST']),
    Route(f'{session}/frames', handlers.add_frame, methods=['POST']),
    Route(f'{session}/frames/{{position:int}}', handlers.frame),
    Route(target, handlers.place, methods=['POST']),
    Route(f'{target}/{{target:int}}', handlers.remove, methods=['DELETE']),
    Route(f'{target}/{{target:int}}/scores/{{position:int}}', handlers.scores),
    Route(f'{session}/step', handlers.step, methods=['POST']),
    Route(f'{session}/boxes.csv', handlers.table),
    Route(f'{session}/tracked.mp4', handlers.video),
    Mount('/', StaticFiles(directory=_PAGE, html=True)),
  ]
  app = Starlette(
    routes=routes,
    middleware=[Middleware(Guard)],
    exception_handlers={
      ArithmeticError: _answer_with(400),
      ClientDisconnect: _answer_with(400),
      FullError: _answer_with(503),
      LookupError: _answer_with(404),
      OSError: _answer_with(500),
      RuntimeError: _answer_with(500),
      ValueError: _answer_with(400),
    },
    lifespan=handlers.lifespan,
  )
  app.state.stop = handlers.stop
  return app


class _Handlers:
  """Handlers of the requests."""

  def __init__(self, setting: Setting):
    self._setting = setting
    self._sessions = Sessions(setting.root)

  def stop(self) -> None:
    """Makes the work of all sessions fail."""
    self._sessions.stop_all()

  @contextlib.asynccontextmanager
  async def lifespan(self, app: Starlette):
    """Ends all sessions when the application ends."""
    del app
    yield
    await run_in_threadpool(self._sessions.close_all)

  async def about(self, request: Request) -> Response:
    """Tells what the page must know before a video is open."""
    del request
    setting = self._setting
    return JSONResponse(
      {
        'tracker': setting.name,
        'colors': drawing.COLORS,
        'limits': setting.limits._asdict(),
        'lost_score': setting.lost_score,
        'found_score': setting.found_score,
        'addresses': setting.local,
      }
    )

  async def open(self, request: Request) -> Response:
    """Opens the upload in the body, the address `address`, or the camera."""
    limits, query = self._setting.limits, request.query_params
    key, folder = await run_in_threadpool(self._sessions.reserve)
    try:
      if 'address' in query:
        self._check_addresses()
        await _body(request)
        source = await run_in_threadpool(
          opening.open_address, query['address'], folder, limits
        )
      elif 'name' in query:
        path = folder / f'upload{opening.suffix(query["name"])}'
        await _save(request, path, limits, query['name'])
        source = await run_in_threadpool(
          opening.open_upload, path, query['name'], limits
        )
      else:
        source = Captured(folder, limits)
      shown = Shown(folder, limits.megabytes * 1_000_000)
      session = Session(source, self._setting.new_tracker, shown)
      await run_in_threadpool(session.compile)
      if await request.is_disconnected():
        raise ClientDisconnect
    except BaseException:
      await run_in_threadpool(self._sessions.close, key)
      raise
    self._sessions.start(key, session)
    return JSONResponse(_state(session) | {'key': key}, 201)

  def _check_addresses(self) -> None:
    if not self._setting.local:
      raise ValueError(
        'addresses are only opened if the page is served to this machine '
        'alone; download the video and choose the file'
      )

  async def close(self, request: Request) -> Response:
    """Ends a session."""
    await run_in_threadpool(self._sessions.close, request.path_params['key'])
    return Response(status_code=204)

  async def add_frame(self, request: Request) -> Response:
    """Adds a frame of the browser's camera, a JPEG file."""
    data = await _body(request)

    def add(session, _):
      if not isinstance(session.source, Captured):
        raise ValueError('this video is not from a camera')
      session.source.add(data)
      if session.source.length == 1:
        session.compile()
      return _state(session)

    return JSONResponse(await self._use(request, add))

  async def frame(self, request: Request) -> Response:
    """Sends a frame as JPEG; `X-Size` is the frame's own width and height."""
    position = request.path_params['position']
    picture = await self._use(
      request, lambda session, _: session.picture(position)
    )
    size = f'{picture.width},{picture.height}'
    return Response(
      picture.jpeg, media_type='image/jpeg', headers={'X-Size': size}
    )

  async def place(self, request: Request) -> Response:
    """Starts a target, or corrects one; answers with all results."""
    wanted = _parse_target(await _body(request))

    def place(session, _):
      session.place(*wanted)
      return _with_results(session)

    return JSONResponse(await self._use(request, place))

  async def remove(self, request: Request) -> Response:
    """Removes a target; answers with all results."""

    def remove(session, _):
      session.remove(request.path_params['target'])
      return _with_results(session)

    return JSONResponse(await self._use(request, remove))

  async def step(self, request: Request) -> Response:
    """Tracks in the next frame; `position` is null if there is none."""

    def step(session, _):
      position = session.step()
      found = {} if position is None else session.at(position)
      return _state(session) | {
        'position': position,
        'results': _listed(found),
      }

    return JSONResponse(await self._use(request, step))

  async def scores(self, request: Request) -> Response:
    """Sends the score map of a target in a frame."""
    params = request.path_params
    scores, box = await self._use(
      request,
      lambda session, _: session.score_map(
        params['target'], params['position']
      ),
    )
    return JSONResponse({'scores': scores.tolist(), 'box': box.tolist()})

  async def table(self, request: Request) -> Response:
    """Sends the results as a table."""
    text = await self._use(request, lambda session, _: session.table())
    headers = {'Content-Disposition': 'attachment; filename="boxes.csv"'}
    return PlainTextResponse(text, media_type='text/csv', headers=headers)

  async def video(self, request: Request) -> Response:
    """Sends the video with the boxes drawn in."""

    def write(session, folder):
      session.write_video(folder / 'tracked.mp4')
      return folder / 'tracked.mp4'

    path = await self._use(request, write)
    return FileResponse(path, filename='tracked.mp4')

  async def _use(
    self, request: Request, act: Callable[[Session, Path], Any]
  ) -> Any:
    """Calls a function of a session and its folder, in another thread."""

    def run():
      with self._sessions.use(request.path_params['key']) as used:
        return act(*used)

    return await run_in_threadpool(run)


def _state(session: Session) -> dict[str, Any]:
  return {
    'fps': session.source.fps,
    'length': session.source.length,
    'live': session.source.live,
    'targets': session.targets,
    'tracked_to': session.tracked_to,
  }


def _with_results(session: Session) -> dict[str, Any]:
  results = {k: _listed(found) for k, found in session.results().items()}
  return _state(session) | {'results': results}


def _listed(results: dict[int, Result]) -> dict[int, list[float]]:
  """Returns x, y, w, h, score and lost (0 or 1) of each target."""
  return {
    target: [*result.box.tolist(), result.score, float(result.lost)]
    for target, result in results.items()
  }


def _parse_target(body: bytes) -> tuple[int, list[float], int | None]:
  """Reads {"position": 0, "box": [x, y, w, h], "target": 0 or null}."""
  try:
    values = json.loads(body)
    position, target = int(values['position']), values['target']
    box = [float(side) for side in values['box']]
    return position, box, None if target is None else int(target)
  except (ValueError, TypeError, KeyError, OverflowError):
    raise ValueError(
      f'{body[:80]!r}: give a position, a box x,y,w,h and a target or null'
    ) from None


async def _body(request: Request) -> bytes:
  body = b''
  async for chunk in request.stream():
    body += chunk
    if len(body) > _MOST_BODY:
      raise ValueError(f'the request is larger than {_MOST_BODY} bytes')
  return body


async def _save(
  request: Request, path: Path, limits: Limits, name: str
) -> None:
  """Writes an upload to a file."""
  # Most uploads that are too large say so before they are sent.
  limits.check_bytes(int(request.headers.get('Content-Length', 0)), name)
  written = 0
  with naming(path), path.open('wb') as file:
    async for chunk in request.stream():
      written += len(chunk)
      limits.check_bytes(written, name)
      file.write(chunk)


def _answer_with(code: int) -> Callable[[Request, Exception], Response]:
  """Returns a handler of errors that sends their message."""

  def answer(request: Request, error: Exception) -> Response:
    del request
    return JSONResponse({'error': str(error)}, code)

  return answer
