"""Listing of files without hidden ones."""

from acm_jax.host import listing


def test_hidden_files_and_folders_are_left_out(tmp_path):
  root = tmp_path / '.cache'
  names = ['b/1.txt', 'a/1.txt', '._1.txt', '.git/1.txt', '@eaDir/1.txt']
  for name in (*names, '__MACOSX/1.txt', 'a/.b/1.txt', '2.txt'):
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).touch()

  def found(pattern):
    paths = listing.find(root, pattern)
    return [path.relative_to(root).as_posix() for path in paths]

  assert found('*') == ['2.txt', 'a', 'b']
  assert found('*/*.txt') == ['a/1.txt', 'b/1.txt']
  assert found('**/*.txt') == ['2.txt', 'a/1.txt', 'b/1.txt']
