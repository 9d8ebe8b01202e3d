# `nix run .#NAME -- ARGUMENTS` in the folder of an llm.toml. Each is a verb of llmgen, or a server of
# nixpkgs on the generated configuration.
{
  lib,
  pkgs,
  llmgen,
}:
let
  program = "${llmgen}/bin/llmgen";

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

  verb = name: words: app name [ ] ''exec ${program} ${words} "$@"'';

  # The first argument chooses; without one it is the first of the list.
  choice =
    name: inputs: cases:
    app name inputs ''
      what="''${1:-${(lib.head cases).word}}"
      [ "$#" -eq 0 ] || shift
      case "$what" in
      ${lib.concatMapStrings (item: ''
        ${item.word}) ${item.run} ;;
      '') cases}
        *)
          echo "$what is none of: ${toString (map (item: item.word) cases)}" >&2
          exit 2
          ;;
      esac
    '';
  on = word: run: { inherit word run; };
  same = word: on word ''exec ${program} ${word} "$@"'';

  # A gateway in this terminal, or what is installed of it.
  gateway =
    name: inputs: start: more:
    choice name inputs (
      [
        (on "start" start)
        (on "stop" ''exec ${program} down ${name} "$@"'')
        (on "status" ''exec ${program} status "$@"'')
        (on "logs" ''exec ${program} logs ${name} "$@"'')
      ]
      ++ more
    );
in
{
  default = {
    type = "app";
    inherit program;
  };
  show = verb "show" "show";
  generate = verb "generate" "generate";
  install = verb "install" "install";
  up = verb "up" "up";
  build = verb "build" "build";
  # Downloads what llm.lock names.
  download = verb "download" "pull";

  generate-configs = choice "generate-configs" [ ] [
    (same "generate")
    (same "show")
    (same "install")
  ];
  firewall = choice "firewall" [ ] [
    (on "status" ''exec ${program} firewall --status "$@"'')
    (on "show" ''exec ${program} firewall "$@"'')
    (on "enable" ''exec ${program} firewall --apply "$@"'')
    (on "disable" ''exec ${program} firewall --undo "$@"'')
  ];

  llama-swap = app "llama-swap" [ pkgs.llama-swap ] ''
    exec llama-swap -config generated/llama-swap/config.yaml -listen 127.0.0.1:8080 "$@"
  '';
  envoy = gateway "envoy" [ pkgs.envoy-bin ]
    ''exec envoy -c generated/envoy/static.yaml --concurrency 1 "$@"''
    [ (on "test" ''exec envoy -c generated/envoy/static.yaml --mode validate "$@"'') ];
  litellm = gateway "litellm" [ pkgs.litellm ]
    ''LITELLM_LOCAL_MODEL_COST_MAP=True exec litellm --config generated/litellm/config.yaml --host 127.0.0.1 --port 4000 "$@"''
    [ ];
  # Its pages, with the stack's models and keys.
  webui = app "webui" [ pkgs.open-webui ] ''
    set -a
    # shellcheck source=/dev/null
    . generated/clients/open_webui/open-webui.env
    : "''${DATA_DIR:=$HOME/.local/share/open-webui}"
    set +a
    mkdir -p "$DATA_DIR"
    exec open-webui serve --host 127.0.0.1 --port 3000 "$@"
  '';
}
