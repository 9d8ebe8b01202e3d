# The options of `services.llmgen.settings`: llm.toml as an attribute set, typed by the JSON Schema
# that llmgen ships. They are made from it when they are evaluated, so there is no copy to refresh.
#
# Shapes are settled here, so that a mistake is told with its place in the configuration; bounds,
# patterns and whether the plan fits are llmgen's own, when the stack is built.
{ lib, schema }:
let
  inherit (lib) mkOption types;

  resolve =
    node:
    if node ? "$ref" then
      schema.definitions.${lib.removePrefix "#/definitions/" node."$ref"}
    else
      node;

  option =
    node:
    mkOption {
      type = types.nullOr (type node);
      # What is null is left out of llm.toml: llmgen knows its own defaults.
      default = null;
      description = node.description or (resolve node).description or "As llm.toml has it.";
    };

  table = node: types.submodule { options = lib.mapAttrs (_: option) node.properties; };

  # A table with free names has one type for all of its values, whatever the pattern of the names.
  named = node: types.attrsOf (type (lib.head (lib.attrValues node.patternProperties)));

  alternatives =
    nodes:
    let
      found = map type (lib.filter (node: node.type or "" != "null") nodes);
    in
    if lib.length found == 1 then lib.head found else types.oneOf found;

  type =
    asked:
    let
      node = resolve asked;
    in
    if node ? anyOf then
      alternatives node.anyOf
    else if node ? enum then
      types.enum node.enum
    else if node ? properties then
      table node
    else if node ? patternProperties then
      named node
    else
      {
        string = types.str;
        boolean = types.bool;
        integer = types.int;
        number = types.number;
        array = types.listOf (if node ? items then type node.items else types.anything);
        object = types.attrsOf types.anything;
      }
      .${node.type};
in
table schema
