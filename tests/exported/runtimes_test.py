"""Runtimes that are missing, or cannot load a graph, say what to install."""

import sys

import pytest

from acm_jax.exported.runtimes import RUNTIMES

MODULES = {'onnx': 'onnxruntime', 'tflite': 'ai_edge_litert.interpreter'}
every_kind = pytest.mark.parametrize('kind', RUNTIMES)


@every_kind
def test_a_missing_runtime_is_named_with_its_extra(kind, tmp_path, monkeypatch):
  # Importing the module fails as if it was not installed.
  monkeypatch.setitem(sys.modules, MODULES[kind], None)
  package = MODULES[kind].partition('.')[0]
  message = rf"^{package} is not installed: run pip install 'acm-jax\[{kind}\]'"
  with pytest.raises(RuntimeError, match=message):
    RUNTIMES[kind](tmp_path / 'search')


@every_kind
def test_a_graph_that_a_runtime_cannot_load_is_named(kind, tmp_path, capfd):
  pytest.importorskip(MODULES[kind])
  path = tmp_path / f'search.{kind}'
  path.write_bytes(b'no graph' * 100)
  message = rf'search\.{kind}: \w+ cannot load the graph \('
  with pytest.raises(RuntimeError, match=message):
    RUNTIMES[kind](path)
  assert capfd.readouterr().err == ''
