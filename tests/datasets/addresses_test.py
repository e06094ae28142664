"""Addresses: what is one, paths in it, and what is not printed of it."""

import pytest

from acm_jax.datasets import addresses


@pytest.mark.parametrize(
  ('address', 'shown'),
  [
    ('rtsp://user:secret@host/a', 'rtsp://host/a'),
    ('rtsp://user@host:554/a', 'rtsp://host:554/a'),
    ('rtsp://user:sec@ret@host/a', 'rtsp://host/a'),
    ('rtsp://user:sec/ret@host/a', 'rtsp://host/a'),
    ('rtsp://user:sec/re@t@host', 'rtsp://host'),
    ('rtsp://user:12/secret@host/a', 'rtsp://host/a'),
    ('rtsp://user:sec?ret#@host/a', 'rtsp://host/a'),
    ('HTTP://user:secret@host/a', 'HTTP://host/a'),
    (
      'http://host/a?user=secret&size=9&Password=secret',
      'http://host/a?user=***&size=9&Password=***',
    ),
    ('http://u:secret@host/?pwd=secret', 'http://host/?pwd=***'),
    ('http://host/a?api_key=secret;b=1', 'http://host/a?api_key=***;b=1'),
    ('http://host/a?access_token=sec=ret', 'http://host/a?access_token=***'),
  ],
)
def test_logins_are_not_shown(address, shown):
  assert addresses.shown(address) == shown


@pytest.mark.parametrize(
  'text',
  ['http://host/a@2x.mp4?size=9', 'http://host:80/a', 'a@b.mp4', 'a:b@c?key=1'],
)
def test_other_texts_are_shown_as_they_are(text):
  assert addresses.shown(text) == text


@pytest.mark.parametrize(
  ('address', 'path'),
  [
    ('file:///a/b%20c%25.mp4', '/a/b c%.mp4'),
    ('file://localhost/a.mp4', '/a.mp4'),
    ('FILE:/a?b#c.mp4', '/a?b#c.mp4'),
    ('file:a.mp4', 'a.mp4'),
    ('http://host/a.mp4', None),
    ('a.mp4', None),
  ],
)
def test_addresses_of_files_have_paths(address, path):
  assert addresses.path(address) == path
