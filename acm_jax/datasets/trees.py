"""Read-only trees of files: a local or remote folder, or an archive.

A name in a tree is a path relative to the root, with slashes between its parts
and no slash at the beginning; the name of the root is empty. Hidden files and
folders (`host.listing`) are not listed. If a folder is opened, the archives in
it and in its direct subfolders appear as if they were unpacked at their
location. A zip archive further down appears as a folder with the archive's
name: `zips/a.zip/0.jpg`.
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

from acm_jax.host import text_files
from acm_jax.host.listing import is_hidden
from acm_jax.host.staging import is_local

ARCHIVES = ('.zip', '.tar')
_PACKED = ('.gz', '.tgz', '.bz2', '.xz')
# If a folder has more subfolders than this, none is searched for archives.
_MAX_PARTS = 32
# Maximum number of concurrent requests to a remote file system.
_REQUESTS = 32


class Tree(abc.ABC):
  """Files below a root, which is a folder or an archive.

  Attributes:
    label: Path of the root, for messages.
  """

  label: str

  @abc.abstractmethod
  def folders(self, parent: str = '') -> list[str]:
    """Returns the subfolders of `parent`, as sorted names relative to it."""

  @abc.abstractmethod
  def files(self, parent: str = '') -> list[str]:
    """Returns the files in `parent`, as sorted names relative to it."""

  @abc.abstractmethod
  def read(self, name: str) -> bytes:
    """Reads a file.

    Raises:
      FileNotFoundError: The file does not exist.
    """

  @abc.abstractmethod
  def __contains__(self, name: str) -> bool:
    """Returns whether a file of that name exists."""

  def text(self, name: str) -> str:
    """Reads a text file.

    Raises:
      FileNotFoundError: The file does not exist.
      ValueError: The file is not text; see `text_files.decode`.
    """
    return text_files.decode(self.read(name), self.where(name))

  def where(self, name: str) -> str:
    """Returns the full path of a file, for messages."""
    return f'{self.label}/{name}'


def join(*parts: str) -> str:
  """Joins the parts of a name; skips empty parts, which stand for the root."""
  return '/'.join(part for part in parts if part)


def find(tree: Tree, name: str, depth: int = 3) -> str | None:
  """Returns the uppermost folder that has a file or folder `name`, or None.

  Only the root and the folders up to `depth` levels below it are searched.
  """
  parents = ['']
  for _ in range(depth + 1):
    for parent in parents:
      if join(parent, name) in tree or name in tree.folders(parent):
        return parent
    parents = [join(p, folder) for p in parents for folder in tree.folders(p)]
  return None


def open_tree(source: epath.PathLike) -> Tree:
  """Opens the tree of a folder or an archive.

  Raises:
    FileNotFoundError: `source` does not exist.
    ValueError: `source` is neither a folder nor a zip or uncompressed tar
      archive, contains only compressed archives, or an archive is damaged.
  """
  path = epath.Path(source)
  if path.is_dir():
    base = Folder(path)
    layers = [('', _archive(path / name)) for name in _archives(base, '')]
    folders = base.folders()
    # The parts of a data set, such as train/, may be packed separately. If
    # there are many subfolders, they are videos rather than parts.
    for folder in folders if len(folders) <= _MAX_PARTS else ():
      layers += [
        (folder, _archive(path / folder / name))
        for name in _archives(base, folder)
      ]
    if not (folders or layers):
      for name in base.files():
        # `_archive` raises an error that asks to unpack the archive.
        if name.endswith(_PACKED):
          _archive(path / name)
    return _Layers([('', base), *layers]) if layers else base
  if not path.exists():
    raise FileNotFoundError(
      f'{path}: no such folder or archive; check the path'
    )
  return _archive(path)


def _archives(tree: Tree, parent: str) -> list[str]:
  return [name for name in tree.files(parent) if name.endswith(ARCHIVES)]


def _archive(path: epath.Path) -> Tree:
  if path.suffix in _PACKED:
    raise ValueError(
      f'{path}: compressed archives have no random access; unpack the archive '
      'and give the folder instead'
    )
  kinds = {'.zip': Zip, '.tar': Tar}
  if path.suffix not in kinds:
    raise ValueError(
      f'{path}: neither a folder nor an archive ({", ".join(ARCHIVES)}); '
      'give the folder of the data set'
    )
  try:
    return kinds[path.suffix](path)
  except (zipfile.BadZipFile, tarfile.TarError, EOFError) as error:
    raise ValueError(
      f'{path}: damaged archive ({error}); download it again'
    ) from None


class Folder(Tree):
  """A folder, local or at a remote address that etils.epath supports."""

  def __init__(self, path: epath.Path):
    self._path, self.label = path, str(path)
    self._opened = '', None

  def folders(self, parent: str = '') -> list[str]:
    if inside := self._inside(parent):
      archive, rest = inside
      return archive.folders(rest)
    return self._names(parent)[0]

  def files(self, parent: str = '') -> list[str]:
    if inside := self._inside(parent):
      archive, rest = inside
      return archive.files(rest)
    return self._names(parent)[1]

  def _names(self, parent: str) -> tuple[list[str], list[str]]:
    """Returns the sorted names of subfolders and of files."""
    folder = self._path / parent
    if not folder.is_dir():
      return [], []
    if is_local(folder):
      with os.scandir(folder) as entries:
        kinds = [(entry.name, entry.is_dir()) for entry in entries]
    else:
      # One request per entry, many of them at the same time.
      paths = list(folder.iterdir())
      with ThreadPoolExecutor(_REQUESTS) as pool:
        kinds = list(pool.map(lambda path: (path.name, path.is_dir()), paths))
    visible = sorted(pair for pair in kinds if not is_hidden(pair[0]))
    return tuple(
      [name for name, kind in visible if kind == wanted]
      for wanted in (True, False)
    )

  def read(self, name: str) -> bytes:
    if inside := self._inside(name):
      archive, rest = inside
      return archive.read(rest)
    path = self._path / name
    try:
      return path.read_bytes()
    except FileNotFoundError:
      raise FileNotFoundError(f'{path}: no such file') from None

  def __contains__(self, name: str) -> bool:
    if inside := self._inside(name):
      archive, rest = inside
      return rest in archive
    path = self._path / name
    return path.exists() and not path.is_dir()

  def _inside(self, name: str) -> tuple[Tree, str] | None:
    """Returns the zip archive in the path `name` and the rest, or None."""
    end = name.find('.zip')
    if end < 0 or (self._path / name[: end + 4]).is_dir():
      return None
    archive, rest = name[: end + 4], name[end + 5 :]
    if not (self._path / archive).exists():
      return None
    # The archive used last is kept open, because the frames of a video are read
    # one after the other.
    opened_name, opened = self._opened
    if opened_name != archive:
      opened = _archive(self._path / archive)
      self._opened = archive, opened
    return opened, rest


class _Archive(Tree):
  """An archive with an index of its members."""

  def __init__(self, path: epath.Path, members: Iterable[tuple[str, object]]):
    """Builds the index.

    Args:
      path: Path of the archive.
      members: Pairs of a file's name and the data with which `read` finds the
        file.
    """
    self._path, self.label = path, str(path)
    self._folders: dict[str, set[str]] = {'': set()}
    self._files: dict[str, dict[str, object]] = {}
    for name, member in members:
      name = name.removeprefix('./')
      if is_hidden(name):
        continue
      folder, _, leaf = name.rpartition('/')
      self._files.setdefault(folder, {})[leaf] = member
      while folder not in self._folders:
        self._folders[folder] = set()
        folder = folder.rpartition('/')[0]
    for folder in filter(None, self._folders):
      above, _, leaf = folder.rpartition('/')
      self._folders[above].add(leaf)

  def folders(self, parent: str = '') -> list[str]:
    return sorted(self._folders.get(parent, ()))

  def files(self, parent: str = '') -> list[str]:
    return sorted(self._files.get(parent, ()))

  def __contains__(self, name: str) -> bool:
    folder, _, leaf = name.rpartition('/')
    return leaf in self._files.get(folder, ())

  def _member(self, name: str):
    if name not in self:
      raise FileNotFoundError(f'{self.where(name)}: no such file')
    folder, _, leaf = name.rpartition('/')
    return self._files[folder][leaf]

  def __reduce__(self):
    # Unpickling opens the file again, because processes cannot share an open
    # file.
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
      # zipfile raises RuntimeError for a member with a password.
      except (
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        NotImplementedError,
        RuntimeError,
      ) as error:
        raise ValueError(
          f'{self.where(name)}: damaged ({error}); download the archive again'
        ) from None


class Tar(_Archive):
  """An uncompressed tar archive."""

  def __init__(self, path: epath.Path):
    self._file = path.open('rb')
    weakref.finalize(self, self._file.close)
    with tarfile.open(fileobj=self._file, mode='r:') as archive:
      members = []
      for member in archive:
        if member.isfile():
          members.append((member.name, (member.offset_data, member.size)))
        elif not (member.isdir() or is_hidden(member.name)):
          raise ValueError(
            f'{path}: {member.name} is a link; unpack the archive and give the '
            'folder instead'
          )
      # tarfile mistakes a damaged header for the end of the archive.
      self._file.seek(archive.offset)
      end = self._file.read(tarfile.BLOCKSIZE)
    if end.strip(b'\0') or len(end) < tarfile.BLOCKSIZE:
      raise ValueError(
        f'{path}: damaged archive (no header at byte {archive.offset}); '
        'download it again'
      )
    self._lock = threading.Lock()
    super().__init__(path, members)

  def read(self, name: str) -> bytes:
    offset, size = self._member(name)
    with self._lock:
      self._file.seek(offset, os.SEEK_SET)
      data = self._file.read(size)
    if len(data) != size:
      raise ValueError(
        f'{self.where(name)}: truncated archive; download the archive again'
      )
    return data


class _Layers(Tree):
  """Trees joined into one: a folder, and archives in it and its subfolders."""

  def __init__(self, layers: list[tuple[str, Tree]]):
    _, self._base = layers[0]
    self._layers, self.label = layers, self._base.label

  def _inside(self, name: str) -> Iterator[tuple[Tree, str]]:
    """Yields each tree that may contain `name`, and the name in that tree."""
    for root, tree in self._layers:
      if not root:
        yield tree, name
      elif name == root or name.startswith(f'{root}/'):
        yield tree, name[len(root) + 1 :]

  def folders(self, parent: str = '') -> list[str]:
    inside = self._inside(parent)
    return sorted({f for tree, inner in inside for f in tree.folders(inner)})

  def files(self, parent: str = '') -> list[str]:
    trees: dict[str, Tree] = {}
    for tree, inner in self._inside(parent):
      for file in tree.files(inner):
        if file in trees:
          raise ValueError(
            f'{tree.where(join(inner, file))}: this file is also in '
            f'{trees[file].label}; remove one of the two copies'
          )
        trees[file] = tree
    return sorted(trees)

  def __contains__(self, name: str) -> bool:
    return any(inner in tree for tree, inner in self._inside(name))

  def read(self, name: str) -> bytes:
    tree, inner = self._holder(name)
    return tree.read(inner)

  def where(self, name: str) -> str:
    tree, inner = self._holder(name)
    return tree.where(inner)

  def _holder(self, name: str) -> tuple[Tree, str]:
    """Finds the tree that contains a file, and the file's name in that tree.

    If no tree contains the file, returns the opened folder and `name`.
    """
    for tree, inner in self._inside(name):
      if inner in tree:
        return tree, inner
    return self._base, name
