# Everything that llmgen writes for a machine, as one package: a plan that does not fit, or a key that
# means nothing, ends the build with llmgen's own message.
#
#   generated/            what `llmgen generate` writes
#   root/                 the files that have a place on the machine, below it
#   lib/systemd/SCOPE/    the units, byte for byte those of `llmgen generate`, and one drop-in that
#                         has llmgen.target want them: nobody runs `systemctl enable` here
{
  runCommand,
  jq,
  llmgen,
  toml,
  lockFile,
  places,
}:
let
  inherit (places) config units scope;
in
runCommand "llmgen-stack"
  {
    nativeBuildInputs = [
      jq
      llmgen
    ];
  }
  ''
    # llmgen keeps compiled templates below the home.
    export HOME="$PWD"
    cp ${toml} llm.toml
    ${if lockFile == null then "" else "cp ${lockFile} llm.lock"}
    llmgen check
    mkdir -p $out/root${config}
    llmgen generate --output $out/generated
    llmgen show --files --json > files.json
    jq --raw-output '.data.files[] | select(.installed) | "\(.mode) \(.path)\t\(.installed)"' files.json |
      while IFS=$'\t' read -r file place; do
        install -D --mode "''${file%% *}" "$out/generated/''${file#* }" "$out/root$place"
      done
    # `llmgen --config FOLDER/llm.toml status` reads them there.
    install --mode 444 llm.* $out/root${config}/
    ${
      if units == null then
        ""
      else
        ''
          mkdir -p $out/lib/systemd
          mv $out/root${units} $out/lib/systemd/${scope}
          cd $out/lib/systemd/${scope}
          mkdir llmgen.target.d
          {
            echo '[Unit]'
            grep --directories skip --files-with-matches '^WantedBy=llmgen.target$' * | sed 's/^/Wants=/'
          } > llmgen.target.d/wants.conf
        ''
    }
  ''
