"""Random sequences and results that vot-toolkit has scored.

The figures of vot-toolkit in the tests are from the workspace that `write`
writes, analysed with the experiments `multistart`, `unsupervised` and
`supervised`.
"""

from pathlib import Path

import numpy as np

from acm_jax.evaluation import runs as run_files
from acm_jax.evaluation.runs import (
  FAILED,
  INITIALISED,
  SKIPPED,
  TRACKED,
  Run,
  unbroken,
)
from acm_jax.evaluation.truth import Truth
from tests import formulas

SIZE = (320, 240)
LENGTHS = {'a': 230, 'b': 151, 'c': 320, 'd': 60}
# Sequences b and c have no target in these frames.
ABSENT = slice(70, 90)


def truths() -> dict[str, Truth]:
  """Returns the ground truth of all sequences."""
  return {name: Truth(tuple(_boxes(name, True)), size=SIZE) for name in LENGTHS}


def runs() -> dict[str, list[Run]]:
  """Returns results of the anchor experiment.

  The anchors are every 50th frame and the last frame. A run goes forward or
  backward, whichever is longer.
  """
  found = {}
  for name, length in LENGTHS.items():
    boxes, found[name] = _boxes(name), []
    for anchor in sorted({*range(0, length, 50), length - 1}):
      step = 1 if length - 1 - anchor >= anchor else -1
      rng = formulas.rng(f'run {name} {anchor}')
      fails = rng.integers(10, 400)
      drift, regions = np.zeros(2), [np.zeros(0)]
      rest = boxes[anchor::step][1:]
      for frame, box in enumerate(rest, 1):
        drift = drift + rng.normal(0, 1.5, 2) + (frame > fails) * np.ones(2)
        drift *= rng.random() > 0.08
        drift += (rng.random() < 0.02) * rng.normal(0, 30, 2)
        regions.append(_moved(box, drift, rng))
      found[name].append(unbroken(regions, start=anchor, step=step))
  return found


def resets() -> dict[str, list[Run]]:
  """Returns results of the reset experiment, for sequences a and d."""
  found = {}
  for name in 'ad':
    boxes, rng = _boxes(name), formulas.rng(f'reset {name}')
    length = len(boxes)
    event, region = [], []
    while len(event) < length:
      drift = np.zeros(2)
      event.append(INITIALISED)
      region.append(np.zeros(0))
      for box in boxes[len(event) :]:
        drift = drift + rng.normal(0, 6, 2)
        if np.abs(drift).max() > 60:
          event += [FAILED, *[SKIPPED] * 4]
          region += [np.zeros(0)] * 5
          break
        event.append(TRACKED)
        region.append(_moved(box, drift, rng))
    found[name] = [Run(tuple(region[:length]), np.array(event[:length]))]
  return found


def results() -> dict[str, list[Run]]:
  """Returns results of the long-term experiment."""
  found = {}
  for name in LENGTHS:
    rng = formulas.rng(f'long {name}')
    drift, regions, confidences = np.zeros(2), [np.zeros(0)], [np.nan]
    for true, box in zip(_boxes(name, True)[1:], _boxes(name)[1:], strict=True):
      drift = 0.95 * drift + rng.normal(0, 3, 2)
      regions.append(_moved(box, drift, rng))
      confidence = rng.uniform(0.6, 1) / (1 + np.hypot(*drift) / 20)
      if np.isnan(true).any():
        confidence *= 0.4
      confidences.append(round(confidence, 5))
    found[name] = [unbroken(regions, np.array(confidences))]
  return found


def _boxes(name, gaps=False):
  """Returns a random walk of boxes; with `gaps`, some boxes are NaN."""
  rng = formulas.rng(f'walk {name}')
  length = LENGTHS[name]
  steps = rng.normal(0, 2, (length, 2))
  corners = np.array([130, 90]) + np.cumsum(steps, axis=0)
  boxes = np.concatenate([corners, rng.normal(40, 0.2, (length, 2))], axis=1)
  if gaps and name in 'bc':
    boxes[ABSENT] = np.nan
  return boxes.round(4)


def _moved(box, drift, rng):
  sides = box[2:] * np.exp(rng.normal(0, 0.1, 2))
  return np.concatenate([box[:2] + drift, sides]).round(4)


def write(root: Path) -> None:
  """Writes sequences and results as a workspace of vot-toolkit."""
  for name, truth in truths().items():
    folder = root / 'sequences' / name
    folder.mkdir(parents=True)
    (folder / 'groundtruth.txt').write_text(_text(truth.region))
    anchors = np.zeros(len(truth.region), int)
    for run in runs()[name]:
      anchors[run.start] = run.step
      stem = f'results/x/baseline/{name}/{name}_{run.start:08d}'
      _write_result(root / f'{stem}.txt', run.region)
    (folder / 'anchor.value').write_text('\n'.join(map(str, anchors)) + '\n')
  for name, (run,) in resets().items():
    path = root / f'results/reset/baseline/{name}/{name}_001.txt'
    run_files.write_run(path, run)
  for name, (result,) in results().items():
    path = root / f'results/x/longterm/{name}/{name}_001.txt'
    _write_result(path, result.region)
    rows = '\n'.join(f'{value:.5f}' for value in result.confidence[1:])
    path.with_name(f'{name}_001_confidence.value').write_text(f'\n{rows}\n')


def _write_result(path, regions):
  path.parent.mkdir(parents=True, exist_ok=True)
  path.write_text('1\n' + _text(regions[1:]))


def _text(regions):
  return ''.join(','.join(f'{v:.4f}' for v in row) + '\n' for row in regions)
