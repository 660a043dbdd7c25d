use serde_json::{Value, json};

use super::{
    Capability, Confidential, Identity, Kind, Limits, Manifest, ManifestErrors, Ports, Rate, ServiceType, Use, Volumes,
};

const ECHO: &str = r#"{
  "schema": "hecate.manifest/1",
  "name": "hecate-echo",
  "display_name": "Hecate Echo",
  "version": "0.1.0",
  "description": "Says it again.",
  "service_type": "container_daemon",
  "tenancy": "realm",
  "runs_on": "infrastructure_node",
  "callback_module": "hecate_echo::Echo",
  "license": "Apache-2.0",
  "depends_on": [],
  "scope": "echo",
  "capabilities": [
    {
      "name": "echo.say",
      "version": 1,
      "description": "Says it again.",
      "kind": "unary",
      "access": "open",
      "timeout_ms": 30000,
      "idempotent": true
    },
    {
      "name": "echo.say",
      "version": 2,
      "description": "Says it again, louder.",
      "kind": "bidi",
      "access": "realm",
      "timeout_ms": 600000,
      "limits": {
        "payload_bytes": 1024,
        "reply_bytes": 2048,
        "concurrency": 8,
        "per_caller": {
          "calls": 60,
          "period_ms": 60000
        },
        "total": {
          "calls": 600,
          "period_ms": 60000
        }
      },
      "confidential": "required",
      "cancel_on_disconnect": true,
      "deprecated": "too loud"
    }
  ],
  "uses": [
    {
      "type": "parrots::Parrot"
    },
    {
      "capability": "acme/rag.query",
      "version": 1
    }
  ],
  "identity": {
    "scope": "echo",
    "actions": [
      "answer:echo.say@1",
      "answer:echo.say@2",
      "call:acme/rag.query@1"
    ],
    "resources": [
      "echo/*",
      "acme/rag.query"
    ],
    "ttl_days": 30
  },
  "ports": {
    "health": 8470
  },
  "volumes": {
    "secrets": "/etc/hecate/secrets",
    "state": "/srv/echo"
  },
  "min_om_version": "0.1.0"
}
"#;

fn echo() -> Manifest {
    let say = Capability {
        name: "echo.say".into(),
        version: 1,
        description: "Says it again.".into(),
        kind: Kind::Unary,
        access: "open".into(),
        timeout_ms: 30_000,
        limits: Limits::default(),
        confidential: Confidential::Preferred,
        idempotent: true,
        cancel_on_disconnect: false,
        deprecated: None,
    };
    let say_louder = Capability {
        version: 2,
        description: "Says it again, louder.".into(),
        kind: Kind::Bidi,
        access: "realm".into(),
        timeout_ms: 600_000,
        limits: Limits {
            payload_bytes: 1024,
            reply_bytes: 2048,
            concurrency: 8,
            per_caller: Rate { calls: 60, period_ms: 60_000 },
            total: Rate { calls: 600, period_ms: 60_000 },
        },
        confidential: Confidential::Required,
        idempotent: false,
        cancel_on_disconnect: true,
        deprecated: Some("too loud".into()),
        ..say.clone()
    };
    Manifest {
        schema: "hecate.manifest/1".into(),
        name: "hecate-echo".into(),
        display_name: "Hecate Echo".into(),
        version: "0.1.0".into(),
        description: "Says it again.".into(),
        service_type: ServiceType::ContainerDaemon,
        tenancy: "realm".into(),
        runs_on: "infrastructure_node".into(),
        callback_module: "hecate_echo::Echo".into(),
        image: None,
        repository: None,
        license: Some("Apache-2.0".into()),
        depends_on: vec![],
        scope: "echo".into(),
        capabilities: vec![say, say_louder],
        uses: vec![
            Use::Service { type_name: "parrots::Parrot".into() },
            Use::Capability { capability: "acme/rag.query".into(), version: 1 },
        ],
        identity: Identity {
            scope: "echo".into(),
            actions: vec!["answer:echo.say@1".into(), "answer:echo.say@2".into(), "call:acme/rag.query@1".into()],
            resources: vec!["echo/*".into(), "acme/rag.query".into()],
            ttl_days: 30,
        },
        ports: Ports { health: 8470 },
        volumes: Volumes { secrets: "/etc/hecate/secrets".into(), state: "/srv/echo".into() },
        min_om_version: "0.1.0".into(),
    }
}

/// `ECHO` with the value at a JSON pointer replaced or added.
fn echo_with(changes: &[(&str, Value)]) -> String {
    let mut document: Value = serde_json::from_str(ECHO).unwrap();
    for (pointer, value) in changes {
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        match document.pointer_mut(parent).unwrap() {
            Value::Object(fields) => _ = fields.insert(name.to_owned(), value.clone()),
            Value::Array(items) => items[name.parse::<usize>().unwrap()] = value.clone(),
            other => panic!("{pointer} is inside {other}"),
        }
    }
    document.to_string()
}

fn errors_of(text: &str) -> ManifestErrors {
    Manifest::parse(text).unwrap_err()
}

#[test]
fn reads_every_field() {
    assert_eq!(Manifest::parse(ECHO), Ok(echo()));
    assert_eq!(Manifest::parse_strict(ECHO), Ok(echo()));
}

#[test]
fn writes_what_it_read_byte_for_byte() {
    assert_eq!(echo().to_json(), ECHO);
}

#[test]
fn deserializes_what_it_serializes() {
    assert_eq!(serde_json::from_str::<Manifest>(ECHO).unwrap(), echo());
}

#[test]
fn deserializing_checks_what_parsing_does() {
    let text = echo_with(&[("/volumes/state", json!("echo")), ("/ports/health", json!(0))]);
    let told = serde_json::from_str::<Manifest>(&text).unwrap_err().to_string();
    assert!(told.contains("volumes.state: ") && told.contains("ports.health: "), "{told}");
}

#[test]
fn null_is_an_absent_option() {
    let text = echo_with(&[("/image", json!(null)), ("/capabilities/0/deprecated", json!(null))]);
    assert_eq!(Manifest::parse_strict(&text), Ok(echo()));
}

#[test]
fn reports_every_error_at_once() {
    let text = echo_with(&[
        ("/schema", json!("hecate.manifest/2")),
        ("/name", json!("Hecate_Echo")),
        ("/display_name", json!(1)),
        ("/version", json!("1.0")),
        ("/description", json!(" ")),
        ("/service_type", json!("beam_daemon")),
        ("/tenancy", json!("per-user")),
        ("/runs_on", json!("")),
        ("/callback_module", json!("Echo")),
        ("/image", json!(false)),
        ("/depends_on", json!("hecate-rag")),
        ("/capabilities/0/name", json!("say")),
        ("/capabilities/0/version", json!(0)),
        ("/capabilities/0/kind", json!("stream")),
        ("/capabilities/0/access", json!("all")),
        ("/capabilities/0/limits", json!([])),
        ("/capabilities/0/confidential", json!("always")),
        ("/capabilities/0/idempotent", json!("yes")),
        ("/capabilities/0/cancel_on_disconnect", json!(1)),
        ("/capabilities/1/timeout_ms", json!(600_001)),
        ("/capabilities/1/limits/concurrency", json!(0)),
        ("/capabilities/1/limits/per_caller", json!({"calls": 1_000_001})),
        ("/uses/0", json!({"type": 1, "version": 1})),
        ("/uses/1/capability", json!("acme")),
        ("/identity/actions/1", json!({})),
        ("/identity/ttl_days", json!(366)),
        ("/ports", json!({})),
        ("/volumes/secrets", json!("/etc/hecate/secrets:ro")),
        ("/min_om_version", json!(null)),
    ]);
    assert_eq!(
        errors_of(&text).to_string(),
        r#"schema: found `"hecate.manifest/2"`; write `hecate.manifest/1`, the schema that this version reads
name: found `"Hecate_Echo"`; write kebab-case of at most 40 bytes, such as `hecate-echo`
display_name: found `1`; write a string
version: found `"1.0"`; write a SemVer version, such as `0.1.0`
description: found `" "`; write a sentence that says what the service is for
service_type: found `"beam_daemon"`; write `container_daemon`
tenancy: found `"per-user"`; write lower snake case (`[a-z][a-z0-9_]*`)
runs_on: found `""`; write lower snake case (`[a-z][a-z0-9_]*`)
callback_module: found `"Echo"`; write `<crate>::<type>`, such as `hecate_echo::Echo`
image: found `false`; write a string
depends_on: found `"hecate-rag"`; write an array, `[]` if there is nothing to list
capabilities[0].name: found `"say"`; write two or more lower snake case parts joined by dots, at most 128 bytes, such as `echo.say`
capabilities[0].version: found `0`; write a whole number from 1 to 65535
capabilities[0].kind: found `"stream"`; write `unary`, `server_stream`, `client_stream` or `bidi`
capabilities[0].access: found `"all"`; write `open`, `realm` or `issuer:<64 hex digits>`
capabilities[0].limits: found an array; write an object
capabilities[0].confidential: found `"always"`; write `off`, `preferred` or `required`
capabilities[0].idempotent: found `"yes"`; write `true` or `false`
capabilities[0].cancel_on_disconnect: found `1`; write `true` or `false`
capabilities[1].timeout_ms: found `600001`; write a whole number of milliseconds from 1 to 600000
capabilities[1].limits.concurrency: found `0`; write a whole number from 1 to 65536
capabilities[1].limits.per_caller.calls: found `1000001`; write a whole number from 1 to 1000000
capabilities[1].limits.per_caller.period_ms: missing; write a whole number of milliseconds from 1000 to 3600000
uses[0].version: found beside `type`; write one of them
uses[0].type: found `1`; write a string
uses[1].capability: found `"acme"`; write `<org>/<name>` or `<name>`, such as `hecate-echo/echo.say`
identity.actions[1]: found an object; write a string
identity.ttl_days: found `366`; write a whole number of days from 1 to 365
ports.health: missing; write a port from 1 to 65535
volumes.secrets: found `"/etc/hecate/secrets:ro"`; write an absolute path of at most 128 bytes whose parts begin with a letter or digit and go on with letters, digits, `.`, `_` and `-`, such as `/var/lib/hecate-echo`
min_om_version: found `null`; write a SemVer version, such as `0.1.0`"#
    );
}

#[test]
fn every_required_field_is_missed() {
    let missed = |text: &str| -> Vec<String> {
        let errors = errors_of(text);
        assert!(errors.iter().all(|error| error.problem().starts_with("missing; write ")));
        errors.iter().map(|error| error.path().to_owned()).collect()
    };
    assert_eq!(
        missed("{}").join(" "),
        "schema name display_name version description service_type tenancy runs_on \
         callback_module depends_on scope capabilities identity ports min_om_version"
    );
    assert_eq!(
        missed(&echo_with(&[
            ("/identity", json!({})),
            ("/capabilities/0", json!({})),
            ("/capabilities/1/limits", json!({"total": {}})),
            ("/volumes", json!({})),
        ]))
        .join(" "),
        "capabilities[0].name capabilities[0].version capabilities[0].description \
         capabilities[0].kind capabilities[0].timeout_ms \
         capabilities[1].limits.payload_bytes capabilities[1].limits.reply_bytes \
         capabilities[1].limits.concurrency capabilities[1].limits.per_caller \
         capabilities[1].limits.total.calls capabilities[1].limits.total.period_ms \
         identity.scope identity.actions \
         identity.resources identity.ttl_days volumes.secrets volumes.state"
    );
}

#[test]
fn a_number_holds_at_its_bounds_only() {
    for (pointer, least, most) in [
        ("/capabilities/0/version", 1_u64, 65_535_u64),
        ("/capabilities/0/timeout_ms", 1, 600_000),
        ("/capabilities/1/limits/payload_bytes", 1, 16 << 20),
        ("/capabilities/1/limits/reply_bytes", 1, 16 << 20),
        ("/capabilities/1/limits/concurrency", 1, 65_536),
        ("/capabilities/1/limits/total/calls", 60, 1_000_000),
        ("/capabilities/1/limits/per_caller/calls", 1, 600),
        ("/capabilities/1/limits/total/period_ms", 1000, 600_000),
        ("/capabilities/1/limits/per_caller/period_ms", 6000, 3_600_000),
        ("/identity/ttl_days", 1, 365),
        ("/ports/health", 1, 65_535),
    ] {
        let read = |number: Value| {
            // Away from version 2, which is taken.
            let other = ("/capabilities/1/name", json!("echo.shout"));
            Manifest::parse(&echo_with(&[other, (pointer, number)]))
        };
        for number in [least, most] {
            assert!(read(json!(number)).is_ok(), "{pointer} = {number}");
        }
        for number in [json!(least - 1), json!(most + 1), json!(-1), json!(1.5), json!(u64::MAX)] {
            let errors = read(number).unwrap_err();
            assert_eq!(errors.iter().count(), 1, "{pointer}: {errors}");
        }
    }
}

#[test]
fn a_capability_lies_in_the_scope() {
    let text = echo_with(&[("/capabilities/1/name", json!("rag.query.deep"))]);
    assert_eq!(
        errors_of(&text).to_string(),
        "capabilities[1].name: found `rag.query.deep`, which is outside the scope `echo`; \
         write `echo.query.deep`"
    );
}

#[test]
fn a_capability_leaves_the_reserved_names_alone() {
    for last in ["info", "describe", "get_limits", "set_limits"] {
        let name = format!("echo.{last}");
        let text = echo_with(&[("/capabilities/0/name", json!(name))]);
        assert_eq!(
            errors_of(&text).to_string(),
            format!(
                "capabilities[0].name: found `{name}`; write another last part, \
                 since `{last}` is reserved"
            )
        );
    }
}

#[test]
fn a_capability_stands_once_whatever_else_is_wrong_with_it() {
    let text = echo_with(&[("/capabilities/1/version", json!(1)), ("/capabilities/0/timeout_ms", json!(0))]);
    assert_eq!(
        errors_of(&text).to_string(),
        "capabilities[0].timeout_ms: found `0`; \
         write a whole number of milliseconds from 1 to 600000\n\
         capabilities[1]: found `echo.say` version 1, as in `capabilities[0]`; \
         write another name or version"
    );
}

#[test]
fn unknown_fields_pass() {
    let text = echo_with(&[("/sidecars", json!({})), ("/capabilities/0/guard", json!([])), ("/uses/0/org", json!(""))]);
    assert_eq!(Manifest::parse(&text), Ok(echo()));
}

#[test]
fn what_older_manifests_lack_is_as_closed_as_can_be() {
    let mut document: Value = serde_json::from_str(ECHO).unwrap();
    document.as_object_mut().unwrap().retain(|name, _| !["uses", "volumes"].contains(&name.as_str()));
    for capability in document["capabilities"].as_array_mut().unwrap() {
        capability.as_object_mut().unwrap().retain(|name, _| {
            let newer = ["access", "limits", "confidential", "idempotent", "cancel_on_disconnect"];
            !newer.contains(&name.as_str())
        });
    }
    let text = document.to_string();
    let manifest = Manifest::parse_strict(&text).unwrap();
    for capability in &manifest.capabilities {
        assert!(capability.access == "realm" && !capability.idempotent && !capability.cancel_on_disconnect);
        assert_eq!((capability.limits, capability.confidential), (Limits::default(), Confidential::Preferred));
    }
    assert_eq!(manifest.uses, []);
    assert_eq!(manifest.volumes, Volumes::of("hecate-echo"));
    assert_eq!((&*manifest.volumes.secrets, &*manifest.volumes.state), ("/etc/hecate/secrets", "/var/lib/hecate-echo"));
    assert_eq!(serde_json::from_str::<Manifest>(&text).unwrap(), manifest);
}

#[test]
fn all_callers_together_may_call_at_least_as_often_as_one() {
    let total = |calls: u32, period_ms: u32| {
        let total = json!({"calls": calls, "period_ms": period_ms});
        Manifest::parse(&echo_with(&[("/capabilities/1/limits/total", total)]))
    };
    for (calls, period_ms) in [(60, 60_000), (60, 1000), (600, 600_000)] {
        assert!(total(calls, period_ms).is_ok(), "{calls} in {period_ms}");
    }
    for (calls, period_ms) in [(59, 1000), (60, 60_001), (600, 3_600_000)] {
        assert_eq!(
            total(calls, period_ms).unwrap_err().to_string(),
            format!(
                "capabilities[1].limits.total: found {calls} calls in {period_ms} ms, which is below `per_caller`; \
                 write at least 60 calls in 60000 ms"
            )
        );
    }
}

#[test]
fn every_kind_of_call_has_a_word() {
    for (kind, word) in [
        (Kind::Unary, "unary"),
        (Kind::ServerStream, "server_stream"),
        (Kind::ClientStream, "client_stream"),
        (Kind::Bidi, "bidi"),
    ] {
        let manifest = Manifest::parse(&echo_with(&[("/capabilities/0/kind", json!(word))])).unwrap();
        assert_eq!(manifest.capabilities[0].kind, kind);
        assert_eq!(serde_json::to_value(kind).unwrap(), word);
    }
}

#[test]
fn a_use_is_a_type_or_a_reference_with_a_version() {
    let text = echo_with(&[("/uses", json!([{}, {"capability": "rag.query"}, "Echo", {"version": 0}]))]);
    assert_eq!(
        errors_of(&text).to_string(),
        "uses[0].capability: missing; write `<org>/<name>` or `<name>`, such as `hecate-echo/echo.say`\n\
         uses[0].version: missing; write a whole number from 1 to 65535\n\
         uses[1].version: missing; write a whole number from 1 to 65535\n\
         uses[2]: found `\"Echo\"`; write an object\n\
         uses[3].capability: missing; write `<org>/<name>` or `<name>`, such as `hecate-echo/echo.say`\n\
         uses[3].version: found `0`; write a whole number from 1 to 65535"
    );
}

#[test]
fn neither_volume_lies_in_the_other() {
    let read = |secrets: &str, state: &str| {
        Manifest::parse(&echo_with(&[("/volumes", json!({"secrets": secrets, "state": state}))]))
    };
    for (secrets, state) in [("/a", "/ab"), ("/ab", "/a"), ("/a/b", "/a/c")] {
        assert!(read(secrets, state).is_ok(), "{secrets} {state}");
    }
    for (secrets, state, inner, outer) in
        [("/a", "/a", "/a", "/a"), ("/a", "/a/b", "/a/b", "/a"), ("/a/b", "/a", "/a/b", "/a")]
    {
        assert_eq!(
            read(secrets, state).unwrap_err().to_string(),
            format!("volumes: found `{inner}` inside `{outer}`; write a folder of its own for each")
        );
    }
}

#[test]
fn strict_reading_names_the_known_field() {
    let text = echo_with(&[
        ("/licence", json!("MIT")),
        ("/capabilities/0/timeout", json!(1)),
        ("/capabilities/0/cancel", json!(true)),
        ("/capabilities/1/acces", json!("open")),
        ("/capabilities/1/limits/payload", json!(1)),
        ("/capabilities/1/limits/total/period", json!(1)),
        ("/uses/1/versions", json!(1)),
        ("/identity/scopes", json!([])),
        ("/ports/metrics", json!(9000)),
        ("/volumes/stat", json!("/srv/echo")),
    ]);
    assert_eq!(
        Manifest::parse_strict(&text).unwrap_err().to_string(),
        "capabilities[0].cancel: unknown field; remove it, known here is `name`, `version`, `description`, `kind`, \
         `access`, `timeout_ms`, `limits`, `confidential`, `idempotent`, `cancel_on_disconnect`, `deprecated`\n\
         capabilities[0].timeout: unknown field; write `timeout_ms`\n\
         capabilities[1].limits.total.period: unknown field; write `period_ms`\n\
         capabilities[1].limits.payload: unknown field; remove it, known here is `payload_bytes`, `reply_bytes`, \
         `concurrency`, `per_caller`, `total`\n\
         capabilities[1].acces: unknown field; write `access`\n\
         uses[1].versions: unknown field; write `version`\n\
         identity.scopes: unknown field; write `scope`\n\
         ports.metrics: unknown field; remove it, known here is `health`\n\
         volumes.stat: unknown field; write `state`\n\
         licence: unknown field; write `license`"
    );
}

#[test]
fn a_field_that_stands_twice_is_an_error() {
    let text = ECHO.replace(r#""version": 2,"#, r#""version": 2, "version": 3,"#);
    assert_eq!(errors_of(&text).to_string(), "capabilities[1].version: found more than once; write it once");
}

#[test]
fn every_truncation_is_one_error_with_line_and_column() {
    let document = ECHO.trim_end();
    for (end, _) in document.char_indices() {
        let errors = errors_of(&document[..end]);
        let line = errors.to_string();
        assert_eq!(errors.iter().count(), 1, "{line}");
        assert!(line.starts_with("not JSON: ") && line.contains(" at line "), "{line}");
    }
}

#[test]
fn a_value_of_any_wrong_type_is_an_error_at_its_place() {
    let wrong = [json!(null), json!(true), json!(1e300), json!("\n"), json!([[]]), json!({"": 0})];
    let document: Value = serde_json::from_str(ECHO).unwrap();
    for value in &wrong {
        assert!(Manifest::parse_strict(&value.to_string()).is_err(), "{value}");
        for (name, right) in document.as_object().unwrap() {
            let is_free_text = matches!(name.as_str(), "display_name" | "license");
            let holds = match value {
                Value::Null => matches!(name.as_str(), "license" | "uses" | "volumes"),
                Value::String(_) => is_free_text,
                _ => false,
            };
            let read = Manifest::parse_strict(&echo_with(&[(&format!("/{name}"), value.clone())]));
            assert_eq!(read.is_ok(), holds, "{name}: {right} became {value}");
            if let Err(errors) = read {
                assert!(errors.iter().all(|error| error.path().starts_with(name.as_str())));
            }
        }
    }
}

#[test]
fn hostile_sizes_end_in_a_short_report() {
    let many_errors = format!(r#"{{"depends_on": [{}0]}}"#, "0,".repeat(500_000));
    let long_key = format!(r#"{{"{0}": {{"a": 1, "a": 2}}}}"#, "k\\n".repeat(300_000));
    let long_value = format!(r#"{{"name": "{}"}}"#, "\\u001b".repeat(150_000));
    for text in [many_errors, long_key, long_value] {
        let report = Manifest::parse_strict(&text).unwrap_err().to_string();
        assert!(report.len() < 100_000);
    }
}

#[test]
fn the_json_schema_states_the_rules() {
    let schema = Manifest::json_schema();
    let at = |pointer: &str| schema.pointer(pointer).unwrap_or(&Value::Null).clone();
    assert_eq!(at("/$schema"), "https://json-schema.org/draft/2020-12/schema");
    assert_eq!(at("/properties/schema/const"), "hecate.manifest/1");
    assert_eq!(at("/properties/name/maxLength"), 40);
    assert_eq!(at("/$defs/Capability/properties/timeout_ms/maximum"), 600_000);
    assert_eq!(at("/$defs/Capability/properties/version/minimum"), 1);
    assert_eq!(at("/$defs/Limits/properties/reply_bytes/maximum"), 16 << 20);
    assert_eq!(at("/$defs/Rate/properties/period_ms/minimum"), 1000);
    assert_eq!(at("/$defs/Confidential/oneOf").as_array().map(Vec::len), Some(3));
    assert_eq!(at("/$defs/Identity/properties/ttl_days/maximum"), 365);
    assert_eq!(at("/$defs/Ports/properties/health/minimum"), 1);
    assert_eq!(at("/$defs/Volumes/properties/state/maxLength"), 128);
    assert_eq!(at("/$defs/Volumes/required"), json!(["secrets", "state"]));
    assert_eq!(at("/properties/volumes/default"), Value::Null);
    assert_eq!(at("/required").as_array().map(Vec::len), Some(15));
}
