# Settings as llm.toml has them: what is null was not set.
{ lib }:
let
  said =
    value:
    if lib.isAttrs value then
      lib.mapAttrs (_: said) (lib.filterAttrs (_: inner: inner != null) value)
    else if lib.isList value then
      map said value
    else
      value;
in
said
