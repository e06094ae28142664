"""Chromium with a fake camera, and what a user does on a page."""

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest


@contextlib.contextmanager
def launched(*flags: str) -> Iterator:
  """Starts Chromium; skips the test if it or Playwright is not installed."""
  playwright = pytest.importorskip('playwright.sync_api')
  path = shutil.which('chromium')
  if path is None:
    pytest.skip('chromium is not installed')
  flags = (
    '--no-sandbox',
    '--use-fake-device-for-media-stream',
    '--use-fake-ui-for-media-stream',
    *flags,
  )
  with playwright.sync_playwright() as driver:
    browser = driver.chromium.launch(executable_path=path, args=flags)
    yield browser
    browser.close()


def expect(locator):
  """Returns Playwright's assertions of what a page shows."""
  from playwright import sync_api

  return sync_api.expect(locator)


def drag(page, size_hw, start, end) -> None:
  """Drags the mouse from one x, y in the frame on `#stage` to another."""
  stage = page.locator('#stage').bounding_box()
  scale = stage['width'] / size_hw[1]
  corner = np.array([stage['x'], stage['y']])
  start, end = (corner + np.multiply(place, scale) for place in (start, end))
  page.mouse.move(*start)
  page.mouse.down()
  page.mouse.move(*(start + end) / 2)
  page.mouse.move(*end)
  page.mouse.up()


def draw(page, size_hw, box) -> None:
  """Drags the mouse around a box x, y, w, h in the frame on `#stage`."""
  x, y, w, h = box
  drag(page, size_hw, (x, y), (x + w, y + h))


def downloaded(page, name: str, folder: Path) -> Path:
  """Clicks a link by its id, and returns the path of the file in `folder`."""
  with page.expect_download() as download:
    page.click(f'#{name}')
  path = folder / download.value.suggested_filename
  download.value.save_as(path)
  return path
