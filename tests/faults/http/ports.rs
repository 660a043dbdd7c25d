//! H4: ports that are taken, free, or not ours to take.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};

use hecate_om_tests::Wire;

use crate::{assert_ends_well, lab, refused};

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

#[test]
fn h4_its_own_port_is_taken_on_either_family() {
    let v4 = || TcpListener::bind((Ipv4Addr::LOCALHOST, 8470));
    let v6 = || TcpListener::bind((Ipv6Addr::LOCALHOST, 8470));
    for families in ["v4", "v6", "both"] {
        // Whoever has it, it is taken.
        let _holders = match families {
            "v4" => vec![v4()],
            "v6" if has_ipv6() => vec![v6()],
            "both" if has_ipv6() => vec![v4(), v6()],
            _ => continue,
        };
        let mut process = lab().without("HECATE_HEALTH_ADDR").ready();
        let address = process.health_address();
        assert!(address.ip().is_loopback() && address.port() != 8470, "{families}: {address}");
        let v6 = SocketAddr::new(Ipv6Addr::LOCALHOST.into(), address.port());
        for address in [Some(address), Some(v6).filter(|_| has_ipv6())].into_iter().flatten() {
            assert_eq!(Wire::tcp(address).get("/livez").status, 200, "{families}: {address}");
        }
        assert_ends_well(&mut process);
    }
}

#[test]
fn h4_an_address_is_taken_only_on_its_own_family() {
    if !has_ipv6() {
        println!("there is no IPv6 here: nothing to tell apart");
        return;
    }
    let v4 = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = v4.local_addr().unwrap().port();
    // All addresses of both families are one place.
    let stderr = refused(lab().with("HECATE_HEALTH_ADDR", format!("[::]:{port}")), 75);
    assert!(stderr.contains(&format!("[::]:{port}")), "{stderr}");
    let mut process = lab().with("HECATE_HEALTH_ADDR", format!("[::1]:{port}")).ready();
    assert_eq!(process.probe("/livez").status, 200);
    let stderr = refused(lab().with("HECATE_HEALTH_ADDR", format!("[::1]:{port}")), 75);
    assert!(stderr.contains(&format!("[::1]:{port}")), "{stderr}");
    assert_ends_well(&mut process);
}

#[test]
fn h4_port_zero_is_any_port_and_the_real_one_is_told() {
    for address in ["127.0.0.1:0", "[::1]:0"].into_iter().take(if has_ipv6() { 2 } else { 1 }) {
        let mut processes = [(); 2].map(|()| lab().with("HECATE_HEALTH_ADDR", address).ready());
        let ports = [0, 1].map(|index| processes[index].health_address().port());
        assert!(ports[0] != 0 && ports[1] != 0 && ports[0] != ports[1], "{ports:?}");
        for process in &mut processes {
            let told = format!("http://{}/health", process.health_address());
            assert_eq!(process.wait_for_log("ready")["health"], told);
            assert_eq!(process.probe("/livez").status, 200);
        }
    }
}

#[test]
#[ignore = "needs root: a network and a user of its own, so that a port can be privileged"]
fn h4_a_port_that_is_not_ours_to_take_ends_it_with_77() {
    let launch = lab().with("HECATE_HEALTH_ADDR", "0.0.0.0:80").through(&["unshare", "--net"]).by_user(65534);
    let stderr = refused(launch, 77);
    assert!(stderr.contains("0.0.0.0:80") && stderr.contains("HECATE_HEALTH_ADDR"), "{stderr}");
}

#[test]
#[ignore = "needs root: a network of its own, without IPv6"]
fn h4_without_ipv6_it_warns_and_runs() {
    let network = r#"ip link set lo up && ip address delete ::1/128 dev lo && exec "$@""#;
    let launch = lab().without("HECATE_HEALTH_ADDR");
    let mut process = launch.through(&["unshare", "--net", "/bin/sh", "-c", network, "sh"]).start();
    // In a network of its own the port is free.
    assert_eq!(process.wait_for_log("ready")["health"], "http://127.0.0.1:8470/health");
    let log = process.log();
    let warned = log.iter().find(|line| line["level"] == "WARN").unwrap_or_else(|| panic!("{log:?}"));
    assert!(warned["message"].as_str().unwrap().contains("no IPv6 loopback"), "{warned}");
    assert_ends_well(&mut process);
}
