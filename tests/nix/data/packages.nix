# What the modules ask of nixpkgs' packages: builders that run this machine's shell, and packages that
# are empty. llmgen is this checkout, run by the tests' Python.
{ lib }:
let
  system = "x86_64-linux";
  root = builtins.getEnv "LLMGEN_ROOT";
  python = builtins.getEnv "LLMGEN_PYTHON";
  path = builtins.getEnv "PATH";

  made =
    name: attributes: lines:
    derivation (
      {
        inherit name system;
        builder = "/bin/bash";
        args = [
          "-euo"
          "pipefail"
          "-c"
          # The shell is the last to end: nix kills what still runs when the log's pipe is closed, and a
          # program that the shell became closes it before it ends.
          "${lines}\n:"
        ];
        PATH = path;
      }
      // attributes
    );
  versioned = name: version: made name { inherit version; } "mkdir -p $out/bin" // { inherit version; };

  # A JSON value is a TOML value but for its objects, which are inline tables.
  toml =
    value:
    if lib.isAttrs value then
      "{ ${lib.concatStringsSep ", " (lib.mapAttrsToList (name: inner: "${builtins.toJSON name} = ${toml inner}") value)} }"
    else if lib.isList value then
      "[${lib.concatMapStringsSep ", " toml value}]"
    else
      builtins.toJSON value;

  packages = {
    stdenv.hostPlatform.system = system;
    callPackage = file: arguments: import file (builtins.intersectAttrs (builtins.functionArgs (import file)) packages // arguments);
    runCommand =
      name:
      { nativeBuildInputs }:
      lines:
      made name { PATH = lib.concatStringsSep ":" (map (input: "${input}/bin") nativeBuildInputs ++ [ path ]); } ''
        mkdir build
        cd build
        ${lines}
      '';
    formats.toml = { }: {
      generate =
        name: value:
        made name {
          text = lib.concatStringsSep "\n" (
            lib.mapAttrsToList (key: inner: "${builtins.toJSON key} = ${toml inner}") value
          );
        } ''printf '%s\n' "$text" > $out'';
    };
    jq = versioned "jq" "0";
    llama-cpp = versioned "llama-cpp" "11434";
    llama-swap = versioned "llama-swap" "250";
    envoy-bin = versioned "envoy" "0";
    litellm = versioned "litellm" "0";
    open-webui = versioned "open-webui" "0";
    llmgen = made "llmgen" { } ''
      mkdir -p $out/bin
      printf '#!/bin/sh\nPYTHONPATH=%s exec %s -m llmgen "$@"\n' ${root} ${python} > $out/bin/llmgen
      chmod +x $out/bin/llmgen
    '';
  };
in
packages
