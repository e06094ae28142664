"""Encodings, line ends and separators of text files."""

import ast
import codecs
from pathlib import Path

import pytest

from acm_jax.host import text_files

ROOT = Path(__file__).parents[2]
TEXT = 'Größe\n猫\n'


@pytest.mark.parametrize('line_end', ['\n', '\r\n', '\r'])
@pytest.mark.parametrize(
  ('encoding', 'mark'),
  [
    ('utf-8', b''),
    ('utf-8', codecs.BOM_UTF8),
    ('utf-16-le', codecs.BOM_UTF16_LE),
    ('utf-16-be', codecs.BOM_UTF16_BE),
    ('utf-32-le', codecs.BOM_UTF32_LE),
    ('utf-32-be', codecs.BOM_UTF32_BE),
  ],
)
def test_every_mark_and_line_end_gives_the_same_text(
  encoding, mark, line_end, tmp_path
):
  path = tmp_path / 'a.txt'
  path.write_bytes(mark + TEXT.replace('\n', line_end).encode(encoding))
  assert text_files.read(path) == TEXT
  assert text_files.lines(path) == ['Größe', '猫']


@pytest.mark.parametrize(
  ('data', 'message'),
  [
    ('a\nGröße\n'.encode('latin-1'), r'a\.txt: not a text .* \(line 2\); save'),
    ('1,2'.encode('utf-16-le'), r'a\.txt: contains zero bytes'),
    (b'1,2\n\0\0\0', r'a\.txt: contains zero bytes'),
    (codecs.BOM_UTF16_LE + b'1\0,', r'a\.txt: not a text'),
  ],
  ids=['latin-1', 'UTF-16 without a mark', 'end of zeros', 'half a character'],
)
def test_other_contents_are_refused(data, message, tmp_path):
  path = tmp_path / 'a.txt'
  path.write_bytes(data)
  with pytest.raises(ValueError, match=message):
    text_files.read(path)


def test_lines_keep_the_spaces_within_names(tmp_path):
  path = tmp_path / 'names.txt'
  path.write_text('  my cat \n\n\tdog\n', encoding='utf-8')
  assert text_files.lines(path) == ['my cat', 'dog']


def test_a_name_that_is_not_utf8_is_written_with_its_own_bytes(tmp_path):
  path = tmp_path / 'a.txt'
  text_files.write(path, b'caf\xe9\n'.decode('utf-8', 'surrogateescape'))
  assert path.read_bytes() == b'caf\xe9\n'


@pytest.mark.parametrize(
  ('line', 'found'),
  [
    ('1,2,3', ['1', '2', '3']),
    (' 1 , 2 ,\t3 ,\n', ['1', '2', '3']),
    ('1\t2\t3\t', ['1', '2', '3']),
    ('1 2  3', ['1', '2', '3']),
    ('1,,3', ['1', '', '3']),
    ('1,2,,', ['1', '2', '']),
    (',1', ['', '1']),
  ],
)
def test_a_line_is_split_at_separators(line, found):
  assert text_files.fields(line) == found


def test_no_module_leaves_the_encoding_to_the_locale():
  """Checks calls that ruff's rule does not see, such as `path.read_text()`."""
  found = []
  for folder in ('acm_jax', 'benchmarks', 'configs', 'data_pipelines'):
    for path in (ROOT / folder).rglob('*.py'):
      for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Call) and _depends_on_locale(node):
          found.append(f'{path.relative_to(ROOT)}:{node.lineno}')
  assert not found, 'use acm_jax.host.text_files, or give `encoding`'


def _depends_on_locale(call: ast.Call) -> bool:
  name = getattr(call.func, 'attr', getattr(call.func, 'id', None))
  if any(keyword.arg == 'encoding' for keyword in call.keywords):
    return False
  if name == 'open':
    modes = [a.value for a in call.args if isinstance(a, ast.Constant)]
    builtin = isinstance(call.func, ast.Name) or not (
      call.args or call.keywords
    )
    # Other functions of this name, such as os.open, take no mode of text files.
    return any(mode in ('r', 'w', 'a', 'x') for mode in modes) or (
      builtin and not modes
    )
  return name in ('read_text', 'write_text')
