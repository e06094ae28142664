"""Benchmarks that results are scored on: layout, pixel base, official list."""

import dataclasses

_OTB100 = """
  Basketball Biker Bird1 Bird2 BlurBody BlurCar1 BlurCar2 BlurCar3 BlurCar4
  BlurFace BlurOwl Board Bolt Bolt2 Box Boy Car1 Car2 Car24 Car4 CarDark
  CarScale ClifBar Coke Couple Coupon Crossing Crowds Dancer Dancer2 David
  David2 David3 Deer Diving Dog Dog1 Doll DragonBaby Dudek FaceOcc1 FaceOcc2
  Fish FleetFace Football Football1 Freeman1 Freeman3 Freeman4 Girl Girl2
  Gym Human2 Human3 Human4-2 Human5 Human6 Human7 Human8 Human9 Ironman
  Jogging-1 Jogging-2 Jump Jumping KiteSurf Lemming Liquor Man Matrix Mhyang
  MotorRolling MountainBike Panda RedTeam Rubik Shaking Singer1 Singer2
  Skater Skater2 Skating1 Skating2-1 Skating2-2 Skiing Soccer Subway Surfer
  Suv Sylvester Tiger1 Tiger2 Toy Trans Trellis Twinnings Vase Walking
  Walking2 Woman
"""


@dataclasses.dataclass(frozen=True)
class Benchmark:
  """How a benchmark's files are read and which sequences it has.

  Attributes:
    name: As given to `--benchmark`.
    layout: Layout of the official folders, a key of
      `data_pipelines.layouts.LAYOUTS`; None where there is no reader, and only
      annotations apart from the videos can be scored.
    first_pixel: Coordinate of the first pixel in the benchmark's annotations
      and in result files for it: 1 where the official toolkit is Matlab's.
    labels_absence: Whether frames without the target are labelled as such,
      and scored so, rather than known by their box alone.
    sequences: The official list, in its order; empty where the annotations
      that are given are the list.
  """

  name: str
  layout: str | None
  first_pixel: int
  labels_absence: bool = False
  sequences: tuple[str, ...] = ()


BENCHMARKS = {
  benchmark.name: benchmark
  for benchmark in (
    Benchmark('otb100', 'otb', 1, sequences=tuple(_OTB100.split())),
    Benchmark('uav123', None, 1),
    Benchmark('uav123_10fps', 'uav123_10fps', 1),
    Benchmark('uav20l', None, 1),
    Benchmark('dtb70', 'otb', 1),
    Benchmark('nfs30', None, 0),
    Benchmark('lasot', None, 1, labels_absence=True),
    Benchmark('tinytlp', 'tinytlp', 0, labels_absence=True),
    # As one pass over the boxes round its regions.
    Benchmark('vot2018', 'vot', 0),
    Benchmark('davis', 'davis', 0, labels_absence=True),
    Benchmark('folder', 'folder', 0, labels_absence=True),
  )
}


def get(name: str) -> Benchmark:
  """The benchmark of that name.

  Raises:
    ValueError: There is none; the message lists the known.
  """
  if name not in BENCHMARKS:
    known = ', '.join(BENCHMARKS)
    raise ValueError(f'unknown benchmark {name!r}: choose one of {known}')
  return BENCHMARKS[name]


def spelling(name: str) -> str:
  """What toolkits agree on of a sequence's name.

  Jogging-1, jogging_1 and Jogging.1 are one sequence.
  """
  return name.casefold().replace('_', '-').replace('.', '-')
