"""The JSON Schemas of what operators write, for the command line."""

from sidecar.config.jsonschema import config_schema, key_file_schema

__all__ = ["config_schema", "key_file_schema"]
