# NixOS: services of the system. The units are those that llmgen writes, taken as a package of units;
# this module adds the account, the target and /etc/llmgen.
{ config, lib, ... }:
let
  inherit (lib) mkDefault mkIf;
  cfg = config.services.llmgen;
  services = cfg.settings.services;
  ownGroup = if services.group != null then services.group else services.user;
in
{
  imports = [ ./common.nix ];

  config = mkIf cfg.enable {
    services.llmgen = {
      places = {
        scope = "system";
        config = "/etc/llmgen";
        units = "/etc/systemd/system";
      };
      settings = {
        services = {
          scope = mkDefault "system";
          user = mkDefault "llmgen";
        };
        paths = {
          home = mkDefault "/var/lib/llmgen";
          models = mkDefault "/var/lib/llmgen/models";
        };
      };
    };

    systemd.packages = [ cfg.stack ];
    systemd.targets.llmgen.wantedBy = [ "multi-user.target" ];
    environment.etc = {
      llmgen.source = "${cfg.stack}/root/etc/llmgen";
    }
    // lib.optionalAttrs (services.operators != null) {
      "polkit-1/rules.d/50-llmgen.rules".source =
        "${cfg.stack}/root/etc/polkit-1/rules.d/50-llmgen.rules";
    };
    environment.systemPackages = [ cfg.package ];

    # With `users = "each"` every service has an account of its own, by the service's name: those are
    # declared by whoever chose it.
    users = mkIf (services.users != "each") {
      users.${services.user} = {
        isSystemUser = mkDefault true;
        group = mkDefault ownGroup;
        home = mkDefault cfg.settings.paths.home;
        createHome = mkDefault true;
      };
      groups.${ownGroup} = { };
    };
  };
}
