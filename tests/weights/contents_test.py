"""Tests that files without weights are recognised by their contents."""

import errno
import gzip
import io
import re
import tarfile
import zipfile

import numpy as np
import pytest

from acm_jax.weights import contents, files


def zipped(*names):
  stream = io.BytesIO()
  with zipfile.ZipFile(stream, 'w') as archive:
    for name in names:
      archive.writestr(name, 'content')
  return stream.getvalue()


def in_tar():
  stream = io.BytesIO()
  with tarfile.open(fileobj=stream, mode='w') as archive:
    archive.addfile(tarfile.TarInfo('w.pth'))
  return stream.getvalue()


def npy():
  stream = io.BytesIO()
  np.save(stream, np.ones(3))
  return stream.getvalue()


OTHERS = {
  'html': (b'<!DOCTYPE html>\n<html>Virus scan</html>', 'an HTML page'),
  'html in capitals': (b'\r\n <HTML lang="en"><HEAD>', 'an HTML page'),
  'html with a mark': ('\ufeff<html>é</html>'.encode(), 'an HTML page'),
  'xml': (b'<?xml version="1.0"?><Error><Code>AccessDenied', 'an XML document'),
  'lfs': (
    b'version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12\n',
    'a Git LFS pointer; run git lfs pull',
  ),
  'text': (b'404: Not Found', "a text file that begins with '404: Not Found'"),
  'json': (b'{"message": "Not Found"}', 'a text file that begins with \'{"mes'),
  'empty': (b'', 'an empty file; download'),
  'zeros': (bytes(5000), 'a file that begins with zeros'),
  'zip': (
    zipped('readme.txt', 'nanotrackv3.pth'),
    'a zip archive of readme.txt, nanotrackv3.pth; unpack it',
  ),
  'torchscript': (
    zipped('w/data.pkl', 'w/code/__torch__/net.py', 'w/constants.pkl'),
    'TorchScript archive holds code; save its state dict: torch.save(torch.jit',
  ),
  'keras': (
    zipped('metadata.json', 'config.json', *map(str, range(9))),
    'archive of metadata.json, config.json, 0, 1, 2, 3, 4, 5 and 3 more; unpac',
  ),
  'empty zip': (zipped(), 'an empty zip archive'),
  'gzip': (gzip.compress(b'weights'), 'a compressed archive; unpack'),
  'tar': (in_tar(), 'a tar archive; unpack'),
  'npy': (npy(), 'a single NumPy array'),
  'hdf5': (b'\x89HDF\r\n\x1a\n\0\0\0', 'an HDF5 file'),
  'onnx': (b'\x08\x07\x12\x07pytorch\x1a\x051.8.0:', 'an ONNX graph; give'),
  'tflite': (b'\x1c\0\0\0TFL3\0\0', 'a TensorFlow Lite model'),
  'saved model': (b'\x08\x01\x12\xf1\x02\n\x05', 'a TensorFlow SavedModel'),
  'frozen graph': (
    b'\n3\n\x05input\x12\x0bPlaceholder*\x0b\n\x05dtype',
    'a TensorFlow graph',
  ),
  'image': (b'\xff\xd8\xff\xe0\0\x10JFIF', 'an image'),
  'unknown': (
    b'\xde\xad\xbe\xef\0\1',
    '(its first bytes are de ad be ef 00 01',
  ),
}


@pytest.mark.parametrize('name', OTHERS)
@pytest.mark.parametrize('suffix', ['pth', 'npz', 'safetensors'])
def test_a_file_without_weights_is_named(tmp_path, name, suffix):
  content, what = OTHERS[name]
  path = tmp_path / f'w.{suffix}'
  path.write_bytes(content)
  with pytest.raises(ValueError, match=re.escape(what)) as caught:
    files.read(path)
  assert str(caught.value).startswith(f'{path}: ')


@pytest.mark.parametrize('name', ['m.ckpt.index', 'm.ckpt.data-00000-of-00001'])
def test_a_part_of_a_tensorflow_checkpoint_is_named(tmp_path, name):
  (tmp_path / name).write_bytes(b'\0\1\2\3')
  with pytest.raises(ValueError, match='a part of a TensorFlow checkpoint'):
    files.read(tmp_path / name)


def test_a_folder_is_named(tmp_path):
  with pytest.raises(IsADirectoryError, match='a folder; give the file'):
    files.read(tmp_path)


def test_a_folder_cut_off_in_an_archive_is_damage(tmp_path):
  archive = zipped('w/data.pkl')
  # The record at the end says where the list of members begins.
  end = archive.rindex(b'PK\x05\x06')
  far = (2**31).to_bytes(4, 'little')
  damaged = archive[: end + 16] + far + archive[end + 20 :]
  (tmp_path / 'w.pth').write_bytes(damaged)
  with pytest.raises(ValueError, match='not a readable zip archive'):
    files.read(tmp_path / 'w.pth')


@pytest.mark.parametrize(
  'error', [OSError(errno.EIO, 'Input/output error'), MemoryError()]
)
def test_a_file_that_the_system_cannot_read_is_not_called_damaged(
  tmp_path, monkeypatch, error
):
  def failing(path):
    raise error

  path = tmp_path / 'w.pth'
  path.write_bytes(zipped('w/data.pkl'))
  monkeypatch.setattr(contents.zipfile, 'ZipFile', failing)
  with pytest.raises(type(error)) as caught:
    files.read(path)
  assert caught.value is error
