# home-manager: services of a user, by systemd. On macOS a user's agents are nix-darwin's.
{ config, lib, ... }:
let
  inherit (lib) mkDefault mkIf;
  cfg = config.services.llmgen;
  home = config.home.homeDirectory;
in
{
  imports = [ ./common.nix ];

  config = mkIf cfg.enable {
    services.llmgen = {
      places = {
        scope = "user";
        config = "${home}/.config/llmgen";
        units = "${home}/.config/systemd/user";
      };
      settings = {
        services.scope = mkDefault "user";
        paths.home = mkDefault home;
      };
    };

    # Leaf by leaf: the folders also hold files of others.
    xdg.configFile = {
      "llmgen" = {
        source = "${cfg.stack}/root${home}/.config/llmgen";
        recursive = true;
      };
      "systemd/user" = {
        source = "${cfg.stack}/lib/systemd/user";
        recursive = true;
      };
      # What `systemctl --user enable llmgen.target` makes.
      "systemd/user/default.target.wants/llmgen.target".source =
        "${cfg.stack}/lib/systemd/user/llmgen.target";
    };
    home.packages = [ cfg.package ];
  };
}
