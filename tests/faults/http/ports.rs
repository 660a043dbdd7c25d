//! H4: ports that are taken, free, or not ours to take.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};

use hecate_om_tests::Wire;

use crate::lab;

fn has_ipv6() -> bool {
    TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok()
}

#[test]
fn h4_when_its_own_port_is_taken_a_service_takes_another_and_tells_which() {
    // Whoever has it, it is taken.
    let _holder = TcpListener::bind((Ipv4Addr::LOCALHOST, 8470));
    let mut process = lab().without("HECATE_HEALTH_ADDR").ready();
    let address = process.health_address();
    assert!(address.ip().is_loopback() && address.port() != 8470, "{address}");
    assert_eq!(process.probe("/livez").status, 200);
    if has_ipv6() {
        let v6 = SocketAddr::new(Ipv6Addr::LOCALHOST.into(), address.port());
        assert_eq!(Wire::tcp(v6).get("/livez").status, 200, "both families");
    }
    assert_eq!(process.wait_for_log("ready")["health"], format!("http://{address}/health"));
    let log = process.log();
    let warned = log.iter().find(|line| line["level"] == "WARN").unwrap_or_else(|| panic!("{log:?}"));
    assert!(warned["message"].as_str().unwrap().contains("port 8470 is taken"), "{warned}");
}

#[test]
fn h4_an_address_that_was_asked_for_is_had_or_the_service_ends() {
    let holder = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let taken = holder.local_addr().unwrap().to_string();
    // 192.0.2.0/24 is for documentation: nobody has it.
    for address in [taken.as_str(), "192.0.2.1:8470"] {
        let mut process = lab().with("HECATE_HEALTH_ADDR", address).start();
        assert_eq!(process.exit_code(), 75, "{address}");
        let stderr = process.stderr();
        assert!(stderr.contains(address) && stderr.contains("help: give HECATE_HEALTH_ADDR"), "{stderr}");
        assert!(!process.socket().exists() && process.launch.journal().is_empty(), "it came no further");
    }
}
