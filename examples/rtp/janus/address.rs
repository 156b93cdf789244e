//! An address of this machine at which Janus offers itself.
//!
//! Janus leaves loopback out of ICE. A machine that has nothing else, as a container without a network, gets a dummy interface for
//! the time of the run: what is sent to its address goes through loopback all the same.

use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::process::Command;

use crate::failure::{Context, Failure};

/// RFC 5737: for documentation, so nobody's. Connecting a UDP socket sends nothing, but picks the route.
const ELSEWHERE: (Ipv4Addr, u16) = (Ipv4Addr::new(203, 0, 113, 1), 9);
/// RFC 5737, another block.
const DUMMY_ADDRESS: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 1);
const DUMMY_NAME: &str = "subrosa-dummy";

/// An address that is not of loopback.
#[derive(Debug)]
pub(crate) struct Address {
    pub(crate) ip: IpAddr,
    /// Taken away at the end.
    _dummy: Option<Dummy>,
}

#[derive(Debug)]
struct Dummy;

impl Address {
    /// Finds the address from which this machine talks to others, or makes one.
    pub(crate) fn find() -> Result<Self, Failure> {
        if let Some(ip) = outward() {
            return Ok(Self { ip, _dummy: None });
        }
        let dummy = Dummy::make()?;
        Ok(Self { ip: DUMMY_ADDRESS.into(), _dummy: Some(dummy) })
    }
}

fn outward() -> Option<IpAddr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect(ELSEWHERE).ok()?;
    let ip = socket.local_addr().ok()?.ip();
    (!ip.is_loopback() && !ip.is_unspecified()).then_some(ip)
}

impl Dummy {
    fn make() -> Result<Self, Failure> {
        ip(&["link", "add", DUMMY_NAME, "type", "dummy"])?;
        let dummy = Self;
        ip(&["address", "add", &format!("{DUMMY_ADDRESS}/32"), "dev", DUMMY_NAME])?;
        ip(&["link", "set", DUMMY_NAME, "up"])?;
        // In a new network namespace it is down, and with it the way to any address of one's own.
        ip(&["link", "set", "lo", "up"])?;
        Ok(dummy)
    }
}

impl Drop for Dummy {
    fn drop(&mut self) {
        if let Err(Failure::Input(why) | Failure::Broken(why)) = ip(&["link", "delete", DUMMY_NAME]) {
            eprintln!("the dummy interface stays behind: {why}");
        }
    }
}

fn ip(arguments: &[&str]) -> Result<(), Failure> {
    let what = "this machine has loopback only, and a dummy interface takes root and `ip` (iproute2)";
    let output = Command::new("ip").args(arguments).output().or_input(what)?;
    if output.status.success() {
        return Ok(());
    }
    let why = String::from_utf8_lossy(&output.stderr);
    Err(Failure::Input(format!("{what}: ip {}: {}", arguments.join(" "), why.trim())))
}
