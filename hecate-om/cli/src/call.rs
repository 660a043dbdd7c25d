//! Calls a capability: of a service of this box, else over the mesh.

#[cfg(feature = "macula")]
mod over_mesh;
mod request;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use hecate_om::outside::{Answer, Outside, Running, Service, State};
use hecate_om::{CallError, ErrorCode, Reference};
use serde_json::{Value, json};

use self::request::Request;
use crate::failure::{DATA, Failure, NO, USAGE};
use crate::output::Output;
use crate::settings;

/// Nobody was reached who could do it; it was not done.
const UNREACHED: u8 = 2;
/// No answer came in time.
const TIMED_OUT: u8 = 3;
/// It may have been done or not.
const UNKNOWN: u8 = 4;

#[derive(Debug, Args)]
#[command(after_help = "\
Prints the reply as one line of JSON, of a stream each item when it comes. A capability is looked for among the \
services of this box first, then on the mesh: that of the stations in MACULA_STATION_SEEDS, else that of the \
development station of this box. The caller there has a key made for this call, so it needs a token for whatever \
is not open. Settings are those of a service: HECATE_RUNTIME_DIR, HECATE_MESH, HECATE_ORG, HECATE_PEERS and others.

Examples:
  hecate-om call echo.say@1 '{\"text\":\"hello\"}'
  hecate-om call hecate-echo/echo.count@1 '{\"to\":3}' --via mesh
  printf '{\"number\":1}\\n{\"number\":2}\\n' | hecate-om call echo.sum -

Exit codes:
   0  it answered
   1  it refused; the code of the refusal stands first
   2  nobody was reached who could do it: it was not done
   3  no answer came in time; it may have been done
   4  nobody knows whether it was done
  64  the command line is wrong
  65  the request is no JSON, or cannot be sent
  66  the file of the request or the token is missing
  71  the system refuses a thread
  74  something cannot be read or printed
  78  the settings are wrong")]
pub(crate) struct Arguments {
    /// What to call: NAME, NAME@VERSION or ORG/NAME@VERSION; the newest version where none is given.
    #[arg(value_name = "NAME")]
    capability: String,
    /// The request: JSON, @FILE, or - for standard input. For a capability that takes a stream, one after another.
    #[arg(default_value = "{}")]
    request: String,
    /// Where to look for it.
    #[arg(long, value_enum, default_value = "nearest")]
    via: Via,
    /// How long to wait for the first word, and for each item of a stream.
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration)]
    timeout: Duration,
    /// How it is called, for a provider on the mesh that does not say so itself.
    #[arg(long, value_enum)]
    kind: Option<Kind>,
    /// A file with a token (a UCAN) for a capability on the mesh that is not open.
    #[arg(long, value_name = "FILE")]
    token: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Via {
    /// On this box, then on the mesh.
    Nearest,
    /// On this box only.
    Box,
    /// On the mesh only.
    Mesh,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// One request, one reply.
    Unary,
    /// One request, many replies.
    ServerStream,
    /// Many requests, one reply.
    ClientStream,
    /// Many of both.
    Bidi,
}

impl From<Kind> for hecate_om::Kind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Unary => Self::Unary,
            Kind::ServerStream => Self::ServerStream,
            Kind::ClientStream => Self::ClientStream,
            Kind::Bidi => Self::Bidi,
        }
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(Duration::ZERO) => Err("nobody answers in no time; write it as `30s` or `500ms`".to_owned()),
        parsed => parsed.map_err(|error| format!("{error}; write it as `30s` or `500ms`")),
    }
}

/// What is to be called.
#[derive(Debug, PartialEq, Eq)]
struct Wanted {
    org: Option<String>,
    name: String,
    /// None: the newest.
    version: Option<u16>,
}

impl Wanted {
    fn parse(text: &str) -> Result<Self, Failure> {
        let (name, version) = match text.rsplit_once("/v").or_else(|| text.rsplit_once('@')) {
            Some((name, version)) if version.bytes().all(|byte| byte.is_ascii_digit()) => {
                let version = version.parse().ok().filter(|version| *version > 0);
                let version = version.ok_or_else(|| {
                    Failure::new(USAGE, format!("`{}` has no version that there can be", text.escape_debug()))
                        .help("a version is 1 to 65535, as in echo.say@1")
                })?;
                (name, Some(version))
            }
            _ => (text, None),
        };
        let reference = Reference::new(name, version.unwrap_or(1)).map_err(|_| {
            Failure::new(USAGE, format!("`{}` names no capability", text.escape_debug()))
                .help("write echo.say, echo.say@1 or hecate-echo/echo.say@1")
        })?;
        Ok(Self { org: reference.org().map(str::to_owned), name: reference.name().to_owned(), version })
    }
}

impl std::fmt::Display for Wanted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(org) = &self.org {
            write!(f, "{org}/")?;
        }
        f.write_str(&self.name)?;
        self.version.map_or(Ok(()), |version| write!(f, "@{version}"))
    }
}

pub(crate) fn call(arguments: &Arguments, output: &mut Output) -> Result<u8, Failure> {
    let wanted = Wanted::parse(&arguments.capability)?;
    let request = Request::parse(&arguments.request)?;
    let token = arguments.token.as_deref().map(request::token).transpose()?;
    let outside = settings::outside()?;
    let runtime = settings::runtime()?;
    let called = runtime.block_on(async {
        let errand = Errand { outside: &outside, wanted: &wanted, arguments, token };
        errand.run(request, output).await
    });
    // A thread may wait for standard input for ever.
    runtime.shutdown_background();
    called.map(|()| 0)
}

/// A call on its way.
struct Errand<'a> {
    outside: &'a Outside,
    wanted: &'a Wanted,
    arguments: &'a Arguments,
    #[cfg_attr(not(feature = "macula"), expect(dead_code, reason = "this box asks for none"))]
    token: Option<std::sync::Arc<[u8]>>,
}

impl Errand<'_> {
    async fn run(&self, request: Request, output: &mut Output) -> Result<(), Failure> {
        let mut seen = Vec::new();
        if self.arguments.via != Via::Mesh {
            seen = self.outside.services().await;
            for service in &seen {
                let State::Running(running) = &service.state else { continue };
                let Some(offer) = running.offer(&self.wanted.name, self.wanted.version) else { continue };
                // Another service may have the org that is meant: then the next is asked.
                let is_meant = self.wanted.org.as_ref().is_none_or(|org| self.may_be_of(org, service, &seen));
                if !is_meant {
                    continue;
                }
                let (org, timeout) = (self.wanted.org.as_deref(), Some(self.arguments.timeout));
                let sending = request.sending(offer.kind)?;
                let answer = self.outside.call_here(service, offer, org, sending, timeout).await;
                return print(answer.map_err(|error| told(&error, self.wanted))?, self.wanted, output).await;
            }
        }
        if self.arguments.via != Via::Box {
            return self.over_the_mesh(request, output, &seen).await;
        }
        Err(nobody(self.wanted, &seen))
    }

    /// Whether a service may be of an org: which one it is of is for itself to say, unless another one bears its
    /// name and offers the same.
    fn may_be_of(&self, org: &str, service: &Service, all: &[Service]) -> bool {
        let offers = |service: &Service| match &service.state {
            State::Running(running) => running.offer(&self.wanted.name, self.wanted.version).is_some(),
            _ => false,
        };
        service.name == org || !all.iter().any(|other| other.name == org && offers(other))
    }

    #[cfg(not(feature = "macula"))]
    async fn over_the_mesh(&self, _: Request, _: &mut Output, seen: &[Service]) -> Result<(), Failure> {
        Err(nobody(self.wanted, seen).help("this hecate-om was built without the mesh"))
    }
}

/// Prints what comes, as it comes.
async fn print(mut answer: Answer, wanted: &Wanted, output: &mut Output) -> Result<(), Failure> {
    while let Some(item) = answer.next().await {
        let mut line = item.map_err(|error| told(&error, wanted))?.into_bytes();
        line.push(b'\n');
        if !output.bytes(&line)? {
            // Nobody reads any more: the provider is told by the end of the call.
            return Ok(());
        }
    }
    Ok(())
}

/// What a call came to that has no reply, with the exit code for it.
fn told(error: &CallError, wanted: &Wanted) -> Failure {
    let mut causes = String::new();
    let mut cause = std::error::Error::source(error);
    while let Some(next) = cause.filter(|_| !matches!(error, CallError::Refused(_))) {
        causes += &format!(": {next}");
        cause = next.source();
    }
    let what = crate::output::visible(&format!("{error}{causes}"));
    let exit_code = match error {
        CallError::Timeout { .. } => TIMED_OUT,
        // The provider is told how long this side waits, and may be the first to give up.
        CallError::Refused(refusal) if *refusal.kind() == ErrorCode::Timeout => TIMED_OUT,
        CallError::Refused(_) => NO,
        CallError::Request(_) => DATA,
        CallError::Broken(_) | CallError::Reply(_) => UNKNOWN,
        _ => UNREACHED,
    };
    let failure = Failure::new(exit_code, what)
        .with("capability", wanted.to_string())
        .with("retryable", error.is_retryable())
        .with("code", error.code().map_or(Value::Null, Value::from));
    match error.refusal() {
        Some(refusal) => {
            let details = refusal.details().cloned().unwrap_or_default();
            let after = refusal.retry_after().and_then(|after| u64::try_from(after.as_millis()).ok());
            // Where a request is wrong, its message tells already.
            let failure = match (&details, refusal.kind()) {
                (_, ErrorCode::InvalidRequest) => failure.help("`<service> contract` tells what it takes"),
                (Value::Null, _) => failure,
                (details, _) => failure.help(format!("it says more: {details}")),
            };
            failure.with("message", refusal.message()).with("details", details).with("retry_after_ms", json!(after))
        }
        None => failure,
    }
}

fn nobody_here(wanted: &Wanted, seen: &[Service]) -> String {
    let runs = |service: &&Service| matches!(service.state, State::Running(_));
    let running: Vec<&str> = seen.iter().filter(runs).map(|service| &*service.name).collect();
    match &*running {
        [] => format!("no service of this box offers `{wanted}`: none runs"),
        [name] => format!("no service of this box offers `{wanted}`: {name} does not"),
        names => format!("no service of this box offers `{wanted}`: {} do not", names.join(", ")),
    }
}

/// What was probably meant, of all that runs here: another version of it, else what ends alike, else something of its
/// scope.
fn near(wanted: &Wanted, seen: &[Service]) -> Option<String> {
    let running = seen.iter().filter_map(|service| match &service.state {
        State::Running(running) => Some(running),
        _ => None,
    });
    let offers: Vec<_> = running.flat_map(|running: &Running| &running.capabilities).collect();
    let ends = |name: &str| name.rsplit('.').next().map(str::to_owned);
    let scope = |name: &str| name.split('.').next().map(str::to_owned);
    let of_name = offers.iter().filter(|offer| offer.name == wanted.name).max_by_key(|offer| offer.version);
    let found = of_name
        .or_else(|| offers.iter().find(|offer| ends(&offer.name) == ends(&wanted.name)))
        .or_else(|| offers.iter().find(|offer| scope(&offer.name) == scope(&wanted.name)));
    found.map(|offer| format!("{}@{}", offer.name, offer.version))
}

/// Nobody on this box does it.
fn nobody(wanted: &Wanted, seen: &[Service]) -> Failure {
    let failure = Failure::new(UNREACHED, nobody_here(wanted, seen)).with("capability", wanted.to_string());
    failure.help(match near(wanted, seen) {
        Some(offer) => format!("there is `{offer}`; `hecate-om services --capabilities` lists all"),
        None => "start it, or look at what runs: hecate-om services --capabilities".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use hecate_om::CapabilityError;

    use super::*;

    #[test]
    fn what_has_no_reply_has_an_exit_code_of_its_own() {
        let wanted = Wanted::parse("echo.say@1").unwrap();
        let unlinked =
            || CallError::NotOnMesh { capability: String::new(), causes: Vec::new(), attempts: Default::default() };
        for (error, exit_code) in [
            (CallError::Refused(CapabilityError::refused("silence", "Nothing.")), NO),
            (CallError::Refused(CapabilityError::unavailable("Not now.")), NO),
            (unlinked(), UNREACHED),
        ] {
            let failure = told(&error, &wanted);
            assert_eq!(failure.exit_code(), exit_code, "{error}");
        }
        // Scripts tell them apart by these.
        assert_eq!((NO, UNREACHED, TIMED_OUT, UNKNOWN), (1, 2, 3, 4));
    }

    #[test]
    fn a_time_to_wait_is_longer_than_none() {
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        for wrong in ["0s", "", "30", "soon", "-1s"] {
            assert!(duration(wrong).unwrap_err().contains("write it as `30s`"), "{wrong}");
        }
    }

    #[test]
    fn a_capability_is_written_with_or_without_org_and_version() {
        let wanted =
            |org: Option<&str>, version| Wanted { org: org.map(str::to_owned), name: "echo.say".to_owned(), version };
        for (text, expected) in [
            ("echo.say", wanted(None, None)),
            ("echo.say/v2", wanted(None, Some(2))),
            ("echo.say@2", wanted(None, Some(2))),
            ("hecate-echo/echo.say", wanted(Some("hecate-echo"), None)),
            ("hecate-echo/echo.say/v1", wanted(Some("hecate-echo"), Some(1))),
        ] {
            assert_eq!(Wanted::parse(text).unwrap(), expected, "{text}");
        }
        for text in [
            "",
            "echo",
            "Echo.say",
            "echo.say/v0",
            "echo.say/v65536",
            "echo.say/v",
            "a/b/echo.say",
            "echo.say\u{1b}[2J",
        ] {
            let failure = Wanted::parse(text).unwrap_err();
            assert_eq!(failure.exit_code(), USAGE, "{text}");
            assert!(!failure.told(false).contains('\u{1b}'));
        }
    }
}
