"""An Envoy configuration that fits a starter ``sidecar.yaml``: complete, hardened, and clean for `sidecar doctor --envoy`."""

import json

from sidecar.model.addresses import is_address, parse_listen

from .wishes import BadWish, Wishes

_HEAD = """\
# Envoy asking the sidecar of sidecar.yaml about every request; made by `sidecar init`. Why each setting: docs/how-to/envoy.md
# Check it: envoy --mode validate -c envoy.yaml; sidecar doctor --config sidecar.yaml --envoy envoy.yaml
admin:
  address: {socket_address: {address: 127.0.0.1, port_value: 9901}}

static_resources:
  listeners:
  - name: ingress
    address: {socket_address: {address: 0.0.0.0, port_value: 8080}}
    per_connection_buffer_limit_bytes: 32768
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: ingress
          # This Envoy is the edge: it appends the peer's address to x-forwarded-for.
          use_remote_address: true
          # No peer counts as internal (all private addresses do by default): x-envoy-* headers come from nobody.
          internal_address_config: {cidr_ranges: [{address_prefix: 0.0.0.0, prefix_len: 32}]}
          # One meaning for each path and header.
          normalize_path: true
          merge_slashes: true
          path_with_escaped_slashes_action: REJECT_REQUEST
          common_http_protocol_options:
            headers_with_underscores_action: REJECT_REQUEST
            # A stream is authorised once, when it starts: this is the longest it can last.
            max_stream_duration: 3600s
            idle_timeout: 3600s
          request_headers_timeout: 10s
          http2_protocol_options: {max_concurrent_streams: 100, initial_stream_window_size: 65536, initial_connection_window_size: 1048576}
          http_filters:
          - name: envoy.filters.http.ext_authz
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthz
              transport_api_version: V3
              grpc_service:
                envoy_grpc: {cluster_name: sidecar}
                timeout: 0.25s        # above server.check_deadline (150ms)
              failure_mode_allow: false
              status_on_error: {code: ServiceUnavailable}
              validate_mutations: true
              encode_raw_headers: true
              clear_route_cache: false
          - name: envoy.filters.http.router
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router
          route_config:
            name: ingress
            virtual_hosts:
            - name: all
              domains: ["*"]
              routes:
              # Never leave a path out here: say `authenticate: [anonymous]` in sidecar.yaml.
              - match: {prefix: "/"}
                route: {cluster: service, timeout: 15s}

  clusters:
  - name: sidecar
    type: STATIC
    connect_timeout: 0.25s
    typed_extension_protocol_options:
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
        "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
        explicit_http_config: {http2_protocol_options: {}}
    # Under overload, what is above these open checks is refused here (503), so that the sidecar has its time for the others.
    circuit_breakers: {thresholds: [{max_requests: 128, max_pending_requests: 1024}]}
    # Notices a sidecar that shuts down within its shutdown_delay (5s).
    health_checks:
    - {timeout: 0.5s, interval: 1s, no_traffic_interval: 1s, unhealthy_threshold: 2, healthy_threshold: 1, grpc_health_check: {}}
    load_assignment:
      cluster_name: sidecar
      endpoints:
      - lb_endpoints:
        - endpoint: {address: @SIDECAR@}
  # Your service.
  - name: service
    type: @TYPE@
    connect_timeout: 1s
    load_assignment:
      cluster_name: service
      endpoints:
      - lb_endpoints:
        - endpoint: {address: @SERVICE@}

# Without a bound, connections alone can use up Envoy's file descriptors and memory.
overload_manager:
  resource_monitors:
  - name: envoy.resource_monitors.global_downstream_max_connections
    typed_config:
      "@type": type.googleapis.com/envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig
      max_active_downstream_connections: 10000
"""


def envoy_text(wishes: Wishes) -> str:
    """Write the configuration. Raises BadWish for an upstream that is no ``host:port``."""
    host, port = _upstream(wishes.upstream)
    kind = "STATIC" if is_address(host) else "STRICT_DNS"
    return _HEAD.replace("@SIDECAR@", _sidecar(wishes.listen)).replace("@TYPE@", kind).replace("@SERVICE@", _socket(host, port))


def _sidecar(text: str) -> str:
    listen = parse_listen(text)
    if listen is None:
        raise BadWish(f"{text!r} is not an address to listen on: write 127.0.0.1:9191 or unix:///run/sidecar/check.sock")
    if listen.kind == "unix":
        return f"{{pipe: {{path: {json.dumps(listen.path)}}}}}"
    return _socket("127.0.0.1" if listen.host.lower() == "localhost" else listen.host, listen.port)


def _socket(host: str, port: int) -> str:
    return f"{{socket_address: {{address: {json.dumps(host)}, port_value: {port}}}}}"


def _upstream(text: str) -> tuple[str, int]:
    listen = parse_listen(text)
    if listen is None or listen.kind != "tcp":
        raise BadWish(f"{text!r} is not where a service listens: write host:port, for example 127.0.0.1:8081")
    return listen.host, listen.port
