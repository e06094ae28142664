"""The files of a release name the version of the package."""

import re
from pathlib import Path

import yaml

import acm_jax

ROOT = Path(__file__).parents[1]


def test_the_newest_version_in_the_changelog_is_that_of_the_package():
  changes = (ROOT / 'CHANGELOG.md').read_text()
  versions = re.findall(r'^## (\d+\.\d+\.\d+) - ', changes, re.MULTILINE)
  assert versions[0] == acm_jax.__version__


def test_the_citation_names_the_version_of_the_package():
  citation = yaml.safe_load((ROOT / 'CITATION.cff').read_text())
  assert citation['version'] == acm_jax.__version__
