# One machine of a kind (nixos, home, darwin): this checkout's module with the settings of a JSON file,
# evaluated by nixpkgs' own `lib.evalModules`. The options of the system around it are declared here,
# as wide as they can be, since NixOS itself is four gigabytes away.
{
  library,
  kind,
  settings,
  lockFile ? null,
}:
let
  lib = import library;
  pkgs = import ./packages.nix { inherit lib; };
  anything = lib.mkOption {
    type = lib.types.anything;
    default = { };
  };
  list = lib.mkOption {
    type = lib.types.listOf lib.types.anything;
    default = [ ];
  };
  around = {
    nixos.options = {
      systemd.packages = list;
      systemd.targets = anything;
      environment.etc = anything;
      environment.systemPackages = list;
      users = anything;
    };
    home = {
      options = {
        home.homeDirectory = lib.mkOption { type = lib.types.str; };
        home.packages = list;
        xdg.configFile = anything;
      };
      config.home.homeDirectory = "/home/me";
    };
    darwin = {
      options = {
        system.primaryUser = lib.mkOption { type = lib.types.str; };
        system.activationScripts = anything;
        environment.launchDaemons = anything;
        environment.etc = anything;
        environment.systemPackages = list;
      };
      config.system.primaryUser = "me";
    };
  };
  machine = lib.evalModules {
    modules = [
      (../../../nix + "/${kind}.nix")
      around.${kind}
      { options.assertions = list; }
      {
        _module.args.pkgs = pkgs;
        services.llmgen = {
          enable = true;
          package = pkgs.llmgen;
          settings = builtins.fromJSON (builtins.readFile settings);
          inherit lockFile;
        };
      }
    ];
  };
  cfg = machine.config;
in
{
  inherit (cfg.services.llmgen) stack toml;
  # What the machine gets, as text: paths of the stack are built by whoever wants them.
  said = builtins.toJSON (
    {
      nixos = {
        inherit (cfg) users assertions;
        inherit (cfg.environment) etc;
        inherit (cfg.systemd) targets packages;
      };
      home = {
        inherit (cfg.xdg) configFile;
      };
      darwin = {
        inherit (cfg.environment) etc launchDaemons;
        inherit (cfg.system) activationScripts;
      };
    }
    .${kind}
  );
  keys = builtins.attrNames (machine.options.services.llmgen.settings.type.getSubOptions [ ]);
}
