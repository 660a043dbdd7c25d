//! The settings of the runtime: the one table that help, messages, listings and the reference are
//! made of.

/// A setting of the runtime.
#[derive(Debug)]
pub(crate) struct Setting {
    /// Its key in TOML.
    pub(crate) key: &'static str,
    /// Its environment variable.
    pub(crate) variable: &'static str,
    /// What a value looks like, to follow "it takes".
    pub(crate) takes: &'static str,
    /// What holds where it is not set; derived ones in the order in which they are tried.
    pub(crate) default: &'static str,
    /// What it is for.
    pub(crate) doc: &'static str,
    /// Whether SIGHUP reads it again.
    pub(crate) reloads: bool,
}

pub(crate) static RUNTIME_DIR: Setting = Setting {
    key: "runtime_dir",
    variable: "HECATE_RUNTIME_DIR",
    takes: "an absolute folder for sockets and locks",
    default: "`$XDG_RUNTIME_DIR/hecate`, `/run/hecate` for root, `~/.hecate`",
    doc: "Where services have their sockets and locks, each in a folder of its own. It is made when it is not there, and \
          nobody else may enter it.",
    reloads: false,
};

pub(crate) static DATA_DIR: Setting = Setting {
    key: "data_dir",
    variable: "HECATE_DATA_DIR",
    takes: "an absolute folder for what the service keeps",
    default: "the first of `$STATE_DIRECTORY`, `volumes.state` of the manifest for root, \
              `$XDG_STATE_HOME/hecate/<name>`, `~/.local/state/hecate/<name>`, `volumes.state`, which is \
              `/var/lib/<name>` unless the service says otherwise",
    doc: "What the service keeps between two runs. It is looked at when the service asks for it.",
    reloads: false,
};

pub(crate) static SECRETS_DIR: Setting = Setting {
    key: "secrets_dir",
    variable: "HECATE_SECRETS_DIR",
    takes: "an absolute folder with a file for each secret",
    default: "`$CREDENTIALS_DIRECTORY`, `volumes.secrets` of the manifest, which is `/etc/hecate/secrets` unless the \
              service says otherwise",
    doc: "One file for each secret, named like it.",
    reloads: false,
};

pub(crate) static HEALTH_ADDR: Setting = Setting {
    key: "health_addr",
    variable: "HECATE_HEALTH_ADDR",
    takes: "an address and port, such as `127.0.0.1:8470` or `[::]:8470`",
    default: "the service's port on loopback, a free one where it is taken",
    doc: "Where health is told over TCP. An address that was asked for and cannot be had ends the boot.",
    reloads: false,
};

pub(crate) static HEALTH_SOCKET: Setting = Setting {
    key: "health_socket",
    variable: "HECATE_HEALTH_SOCKET",
    takes: "an absolute path of at most 107 bytes, for a Unix socket",
    default: "none",
    doc: "Where health is told over a Unix socket, instead of TCP.",
    reloads: false,
};

pub(crate) static HEALTH_DEGRADED_STATUS: Setting = Setting {
    key: "health_degraded_status",
    variable: "HECATE_HEALTH_DEGRADED_STATUS",
    takes: "the HTTP status of `/health` when degraded: 503 or 200",
    default: "`503`",
    doc: "What `/health` answers when the service is degraded: 200 for probes that restart whatever is not 200.",
    reloads: false,
};

pub(crate) static LOG: Setting = Setting {
    key: "log",
    variable: "HECATE_LOG",
    takes: "a level and those of targets, such as `info` or `warn,hecate_om=debug`",
    default: "`$RUST_LOG`, `info`",
    doc: "Which log lines are written: `off`, `error`, `warn`, `info`, `debug` or `trace`, and other levels for targets.",
    reloads: true,
};

pub(crate) static START_TIMEOUT: Setting = Setting {
    key: "start_timeout",
    variable: "HECATE_START_TIMEOUT",
    takes: "a time from 1s to 3600s, such as `300s`",
    default: "`300s`",
    doc: "How long `start` of the service may take.",
    reloads: false,
};

pub(crate) static STOP_TIMEOUT: Setting = Setting {
    key: "stop_timeout",
    variable: "HECATE_STOP_TIMEOUT",
    takes: "a time from 1s to 600s, such as `30s`",
    default: "`30s`",
    doc: "How long the whole of a stop may take, calls in flight included. Give the supervisor a few seconds more.",
    reloads: false,
};

pub(crate) static MESH: Setting = Setting {
    key: "mesh",
    variable: "HECATE_MESH",
    takes: "`auto`, `required` or `off`",
    default: "`auto`; a release build without a terminal has to be told",
    doc: "Whether the service is on the mesh. `auto` dials the stations that are set; with none set it is on the \
          development mesh of this box, which no other box sees. `required` takes no less than stations and a realm. \
          `off` answers on this box only.",
    reloads: false,
};

pub(crate) static ORG: Setting = Setting {
    key: "org",
    variable: "HECATE_ORG",
    takes: "an org: `a-z`, `0-9`, `-`, `_` and `.`, a letter or digit first, at most 64 bytes",
    default: "the service's name",
    doc: "Under what the capabilities of the service are advertised: `<org>/<name>_v<version>`.",
    reloads: false,
};

pub(crate) static REALM: Setting = Setting {
    key: "realm",
    variable: "HECATE_REALM",
    takes: "the name of a realm, such as `io.example`, or its id in 64 hex digits",
    default: "none; that of the development mesh where no station is set",
    doc: "The realm that the service belongs to. With an id alone nobody can be asked to admit it: give the name where \
          the realm is to do that.",
    reloads: false,
};

pub(crate) static REALM_KEY: Setting = Setting {
    key: "realm_key",
    variable: "HECATE_REALM_KEY",
    takes: "the public key of the realm in hex digits",
    default: "none; that of the development mesh where no station is set",
    doc: "What everything that is found in the realm is trusted by. It is public.",
    reloads: false,
};

pub(crate) static PROFILE: Setting = Setting {
    key: "profile",
    variable: "HECATE_PROFILE",
    takes: "`pq_pure` or `pq_hybrid`",
    default: "`pq_pure`",
    doc: "With which keys the nodes of the mesh sign: ML-DSA-87 alone, or together with RSA-PSS-4096. All of a mesh have \
          the same.",
    reloads: false,
};

pub(crate) static STATION_SEEDS: Setting = Setting {
    key: "station_seeds",
    variable: "MACULA_STATION_SEEDS",
    takes: "stations with commas between them, each `host` or `host:port`, an IPv6 address in brackets",
    default: "none; the port is 4433",
    doc: "The stations to dial, at most 16.",
    reloads: false,
};

pub(crate) static STATION_NODE_IDS: Setting = Setting {
    key: "station_node_ids",
    variable: "MACULA_STATION_NODE_IDS",
    takes: "node ids of 64 hex digits with commas between them, one for each station and in their order",
    default: "none",
    doc: "What the stations must prove to be.",
    reloads: false,
};

pub(crate) static PEERS: Setting = Setting {
    key: "peers",
    variable: "HECATE_PEERS",
    takes: "`service=org` with commas between them, such as `hecate-echo=acme`",
    default: "none: each service is looked for under its own name",
    doc: "The orgs of services that are called and are not advertised under their own names.",
    reloads: false,
};

pub(crate) static RESOLVE: Setting = Setting {
    key: "resolve",
    variable: "HECATE_RESOLVE",
    takes: "`nearest` or `mesh`",
    default: "`nearest`",
    doc: "Where calls look for a provider: in this process, on this box and on the mesh, in that order, or on the mesh only.",
    reloads: false,
};

/// Every setting of the runtime, in the order in which it is told.
pub(crate) static ALL: [&Setting; 18] = [
    &RUNTIME_DIR,
    &DATA_DIR,
    &SECRETS_DIR,
    &HEALTH_ADDR,
    &HEALTH_SOCKET,
    &HEALTH_DEGRADED_STATUS,
    &LOG,
    &START_TIMEOUT,
    &STOP_TIMEOUT,
    &MESH,
    &ORG,
    &PROFILE,
    &RESOLVE,
    &REALM,
    &REALM_KEY,
    &STATION_SEEDS,
    &STATION_NODE_IDS,
    &PEERS,
];

/// The table of a TOML file that holds the service's own settings.
pub(crate) const SERVICE_TABLE: &str = "service";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_its_variable_in_lower_case() {
        for setting in ALL {
            // The SDKs of the mesh agree on the names of stations.
            let prefix = if setting.key.starts_with("station_") { "MACULA" } else { "HECATE" };
            assert_eq!(setting.variable, format!("{prefix}_{}", setting.key.to_uppercase()));
            assert_ne!(setting.key, SERVICE_TABLE);
            assert!(setting.doc.ends_with('.') && !setting.takes.ends_with('.'), "{}", setting.key);
        }
    }
}
