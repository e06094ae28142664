"""Configuration of the documentation site, which Sphinx builds.

The command is in CONTRIBUTING.md. The pages load nothing from elsewhere.
"""

import importlib.metadata
import re

project = 'acm-jax'
author = 'the authors of acm-jax'
project_copyright = author
release = importlib.metadata.version('acm-jax')

extensions = [
  'myst_nb',
  'sphinx.ext.autodoc',
  'sphinx.ext.napoleon',
]
exclude_patterns = ['_build']

# References that a page does not find are warnings, and warnings are errors.
# Types of other libraries have no page here.
nitpicky = True
nitpick_ignore_regex = [('py:.*', r'(?!acm_jax\.).*|.*\._\w+')]

myst_enable_extensions = ['colon_fence', 'deflist']
myst_heading_anchors = 4
# Notebooks are executed by a command of their own.
nb_execution_mode = 'off'
# No widgets, whose scripts would come from elsewhere.
nb_ipywidgets_js = {}

autodoc_member_order = 'bysource'
autodoc_typehints_format = 'short'
maximum_signature_line_length = 70
# In docstrings, single backticks mark code.
default_role = 'code'
napoleon_numpy_docstring = False
napoleon_use_ivar = True
napoleon_use_rtype = False

html_theme = 'sphinx_book_theme'
html_title = 'acm-jax'
html_show_sphinx = False
html_copy_source = False
html_static_path = ['_static']
html_css_files = ['site.css']
html_theme_options = {
  'show_toc_level': 2,
  'use_download_button': False,
  'use_fullscreen_button': False,
  # The sidebar has one.
  'navbar_persistent': [],
}


def setup(app):
  """Connects the functions below."""
  # Before napoleon, which reads the sections.
  app.connect('autodoc-process-docstring', _mark_code, priority=100)
  app.connect('autodoc-process-signature', _tidy)
  app.connect('autodoc-skip-member', _skip_generated)


def _mark_code(app, kind, name, value, options, lines):
  """Marks paragraphs that are indented by four spaces as code."""
  for i in reversed(range(1, len(lines))):
    if not lines[i - 1] and lines[i].startswith('    '):
      lines[i:i] = ['::', '']


def _tidy(app, kind, name, value, options, signature, returns):
  """Shortens the name of JAX's arrays, and drops what Flax adds to modules."""

  def short(text):
    return text and text.replace('jaxlib._jax.', '')

  if kind == 'class' and signature:
    signature = re.sub(r', parent: .*?, name: [^,)]*', '', signature)
  return short(signature), short(returns)


def _skip_generated(app, kind, name, value, skip, options):
  """Leaves out members that are generated for every class of a kind."""
  is_field = str(value.__doc__).startswith('Alias for field number')
  return skip or is_field or name in ('replace', 'setup')
