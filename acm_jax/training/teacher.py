"""A trained tracker that another tracker imitates in training."""

import dataclasses
from collections.abc import Mapping
from typing import Any

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
  """A trained tracker that gets the same crops as its student.

  The teacher's variables are separate arguments of the compiled training step,
  because they would otherwise become constants of the program.

  Attributes:
    model: Tracker, variables and precision.
    weights: Factor on each part of the loss; see `Tracker.imitation`.
  """

  model: Model
  weights: Mapping[str, float]

  @property
  def fingerprint(self) -> str:
    """Checksum of the teacher's weights and statistics."""
    return self.model.fingerprint

  def outputs(self, variables: Variables, batch: Batch) -> Outputs:
    """Computes the teacher's outputs for a batch, without gradients.

    As in tracking, batch norms use their running statistics. Matrix products
    have the teacher's own precision.

    Args:
      variables: Weights and statistics of the teacher.
      batch: Training batch of the student.
    """
    with jax.default_matmul_precision(self.model.precision):
      outputs, _ = self.model.tracker.apply(
        variables, batch.template, batch.template_box[:, 2:], batch.search
      )
    return jax.lax.stop_gradient(outputs)

  def loss(
    self,
    student: Tracker,
    outputs: Outputs,
    teacher_outputs: Outputs,
    positive: Bool[Array, 'b'],
  ) -> tuple[Float[Array, ''], dict[str, Float[Array, '']]]:
    """Computes the loss between the student's and the teacher's outputs.

    Args:
      student: Tracker that is being trained.
      outputs: Student's outputs for a batch.
      teacher_outputs: Teacher's outputs for the same batch.
      positive: For each pair, whether both crops show the same target.

    Returns:
      The loss, and a dictionary from names to its unweighted parts, for the
      log.
    """
    loss, parts = student.imitation(
      outputs, teacher_outputs, positive, **self.weights
    )
    return loss, {f'teacher_{name}': part for name, part in parts.items()}


def load(
  checkpoint: str | None,
  weights: Mapping[str, float] | None,
  student: Tracker,
  search_size: int,
) -> Teacher | None:
  """Loads the teacher of a run, if it has one.

  Args:
    checkpoint: Model or training run to use as the teacher, as in
      `trained.read`; None if no teacher is named.
    weights: Config section `teacher`, with the factors on the parts of the
      loss; None if the config has no such section.
    student: Tracker to train.
    search_size: Side of the search crop in training, px.

  Raises:
    OSError: The folder does not exist or has no checkpoint.
    ValueError: Only one of `checkpoint` and `weights` is given, the trackers
      differ in their crops or outputs, or the student lacks a loss that
      `weights` names.
  """
  if checkpoint is None and weights is None:
    return None
  if weights is None:
    raise ValueError(
      '`teacher`: the config has no section teacher with weights of the '
      'losses; add the section or omit the argument'
    )
  if checkpoint is None:
    raise ValueError(
      'config.teacher: no teacher is named; give `teacher`, which is also '
      'required to resume a run'
    )
  teacher = Teacher(trained.load(checkpoint), weights)
  with section('teacher'):
    _check(teacher, checkpoint, student, search_size)
  return teacher


def with_fingerprint(
  sections: Mapping[str, Any], teacher: Teacher
) -> dict[str, Any]:
  """Adds the fingerprint of a teacher to the section `teacher` of a config.

  The fingerprint prevents resuming a run with another teacher.
  """
  section = {**sections['teacher'], 'fingerprint': teacher.fingerprint}
  return {**sections, 'teacher': section}


def _check(
  teacher: Teacher, checkpoint: str, student: Tracker, search_size: int
) -> None:
  """Checks that both trackers agree in crops and in the shapes of outputs."""
  for name in ('template_size', 'context_amount'):
    own, other = getattr(student, name), getattr(teacher.model.tracker, name)
    if own != other:
      raise ValueError(
        f'{checkpoint}: the teacher has {name}={other}, but the student has '
        f'{own}; choose a teacher with the same crops'
      )

  def compare(key: jax.Array, batch: Batch, variables: Variables):
    outputs, _ = student.apply(
      student.init_variables(key),
      batch.template,
      batch.template_box[:, 2:],
      batch.search,
    )
    teacher_outputs = teacher.outputs(variables, batch)
    own = jax.tree.map(jnp.shape, outputs)
    other = jax.tree.map(jnp.shape, teacher_outputs)
    if own != other:
      raise ValueError(
        f'{checkpoint}: for a search crop of {search_size} px, the outputs of '
        f"the teacher have the shapes {other}, but the student's outputs have "
        f'the shapes {own}; choose a teacher with the same outputs'
      )
    return teacher.loss(student, outputs, teacher_outputs, batch.positive)

  # Evaluates only shapes. This suffices for the loss to raise its errors.
  jax.eval_shape(
    compare,
    jax.random.key(0),
    shapes(student, search_size),
    teacher.model.variables,
  )


def shapes(tracker: Tracker, search_size: int) -> Batch:
  """Returns the shapes of a training batch of one pair."""
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
