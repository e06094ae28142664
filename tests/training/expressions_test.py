"""Tests of the expressions that select parameters."""

import pytest

from acm_jax.training import expressions

TREE = {'head': {'kernel': 1.0, 'bias': 2.0}, 'tail': {'kernel': 3.0}}


def test_the_first_expression_that_selects_a_parameter_decides():
  patterns = ['head/kernel', 'head', '']
  assert expressions.assign('rates', patterns, TREE) == {
    'head': {'kernel': 'head/kernel', 'bias': 'head'},
    'tail': {'kernel': ''},
  }


@pytest.mark.parametrize(
  ('patterns', 'message'),
  [
    (['head'], 'no expression selects the parameter tail/kernel'),
    (['', 'head'], "expressions have no effect: 'head'"),
    (['neck', ''], "expressions have no effect: 'neck'"),
  ],
)
def test_expressions_that_do_not_fit_a_tree_are_refused(patterns, message):
  with pytest.raises(ValueError, match=f'rates: {message}'):
    expressions.assign('rates', patterns, TREE)


@pytest.mark.parametrize(
  'pairs',
  ['fsdp', (('head',),), (('head', 'fsdp', 1),), (('head', 1.0),), ('ab',)],
)
def test_anything_but_pairs_is_refused(pairs):
  with pytest.raises(ValueError, match=r'rules=.*give a tuple of pairs like'):
    expressions.check_pairs('rules', pairs, ('backbone/', 'fsdp'))
