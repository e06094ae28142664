"""Short form of long lists in messages."""

from collections.abc import Sequence

# Number of items that a message lists.
_LISTED = 8


def excerpt(items: Sequence[str], separator: str = ', ') -> str:
  """Joins the first items, and counts the others: `a, b and 40 more`."""
  text = separator.join(items[:_LISTED])
  rest = len(items) - _LISTED
  return f'{text} and {rest} more' if rest > 0 else text
