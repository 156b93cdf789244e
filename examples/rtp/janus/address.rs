//! An address of this machine at which Janus offers itself.
//!
//! Janus leaves loopback out of ICE. A machine that has nothing else, as a container without a network, gets a pair of veth
//! interfaces for the time of the run: what is sent to its address goes through loopback all the same.

use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::process::Command;

use subrosa_rtp_examples::failure::{Context, Failure};

/// RFC 5737: for documentation, so nobody's. Connecting a UDP socket sends nothing, but picks the route.
const ELSEWHERE: (Ipv4Addr, u16) = (Ipv4Addr::new(203, 0, 113, 1), 9);
/// RFC 5737, another block.
const OWN_ADDRESS: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 1);
const NEAR: &str = "subrosa-near";
const FAR: &str = "subrosa-far";

/// An address that is not of loopback.
#[derive(Debug)]
pub(crate) struct Address {
    pub(crate) ip: IpAddr,
    /// Taken away at the end.
    _veth: Option<Veth>,
}

#[derive(Debug)]
struct Veth;

impl Address {
    /// Finds the address from which this machine talks to others, or makes one.
    pub(crate) fn find() -> Result<Self, Failure> {
        if let Some(ip) = outward() {
            return Ok(Self { ip, _veth: None });
        }
        let veth = Veth::make()?;
        Ok(Self { ip: OWN_ADDRESS.into(), _veth: Some(veth) })
    }
}

fn outward() -> Option<IpAddr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect(ELSEWHERE).ok()?;
    let ip = socket.local_addr().ok()?.ip();
    (!ip.is_loopback() && !ip.is_unspecified()).then_some(ip)
}

impl Veth {
    fn make() -> Result<Self, Failure> {
        ip(&["link", "add", NEAR, "type", "veth", "peer", "name", FAR])?;
        let veth = Self;
        ip(&["address", "add", &format!("{OWN_ADDRESS}/32"), "dev", NEAR])?;
        // Without the far end, which nothing uses, the near one would be up and not running.
        ip(&["link", "set", FAR, "up"])?;
        ip(&["link", "set", NEAR, "up"])?;
        // webrtc-rs joins the multicast group of mDNS, and fails where that has no route.
        ip(&["route", "add", "224.0.0.0/4", "dev", NEAR])?;
        // In a new network namespace it is down, and with it the way to any address of one's own.
        ip(&["link", "set", "lo", "up"])?;
        Ok(veth)
    }
}

impl Drop for Veth {
    fn drop(&mut self) {
        if let Err(Failure::Input(why) | Failure::Broken(why)) = ip(&["link", "delete", NEAR]) {
            eprintln!("the veth interface stays behind: {why}");
        }
    }
}

fn ip(arguments: &[&str]) -> Result<(), Failure> {
    let what = "this machine has loopback only, and a veth interface takes root and `ip` (iproute2)";
    let output = Command::new("ip").args(arguments).output().or_input(what)?;
    if output.status.success() {
        return Ok(());
    }
    let why = String::from_utf8_lossy(&output.stderr);
    Err(Failure::Input(format!("{what}: ip {}: {}", arguments.join(" "), why.trim())))
}
