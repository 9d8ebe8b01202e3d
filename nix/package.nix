# llmgen from this source, with the libraries of nixpkgs.
{ lib, python3Packages }:
let
  project = (builtins.fromTOML (builtins.readFile ../pyproject.toml)).project;
in
python3Packages.buildPythonApplication {
  pname = project.name;
  version = builtins.head (
    builtins.match ".*__version__ = \"([^\"]+)\".*" (builtins.readFile ../llmgen/__init__.py)
  );
  pyproject = true;
  src = ../.;
  build-system = [ python3Packages.hatchling ];
  dependencies = with python3Packages; [
    click
    filelock
    httpx
    huggingface-hub
    jinja2
    jsonschema
    msgspec
    platformdirs
    psutil
    pydantic
    pyyaml
    rich
  ];
  # The tests start real servers; `nix flake check` runs the drift check instead.
  doCheck = false;
  pythonImportsCheck = [ "llmgen" ];
  meta = {
    inherit (project) description;
    homepage = project.urls.Homepage;
    license = lib.licenses.mit;
    mainProgram = "llmgen";
  };
}
