{
  description = "llmgen: one typed llm.toml becomes every configuration that local model servers need";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";

  outputs =
    { self, nixpkgs }:
    let
      systems = [
        "x86_64-linux"
        "aarch64-linux"
        "aarch64-darwin"
      ];
      forEach = f: nixpkgs.lib.genAttrs systems (system: f nixpkgs.legacyPackages.${system});
    in
    {
      packages = forEach (pkgs: rec {
        default = llmgen;
        llmgen = pkgs.python3Packages.buildPythonApplication {
          pname = "llmgen";
          version = builtins.head (
            builtins.match ".*__version__ = \"([^\"]+)\".*" (builtins.readFile ./llmgen/__init__.py)
          );
          pyproject = true;
          src = self;
          build-system = [ pkgs.python3Packages.hatchling ];
          dependencies = with pkgs.python3Packages; [
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
          # The tests start real servers; `nix flake check` runs the drift check below instead.
          doCheck = false;
          pythonImportsCheck = [ "llmgen" ];
          meta.mainProgram = "llmgen";
        };
      });

      apps = forEach (
        pkgs:
        let
          llmgen = "${self.packages.${pkgs.stdenv.hostPlatform.system}.llmgen}/bin/llmgen";
          # `nix run .#NAME -- ARGUMENTS` in the folder of an llm.toml.
          app = name: inputs: text: {
            type = "app";
            program = "${
              pkgs.writeShellApplication {
                name = "llmgen-${name}";
                runtimeInputs = inputs;
                inherit text;
              }
            }/bin/llmgen-${name}";
          };
          verb = name: app name [ ] ''exec ${llmgen} ${name} "$@"'';
        in
        {
          default = {
            type = "app";
            program = llmgen;
          };
          show = verb "show";
          generate = verb "generate";
          install = verb "install";
          up = verb "up";
          # Downloads what llm.lock names.
          download = app "download" [ ] ''exec ${llmgen} pull "$@"'';
          # The servers themselves, on the generated configuration.
          llama-swap = app "llama-swap" [ pkgs.llama-swap ] ''
            exec llama-swap -config generated/llama-swap/config.yaml -listen 127.0.0.1:8080 "$@"
          '';
          envoy = app "envoy" [ pkgs.envoy-bin ] ''
            exec envoy -c generated/envoy/static.yaml --concurrency 1 "$@"
          '';
          litellm = app "litellm" [ pkgs.litellm ] ''
            export LITELLM_LOCAL_MODEL_COST_MAP=True
            exec litellm --config generated/litellm/config.yaml --host 127.0.0.1 --port 4000 "$@"
          '';
        }
      );

      devShells = forEach (pkgs: {
        default = pkgs.mkShell {
          packages = [
            pkgs.python3
            pkgs.gnumake
            pkgs.ruff
            pkgs.llama-swap
            pkgs.llama-cpp
            pkgs.envoy-bin
          ];
        };
      });

      checks = forEach (
        pkgs:
        let
          llmgen = self.packages.${pkgs.stdenv.hostPlatform.system}.llmgen;
        in
        {
          current = pkgs.runCommand "llmgen-generated-is-current" { } ''
            cp -r ${self} stack
            ${llmgen}/bin/llmgen -c stack/llm.toml generate --check
            touch $out
          '';
        }
      );
    };
}
