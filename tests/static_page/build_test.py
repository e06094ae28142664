"""The build of the static page."""

import json
import shutil

import pytest

from tests.static_page.conftest import build


def test_a_build_has_all_files_of_the_page_and_nothing_else(built, exported):
  text = (built / 'files.js').read_text().removeprefix('const BUILD = ')
  listed = set(json.loads(text)['files'])
  files = {
    path.relative_to(built).as_posix()
    for path in built.rglob('*')
    if path.is_file()
  }
  # The browser keeps the service worker itself.
  assert files - {'service_worker.js', 'files.js'} == listed - {'./'}
  for path in exported.iterdir():
    assert (built / 'tracker' / path.name).read_bytes() == path.read_bytes()


def test_only_the_page_itself_is_allowed_by_its_security_policy(built):
  page = (built / 'index.html').read_text()
  assert "content=\"default-src 'none'; " in page
  assert 'http' not in page.partition('Policy" content=')[2].partition('>')[0]


def test_an_equal_build_has_the_same_version(built, exported, tmp_path):
  assert build(exported, tmp_path / 'again').returncode == 0
  version = (tmp_path / 'again' / 'files.js').read_text()
  assert version == (built / 'files.js').read_text()


@pytest.mark.parametrize(
  ('damage', 'message'),
  [
    (lambda f: (f / 'search.onnx').unlink(), 'search.onnx'),
    (lambda f: (f / 'search.onnx').write_text('!'), 'search.onnx: damaged'),
    (lambda f: (f / 'tracker.json').write_text('{}'), 'has version undefined'),
    (shutil.rmtree, 'tracker.json'),
  ],
)
def test_a_damaged_tracker_is_refused_and_the_page_is_kept(
  built, exported, tmp_path, damage, message
):
  page = tmp_path / 'page'
  page.mkdir()
  (page / 'kept').touch()
  shutil.copytree(exported, tmp_path / 'tracker')
  damage(tmp_path / 'tracker')
  done = build(tmp_path / 'tracker', page)
  assert done.returncode == 2
  (line,) = done.stderr.splitlines()
  assert line.startswith('error: ')
  assert message in line
  assert [path.name for path in page.iterdir()] == ['kept']


def test_a_build_without_a_tracker_says_how_to_export_one(built):
  done = build()
  assert done.returncode == 2
  assert 'acm-jax export --format onnx' in done.stderr
