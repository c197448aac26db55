"""The JSON Schemas of what operators write, for the command line."""

from sidecar.config.jsonschema import config_schema, key_file_schema
from sidecar.config.policytest import policy_tests_schema

__all__ = ["config_schema", "key_file_schema", "policy_tests_schema"]
