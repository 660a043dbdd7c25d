//! A call over the mesh: by whom it is offered, in which version, and how it is called.

use std::io::{IsTerminal, stderr};
use std::time::Duration;

use hecate_om::outside::{Guest, Service};
use hecate_om::{CallError, Kind, Reference};

use super::request::Request;
use super::{Errand, UNREACHED, Via, Wanted, near, nobody_here, print, told};
use crate::failure::{Failure, USAGE};
use crate::output::Output;

impl Errand<'_> {
    pub(super) async fn over_the_mesh(
        &self,
        request: Request,
        output: &mut Output,
        seen: &[Service],
    ) -> Result<(), Failure> {
        let timeout = self.arguments.timeout;
        if stderr().is_terminal() {
            eprintln!("making a key and joining the mesh");
        }
        let guest = self.outside.join(timeout).await.map_err(|error| {
            let here = if self.arguments.via == Via::Mesh {
                String::new()
            } else {
                format!("{}; ", nobody_here(self.wanted, seen))
            };
            let failure = Failure::of_text(UNREACHED, &format!("{here}{error}"));
            // A name that was mistyped is found on no mesh either.
            let failure = match near(self.wanted, seen) {
                Some(offer) => failure.help(format!("there is `{offer}` on this box")),
                None => failure,
            };
            failure.with("capability", self.wanted.to_string())
        })?;
        let done = self.by(&guest, request, output).await;
        guest.leave().await;
        done
    }

    async fn by(&self, guest: &Guest, request: Request, output: &mut Output) -> Result<(), Failure> {
        let timeout = Some(self.arguments.timeout);
        let Offered { org, version, kind } = self.offered(guest, timeout).await?;
        let kind = self.arguments.kind.map_or(kind, Into::into);
        let reference = Reference::new(&format!("{org}/{}", self.wanted.name), version)
            .map_err(|error| Failure::new(USAGE, error.to_string()))?;
        let answer = guest.call(&reference, kind, request.sending(kind)?, self.token.clone(), timeout).await;
        print(answer.map_err(|error| told(&error, self.wanted))?, self.wanted, output).await
    }

    /// What the first provider says of it that says anything. Other providers than services say nothing: what they
    /// offer is called as it is named.
    async fn offered(&self, guest: &Guest, timeout: Option<Duration>) -> Result<Offered, Failure> {
        let Wanted { org, name, version } = self.wanted;
        let orgs = org.clone().map_or_else(|| self.outside.orgs_of(name), |org| vec![org]);
        let scope = name.split('.').next().unwrap_or_default();
        for org in &orgs {
            let offers = match guest.offers(org, scope, timeout).await {
                Ok(offers) => offers,
                Err(CallError::NoProvider { .. }) => continue,
                Err(error) => return Err(told(&error, self.wanted)),
            };
            let mut of_name = offers.iter().filter(|((offered, _), _)| offered == name);
            let found = match version {
                Some(version) => of_name.find(|((_, offered), _)| offered == version),
                None => of_name.max_by_key(|((_, offered), _)| *offered),
            };
            // It is for the mesh to say that nobody offers a version.
            let (version, kind) =
                found.map_or((version.unwrap_or(1), Kind::Unary), |((_, version), kind)| (*version, *kind));
            return Ok(Offered { org: org.clone(), version, kind });
        }
        if let Some(org) = org {
            return Ok(Offered { org: org.clone(), version: version.unwrap_or(1), kind: Kind::Unary });
        }
        let what = format!("nobody offers `{}` on the mesh: neither {} is there", self.wanted, orgs.join(" nor "));
        let help = format!("start it, or name the org that it is in, as in acme/{name}");
        Err(Failure::new(UNREACHED, what).with("capability", self.wanted.to_string()).help(help))
    }
}

/// A capability as it is found.
struct Offered {
    org: String,
    version: u16,
    kind: Kind,
}
