# A stand-in for nixpkgs with what flake.nix asks of it, and nothing else: nixpkgs itself is four
# gigabytes away. Packages are empty; llmgen's runs the flake's own source by the tests' Python.
{
  outputs =
    _:
    let
      systems = [
        "x86_64-linux"
        "aarch64-linux"
        "aarch64-darwin"
      ];
      named = names: make: builtins.listToAttrs (map (name: { inherit name; value = make name; }) names);
      packages =
        system:
        let
          # The shell is the last to end: nix kills what still runs when the log's pipe is closed, and a
          # program that the shell became closes it before it ends.
          made = name: more: lines: derivation ({ inherit name system; builder = "/bin/sh"; args = [ "-euc" "${lines}\n:" ]; } // more);
          empty = name: made name { } "mkdir -p $out/bin";
          script = name: text: more: made name ({ inherit text; PATH = "/usr/bin:/bin"; } // more) ''
            mkdir -p $out/bin
            printf '#!/bin/sh\n%s\n' "$text" > $out/bin/${name}
            chmod +x $out/bin/${name}
          '';
        in
        {
          stdenv.hostPlatform.system = system;
          callPackage = file: _: import file (builtins.intersectAttrs (builtins.functionArgs (import file)) (packages system // { inherit lib; }));
          python3Packages =
            named [ "hatchling" "click" "filelock" "httpx" "huggingface-hub" "jinja2" "jsonschema" "msgspec" "platformdirs" "psutil" "pydantic" "pyyaml" "rich" ] empty
            // {
              buildPythonApplication =
                asked:
                script asked.pname ''PYTHONPATH=${asked.src} exec "$LLMGEN_PYTHON" -m llmgen "$@"'' {
                  inherit (asked) version;
                  dependencies = map (dependency: dependency.name) asked.dependencies;
                };
            };
          writeShellApplication = asked: script asked.name asked.text { };
          runCommand = name: _: text: made name { inherit text; } "";
          mkShell = _: empty "shell";
        }
        // named [ "python3" "gnumake" "ruff" "llama-swap" "llama-cpp" "envoy-bin" "litellm" "open-webui" ] empty;
      lib = {
        genAttrs = named;
        inherit (builtins) head;
        concatMapStrings = make: list: builtins.concatStringsSep "" (map make list);
        licenses.mit = "MIT";
      };
    in
    {
      inherit lib;
      legacyPackages = named systems packages;
    };
}
