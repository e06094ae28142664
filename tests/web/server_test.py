"""Tests of the end of the server while it works."""

import threading

import pytest

from acm_jax.running import pictures
from acm_jax.web import ports

# Longest wait for another thread, s.
PATIENCE = 30


def test_a_video_that_is_being_written_does_not_delay_the_end(
  make_app, clip, tmp_path, monkeypatch, caplog
):
  httpx = pytest.importorskip('httpx')
  pytest.importorskip('uvicorn')
  from acm_jax.web.server import Server

  draw, drawn = pictures.draw, []
  begun, ending = threading.Event(), threading.Event()

  def wait(*args):
    drawn.append(draw(*args))
    begun.set()
    assert ending.wait(PATIENCE)
    return drawn[-1]

  app = make_app()
  stop = app.state.stop
  app.state.stop = lambda: (stop(), ending.set())
  monkeypatch.setattr(pictures, 'draw', wait)
  server, answers = Server(app), []
  with ports.listen('127.0.0.1', 0) as listening:
    options = {'sockets': [listening]}
    serving = threading.Thread(target=server.run, kwargs=options)
    serving.start()
    with httpx.Client(base_url=ports.address(listening)) as client:
      data = clip.read_bytes()
      answer = client.post('/sessions?name=a.mkv', content=data)
      session = f'/sessions/{answer.json()["key"]}'
      for position in (0, 11):
        target = {'position': position, 'box': [9, 9, 30, 30], 'target': None}
        client.post(f'{session}/targets', json=target)
      address = f'{session}/tracked.mp4'
      asking = threading.Thread(
        target=lambda: answers.append(client.get(address))
      )
      asking.start()
      assert begun.wait(PATIENCE)
      server.should_exit = True
      asking.join(PATIENCE)
    serving.join(PATIENCE)
  assert not serving.is_alive()
  # The first of twelve frames is the last one.
  assert len(drawn) == 1
  assert answers[0].json() == {'error': 'this video was closed'}
  assert not caplog.messages
  assert not list((tmp_path / 'root').iterdir())
