"""Trees of files, read-only: a folder, here or far away, or an archive.

A name in a tree has slashes between its parts and none before them; the root
is the empty name. A folder's tree holds what the archives directly in it hold,
too, as if they were unpacked there; those further down are folders of the name
that they have, `zips/a.zip/0.jpg`.
"""

import abc
import os
import tarfile
import threading
import weakref
import zipfile
from collections.abc import Iterable

from etils import epath

ARCHIVES = ('.zip', '.tar')
_PACKED = ('.gz', '.tgz', '.bz2', '.xz')


class Tree(abc.ABC):
  """Files below a root.

  Attributes:
    label: The root's path, for messages.
  """

  label: str

  @abc.abstractmethod
  def folders(self, place: str = '') -> list[str]:
    """Names of a folder's folders, sorted; none where there is no such."""

  @abc.abstractmethod
  def files(self, place: str = '') -> list[str]:
    """Names of a folder's files, sorted; none where there is no such."""

  @abc.abstractmethod
  def read(self, name: str) -> bytes:
    """What a file holds.

    Raises:
      FileNotFoundError: It is not there.
    """

  @abc.abstractmethod
  def __contains__(self, name: str) -> bool:
    """Whether there is such a file."""

  def text(self, name: str) -> str:
    """A text file.

    Raises:
      FileNotFoundError: It is not there.
      ValueError: It is not text.
    """
    try:
      return self.read(name).decode()
    except UnicodeDecodeError as error:
      raise ValueError(f'{self.where(name)}: not a text ({error})') from None

  def where(self, name: str) -> str:
    """A file as messages name it."""
    return f'{self.label}/{name}'


def join(*parts: str) -> str:
  """Parts of a name as one; empty ones are the root."""
  return '/'.join(part for part in parts if part)


def find(tree: Tree, name: str, depth: int = 3) -> str | None:
  """The uppermost folder that has a file or folder of that name."""
  places = ['']
  for _ in range(depth + 1):
    for place in places:
      if join(place, name) in tree or name in tree.folders(place):
        return place
    places = [join(p, folder) for p in places for folder in tree.folders(p)]
  return None


def open_tree(source: epath.PathLike) -> Tree:
  """The tree of a folder or an archive.

  Raises:
    FileNotFoundError: There is nothing of that name.
    ValueError: It is a file but no archive that can be read in any order.
  """
  path = epath.Path(source)
  if path.is_dir():
    inside = [p for p in sorted(path.iterdir()) if p.suffix in ARCHIVES]
    layers = [Folder(path), *map(_archive, inside)]
    return _Layers(layers) if inside else layers[0]
  if not path.exists():
    raise FileNotFoundError(f'{path}: no such folder or archive')
  return _archive(path)


def _archive(path: epath.Path) -> Tree:
  if path.suffix in _PACKED:
    raise ValueError(
      f'{path}: cannot be read in any order; unpack it and name the folder'
    )
  kinds = {'.zip': Zip, '.tar': Tar}
  if path.suffix not in kinds:
    raise ValueError(f'{path}: neither a folder nor one of {ARCHIVES}')
  try:
    return kinds[path.suffix](path)
  except (zipfile.BadZipFile, tarfile.TarError, EOFError) as error:
    raise ValueError(
      f'{path}: damaged archive ({error}); fetch it again'
    ) from None


class Folder(Tree):
  """A folder, here or at an address that etils.epath knows."""

  def __init__(self, path: epath.Path):
    self._path, self.label = path, str(path)
    self._opened = '', None

  def folders(self, place: str = '') -> list[str]:
    if inside := self._inside(place):
      return inside[0].folders(inside[1])
    return self._names(place, lambda path: path.is_dir())

  def files(self, place: str = '') -> list[str]:
    if inside := self._inside(place):
      return inside[0].files(inside[1])
    return self._names(place, lambda path: not path.is_dir())

  def _names(self, place, wanted) -> list[str]:
    folder = self._path / place
    if not folder.is_dir():
      return []
    return sorted(path.name for path in folder.iterdir() if wanted(path))

  def read(self, name: str) -> bytes:
    if inside := self._inside(name):
      return inside[0].read(inside[1])
    path = self._path / name
    try:
      return path.read_bytes()
    except FileNotFoundError:
      raise FileNotFoundError(f'{path}: no such file') from None

  def __contains__(self, name: str) -> bool:
    if inside := self._inside(name):
      return inside[1] in inside[0]
    path = self._path / name
    return path.exists() and not path.is_dir()

  def _inside(self, name: str) -> tuple[Tree, str] | None:
    """The archive that a name leads into, if one, and the name in it."""
    end = name.find('.zip')
    if end < 0 or (self._path / name[: end + 4]).is_dir():
      return None
    archive, rest = name[: end + 4], name[end + 5 :]
    if not (self._path / archive).exists():
      return None
    # The frames of a video follow each other.
    if self._opened[0] != archive:
      self._opened = archive, _archive(self._path / archive)
    return self._opened[1], rest


class _Archive(Tree):
  """An archive of which the places of all members are known."""

  def __init__(self, path: epath.Path, members: Iterable[tuple[str, object]]):
    self._path, self.label = path, str(path)
    self._folders: dict[str, set[str]] = {'': set()}
    self._files: dict[str, dict[str, object]] = {}
    for name, at in members:
      folder, _, leaf = name.removeprefix('./').rpartition('/')
      self._files.setdefault(folder, {})[leaf] = at
      while folder not in self._folders:
        self._folders[folder] = set()
        folder = folder.rpartition('/')[0]
    for folder in filter(None, self._folders):
      above, _, leaf = folder.rpartition('/')
      self._folders[above].add(leaf)

  def folders(self, place: str = '') -> list[str]:
    return sorted(self._folders.get(place, ()))

  def files(self, place: str = '') -> list[str]:
    return sorted(self._files.get(place, ()))

  def __contains__(self, name: str) -> bool:
    folder, _, leaf = name.rpartition('/')
    return leaf in self._files.get(folder, ())

  def _member(self, name: str):
    if name not in self:
      raise FileNotFoundError(f'{self.where(name)}: no such file')
    folder, _, leaf = name.rpartition('/')
    return self._files[folder][leaf]

  def __reduce__(self):
    # Another process opens the file itself.
    return type(self), (self._path,)


class Zip(_Archive):
  """A zip archive."""

  def __init__(self, path: epath.Path):
    file = path.open('rb')
    weakref.finalize(self, file.close)
    self._zip = zipfile.ZipFile(file)
    self._lock = threading.Lock()
    members = [(i.filename, i) for i in self._zip.infolist() if not i.is_dir()]
    super().__init__(path, members)

  def read(self, name: str) -> bytes:
    member = self._member(name)
    with self._lock:
      try:
        return self._zip.read(member)
      except zipfile.BadZipFile as error:
        raise ValueError(f'{self.where(name)}: damaged ({error})') from None


class Tar(_Archive):
  """A tar archive that is not compressed."""

  def __init__(self, path: epath.Path):
    self._file = path.open('rb')
    weakref.finalize(self, self._file.close)
    with tarfile.open(fileobj=self._file, mode='r:') as archive:
      members = [
        (m.name, (m.offset_data, m.size)) for m in archive if m.isfile()
      ]
    self._lock = threading.Lock()
    super().__init__(path, members)

  def read(self, name: str) -> bytes:
    offset, size = self._member(name)
    with self._lock:
      self._file.seek(offset, os.SEEK_SET)
      data = self._file.read(size)
    if len(data) != size:
      raise ValueError(f'{self.where(name)}: the archive ends before it')
    return data


class _Layers(Tree):
  """Several trees in one place; the first that has a file gives it."""

  def __init__(self, trees: list[Tree]):
    self._trees, self.label = trees, trees[0].label

  def folders(self, place: str = '') -> list[str]:
    return sorted({name for t in self._trees for name in t.folders(place)})

  def files(self, place: str = '') -> list[str]:
    return sorted({name for t in self._trees for name in t.files(place)})

  def __contains__(self, name: str) -> bool:
    return any(name in tree for tree in self._trees)

  def read(self, name: str) -> bytes:
    return self._holder(name).read(name)

  def where(self, name: str) -> str:
    return self._holder(name).where(name)

  def _holder(self, name: str) -> Tree:
    holders = (tree for tree in self._trees if name in tree)
    return next(holders, self._trees[0])
