//! What names and addresses tell: the service of a cluster, the API of a route, the server of a path.

/// The service of a cluster: the fourth part of `outbound|port|subset|fqdn`, or the whole name of a
/// cluster that is named otherwise.
pub(super) fn service_of(cluster: &str) -> Option<&str> {
    let service = match cluster.split_once('|') {
        Some(_) => cluster.split('|').nth(3)?,
        None => cluster,
    };
    Some(service).filter(|service| !service.is_empty())
}

/// The API of a route that Higress made for one: `model-api-NAME-N`.
pub(super) fn api_of(route: &str) -> Option<&str> {
    let (api, number) = route.strip_prefix("model-api-")?.rsplit_once('-')?;
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    Some(api).filter(|api| is_number && !api.is_empty())
}

/// The server of a path under which Higress serves one: `/mcp-servers/NAME`, and what follows.
pub(super) fn mcp_server_of(path: &str) -> Option<&str> {
    let rest = path.strip_prefix("/mcp-servers/")?;
    rest.split(['/', '?', '#'])
        .next()
        .filter(|server| !server.is_empty())
}

/// `10.0.0.1:80` and `[::1]:80` without port and brackets; a path of a pipe as it is.
pub(super) fn without_port(address: &str) -> &str {
    let host = match address.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => address,
    };
    host.strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_routes_clusters_and_paths_tell_what_they_tell() {
        for (route, api) in [
            ("model-api-a-0", Some("a")),
            ("model-api-a-b-12", Some("a-b")),
            ("model-api-a", None),
            ("model-api--1", None),
            ("model-api-a-b", None),
            ("other-a-0", None),
        ] {
            assert_eq!(api_of(route), api, "{route}");
        }
        for (cluster, service) in [
            ("outbound|80||a.static", Some("a.static")),
            ("outbound|80|v1|a.dns", Some("a.dns")),
            ("inbound|80||", None),
            ("odd|name", None),
            ("PassthroughCluster", Some("PassthroughCluster")),
        ] {
            assert_eq!(service_of(cluster), service, "{cluster}");
        }
        for (path, server) in [
            ("/mcp-servers/amap", Some("amap")),
            ("/mcp-servers/amap/sse?x=1", Some("amap")),
            ("/mcp-servers/amap?x=/1", Some("amap")),
            ("/mcp-servers/", None),
            ("/mcp-servers", None),
            ("/a/mcp-servers/b", None),
        ] {
            assert_eq!(mcp_server_of(path), server, "{path}");
        }
    }

    #[test]
    fn an_address_without_its_port() {
        for (address, host) in [
            ("10.0.0.1:0", "10.0.0.1"),
            ("[::1]:443", "::1"),
            ("/run/x.sock", "/run/x.sock"),
            ("", ""),
        ] {
            assert_eq!(without_port(address), host);
        }
    }
}
