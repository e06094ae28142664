"""Folders and archives as trees of files, and damaged archives."""

import pickle
import tarfile
import zipfile

import pytest

from acm_jax.datasets import trees

FILES = {'a/b/1.txt': 'one', 'a/2.txt': 'two', '3.txt': 'three'}


def write_folder(root):
  for name, text in FILES.items():
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(text)


@pytest.fixture(params=['folder', 'zip', 'tar', 'zip in a folder', 'parts'])
def tree(request, tmp_path):
  """Tree of `FILES` in a folder or in archives."""
  source = tmp_path / 'source'
  write_folder(source)
  if request.param == 'folder':
    return trees.open_tree(source)
  if request.param == 'tar':
    with tarfile.open(tmp_path / 's.tar', 'w') as archive:
      # The names are those of `tar cf s.tar .`.
      archive.add(source, arcname='.')
    return trees.open_tree(tmp_path / 's.tar')
  parts = [list(FILES)]
  if request.param == 'parts':
    parts = [[name] for name in FILES]
  packed = tmp_path / 'packed'
  packed.mkdir()
  for number, names in enumerate(parts):
    with zipfile.ZipFile(packed / f's{number}.zip', 'w') as archive:
      for name in names:
        archive.write(source / name, name)
  return trees.open_tree(
    packed / 's0.zip' if request.param == 'zip' else packed
  )


def test_files_and_folders_are_listed_and_read(tree):
  assert tree.folders() == ['a']
  assert tree.folders('a') == ['b']
  assert tree.files('a') == ['2.txt']
  assert tree.files('nowhere') == tree.folders('nowhere') == []
  assert {name: tree.text(name) for name in FILES} == FILES
  assert 'a/2.txt' in tree
  assert 'a' not in tree
  assert 'a/3.txt' not in tree
  assert trees.find(tree, '1.txt') == 'a/b'
  assert trees.find(tree, 'b') == 'a'
  assert trees.find(tree, 'nothing') is None
  with pytest.raises(FileNotFoundError, match=r'a/3.txt: no such file'):
    tree.read('a/3.txt')


def test_a_tree_can_be_pickled(tree):
  again = pickle.loads(pickle.dumps(tree))
  assert again.text('a/b/1.txt') == 'one'


def test_a_zip_in_a_deeper_folder_appears_as_a_folder(tmp_path):
  (tmp_path / 'zips').mkdir()
  with zipfile.ZipFile(tmp_path / 'zips' / 'v.zip', 'w') as archive:
    archive.writestr('0.jpg', 'x')
  tree = trees.open_tree(tmp_path)
  assert tree.files('zips/v.zip') == ['0.jpg']
  assert tree.read('zips/v.zip/0.jpg') == b'x'
  assert 'zips/v.zip/1.jpg' not in tree
  assert tree.files('zips/w.zip') == []


@pytest.mark.parametrize(
  ('name', 'content', 'error', 'message'),
  [
    ('s.tar.gz', b'', ValueError, 'unpack the archive and give'),
    ('s.rar', b'', ValueError, r'neither a folder nor an archive \(.zip, .tar'),
    ('s.zip', b'PK', ValueError, 'damaged archive'),
    ('s.tar', b'x' * 600, ValueError, 'damaged archive'),
    (None, b'', FileNotFoundError, 'no such folder or archive'),
  ],
)
def test_an_unreadable_source_is_refused(
  tmp_path, name, content, error, message
):
  if name:
    (tmp_path / name).write_bytes(content)
  with pytest.raises(error, match=message):
    trees.open_tree(tmp_path / (name or 'none'))


def test_a_damaged_member_is_named(tmp_path):
  path = tmp_path / 's.zip'
  with zipfile.ZipFile(path, 'w') as archive:
    archive.writestr('a.txt', 'content')
  path.write_bytes(path.read_bytes().replace(b'content', b'contend'))
  with pytest.raises(ValueError, match=r's.zip/a.txt: damaged'):
    trees.open_tree(path).read('a.txt')
  # The size exceeds the read buffer of a file object.
  path.write_bytes(bytes(1 << 20))
  with tarfile.open(tmp_path / 's.tar', 'w') as archive:
    archive.add(path, 'a.bin')
  tree = trees.open_tree(tmp_path / 's.tar')
  with (tmp_path / 's.tar').open('r+b') as file:
    file.truncate(1 << 19)
  with pytest.raises(ValueError, match=r'a.bin: truncated archive'):
    tree.read('a.bin')


def test_a_damaged_header_is_not_taken_for_the_end(tmp_path):
  path = tmp_path / 's.tar'
  with tarfile.open(path, 'w') as archive:
    for name in ('a', 'b', 'c'):
      (tmp_path / name).write_text(name)
      archive.add(tmp_path / name, name)
  assert trees.open_tree(path).files() == ['a', 'b', 'c']
  data = bytearray(path.read_bytes())
  second = data.index(b'b\0\0')
  data[second : second + 512] = b'?' * 512
  path.write_bytes(data)
  with pytest.raises(ValueError, match=r's.tar: damaged archive'):
    trees.open_tree(path)
  path.write_bytes(data[:1024])
  with pytest.raises(ValueError, match=r's.tar: damaged archive'):
    trees.open_tree(path)


def test_a_link_in_a_tar_is_refused(tmp_path):
  (tmp_path / 'a').symlink_to('b')
  with tarfile.open(tmp_path / 's.tar', 'w') as archive:
    archive.add(tmp_path / 'a', 'a')
  with pytest.raises(ValueError, match=r's.tar: a is a link; unpack the arch'):
    trees.open_tree(tmp_path / 's.tar')


def test_a_file_in_two_archives_is_refused(tmp_path):
  for name in ('one', 'two'):
    with zipfile.ZipFile(tmp_path / f'{name}.zip', 'w') as archive:
      archive.writestr('v/1.jpg', name)
  with pytest.raises(ValueError, match=r'two.zip/v/1.jpg: .* in .*one.zip'):
    trees.open_tree(tmp_path).files('v')


def test_archives_in_a_subfolder_appear_unpacked(tmp_path):
  (tmp_path / 'train' / 'v0').mkdir(parents=True)
  (tmp_path / 'train' / 'v0' / '1.jpg').write_text('0')
  with zipfile.ZipFile(tmp_path / 'train' / 'split_01.zip', 'w') as archive:
    archive.writestr('v1/1.jpg', '1')
  tree = trees.open_tree(tmp_path)
  assert tree.folders() == ['train']
  assert tree.folders('train') == ['v0', 'v1']
  assert tree.files('train/v1') == ['1.jpg']
  assert tree.text('train/v1/1.jpg') == '1'
  assert tree.where('train/v1/1.jpg').endswith('train/split_01.zip/v1/1.jpg')


def test_a_folder_with_only_a_compressed_archive_is_refused(tmp_path):
  (tmp_path / 'x.tar.gz').write_bytes(b'')
  with pytest.raises(ValueError, match=r'x.tar.gz: compressed archives'):
    trees.open_tree(tmp_path)


def test_a_member_that_cannot_be_decompressed_is_named(tmp_path):
  path = tmp_path / 's.zip'
  with zipfile.ZipFile(path, 'w', zipfile.ZIP_DEFLATED) as archive:
    archive.writestr('a.txt', 'content' * 100)
  data = bytearray(path.read_bytes())
  start = 30 + len('a.txt')
  data[start : start + 8] = b'\xff' * 8
  path.write_bytes(data)
  with pytest.raises(ValueError, match=r's.zip/a.txt: damaged \('):
    trees.open_tree(path).read('a.txt')


def test_a_remote_folder_is_read_by_epath(bucket):
  (bucket / 'set' / 'a').mkdir(parents=True)
  (bucket / 'set' / 'a' / 'one.txt').write_text('1')
  with zipfile.ZipFile(bucket / 'set' / 'rest.zip', 'w') as archive:
    archive.writestr('b/two.txt', '2')
  tree = trees.open_tree('s3://bucket/set')
  assert tree.folders() == ['a', 'b']
  assert tree.files('b') == ['two.txt']
  assert (tree.text('a/one.txt'), tree.text('b/two.txt')) == ('1', '2')
  assert tree.where('a/one.txt') == 's3://bucket/set/a/one.txt'
  with pytest.raises(
    FileNotFoundError, match='s3://bucket/set/a/none: no such'
  ):
    tree.read('a/none')
