# The flake's outputs.
{ self, nixpkgs }:
let
  systems = [
    "x86_64-linux"
    "aarch64-linux"
    "aarch64-darwin"
  ];
  forEach = f: nixpkgs.lib.genAttrs systems (system: f nixpkgs.legacyPackages.${system});
  own = pkgs: self.packages.${pkgs.stdenv.hostPlatform.system}.llmgen;

  # A module with this flake's llmgen, until the machine's configuration names another.
  module =
    file:
    { pkgs, lib, ... }:
    {
      imports = [ file ];
      services.llmgen.package = lib.mkDefault (own pkgs);
    };

  # The units of a NixOS machine with this repository's stack, where nixpkgs is more than its library.
  nixos =
    pkgs:
    if !(nixpkgs.lib ? nixosSystem && pkgs.stdenv.hostPlatform.isLinux) then
      { }
    else
      let
        machine = nixpkgs.lib.nixosSystem {
          modules = [
            self.nixosModules.default
            {
              nixpkgs.hostPlatform = pkgs.stdenv.hostPlatform.system;
              services.llmgen = {
                enable = true;
                settings = builtins.fromTOML (builtins.readFile ../llm.toml);
                lockFile = ../llm.lock;
              };
            }
          ];
        };
      in
      {
        nixos = machine.config.environment.etc."systemd/system".source;
      };
in
{
  packages = forEach (pkgs: rec {
    default = llmgen;
    llmgen = pkgs.callPackage ./package.nix { };
  });

  overlays.default = final: _: { llmgen = final.callPackage ./package.nix { }; };

  nixosModules.default = module ./nixos.nix;
  homeModules.default = module ./home.nix;
  darwinModules.default = module ./darwin.nix;

  apps = forEach (
    pkgs:
    import ./apps.nix {
      inherit (nixpkgs) lib;
      inherit pkgs;
      llmgen = own pkgs;
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
    {
      current = pkgs.runCommand "llmgen-generated-is-current" { } ''
        cp -r ${self} stack
        ${own pkgs}/bin/llmgen -c stack/llm.toml generate --check
        touch $out
      '';
    }
    // nixos pkgs
  );
}
