//! Whether the plugin has worked in this gateway before: it decides what becomes of a configuration that
//! cannot be used.
//!
//! A gateway that refuses an **update** goes on with what it has, and tells the control plane; nothing is
//! lost. The **first** configuration has nothing before it: Istio and Higress deliver it by extension
//! discovery, and there a filter whose first configuration is refused answers 500 to every request,
//! whatever its failure policy (measured on Envoy 1.40). So that one is taken, the reason is logged, and
//! nothing is recorded until it is mended.
//!
//! **Limits.** Known by the plugin's name, for as long as the gateway's process lives.

use crate::host::Host;

/// Takes note that a configuration of this plugin works.
pub fn set_worked(host: &impl Host) {
    // Without a mark it is set whoever else sets it.
    host.set_shared(&key(host), b"1", None);
}

/// Whether one has worked before.
pub fn has_worked(host: &impl Host) -> bool {
    host.shared(&key(host)).0.is_some()
}

fn key(host: &impl Host) -> String {
    let name = host.property(&["plugin_name"]).unwrap_or_default();
    format!("gatelog/worked/{}", String::from_utf8_lossy(&name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::Fake;

    #[test]
    fn plugins_are_told_apart_by_their_names() {
        let mut host = Fake::default().text("plugin_name", "a");
        assert!(!has_worked(&host));
        set_worked(&host);
        set_worked(&host);
        assert!(has_worked(&host));
        host.set("plugin_name", b"b".to_vec());
        assert!(!has_worked(&host));
    }
}
