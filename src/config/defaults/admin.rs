//! Defaults below `admin`.

use super::{Row, Setting};

pub(super) fn admin_rows() -> Vec<Row> {
    vec![ADMIN_ADDRESS.row(), ADMIN_HOSTS.row(), ADMIN_TOKEN_FILE.row()]
}

/// `admin.address`
pub const ADMIN_ADDRESS: Setting<&'static str> =
    Setting::new("admin.address", "127.0.0.1:9180", "commands are for this machine unless a token protects them");
/// `admin.hosts`
pub const ADMIN_HOSTS: Setting<&'static [&'static str]> =
    Setting::new("admin.hosts", &[], "any other name may be a stranger's that leads here (DNS rebinding)");
/// `admin.tokenFile`
pub const ADMIN_TOKEN_FILE: Setting<&'static str> =
    Setting::new("admin.tokenFile", "(made at the start)", "the command line on the same machine just works");
