"""Times the start of a tracker, from importing the package to the second box.

Prints the seconds since the start of the script after each stage. The first run
compiles; later runs find the compiled programs in the cache folder.

Example:
  python benchmarks/start.py small
"""

import sys
import time

BEGUN = time.perf_counter()


def main() -> None:
  """Loads the tracker, starts it and tracks two frames of noise."""

  def report(stage):
    print(f'{time.perf_counter() - BEGUN:5.2f} s  {stage}', flush=True)

  import numpy as np

  import acm_jax

  tracker = acm_jax.load(sys.argv[1])
  report('loaded and prepared')
  rng = np.random.default_rng(0)
  image = rng.integers(0, 255, (480, 854, 3), dtype=np.uint8)
  tracker.init(image, (300, 200, 80, 60))
  report('started')
  for number in range(1, 3):
    tracker.update(image)
    report(f'box {number}')


if __name__ == '__main__':
  main()
