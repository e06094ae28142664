"""Tests of the command demo, from its flags to its end."""

import importlib.util
import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request

import pytest

from acm_jax import demo

# Longest wait for an answer, s.
PATIENCE = 60

pytestmark = pytest.mark.skipif(
  importlib.util.find_spec('uvicorn') is None, reason='needs the extra `demo`'
)


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_the_page_is_served_until_a_signal_and_no_file_is_left(
  tiny_run, tmp_path, number
):
  argv = [sys.executable, '-m', 'acm_jax', 'demo', '--port=0']
  # A program that runs in the background, as tests may, ignores some signals,
  # and so do the programs that it starts.
  before = signal.signal(number, signal.default_int_handler)
  try:
    process = subprocess.Popen(
      [*argv, f'--checkpoint={tiny_run}', '--max_megabytes=7'],
      stdout=subprocess.PIPE,
      stderr=subprocess.PIPE,
      text=True,
      env=os.environ | {'TMPDIR': str(tmp_path)},
    )
  finally:
    signal.signal(number, before)
  with process:
    lines = []
    while 'open http' not in ''.join(lines):
      lines.append(process.stdout.readline())
      assert lines[-1], process.stderr.read()
    address = re.search(r'http://127\.0\.0\.1:\d+', lines[-1])[0]
    with urllib.request.urlopen(f'{address}/about', timeout=PATIENCE) as about:
      told = json.load(about)
    assert told['tracker'] == 'tiny'
    assert told['limits'] == {'megabytes': 7, 'seconds': 600.0}
    request = urllib.request.Request(f'{address}/sessions', method='POST')
    urllib.request.urlopen(request, timeout=PATIENCE).close()
    (folder,) = tmp_path.glob('acm_jax_demo_*')
    assert list(folder.iterdir())
    process.send_signal(number)
    errors = process.stderr.read()
  assert process.returncode == 128 + number
  assert errors == 'interrupted\n'
  assert not list(tmp_path.glob('acm_jax_demo_*'))


@pytest.mark.parametrize(
  ('flag', 'message'),
  [
    ('--max_megabytes=0', '--max_megabytes=0: give a finite number above 0'),
    ('--max_seconds=-1', '--max_seconds=-1.0: give a finite number above 0'),
    ('--max_seconds=inf', '--max_seconds=inf: give a finite number above 0'),
    ('--max_seconds=nan', '--max_seconds=nan: give a finite number above 0'),
    ('--port=70000', '--port=70000: give a number from 0 to 65535'),
    ('--host=192.0.2.1', '--host=192.0.2.1: is not an address of this'),
    ('--checkpoint=missing', 'missing: no such folder'),
  ],
)
def test_what_cannot_be_served_is_refused(refuse, flag, message):
  port = [] if 'port' in flag else ['--port=0']
  refuse(demo, flag, *port, message=message)


def test_a_port_in_use_is_refused_before_the_tracker_is_loaded(refuse):
  with socket.create_server(('127.0.0.1', 0)) as used:
    port = used.getsockname()[1]
    message = f'--port={port}: is in use by another program; give another port'
    refuse(demo, f'--port={port}', '--checkpoint=missing', message=message)


def test_a_missing_package_is_named(run_command, monkeypatch):
  monkeypatch.setattr(importlib.util, 'find_spec', lambda name: None)
  code, _, errors = run_command(demo)
  assert code == 1
  message = "error: starlette is not installed: run pip install 'acm-jax[demo]'"
  assert errors == [message]
