"""Layers whose weights can be prepared for tracking.

Training and conversion use plain variables: parameters and batch statistics.
For tracking, `prepare` folds batch norms into the convolutions before them, and
converts kernels to the forms of `convolution`, once instead of in every frame.
The prepared weights are the collection 'prepared'; they replace the plain
variables of these layers.
"""

import abc
import functools
from typing import Any, ClassVar

import flax.linen as nn
import flax.struct
import jax
import jax.numpy as jnp
from flax import traverse_util
from jaxtyping import Array, Float

Variables = dict[str, Any]
# Name of the collection of prepared weights.
COLLECTION = 'prepared'


@flax.struct.dataclass
class Weights:
  """Prepared weights of a layer.

  Attributes:
    kernel: Kernel in the form that the layer uses.
    bias: Bias [f], or None.
    replaced: Names of the plain variables in the layer's scope that these
      weights replace.
  """

  kernel: Any
  bias: Any
  replaced: tuple[str, ...] = flax.struct.field(pytree_node=False)


class Preparable(nn.Module):
  """Base class of the layers whose weights can be prepared.

  Attributes:
    replaced: Names of the plain variables in the layer's scope that prepared
      weights replace.
  """

  replaced: ClassVar[tuple[str, ...]]

  @property
  def may_train(self) -> bool:
    """Whether the network is applied as in a training step.

    A training step makes batch statistics mutable, but not the parameters.
    """
    return self._changes_only('batch_stats')

  def _changes_only(self, collection: str) -> bool:
    """Returns whether a collection may change, but the parameters may not.

    While a network is initialised, all collections may change.
    """
    return self.is_mutable_collection(
      collection
    ) and not self.is_mutable_collection('params')

  @abc.abstractmethod
  def apply_plain(self, x: Float[Array, 'b h w c'], *, train: bool) -> Array:
    """Computes the output with the plain variables."""

  @abc.abstractmethod
  def out_shape(self, x: Float[Array, 'b h w c']) -> tuple[int, ...]:
    """Returns the shape of the output for an input of the shape of `x`."""

  @abc.abstractmethod
  def prepare(self, x: Float[Array, 'b h w c']) -> tuple[Any, Array | None]:
    """Returns the prepared kernel and bias, for inputs of the shape of `x`."""

  @abc.abstractmethod
  def apply_prepared(
    self, x: Float[Array, 'b h w c'], weights: Weights
  ) -> Array:
    """Computes the output with the prepared weights."""

  @nn.compact
  def __call__(
    self, x: Float[Array, 'b h w c'], *, train: bool = False
  ) -> Float[Array, 'b y x f']:
    """Computes the output, with the prepared weights if there are any.

    Args:
      x: Input.
      train: Whether batch norms use batch statistics, not running statistics.
    """
    # The first of the names is the key of the prepared weights.
    entry = self.replaced[0]
    if self._changes_only(COLLECTION):
      weights = Weights(*self.prepare(x), self.replaced)
      self.put_variable(COLLECTION, entry, weights)
      # Only the shape of the output matters here.
      return jnp.zeros(self.out_shape(x), x.dtype)
    if self.has_variable(COLLECTION, entry):
      return self.apply_prepared(x, self.get_variable(COLLECTION, entry))
    return self.apply_plain(x, train=train)


def prepare(
  network: nn.Module,
  variables: Variables,
  inputs: tuple[jax.ShapeDtypeStruct, ...],
) -> Variables:
  """Prepares the weights of a network for tracking.

  The kernels have the forms that a CPU executes fastest, or the plain forms if
  those are selected.

  Args:
    network: Network.
    variables: Plain variables of the network.
    inputs: Shapes of the network's inputs. A layer that is applied to several
      inputs is prepared for the last of them.

  Returns:
    The prepared weights, and the plain variables that they do not replace.

  Raises:
    ValueError: The variables are prepared already.
  """
  check_plain(variables, 'prepare')
  prepared = _weights(network, variables, inputs)
  entries = traverse_util.flatten_dict(
    prepared, is_leaf=lambda _, value: isinstance(value, Weights)
  )
  replaced = {
    (*path[:-1], name)
    for path, weights in entries.items()
    for name in weights.replaced
  }

  def remaining(tree):
    leaves = {
      path: leaf
      for path, leaf in traverse_util.flatten_dict(tree).items()
      if not any(path[:end] in replaced for end in range(1, len(path) + 1))
    }
    return traverse_util.unflatten_dict(leaves)

  others = {name: remaining(tree) for name, tree in variables.items()}
  return {**others, COLLECTION: prepared}


@functools.partial(jax.jit, static_argnums=(0, 2))
def _weights(network, variables, inputs):
  """Returns the prepared weights of all layers.

  The outputs of the network are not used, so that XLA leaves them out.
  """
  zeros = [jnp.zeros(x.shape, x.dtype) for x in inputs]
  _, collections = network.apply(variables, *zeros, mutable=[COLLECTION])
  return collections.get(COLLECTION, {})


def check_plain(variables: Variables, purpose: str) -> None:
  """Checks that variables are plain.

  Args:
    variables: Variables of a network.
    purpose: What the variables are needed for: a verb, such as 'train'.

  Raises:
    ValueError: The variables are prepared for tracking.
  """
  if COLLECTION in variables:
    raise ValueError(
      f'cannot {purpose} weights that are prepared for tracking, because batch '
      'norms are folded into them; use the plain variables, from before '
      '`prepare`'
    )
