//! The same job in the words of each proxy: two workers, 90/10 between two backends, connections kept alive on both sides, no
//! access log, X-Forwarded-For, X-Forwarded-Proto and X-Request-Id set.

use std::net::SocketAddr;

use crate::job::{Front, Pem};

/// weir with everything on that is on by default, and a rollout that stays at 10% while every response is judged.
pub fn weir(address: SocketAddr, front: Front<'_>, [stable, canary]: [SocketAddr; 2]) -> String {
    // A listener without TLS takes HTTP/2 from clients that begin with it.
    let tls = match front {
        Front::Plain | Front::Http2 => String::new(),
        Front::Tls(Pem { certificate, key, .. }) => format!(
            "\n    tls: {{ certificates: [{{ certificate: {}, key: {} }}] }}",
            certificate.display(),
            key.display()
        ),
    };
    format!(
        r#"listeners:
  - name: web
    address: {address}{tls}
admin:
  address: 127.0.0.1:0
proxy:
  workers: 2
routes:
  - release: compare
backends:
  stable: {{ endpoints: ["{stable}"] }}
  canary: {{ endpoints: ["{canary}"] }}
releases:
  compare:
    stable: stable
    canary: canary
    steps: [{{ weight: 10%, atLeast: 24h }}]
"#
    )
}

/// nginx.
pub fn nginx(address: SocketAddr, front: Front<'_>, [stable, canary]: [SocketAddr; 2]) -> String {
    let (speaks, tls) = match front {
        Front::Plain => ("", String::new()),
        Front::Http2 => (" http2", String::new()),
        Front::Tls(Pem { certificate, key, .. }) => {
            let files = format!("ssl_certificate {}; ssl_certificate_key {};", certificate.display(), key.display());
            (" ssl", files + " ssl_protocols TLSv1.3; ssl_session_cache shared:tls:10m;")
        }
    };
    format!(
        r"worker_processes 2;
daemon off;
pid nginx.pid;
error_log stderr error;
events {{ worker_connections 16384; }}
http {{
  access_log off;
  client_body_temp_path body;
  proxy_temp_path proxy;
  fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  keepalive_requests 1000000000;
  keepalive_timeout 75s;
  upstream split {{
    server {stable} weight=9;
    server {canary} weight=1;
    keepalive 64;
    keepalive_requests 1000000000;
  }}
  server {{
    listen {address} reuseport{speaks};
    {tls}
    location / {{
      proxy_pass http://split;
      proxy_http_version 1.1;
      proxy_set_header Connection '';
      proxy_set_header Host $host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header X-Request-Id $request_id;
    }}
  }}
}}
"
    )
}

/// HAProxy.
pub fn haproxy(address: SocketAddr, front: Front<'_>, [stable, canary]: [SocketAddr; 2]) -> String {
    let speaks = match front {
        Front::Plain => String::new(),
        Front::Http2 => " proto h2".to_owned(),
        Front::Tls(Pem { both, .. }) => format!(" ssl crt {} alpn http/1.1", both.display()),
    };
    format!(
        r"global
  nbthread 2
  maxconn 8192
defaults
  mode http
  timeout connect 2s
  timeout client 75s
  timeout server 60s
  option http-keep-alive
  option forwardfor
  http-reuse always
  unique-id-format %{{+X}}o%ci%cp%fi%fp%Ts%rt%pid
frontend web
  bind {address}{speaks}
  unique-id-header X-Request-Id
  http-request set-header X-Forwarded-Proto http
  default_backend split
backend split
  balance roundrobin
  server stable {stable} weight 90
  server canary {canary} weight 10
"
    )
}

/// Envoy.
pub fn envoy(address: SocketAddr, front: Front<'_>, [stable, canary]: [SocketAddr; 2]) -> String {
    let tls = match front {
        Front::Plain | Front::Http2 => String::new(),
        Front::Tls(Pem { certificate, key, .. }) => format!(
            r#"
      transport_socket:
        name: tls
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext
          common_tls_context:
            tls_certificates: [{{ certificate_chain: {{ filename: {} }}, private_key: {{ filename: {} }} }}]"#,
            certificate.display(),
            key.display()
        ),
    };
    let at = |address: SocketAddr| {
        format!("{{ socket_address: {{ address: {}, port_value: {} }} }}", address.ip(), address.port())
    };
    let cluster = |name: &str, address: SocketAddr| {
        format!(
            "{{ name: {name}, type: STATIC, connect_timeout: 2s, load_assignment: {{ cluster_name: {name}, \
             endpoints: [{{ lb_endpoints: [{{ endpoint: {{ address: {} }} }}] }}] }} }}",
            at(address)
        )
    };
    format!(
        r#"static_resources:
  listeners:
  - address: {}
    filter_chains:
    - filters:
      - name: http
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: web
          use_remote_address: true
          route_config:
            virtual_hosts:
            - name: all
              domains: ["*"]
              routes:
              - match: {{ prefix: / }}
                route:
                  weighted_clusters: {{ clusters: [{{ name: stable, weight: 90 }}, {{ name: canary, weight: 10 }}] }}
          http_filters:
          - name: router
            typed_config: {{ "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router }}{tls}
  clusters:
  - {}
  - {}
"#,
        at(address),
        cluster("stable", stable),
        cluster("canary", canary)
    )
}
