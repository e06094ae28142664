"""Trees of files, read-only: a folder, here or far away, or an archive.

A name in a tree has slashes between its parts and none before them; the root
is the empty name. A folder's tree holds what the archives directly in it, or in
one of its folders, hold, too, as if they were unpacked there; those further
down are folders of the name that they have, `zips/a.zip/0.jpg`.
"""

import abc
import os
import tarfile
import threading
import weakref
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

from etils import epath

from acm_jax.host.staging import is_here

ARCHIVES = ('.zip', '.tar')
_PACKED = ('.gz', '.tgz', '.bz2', '.xz')
# A folder with more folders is not one of parts.
_PARTS = 32
# Requests to a far place at once.
_QUESTIONS = 32


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
    base = Folder(path)
    layers = [('', _archive(path / name)) for name in _archives(base, '')]
    folders = base.folders()
    # A set's parts, as train/, may be packed apart; of thousands of folders
    # none is such a part.
    for folder in folders if len(folders) <= _PARTS else ():
      layers += [
        (folder, _archive(path / folder / name))
        for name in _archives(base, folder)
      ]
    if not (folders or layers):
      for name in base.files():
        if name.endswith(_PACKED):
          _archive(path / name)
    return _Layers([('', base), *layers]) if layers else base
  if not path.exists():
    raise FileNotFoundError(f'{path}: no such folder or archive')
  return _archive(path)


def _archives(tree: Tree, place: str) -> list[str]:
  return [name for name in tree.files(place) if name.endswith(ARCHIVES)]


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
    return self._names(place)[0]

  def files(self, place: str = '') -> list[str]:
    if inside := self._inside(place):
      return inside[0].files(inside[1])
    return self._names(place)[1]

  def _names(self, place) -> tuple[list[str], list[str]]:
    """Names of folders and of files."""
    folder = self._path / place
    if not folder.is_dir():
      return [], []
    if is_here(folder):
      with os.scandir(folder) as entries:
        kinds = [(entry.name, entry.is_dir()) for entry in entries]
    else:
      # A question each, of which many can be under way.
      paths = list(folder.iterdir())
      with ThreadPoolExecutor(_QUESTIONS) as pool:
        kinds = list(pool.map(lambda path: (path.name, path.is_dir()), paths))
    return tuple(
      sorted(name for name, kind in kinds if kind == wanted)
      for wanted in (True, False)
    )

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
      # RuntimeError if it has a password.
      except (
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        NotImplementedError,
        RuntimeError,
      ) as error:
        raise ValueError(f'{self.where(name)}: damaged ({error})') from None


class Tar(_Archive):
  """A tar archive that is not compressed."""

  def __init__(self, path: epath.Path):
    self._file = path.open('rb')
    weakref.finalize(self, self._file.close)
    with tarfile.open(fileobj=self._file, mode='r:') as archive:
      members = []
      for member in archive:
        if member.isfile():
          members.append((member.name, (member.offset_data, member.size)))
        elif not member.isdir():
          raise ValueError(
            f'{path}: {member.name} is a link; unpack it and name the folder'
          )
      # tarfile takes a damaged header for the end.
      self._file.seek(archive.offset)
      end = self._file.read(tarfile.BLOCKSIZE)
    if end.strip(b'\0') or len(end) < tarfile.BLOCKSIZE:
      raise ValueError(
        f'{path}: damaged archive (no header at byte {archive.offset}); fetch '
        'it again'
      )
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
  """Several trees, each with all its names below a place of its own."""

  def __init__(self, layers: list[tuple[str, Tree]]):
    self._layers, self.label = layers, layers[0][1].label

  def _inside(self, name: str) -> Iterator[tuple[Tree, str]]:
    """Trees that a name may be in, and what it is called there."""
    for place, tree in self._layers:
      if not place:
        yield tree, name
      elif name == place or name.startswith(f'{place}/'):
        yield tree, name[len(place) + 1 :]

  def folders(self, place: str = '') -> list[str]:
    found = {
      n for tree, name in self._inside(place) for n in tree.folders(name)
    }
    return sorted(found)

  def files(self, place: str = '') -> list[str]:
    found: dict[str, Tree] = {}
    for tree, name in self._inside(place):
      for file in tree.files(name):
        if file in found:
          raise ValueError(
            f'{tree.where(join(name, file))}: is in {found[file].label}, too; '
            'remove one'
          )
        found[file] = tree
    return sorted(found)

  def __contains__(self, name: str) -> bool:
    return any(own in tree for tree, own in self._inside(name))

  def read(self, name: str) -> bytes:
    tree, own = self._holder(name)
    return tree.read(own)

  def where(self, name: str) -> str:
    tree, own = self._holder(name)
    return tree.where(own)

  def _holder(self, name: str) -> tuple[Tree, str]:
    holders = ((t, own) for t, own in self._inside(name) if own in t)
    return next(holders, (self._layers[0][1], name))
