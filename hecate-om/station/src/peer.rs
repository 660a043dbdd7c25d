//! Which user of this box a client is.
//!
//! Linux lists every UDP socket with its owner, in `/proc/net/udp` and `/proc/net/udp6`. Where there is no such
//! list, on other systems, loopback is all that keeps others away.

use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

const TABLES: [&str; 2] = ["/proc/net/udp", "/proc/net/udp6"];

/// How often the list is read: while sockets come and go, one that is there may be passed over.
const READS: usize = 3;

/// Whether the socket at `peer` is one of ours or of root.
///
/// # Errors
/// The user that it is of, where it is another; none where there is no such socket any more.
pub(crate) fn is_ours(peer: SocketAddr) -> Result<(), Option<u32>> {
    let mut reads = std::iter::repeat_with(|| looked_up(peer)).take(READS);
    reads.find(|found| *found != Err(None)).unwrap_or(Err(None))
}

fn looked_up(peer: SocketAddr) -> Result<(), Option<u32>> {
    let mut sockets = None::<String>;
    for table in TABLES {
        match fs::read_to_string(table) {
            Ok(text) => sockets.get_or_insert_default().push_str(&text),
            // Without IPv6 there is one table only.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(_) => return Ok(()),
        }
    }
    let Some(sockets) = sockets else { return Ok(()) };
    let owners = owners_of(&sockets, peer);
    let us = rustix::process::geteuid().as_raw();
    match owners.iter().find(|uid| **uid != 0 && **uid != us) {
        Some(other) => Err(Some(*other)),
        None if owners.is_empty() => Err(None),
        None => Ok(()),
    }
}

/// The users whose sockets may be the one that sent from `peer`: those of exactly that address, else those of
/// any address of its family, else of the other family.
fn owners_of(tables: &str, peer: SocketAddr) -> Vec<u32> {
    let peer_ip = peer.ip().to_canonical();
    let rank = |ip: IpAddr| match ip {
        ip if ip.to_canonical() == peer_ip => Some(0),
        ip if !ip.is_unspecified() => None,
        ip if ip.is_ipv4() == peer_ip.is_ipv4() => Some(1),
        _ => Some(2),
    };
    let near = tables.lines().filter_map(socket).filter(|(address, _)| address.port() == peer.port());
    let ranked = near.filter_map(|(address, uid)| Some((rank(address.ip())?, uid))).collect::<Vec<_>>();
    let best = ranked.iter().map(|(rank, _)| *rank).min();
    ranked.into_iter().filter(|(rank, _)| Some(*rank) == best).map(|(_, uid)| uid).collect()
}

/// The local address and the owner of one line: `sl local_address rem_address st queues timer retrnsmt uid ..`.
fn socket(line: &str) -> Option<(SocketAddr, u32)> {
    let mut columns = line.split_whitespace();
    let (ip, port) = columns.nth(1)?.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let ip = match ip.len() {
        // Each word of four bytes is in the byte order of the box.
        8 => IpAddr::V4(Ipv4Addr::from(word(ip)?)),
        32 => {
            let mut octets = [0; 16];
            for (part, octets) in octets.chunks_exact_mut(4).enumerate() {
                octets.copy_from_slice(&word(ip.get(part * 8..part * 8 + 8)?)?);
            }
            IpAddr::V6(Ipv6Addr::from(octets))
        }
        _ => return None,
    };
    let uid = columns.nth(5)?.parse().ok()?;
    Some((SocketAddr::new(ip, port), uid))
}

fn word(hex: &str) -> Option<[u8; 4]> {
    Some(u32::from_str_radix(hex, 16).ok()?.to_ne_bytes())
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::*;

    #[cfg(target_endian = "little")]
    const TABLE: &str = "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref\n \
        7971: 0100007F:85E8 00000000:0000 07 00000000:00000000 00:00000000 00000000  1000        0 4533810 2 0\n \
        7972: 00000000:85E8 00000000:0000 07 00000000:00000000 00:00000000 00000000  1001        0 4533811 2 0\n \
        7973: 00000000:85E9 00000000:0000 07 00000000:00000000 00:00000000 00000000  1002        0 4533812 2 0\n \
        7974: 00000000000000000000000001000000:85EA 00000000000000000000000000000000:0000 07 00000000:00000000 \
        00:00000000 00000000  1003        0 4533811 2 0\n";

    #[cfg(target_endian = "little")]
    #[test]
    fn the_owner_of_a_socket_is_that_of_its_own_address_or_of_any() {
        for (peer, owners) in [
            ("127.0.0.1:34280", vec![1000]),
            ("[::ffff:127.0.0.1]:34280", vec![1000]),
            ("127.0.0.2:34280", vec![1001]),
            ("127.0.0.1:34281", vec![1002]),
            ("[::1]:34282", vec![1003]),
            ("127.0.0.1:9", vec![]),
        ] {
            assert_eq!(owners_of(TABLE, peer.parse().unwrap()), owners, "{peer}");
        }
    }

    #[test]
    fn our_own_sockets_are_ours() {
        let local = UdpSocket::bind("127.0.0.1:0").unwrap();
        let any = UdpSocket::bind("0.0.0.0:0").unwrap();
        assert_eq!(is_ours(local.local_addr().unwrap()), Ok(()));
        assert_eq!(is_ours(SocketAddr::from(([127, 0, 0, 1], any.local_addr().unwrap().port()))), Ok(()));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_socket_that_is_not_there_is_nobodys() {
        let gone = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        assert_eq!(is_ours(gone), Err(None));
    }
}
