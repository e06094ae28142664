"""Converters of graphs to the formats of other runtimes."""

import importlib.util
import logging
from collections.abc import Callable

import jax
import numpy as np
from jax import export

from acm_jax.exporting.graphs import Graph
from data_pipelines import host_tensorflow

# Version of ONNX's operators, which onnxruntime has since its release 1.20.
_OPSET = 21
# Platforms that StableHLO is exported for.
_PLATFORMS = 'cpu', 'cuda', 'tpu'


def onnx(graph: Graph, metadata: str) -> bytes:
  """Converts a graph to ONNX, with `metadata` under the key `acm_jax`.

  Raises:
    RuntimeError: jax2onnx or onnxruntime is not installed.
  """
  _check_installed('export', 'jax2onnx', 'onnxruntime')
  import jax2onnx
  import onnx

  # It warns of values without a shape; all shapes are removed below.
  logging.getLogger('onnx_ir').setLevel(logging.ERROR)

  model = jax2onnx.to_onnx(
    graph.function,
    list(graph.inputs.values()),
    model_name='acm_jax',
    opset=_OPSET,
    input_names=list(graph.inputs),
    output_names=list(graph.outputs),
  )
  # The shapes of values are not updated when jax2onnx moves transpositions.
  del model.graph.value_info[:]
  model.metadata_props.add(key='acm_jax', value=metadata)
  onnx.checker.check_model(model, full_check=True)
  return model.SerializeToString()


def tflite(graph: Graph, metadata: str) -> bytes:
  """Converts a graph to TFLite, with `metadata` under the name `acm_jax`.

  Raises:
    RuntimeError: TensorFlow or LiteRT is not installed.
  """
  _check_installed('export-tflite', 'tensorflow', 'ai_edge_litert')
  tf = host_tensorflow.load()
  from tensorflow.compiler.tf2xla.python import xla

  function = jax.jit(graph.function)
  exported = export.export(function, platforms=['cpu'])(*graph.inputs.values())

  @tf.function(
    input_signature=[
      tf.TensorSpec(x.shape, x.dtype, name) for name, x in graph.inputs.items()
    ],
    autograph=False,
  )
  def call(*inputs):
    outputs = xla.call_module(
      inputs,
      version=exported.calling_convention_version,
      module=exported.mlir_module_serialized,
      Tout=[x.dtype for x in exported.out_avals],
      Sout=[x.shape for x in exported.out_avals],
      platforms=['CPU'],
    )
    return dict(zip(graph.outputs, outputs, strict=True))

  module = tf.Module()
  module.call = call
  converter = tf.lite.TFLiteConverter.from_concrete_functions(
    [call.get_concrete_function()], module
  )
  with host_tensorflow.without_notices():
    content = converter.convert()
  return _with_metadata(content, metadata)


def _with_metadata(content: bytes, metadata: str) -> bytes:
  """Adds a buffer to a TFLite file, and its number under a name."""
  from tensorflow.lite.python import schema_py_generated as schema
  from tensorflow.lite.tools import flatbuffer_utils

  model = flatbuffer_utils.convert_bytearray_to_object(bytearray(content))
  buffer, entry = schema.BufferT(), schema.MetadataT()
  buffer.data = np.frombuffer(metadata.encode(), np.uint8)
  entry.name, entry.buffer = 'acm_jax', len(model.buffers)
  model.buffers.append(buffer)
  model.metadata.append(entry)
  return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def stablehlo(graph: Graph, metadata: str) -> bytes:
  """Converts a graph to what `jax.export.deserialize` takes.

  The graph takes and returns dictionaries from names to arrays. The format has
  no place for `metadata`.
  """
  del metadata

  def call(inputs):
    outputs = graph.function(*(inputs[name] for name in graph.inputs))
    return dict(zip(graph.outputs, outputs, strict=True))

  exported = export.export(jax.jit(call), platforms=_PLATFORMS)
  return bytes(exported(dict(graph.inputs)).serialize())


# Name of a format -> converter.
CONVERTERS: dict[str, Callable[[Graph, str], bytes]] = {
  'onnx': onnx,
  'tflite': tflite,
  'stablehlo': stablehlo,
}


def _check_installed(extra: str, *packages: str) -> None:
  for package in packages:
    if importlib.util.find_spec(package) is None:
      raise RuntimeError(
        f"{package} is not installed: run pip install 'acm-jax[{extra}]'"
      )
