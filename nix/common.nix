# What the modules of NixOS, home-manager and nix-darwin have in common: the options, and the stack
# that llmgen makes of them. `places` says where the machine has configuration and units.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (lib)
    mkDefault
    mkEnableOption
    mkIf
    mkOption
    types
    ;
  cfg = config.services.llmgen;
  schema = lib.importJSON ../llmgen/data/llm.schema.json;

  settings = import ./settings.nix { inherit lib; } cfg.settings;
  isOn = table: (table.enable or null) == true;

  # A package's version where it is a build number, as llama.cpp's and llama-swap's are.
  number =
    package:
    let
      digits = builtins.match "[^0-9]*([0-9]+)" (package.version or "");
    in
    if digits == null then null else lib.toIntBase10 (lib.head digits);
in
{
  options.services.llmgen = {
    enable = mkEnableOption "the language-model servers of llm.toml";

    package = mkOption {
      type = types.package;
      description = "llmgen.";
    };

    settings = mkOption {
      type = import ./options.nix { inherit lib schema; };
      default = { };
      description = "llm.toml as an attribute set; `llmgen schema KEY` explains any key.";
      example = lib.literalExpression ''
        {
          hardware.profile = "nvidia-24gb";
          models.coder.model = "Qwen3-Coder-30B-A3B-Instruct-Q4_K_M.gguf";
          gateway.envoy.enable = true;
        }
      '';
    };

    lockFile = mkOption {
      type = types.nullOr types.path;
      default = null;
      example = lib.literalExpression "./llm.lock";
      description = ''
        The facts of the models, as `llmgen lock` writes them: a build sees neither models nor
        network. `llm.toml` for that command lies in the stack's `llm.toml` output.
      '';
    };

    toml = mkOption {
      type = types.package;
      internal = true;
      readOnly = true;
      description = "llm.toml, written from the settings.";
    };

    stack = mkOption {
      type = types.package;
      internal = true;
      readOnly = true;
      description = "Everything that llmgen writes, checked by llmgen.";
    };

    places = mkOption {
      type = types.attrsOf (types.nullOr types.str);
      internal = true;
      description = "Where the machine has configuration, and units if it has any.";
    };
  };

  config = mkIf cfg.enable {
    services.llmgen = {
      settings = {
        edition = mkDefault 2;
        # Programs are named where they are used: each name is a package that is built.
        paths = {
          llama_server = mkDefault "${pkgs.llama-cpp}/bin/llama-server";
          llama_swap = mkDefault "${pkgs.llama-swap}/bin/llama-swap";
          llmgen = mkDefault "${cfg.package}/bin/llmgen";
          envoy = mkIf (isOn (settings.gateway.envoy or { })) (mkDefault "${pkgs.envoy-bin}/bin/envoy");
          litellm = mkIf (isOn (settings.gateway.litellm or { })) (
            mkDefault "${pkgs.litellm}/bin/litellm"
          );
          open_webui = mkIf (isOn (settings.apps.open_webui or { })) (
            mkDefault "${pkgs.open-webui}/bin/open-webui"
          );
        };
        llama_cpp.build = mkIf (number pkgs.llama-cpp != null) (mkDefault (number pkgs.llama-cpp));
        targets.llama_swap.version = mkIf (number pkgs.llama-swap != null) (
          mkDefault (number pkgs.llama-swap)
        );
      };
      toml = (pkgs.formats.toml { }).generate "llm.toml" settings;
      stack = pkgs.callPackage ./stack.nix {
        llmgen = cfg.package;
        inherit (cfg) toml lockFile places;
      };
    };

    assertions = [
      {
        assertion = (settings.services.runtime or "native") == "native";
        message = ''
          services.llmgen: containers are not run by this module; leave `settings.services.runtime`
          out, or use `llmgen install` with it.
        '';
      }
    ];
  };
}
