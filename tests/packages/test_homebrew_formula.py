"""Homebrew's formula: Ruby reads it, and it has every package that llmgen needs."""

import json
import subprocess
from pathlib import Path

import pytest
import readers
from released import tool

import llmgen

# The words of Homebrew that the formula uses, as a record of what it said.
STAND_IN = r"""
require "json"
module Language; module Python; module Virtualenv; end; end; end
class Said
  def self.said; @said ||= { "resources" => {}, "depends_on" => [] }; end
  %w[desc homepage url sha256 license].each do |word|
    define_singleton_method(word) { |value| said[word] = value }
  end
  def self.depends_on(value); said["depends_on"] << (value.is_a?(Hash) ? value.keys[0] : value); end
  def self.resource(name, &block)
    inner = Class.new(Said)
    inner.instance_eval(&block)
    said["resources"][name] = inner.said
  end
  def self.test(&block); said["test"] = block.is_a?(Proc); end
end
Formula = Said
load ARGV[0]
Llmgen.instance_method(:install)
puts JSON.generate(Llmgen.said)
"""

pytestmark = pytest.mark.reader("ruby")


@pytest.fixture(scope="module")
def formula(released):
    """What the formula says, by Ruby."""
    words = [readers.find("ruby"), "-W", "-e", STAND_IN, released / "llmgen.rb"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


def test_it_is_the_released_sdist(formula, released):
    name = f"llmgen-{llmgen.__version__}.tar.gz"
    sums = dict(reversed(line.split("  ")) for line in Path(released, "SHA256SUMS").read_text("utf-8").splitlines())  # fmt: skip
    assert formula["url"].endswith(f"/releases/download/v{llmgen.__version__}/{name}")
    assert formula["sha256"] == sums[name]
    assert formula["test"]


def test_it_says_what_homebrews_audit_wants(formula):
    assert len(formula["desc"]) <= 80
    assert not formula["desc"].endswith(".")
    assert formula["license"] == "MIT"
    assert all(url["url"].startswith("https://files.pythonhosted.org/") for url in formula["resources"].values())  # fmt: skip


def test_every_package_of_mac_and_linux_is_a_resource(formula):
    names = {package.name for package in tool("project").pins().packages}
    assert set(formula["resources"]) <= names
    # Windows alone, and Python in a browser.
    assert names - set(formula["resources"]) == {"colorama", "httpx2-jsfetch"}
    assert {"rust", "libyaml"} < set(formula["depends_on"])
