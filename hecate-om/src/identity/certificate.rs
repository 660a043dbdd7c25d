//! The service certificate, where there is one: whose it is, and that it does not end unnoticed.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use super::x509::Certificate;
use crate::health::board::{Board, CheckId, Finding};
use crate::health::{Health, Impact};
use crate::secret;
use crate::telemetry::chain;

/// The name of its file in the secrets folder.
const FILE: &str = "service-cert.pem";
/// The check that tells of it.
const CHECK: &str = "identity.certificate";
/// How often the file is read.
const READ_EVERY: Duration = Duration::from_secs(3600);
/// How often the clock is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(60);
/// How long before its end somebody should know.
const NOTICE: Duration = Duration::from_secs(14 * DAY);
const DAY: u64 = 24 * 3600;

/// Watches over the certificate of a service. Nothing depends on it here, so what is wrong with it is
/// told in health and keeps nothing from running.
pub(crate) struct CertificateWatch {
    folder: PathBuf,
    board: Arc<Board>,
    /// Shown from the first certificate on.
    check: OnceLock<CheckId>,
    seen: Mutex<Option<Result<Certificate, String>>>,
}

impl CertificateWatch {
    pub(crate) fn new(secrets_dir: PathBuf, board: Arc<Board>) -> Self {
        Self { folder: secrets_dir, board, check: OnceLock::new(), seen: Mutex::default() }
    }

    /// Reads the file, at the start and at each reload. Blocks.
    pub(crate) fn read(&self) {
        let path = self.folder.join(FILE);
        let found = match secret::read_public(&self.folder, FILE) {
            Ok(file) => {
                let read = Certificate::from_pem(&file);
                Some(read.map_err(|what| format!("the certificate {} {what}", path.display())))
            }
            // Who never had one needs none.
            Err(error) if error.is_missing() => {
                let was_there = self.seen().is_some();
                was_there.then(|| Err(format!("the certificate {} was there and is gone", path.display())))
            }
            Err(error) => Some(Err(chain(&error))),
        };
        let is_new = *self.seen() != found;
        if let (true, Some(Ok(certificate))) = (is_new, &found) {
            let (subject, until) = (&certificate.subject, shown(certificate.until));
            tracing::info!(subject, until, "service certificate");
        }
        *self.seen() = found;
        self.judge(SystemTime::now());
    }

    /// Reads the file now and then, and looks at the clock more often; for ever.
    pub(crate) async fn run(self: Arc<Self>) {
        loop {
            let watch = Arc::clone(&self);
            // On a thread that may hang: the file can be on a disk that does.
            if tokio::task::spawn_blocking(move || watch.read()).await.is_err() {
                tracing::error!("the certificate could not be looked at");
            }
            let read = Instant::now();
            while read.elapsed() < READ_EVERY {
                tokio::time::sleep(LOOK_EVERY).await;
                self.judge(SystemTime::now());
            }
        }
    }

    fn judge(&self, now: SystemTime) {
        let health = match &*self.seen() {
            None => return,
            Some(Ok(certificate)) => certificate.health(now),
            Some(Err(reason)) => Health::degraded(reason.clone()),
        };
        let check = *self.check.get_or_init(|| self.board.add(CHECK, Impact::Degrading));
        self.board.note(check, Finding { health, code: None, at: Instant::now(), took: Duration::ZERO });
    }

    /// Each change is made in one step: a panic elsewhere leaves nothing half done.
    fn seen(&self) -> MutexGuard<'_, Option<Result<Certificate, String>>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Certificate {
    pub(super) fn health(&self, now: SystemTime) -> Health {
        let whose = &self.subject;
        if now < self.from {
            return Health::degraded(format!(
                "the certificate of {whose} is not valid before {}; help: look at the clock of this box",
                shown(self.from)
            ));
        }
        let Ok(left) = self.until.duration_since(now) else {
            return Health::degraded(format!(
                "the certificate of {whose} ended at {}; help: replace {FILE}",
                shown(self.until)
            ));
        };
        let life = self.until.duration_since(self.from).unwrap_or_default();
        if left >= NOTICE.min(life / 3) {
            return Health::Ok;
        }
        let left = match left.as_secs() {
            ..DAY => "less than a day".to_owned(),
            seconds => format!("{} days", seconds / DAY),
        };
        Health::degraded(format!(
            "the certificate of {whose} ends at {}, in {left}; help: replace {FILE}",
            shown(self.until)
        ))
    }
}

fn shown(time: SystemTime) -> String {
    humantime::format_rfc3339_seconds(time).to_string()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::path::Path;

    use super::super::x509::tests::ECHO;
    use super::*;
    use crate::health::fixtures;

    fn echo() -> Certificate {
        Certificate::from_pem(ECHO.as_bytes()).unwrap()
    }

    fn reason_at(certificate: &Certificate, now: &str) -> String {
        let health = certificate.health(humantime::parse_rfc3339(now).unwrap());
        health.reason().unwrap_or("ok").to_owned()
    }

    #[test]
    fn its_end_is_told_two_weeks_before() {
        let echo = echo();
        let whose = "the certificate of O=Acme, Inc., CN=hecate-echo";
        let rows = [
            ("2025-12-31T23:59:59Z", "is not valid before 2026-01-01T00:00:00Z; help: look at the clock of this box"),
            ("2026-03-18T00:00:01Z", "ends at 2026-04-01T00:00:00Z, in 13 days; help: replace service-cert.pem"),
            (
                "2026-03-31T12:00:00Z",
                "ends at 2026-04-01T00:00:00Z, in less than a day; help: replace service-cert.pem",
            ),
            ("2026-04-01T00:00:01Z", "ended at 2026-04-01T00:00:00Z; help: replace service-cert.pem"),
        ];
        for (now, told) in rows {
            assert_eq!(reason_at(&echo, now), format!("{whose} {told}"));
        }
        for now in ["2026-01-01T00:00:00Z", "2026-03-18T00:00:00Z"] {
            assert_eq!(reason_at(&echo, now), "ok", "{now}");
        }
    }

    #[test]
    fn one_with_a_short_life_is_told_in_the_last_third_of_it() {
        let until = echo().from + Duration::from_secs(30 * 3600);
        let short = Certificate { until, ..echo() };
        assert_eq!(reason_at(&short, "2026-01-01T20:00:00Z"), "ok");
        assert!(reason_at(&short, "2026-01-01T20:00:01Z").contains("in less than a day"));
    }

    /// A secrets folder and the board that tells of it.
    fn watch(folder: &Path) -> (CertificateWatch, impl Fn() -> String) {
        let board = fixtures::running();
        let told = Arc::clone(&board);
        let health = move || serde_json::to_string(&told.report(true)).unwrap();
        (CertificateWatch::new(folder.to_owned(), board), health)
    }

    #[test]
    fn who_has_none_is_told_nothing_and_who_loses_one_is() {
        let folder = tempfile::tempdir().unwrap();
        let (watch, health) = watch(folder.path());
        watch.read();
        assert!(!health().contains(CHECK), "{}", health());
        std::fs::write(folder.path().join(FILE), ECHO).unwrap();
        watch.read();
        watch.judge(humantime::parse_rfc3339("2026-02-01T00:00:00Z").unwrap());
        assert!(health().contains(CHECK) && health().contains("\"status\":\"ok\""), "{}", health());
        std::fs::remove_file(folder.path().join(FILE)).unwrap();
        for _ in 0..2 {
            watch.read();
            assert!(health().contains("was there and is gone"), "{}", health());
        }
    }

    #[test]
    fn a_file_that_is_none_is_told_without_its_content() {
        let folder = tempfile::tempdir().unwrap();
        let (watch, health) = watch(folder.path());
        let path = folder.path().join(FILE);
        let refused = |said: &str| {
            watch.read();
            let health = health();
            assert!(health.contains(said) && health.contains("\"status\":\"degraded\""), "{said}: {health}");
            assert!(!health.contains("tr0ub4dor"), "{health}");
        };
        std::fs::write(&path, "tr0ub4dor").unwrap();
        refused("service-cert.pem is no PEM file");
        std::fs::write(&path, "-----BEGIN PRIVATE KEY-----\ntr0ub4dor\n-----END PRIVATE KEY-----\n").unwrap();
        refused("has the label \\\"PRIVATE KEY\\\", not \\\"CERTIFICATE\\\"");
        std::fs::write(&path, vec![b'x'; 64 * 1024 + 1]).unwrap();
        refused("is larger than 64 KiB");
        std::fs::remove_file(&path).unwrap();
        symlink("/etc/hostname", &path).unwrap();
        refused("is a link out of its folder");
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        refused("is no regular file");
        std::fs::remove_dir(&path).unwrap();
        std::fs::write(&path, ECHO).unwrap();
        watch.read();
        watch.judge(humantime::parse_rfc3339("2026-02-01T00:00:00Z").unwrap());
        assert!(health().contains("\"status\":\"ok\""), "{}", health());
    }
}
