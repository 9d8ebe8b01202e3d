# nix-darwin: daemons of launchd. Which there are is known once the stack is built, so evaluating
# them builds it.
{ config, lib, ... }:
let
  inherit (lib) mkDefault mkIf;
  cfg = config.services.llmgen;
  daemons = "${cfg.stack}/root/Library/LaunchDaemons";
  user = lib.escapeShellArg cfg.settings.services.user;
  state = cfg.settings.paths.state;
in
{
  imports = [ ./common.nix ];

  config = mkIf cfg.enable {
    services.llmgen = {
      places = {
        scope = "system";
        config = "/etc/llmgen";
        units = null;
      };
      settings = {
        services = {
          scope = mkDefault "system";
          # macOS makes accounts by number; the person's own is there.
          user = mkDefault config.system.primaryUser;
        };
        paths = {
          home = mkDefault "/Users/${cfg.settings.services.user}";
          state = mkDefault "/var/lib/llmgen";
        };
      };
    };

    environment.launchDaemons = lib.mapAttrs (name: _: { source = "${daemons}/${name}"; }) (
      builtins.readDir daemons
    );
    environment.etc.llmgen.source = "${cfg.stack}/root/etc/llmgen";
    environment.systemPackages = [ cfg.package ];

    # launchd opens a daemon's log before the daemon could make its folder.
    system.activationScripts.preActivation.text = ''
      install -d -o ${user} ${lib.escapeShellArg state} ${lib.escapeShellArg "${state}/logs"}
    '';
  };
}
