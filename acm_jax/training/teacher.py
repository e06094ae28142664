"""A trained tracker whose outputs join the loss of another one."""

import dataclasses
from collections.abc import Mapping

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from acm_jax.tracking.contract import (
  Batch,
  Outputs,
  Tracker,
  Variables,
)
from acm_jax.tracking.model import Model
from acm_jax.training import trained
from acm_jax.training.sections import section


@dataclasses.dataclass(frozen=True, eq=False)
class Teacher:
  """A trained tracker that sees the same crops as its student.

  Its variables are arguments of what is compiled, beside it, so that they are
  no constants there.

  Attributes:
    model: Tracker, variables and precision.
    weights: Factors on the parts of `Tracker.imitation`.
  """

  model: Model
  weights: Mapping[str, float]

  @property
  def fingerprint(self) -> str:
    """Checksum of its weights and statistics."""
    return self.model.fingerprint

  def outputs(self, variables: Variables, batch: Batch) -> Outputs:
    """Gives outputs as in tracking, at the teacher's own precision."""
    with jax.default_matmul_precision(self.model.precision):
      outputs, _ = self.model.tracker.apply(
        variables, batch.template, batch.template_box[:, 2:], batch.search
      )
    return jax.lax.stop_gradient(outputs)

  def loss(
    self,
    student: Tracker,
    outputs: Outputs,
    wanted: Outputs,
    positive: Bool[Array, 'b'],
  ) -> tuple[Float[Array, ''], dict[str, Float[Array, '']]]:
    """Compares the student's outputs with the teacher's.

    Args:
      student: What trains.
      outputs: Student's outputs for a batch.
      wanted: Teacher's outputs for it, as `outputs` gives them.
      positive: Whether both crops of a pair show the same target.

    Returns:
      The loss, and its parts by name for the log.
    """
    loss, parts = student.imitation(outputs, wanted, positive, **self.weights)
    return loss, {f'teacher_{name}': part for name, part in parts.items()}


def load(
  place: str | None,
  weights: Mapping[str, float] | None,
  student: Tracker,
  search_size: int,
) -> Teacher | None:
  """Loads the teacher of a run, if it has one.

  Args:
    place: Run or conversion, FOLDER or FOLDER@STEP.
    weights: Section `teacher` of the config.
    student: Tracker that trains.
    search_size: Side of the search crop in training, px.

  Raises:
    OSError: The teacher is not there.
    ValueError: There is a teacher and no section or the reverse; or crops,
      outputs or weights of the two trackers do not fit.
  """
  if place is None and weights is None:
    return None
  if weights is None:
    raise ValueError(
      '--teacher: the config has no section `teacher`, which weights its '
      'losses; add one or leave out the flag'
    )
  if place is None:
    raise ValueError(
      'config.teacher: no teacher is named; give --teacher=DIR, also where '
      'the run goes on'
    )
  teacher = Teacher(trained.load(place), weights)
  with section('teacher'):
    _check(teacher, place, student, search_size)
  return teacher


def _check(
  teacher: Teacher, place: str, student: Tracker, search_size: int
) -> None:
  theirs = teacher.model.tracker
  for name in ('template_size', 'context_amount'):
    own, other = getattr(student, name), getattr(theirs, name)
    if own != other:
      raise ValueError(
        f'{place}: its crops have {name}={other}, the student {own}; take a '
        'teacher of the same crops'
      )

  def compare(key: jax.Array, batch: Batch, variables: Variables):
    outputs, _ = student.apply(
      student.init_variables(key),
      batch.template,
      batch.template_box[:, 2:],
      batch.search,
    )
    wanted = teacher.outputs(variables, batch)
    own, other = (jax.tree.map(jnp.shape, x) for x in (outputs, wanted))
    if own != other:
      raise ValueError(
        f'{place}: for a search crop of {search_size} px its outputs are '
        f'{other}, those of the student {own}; take a teacher of the same maps'
      )
    return teacher.loss(student, outputs, wanted, batch.positive)

  # Shapes alone: a loss that cannot be is met here and not in the first step.
  jax.eval_shape(
    compare,
    jax.random.key(0),
    shapes(student, search_size),
    teacher.model.variables,
  )


def shapes(tracker: Tracker, search_size: int) -> Batch:
  """Gives the shapes of a batch of one pair, as a tracker trains on it."""
  template_size = tracker.template_size

  def array(*shape, dtype='float32'):
    return jax.ShapeDtypeStruct((1, *shape), dtype)

  return Batch(
    template=array(template_size, template_size, 3),
    search=array(search_size, search_size, 3),
    template_box=array(4),
    search_box=array(4),
    positive=array(dtype='bool'),
  )
